PRAGMA application_id = 1179612786;
PRAGMA user_version = 1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO runs VALUES('20261121T090000-done','val-a|val-b','val-b','val-a','desk','2026-11-21T09:00:00.000Z','{"client": "lighthouse", "checks": 3, "check_interval_s": 1.0}','completed');
INSERT INTO runs VALUES('20261122T010000-half','val-a|val-b','val-a','val-b','desk','2026-11-22T01:00:00.000Z','{"client": "lighthouse", "checks": 3, "check_interval_s": 1.0}',NULL);
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
INSERT INTO entries VALUES('20261121T090000-done',1,'2026-11-21T09:00:01.501Z','PreflightPassed','Claiming','Every guard passed; nothing has been touched yet.','{"n": 1}');
INSERT INTO entries VALUES('20261121T090000-done',2,'2026-11-21T09:00:02.502Z','Claimed','BarringPrimary','Both hosts carry the claim; no other coordinator can act on this pair.','{"n": 2}');
INSERT INTO entries VALUES('20261121T090000-done',3,'2026-11-21T09:00:03.503Z','PrimaryBarred','StoppingPrimary','The primary cannot start its validator again; now it is stopped.','{"n": 3}');
INSERT INTO entries VALUES('20261121T090000-done',4,'2026-11-21T09:00:04.504Z','StopAnswered','ProvingStopped','An exit status proves nothing: readings follow.','{"n": 4}');
INSERT INTO entries VALUES('20261121T090000-done',5,'2026-11-21T09:00:05.505Z','ProvenStopped','Collecting','Consecutive readings found it stopped and barred: the primary is fenced.','{"n": 5}');
INSERT INTO entries VALUES('20261121T090000-done',6,'2026-11-21T09:00:06.506Z','Collected','Merging','Both histories are here, hashed at both ends.','{"n": 6}');
INSERT INTO entries VALUES('20261121T090000-done',7,'2026-11-21T09:00:07.507Z','FloorsMerged','Importing','The floors are no lower than either history.','{"n": 7}');
INSERT INTO entries VALUES('20261121T090000-done',8,'2026-11-21T09:00:08.508Z','Imported','ReadingBack','An exit status proves nothing: the database is read back.','{"n": 8}');
INSERT INTO entries VALUES('20261121T090000-done',9,'2026-11-21T09:00:09.509Z','ReadBackCovers','JudgingStart','Every floor on the backup covers the merged one.','{"n": 9}');
INSERT INTO entries VALUES('20261121T090000-done',10,'2026-11-21T09:00:10.510Z','StartAllowed','StartingBackup','Judged afresh, and the fence still holds.','{"n": 10}');
INSERT INTO entries VALUES('20261121T090000-done',11,'2026-11-21T09:00:11.511Z','BackupStarted','Watching','The backup''s validator runs; its first attestation is awaited.','{"n": 11}');
INSERT INTO entries VALUES('20261121T090000-done',12,'2026-11-21T09:00:12.512Z','AttestationSeen','Releasing(Completed)','The backup signs and the primary is fenced; both were seen.','{"n": 12}');
INSERT INTO entries VALUES('20261121T090000-done',13,'2026-11-21T09:00:13.513Z','ClaimsReleased','Completed','The backup signs; the primary is barred.','{"n": 13}');
INSERT INTO entries VALUES('20261122T010000-half',1,'2026-11-22T01:00:00.001Z','PreflightPassed','Claiming','Every guard passed; nothing has been touched yet.','{"guards": 31, "slot": 12345678}');
INSERT INTO entries VALUES('20261122T010000-half',2,'2026-11-22T01:00:00.002Z','Claimed','BarringPrimary','Both hosts carry the claim; no other coordinator can act on this pair.','{"note": "it''s \"quoted\"", "n": 2}');
INSERT INTO entries VALUES('20261122T010000-half',3,'2026-11-22T01:00:01.003Z','LineLost','Parked(Fencing)','No answer for as long as is allowed; unknown is not stopped, so the run parks.','{"note": "it''s \"quoted\"", "n": 3}');
INSERT INTO entries VALUES('20261122T010000-half',4,'2026-11-22T01:00:01.004Z','Resumed','BarringPrimary','Time has passed: the primary is fenced and its history collected afresh.','{"note": "it''s \"quoted\"", "n": 4}');
INSERT INTO entries VALUES('20261122T010000-half',5,'2026-11-22T01:00:01.005Z','PrimaryBarred','StoppingPrimary','The primary cannot start its validator again; now it is stopped.','{"note": "it''s \"quoted\"", "n": 5}');
INSERT INTO entries VALUES('20261122T010000-half',6,'2026-11-22T01:00:02.006Z','StopAnswered','ProvingStopped','An exit status proves nothing: readings follow.','{"note": "it''s \"quoted\"", "n": 6}');
INSERT INTO entries VALUES('20261122T010000-half',7,'2026-11-22T01:00:02.007Z','ProvenStopped','Collecting','Consecutive readings found it stopped and barred: the primary is fenced.','{"note": "it''s \"quoted\"", "n": 7}');
INSERT INTO entries VALUES('20261122T010000-half',8,'2026-11-22T01:00:02.008Z','Collected','Merging','Both histories are here, hashed at both ends.','{"note": "it''s \"quoted\"", "n": 8}');
INSERT INTO entries VALUES('20261122T010000-half',9,'2026-11-22T01:00:04.321Z','FloorsMerged','Importing','The floors are no lower than either history.','{"note": "it''s \"quoted\"", "n": 9}');
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
COMMIT;
