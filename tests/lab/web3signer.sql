-- Web3Signer's tables as its migrations leave them at version 12, by their published names, types and constraints.
CREATE TABLE validators (
    id SERIAL PRIMARY KEY, public_key BYTEA NOT NULL UNIQUE, enabled BOOLEAN NOT NULL DEFAULT true);

CREATE TABLE signed_blocks (
    id BIGSERIAL PRIMARY KEY, validator_id INTEGER NOT NULL REFERENCES validators (id), slot NUMERIC(20) NOT NULL,
    signing_root BYTEA, UNIQUE (validator_id, slot));

CREATE TABLE signed_attestations (
    id BIGSERIAL PRIMARY KEY, validator_id INTEGER REFERENCES validators (id), source_epoch NUMERIC(20) NOT NULL,
    target_epoch NUMERIC(20) NOT NULL, signing_root BYTEA, UNIQUE (validator_id, target_epoch));

CREATE TABLE low_watermarks (
    validator_id INTEGER NOT NULL UNIQUE REFERENCES validators (id),
    slot NUMERIC(20), target_epoch NUMERIC(20), source_epoch NUMERIC(20),
    CONSTRAINT both_epochs_set_or_null CHECK ((target_epoch IS NULL) = (source_epoch IS NULL)));

CREATE TABLE metadata (
    id INTEGER PRIMARY KEY, genesis_validators_root BYTEA NOT NULL,
    high_watermark_epoch NUMERIC(20), high_watermark_slot NUMERIC(20));

CREATE TABLE database_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
INSERT INTO database_version VALUES (1, 12);

-- Low watermarks stay below the high ones.
CREATE FUNCTION high_stays_above() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.high_watermark_slot <= (SELECT max(slot) FROM low_watermarks)
        OR NEW.high_watermark_epoch <= (SELECT greatest(max(target_epoch), max(source_epoch)) FROM low_watermarks) THEN
        RAISE EXCEPTION 'high watermark below a low one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER high_stays_above BEFORE INSERT OR UPDATE ON metadata FOR EACH ROW EXECUTE FUNCTION high_stays_above();

CREATE FUNCTION low_stays_below() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.slot >= (SELECT min(high_watermark_slot) FROM metadata)
        OR greatest(NEW.target_epoch, NEW.source_epoch) >= (SELECT min(high_watermark_epoch) FROM metadata) THEN
        RAISE EXCEPTION 'low watermark above the high one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER low_stays_below BEFORE INSERT OR UPDATE ON low_watermarks FOR EACH ROW EXECUTE FUNCTION low_stays_below();
