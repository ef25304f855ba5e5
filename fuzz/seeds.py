"""Seeds for the fuzz targets, made of the fixtures that the tests read: nothing is kept twice.

Files of a directory become one input: a length of the name (one byte), the name, a length (four bytes, little-endian),
the content. `fuzz_targets/agree.rs` takes them apart again.
"""

import gzip
import io
import json
import pathlib
import shutil
import sqlite3
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures" / "databases"
SEEDS = HERE / "seeds"
LARGEST = 256 << 10


def framed(files):
    out = io.BytesIO()
    for name, content in sorted(files.items()):
        short = name.encode()[:255]
        out.write(bytes([len(short)]) + short + len(content).to_bytes(4, "little") + content)
    return out.getvalue()


def unpacked(packed):
    """The regular files of an archive, by name below the directory that most of them share."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        files = {member.name.removeprefix("./"): tar.extractfile(member).read() for member in tar if member.isfile()}
    top = {name.split("/")[0] for name in files if "/" in name}
    prefix = top.pop() + "/" if len(top) == 1 and all("/" in name for name in files) else ""
    return {name.removeprefix(prefix): content for name, content in files.items()}


def put(target, name, content):
    if len(content) <= LARGEST:
        (SEEDS / target).mkdir(parents=True, exist_ok=True)
        (SEEDS / target / name).write_bytes(content)


LIGHTHOUSE = """
CREATE TABLE validators (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE, enabled BOOL NOT NULL DEFAULT TRUE);
CREATE TABLE signed_blocks (validator_id INTEGER NOT NULL, slot INTEGER NOT NULL, signing_root BLOB NOT NULL,
    FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, slot));
CREATE TABLE signed_attestations (validator_id INTEGER, source_epoch INTEGER NOT NULL, target_epoch INTEGER NOT NULL,
    signing_root BLOB NOT NULL, FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, target_epoch));
"""
NIMBUS = """
PRAGMA user_version = 3;
CREATE TABLE metadata (slashing_db_version INTEGER, genesis_validators_root BLOB NOT NULL);
CREATE TABLE validators (id INTEGER PRIMARY KEY, public_key BLOB NOT NULL UNIQUE);
CREATE TABLE signed_blocks (validator_id INTEGER NOT NULL, slot INTEGER NOT NULL, signing_root BLOB NOT NULL,
    FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, slot));
CREATE TABLE signed_attestations (validator_id INTEGER, source_epoch INTEGER NOT NULL, target_epoch INTEGER NOT NULL,
    signing_root BLOB NOT NULL, FOREIGN KEY(validator_id) REFERENCES validators(id), UNIQUE (validator_id, target_epoch));
INSERT INTO metadata VALUES (2, zeroblob(32));
"""


def sqlite_files(schema, key, wal):
    """A small database as its client leaves it: whole, or killed with rows only in the log or a journal to roll back."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "db"
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA page_size = 512")
        if wal:
            db.execute("PRAGMA journal_mode = WAL")
        db.executescript(schema)
        for index in range(3):
            db.execute("INSERT INTO validators(public_key) VALUES (?)", (key(index),))
            for number in range(1, 4):
                db.execute("INSERT INTO signed_blocks VALUES (?, ?, ?)", (index + 1, number * 9, bytes([number]) * 32))
                db.execute(
                    "INSERT INTO signed_attestations VALUES (?, ?, ?, ?)",
                    (index + 1, number, number + 1, bytes([index]) * 32),
                )
        yield {"": path.read_bytes(), **({"-wal": (pathlib.Path(f"{path}-wal")).read_bytes()} if wal else {})}
        if not wal:
            db.execute("PRAGMA cache_size = 1")
            db.execute("BEGIN EXCLUSIVE")
            db.execute("UPDATE signed_attestations SET target_epoch = target_epoch + 100")
            for number in range(40):
                db.execute("INSERT INTO signed_blocks VALUES (1, ?, zeroblob(32))", (1000 + number,))
            yield {"": path.read_bytes(), "-journal": pathlib.Path(f"{path}-journal").read_bytes()}
        db.close()


def below(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def records(log):
    """The whole records of a LevelDB log or manifest."""
    found, record, at = [], b"", 0
    while at + 7 <= len(log):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(log[at + 4 : at + 6], "little"), log[at + 6]
        record += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            found.append(record)
            record = b""
    return found


def parts(files):
    """The records of a LevelDB by their kinds, as `lodestar_deep` takes them: 0 of the manifest, 1 of the logs."""
    out = b""
    for name, content in files.items():
        if name.endswith(".log") or "MANIFEST" in name:
            for record in records(content):
                kind = 0 if "MANIFEST" in name else 1
                out += bytes([kind]) + len(record[:65535]).to_bytes(2, "little") + record[:65535]
    return out


def main():
    shutil.rmtree(SEEDS, ignore_errors=True)
    for target in ("archive", "interchange", "lighthouse", "lodestar", "lodestar_deep", "nimbus", "prysm", "prysm_minimal", "teku"):
        (SEEDS / target).mkdir(parents=True)
    for path in sorted(FIXTURES.rglob("*")):
        kind = {"bolt": "prysm"}.get(path.parent.name, path.parent.name)
        if path.name.endswith(".tar.gz"):
            put("archive", path.name, path.read_bytes())
            put("archive", path.stem, gzip.decompress(path.read_bytes()))
            try:
                files = unpacked(path.read_bytes())
            except (tarfile.TarError, EOFError, OSError):
                continue
            put(kind, path.name, framed(files))
            if kind == "lodestar":
                put("lodestar_deep", path.name, parts(files))
        elif path.suffix == ".gz":
            content = gzip.decompress(path.read_bytes())
            put("interchange" if path.name.endswith(".json.gz") else kind, path.stem, content)
    put("teku", "all", framed(below(FIXTURES / "teku")))
    put("prysm_minimal", "all", framed(below(FIXTURES / "prysm-minimal")))
    for index, files in enumerate(sqlite_files(LIGHTHOUSE, lambda key: "0x" + f"{key:02x}" * 48, wal=False)):
        put("lighthouse", str(index), framed(files))
    for index, files in enumerate(sqlite_files(NIMBUS, lambda key: bytes([key]) * 48, wal=True)):
        put("nimbus", str(index), framed(files))
    vectors = HERE.parent.parent / "shared" / "eip3076-vectors"
    for path in sorted(vectors.rglob("*.json")) if vectors.is_dir() else []:
        for index, step in enumerate(json.loads(path.read_text()).get("steps", [])):
            put("interchange", f"{path.stem}-{index}", json.dumps(step["interchange"]).encode())


main()
