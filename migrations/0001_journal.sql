-- The journal of runs. Append-only: the triggers refuse what would change or lose an entry, from any program.
-- Released: never edit this file, add the next one. (REPLACE deletes without firing delete triggers, so the insert
-- triggers refuse whatever would collide before SQLite resolves the conflict.)

CREATE TABLE runs (
    id           TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    pair         TEXT NOT NULL,
    primary_host TEXT NOT NULL CHECK (primary_host <> '' AND instr(primary_host, '|') = 0),
    backup_host  TEXT NOT NULL CHECK (backup_host <> '' AND instr(backup_host, '|') = 0),
    coordinator  TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    plan         TEXT NOT NULL CHECK (json_valid(plan)),
    ended        TEXT CHECK (ended IN ('completed', 'unconfirmed', 'restored', 'parked', 'refused')),
    CHECK (primary_host <> backup_host),
    CHECK (pair = min(primary_host, backup_host) || '|' || max(primary_host, backup_host))
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    run   TEXT    NOT NULL REFERENCES runs (id),
    seq   INTEGER NOT NULL,
    at    TEXT    NOT NULL,
    event TEXT    NOT NULL CHECK (event <> ''),
    state TEXT    NOT NULL CHECK (state <> ''),
    why   TEXT    NOT NULL,
    facts TEXT    NOT NULL CHECK (json_valid(facts)),
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_live_run_per_pair ON runs (pair) WHERE ended IS NULL;

CREATE TRIGGER runs_begin_once BEFORE INSERT ON runs
WHEN EXISTS (SELECT 1 FROM runs WHERE id = NEW.id OR (pair = NEW.pair AND ended IS NULL)) OR NEW.ended IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a run begins once, live, and alone in its pair');
END;

CREATE TRIGGER runs_only_end BEFORE UPDATE ON runs
WHEN OLD.ended IS NOT NULL OR NEW.ended IS NULL
    OR NEW.id <> OLD.id OR NEW.pair <> OLD.pair OR NEW.primary_host <> OLD.primary_host
    OR NEW.backup_host <> OLD.backup_host OR NEW.coordinator <> OLD.coordinator
    OR NEW.started_at <> OLD.started_at OR NEW.plan <> OLD.plan
BEGIN
    SELECT RAISE(ABORT, 'of a run only its end may be written, once');
END;

CREATE TRIGGER runs_end_as_journalled BEFORE UPDATE ON runs
WHEN OLD.ended IS NULL AND NEW.ended IS NOT NULL
    AND NEW.ended IS NOT (SELECT lower(state) FROM entries WHERE run = OLD.id ORDER BY seq DESC LIMIT 1)
BEGIN
    SELECT RAISE(ABORT, 'a run ends as its last entry says');
END;

CREATE TRIGGER runs_stay BEFORE DELETE ON runs
BEGIN
    SELECT RAISE(ABORT, 'runs are never deleted');
END;

CREATE TRIGGER entries_in_order BEFORE INSERT ON entries
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entries WHERE run = NEW.run)
BEGIN
    SELECT RAISE(ABORT, 'an entry takes the next number of its run');
END;

CREATE TRIGGER entries_while_live BEFORE INSERT ON entries
WHEN (SELECT ended FROM runs WHERE id = NEW.run) IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the run has ended');
END;

CREATE TRIGGER entries_stay_as_they_are BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are never changed');
END;

CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are never deleted');
END;
