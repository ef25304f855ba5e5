"""Web3Signer's database, read from a real PostgreSQL server that only this test has and that listens on a socket alone.

Needs none of the lab's hosts. Skipped where PostgreSQL is not installed.
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from program import COMPLETED, REFUSED
from settings import HERE, REPOSITORY
from waiting import wait_for

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "s3cret:and\\odd"
KEY = "0x" + "01" * 48
ROWS = """
    INSERT INTO metadata VALUES (1, decode(repeat('ab', 32), 'hex'));
    INSERT INTO validators (public_key) VALUES (decode(repeat('01', 48), 'hex')), (decode(repeat('02', 48), 'hex'));
    INSERT INTO signed_blocks (validator_id, slot, signing_root) VALUES (1, 100, decode(repeat('07', 32), 'hex'));
    INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) VALUES (1, 7, 8), (1, 6, 9);
    INSERT INTO low_watermarks (validator_id, slot, target_epoch, source_epoch) VALUES (1, 90, 2, 1), (2, 55, 4, 3);
"""

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed: apt-get install postgresql")


@dataclass(frozen=True)
class Server:
    """A server of this test's own."""

    directory: Path

    def url(self, database: str = "web3signer", user: str = "signer") -> str:
        return f"postgres:///{database}?host={self.directory}&user={user}"

    def run(self, sql: str, database: str = "web3signer") -> None:
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.directory), "-U", "signer", "-d", database]
        subprocess.run(command, input=sql, text=True, check=True, capture_output=True)


def as_owner(directory: Path) -> list[str]:
    """What to run a program with in this directory: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    owner = pwd.getpwnam("postgres")
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--"]


@contextmanager
def running(directory: Path):
    """A server over `directory`/data that listens on a socket in `directory` alone. Ended by its process id."""
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(directory)]
    with open(directory / "log", "wb") as log:
        command = [*as_owner(directory), str(PROGRAMS[-1] / "postgres"), "-D", str(directory / "data"), *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        ready = ["pg_isready", "-q", "-h", str(directory), "-U", "signer", "-d", "postgres"]
        wait_for("PostgreSQL", lambda: subprocess.run(ready, check=False).returncode == 0, 60)
        yield Server(directory)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def directory():
    """Short enough for a socket's name, and one that PostgreSQL's own user can enter."""
    made = Path(tempfile.mkdtemp(prefix="failover-postgres-", dir="/tmp"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(scope="module")
def server():
    with directory() as place:
        made = ["initdb", "-D", str(place / "data"), "-A", "trust", "-U", "signer", "--no-sync"]
        run(place, made)
        (place / "data" / "pg_hba.conf").write_text("local all,replication signer trust\nlocal all all scram-sha-256\n")
        with running(place) as server:
            server.run("CREATE DATABASE web3signer", "postgres")
            server.run((HERE / "web3signer.sql").read_text() + ROWS)
            server.run(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO reader")
            yield server


def run(place: Path, command: list[str]) -> None:
    subprocess.run([*as_owner(place), str(PROGRAMS[-1] / command[0]), *command[1:]], check=True, capture_output=True, cwd=place)


@pytest.fixture
def inspect(tmp_path):
    """`failover protection inspect` as an operator runs it, without a password file or variable unless given."""

    def run(url: str, expect: int = COMPLETED, **variables: str) -> subprocess.CompletedProcess:
        binary = os.environ.get("FAILOVER_BIN", "")
        assert binary, "FAILOVER_BIN is not set; use tests/lab/run"
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": "1", **variables}
        command = [binary, "protection", "inspect", url, "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert done.returncode == expect, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert PASSWORD not in done.stdout + done.stderr
        return done

    return run


def test_keys_floors_and_watermarks(server, inspect):
    source = json.loads(inspect(server.url()).stdout)["sources"][0]
    assert source["format"] == "web3signer"
    assert source["genesis_validators_root"] == "0x" + "ab" * 32
    assert source["floors"] == {
        KEY: {"block_slot": 100, "source_epoch": 7, "target_epoch": 9},
        "0x" + "02" * 48: {"block_slot": 55, "source_epoch": 3, "target_epoch": 4},
    }


def test_a_password_from_the_environment_or_its_file(server, inspect, tmp_path):
    url = server.url(user="reader")
    # Exit 1 with a reason where the password is not known or wrong.
    assert "reader" in inspect(url, expect=REFUSED).stderr
    assert "FATAL" in inspect(url, expect=REFUSED, PGPASSWORD="wrong").stderr
    right = json.loads(inspect(url, PGPASSWORD=PASSWORD).stdout)["sources"][0]
    assert KEY in right["floors"]
    file = tmp_path / ".pgpass"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"# ours\nother:*:*:*:no\n{server.directory}:5432:web3signer:reader:{escaped}\n")
    file.chmod(0o644)
    assert "others may read it" in inspect(url, expect=REFUSED).stderr
    file.chmod(0o600)
    assert KEY in inspect(url).stdout
    file.rename(tmp_path / "elsewhere")
    assert KEY in inspect(url, PGPASSFILE=str(tmp_path / "elsewhere")).stdout


def test_another_version_is_refused(server, inspect):
    server.run("UPDATE database_version SET version = 11")
    try:
        assert "version 11, 12 is known" in inspect(server.url(), expect=REFUSED).stderr
    finally:
        server.run("UPDATE database_version SET version = 12")
    assert KEY in inspect(server.url()).stdout


def test_a_standby_is_refused(server, inspect):
    """What was signed last may not have reached it."""
    with directory() as copy:
        run(copy, ["pg_basebackup", "-h", str(server.directory), "-U", "signer", "-D", str(copy / "data"), "-R", "-c", "fast", "-N"])
        with running(copy) as standby:
            assert "a standby, which may lag behind" in inspect(standby.url(), expect=REFUSED).stderr


@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
def test_the_reader_itself(server):
    """The tests beside the reader, which `cargo test` leaves out: every row, and every refusal."""
    env = {**os.environ, "FAILOVER_POSTGRES": server.url("postgres")}
    command = ["cargo", "test", "--locked", "--test", "databases_web3signer", "--", "--ignored"]
    done = subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0 and "test result: ok" in done.stdout, done.stdout[-4000:] + done.stderr[-4000:]
