"""The pair under test: val-a signs, val-b stands by. Resets it between tests, and looks at it.

A reset never lowers a floor: before another host may sign, both get the database of the host that
signed last, copied while no validator runs. It knows where the program keeps its things on a host
(to wipe them), and nothing else about it.
"""

import hashlib
import os
import shutil
import signal
import stat
import time
from pathlib import Path

import processes
import referee
from host import UNIT_FILE, Host
from lab import Lab
from settings import DATA, KEYS, REFEREE_LOG, SECONDS_PER_SLOT, SLOTS_PER_EPOCH, UNIT
from waiting import wait_for

DATABASE = f"{DATA}/validator-db"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
GATE = f"{DROP_INS}/90-failover.conf"
LOCK = "/etc/failover/VALIDATOR_LOCKED"
LEFT_BY_PROGRAM = ("/etc/failover", "/var/lib/failover", "/etc/quantapool", DROP_INS)
WANTED = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"

WATCHED = ("/etc", "/var/lib", "/var/tmp", "/root", "/home", "/tmp", "/usr/local")
MOVING = ("/var/lib/systemd", "/var/lib/private", "/tmp/systemd-private-", "/var/tmp/systemd-private-")


class Pair:
    """Two hosts, the lab around them, and the referee's window of the current test."""

    def __init__(self, lab: Lab):
        self.lab = lab
        self.a = lab.a
        self.b = lab.b
        self.genesis = lab.referee()["genesis_time"]
        self.window = self.open_window()

    # --- reset -----------------------------------------------------------------------------

    def reset(self, keep_bar: bool = False) -> None:
        """val-a signs with the newest history; val-b is stopped, disabled and knows that history too.

        `keep_bar`: a val-b that an earlier test left as the program's own standby may stay so.
        """
        for host in self.lab.hosts.values():
            self.repair(host)
        if not self.in_place():
            self.swap_back()
        if not (keep_bar and self.stands_by(self.b)):
            for host in (self.a, self.b):
                self.wipe(host)
        self.wait_signing(self.a)
        self.wait_every_key()
        self.window = self.open_window()

    def wait_every_key(self) -> None:
        """Until every key has attested once since genesis: a key without history stops a hand-over, rightly."""
        timeout_s = 4 * SLOTS_PER_EPOCH * SECONDS_PER_SLOT
        wait_for("an attestation of every key", lambda: self.attested() >= set(KEYS), timeout_s, 0.2)

    def attested(self) -> set[int]:
        return {message.validator for message in referee.read(REFEREE_LOG)[0] if message.kind == "attestation"}

    def repair(self, host: Host) -> None:
        """Ends every fault. A host that is off is booted without its validator."""
        self.lab.beacon_fault(host)
        host.heal()
        host.thaw()
        if host.leader() is None:
            host.power_cut()
            host.inside(WANTED).unlink(missing_ok=True)
            host.boot()
        else:
            host.wait_up()
        host.restore_host_key()

    def in_place(self) -> bool:
        """Whether the roles are right already, so that nobody needs to be stopped."""
        a, b = self.a.unit(), self.b.unit()
        return (
            (a["ActiveState"], a["UnitFileState"]) == ("active", "enabled")
            and (b["ActiveState"], b["UnitFileState"]) == ("inactive", "disabled")
            and not self.b.validator_pids()
            and len(self.a.validator_pids()) == 1
            and self.last_signer() is self.a
        )

    def swap_back(self) -> None:
        for host in (self.a, self.b):
            self.silence(host)
        self.level()
        for host in (self.a, self.b):
            self.wipe(host)
        self.b.run("systemctl", "disable", "-q", UNIT, check=False)
        self.a.run("systemctl", "enable", "-q", UNIT)
        self.a.run("systemctl", "start", UNIT)

    def stands_by(self, standby: Host) -> bool:
        """Whether this host is barred, and neither host holds anything else of the program's than that bar."""
        left = [f"{host.name}{path}" for host in (self.a, self.b) for path in LEFT_BY_PROGRAM if host.inside(path).exists()]
        bar = [f"{standby.name}{path}" for path in ("/etc/failover", DROP_INS)]
        if left != bar or any(host.inside(UNIT_FILE).read_text() != host.unit_text() for host in (self.a, self.b)):
            return False
        parts = (("/etc/failover", LOCK), (DROP_INS, GATE))
        alone = all(os.listdir(standby.inside(folder)) == [os.path.basename(file)] for folder, file in parts)
        return alone and self.barred(standby) and standby.unit()["ActiveState"] == "inactive"

    def silence(self, host: Host) -> None:
        """No validator runs in this host, whoever started it."""
        host.run("systemctl", "stop", UNIT, check=False)
        for pid in host.validator_pids():
            processes.send(pid, signal.SIGKILL)
        wait_for(f"no validator in {host.name}", lambda: not host.validator_pids(), 20)

    def level(self) -> None:
        """Both hosts get the database of the host that signed last."""
        signer = self.last_signer() or self.a
        other = self.b if signer is self.a else self.a
        source, copy = signer.inside(DATABASE), other.inside(DATABASE)
        if source.exists():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy)
            owner = other.inside(DATA).stat()
            for path in (copy, *copy.iterdir()):
                os.chown(path, owner.st_uid, owner.st_gid)
            for path in (source, *source.iterdir()):
                os.chown(path, owner.st_uid, owner.st_gid)

    def wipe(self, host: Host) -> None:
        """Takes away what the program and the tests left on a host, and puts the unit back as it was."""
        found = [path for path in LEFT_BY_PROGRAM if host.inside(path).exists()]
        unit = host.unit_text()
        if found or host.inside(UNIT_FILE).read_text() != unit:
            host.run("rm", "-rf", "--", *LEFT_BY_PROGRAM)
            host.write(UNIT_FILE, unit)
            host.run("systemctl", "daemon-reload")
        host.run("systemctl", "reset-failed", UNIT, check=False)

    # --- looking ---------------------------------------------------------------------------

    def open_window(self) -> referee.Window:
        return referee.Window(REFEREE_LOG, self.genesis, time.time())

    def last_signer(self) -> Host | None:
        messages, _ = referee.read(REFEREE_LOG)
        return self.lab.hosts[messages[-1].host] if messages else None

    def signed_since(self, host: Host, since: float) -> bool:
        return any(message.host == host.name and message.t > since for message in referee.read(REFEREE_LOG)[0])

    def wait_signing(self, host: Host, timeout_s: float = 60) -> None:
        """Until this host publishes a message from now on."""
        now = time.time()
        wait_for(f"{host.name} signing", lambda: self.signed_since(host, now), timeout_s, 0.2)

    def assert_silent(self, host: Host, slots: int = 4) -> None:
        """This host publishes nothing, while slots pass by the chain's clock."""
        since = time.time()
        until = since + slots * SECONDS_PER_SLOT
        wait_for("slots to pass", lambda: time.time() > until or self.signed_since(host, since), slots * SECONDS_PER_SLOT + 5)
        assert not self.signed_since(host, since), f"{host.name} signs"

    def assert_signs_alone(self, host: Host) -> None:
        """This host publishes, no other does, and no other has a validator running."""
        since = time.time()
        self.wait_signing(host)
        others = {message.host for message in self.window.messages() if message.t > since} - {host.name}
        assert not others, f"{others} sign beside {host.name}"
        for other in (self.a, self.b):
            if other is not host and other.leader() is not None:
                assert not other.validator_pids(), f"{other.name} runs a validator"

    def barred(self, host: Host) -> bool:
        """Whether the unit really cannot start: lock there, gate loaded, not enabled."""
        asserts = host.run("busctl", "get-property", "org.freedesktop.systemd1", object_path(UNIT),
                           "org.freedesktop.systemd1.Unit", "Asserts").stdout  # fmt: skip
        return host.inside(LOCK).exists() and LOCK in asserts and host.unit()["UnitFileState"] == "disabled"

    def snapshot(self, host: Host) -> dict[str, str]:
        """Everything on a host that a dry run must leave alone: files with content and mode, and the unit.

        A running validator writes its database, so that is watched only where none runs.
        """
        moving = (DATABASE, *MOVING) if host.validator_pids() else MOVING
        seen = dict(walk(Path(f"/proc/{host.leader()}/root"), moving))
        return seen | {f"unit:{name}": value for name, value in host.unit().items()}

    def changes(self, host: Host, before: dict[str, str]) -> dict[str, tuple]:
        """What differs from an earlier snapshot: name to (then, now)."""
        now = self.snapshot(host)
        names = sorted(before.keys() | now.keys())
        return {name: (before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)}


def walk(root: Path, moving: tuple[str, ...]):
    """Path and fingerprint of every watched file, seen through the host's own mounts."""
    for top in WATCHED:
        for folder, folders, files in os.walk(f"{root}{top}"):
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                inner = path.removeprefix(str(root))
                if not inner.startswith(moving):
                    yield inner, fingerprint(path)


def fingerprint(path: str) -> str:
    info = os.lstat(path)
    content = ""
    if stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid} {content}"


def object_path(unit: str) -> str:
    """systemd's D-Bus name of a unit."""
    escaped = "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in unit)
    return f"/org/freedesktop/systemd1/unit/{escaped}"
