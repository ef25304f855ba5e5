"""The daily audit: its exit code, its findings, that it touches nothing, and its systemd units on a real host."""

import os
import re
import shutil
import subprocess
import time

import pytest

from program import COMPLETED, REFUSED
from settings import BRIDGE_ADDRESS, CLIENT_KEY, KNOWN_HOSTS, REPOSITORY
from waiting import wait_for

PACKAGING = REPOSITORY / "packaging"
PAIR = ("--primary", "val-a", "--backup", "val-b")


def blocking(document: dict) -> set[str]:
    return {guard["id"] for guard in document["guards"] if guard["verdict"] != "pass"}


def units(host) -> str:
    """Every unit with its states, and every installed unit file. An ssh login's own scope and session come and go."""
    listed = host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager").stdout
    kept = [" ".join(line.split()[:4]) for line in listed.splitlines() if not re.match(r"session-|user|ssh@|systemd-(tmpfiles|timedated|hostnamed)", line)]
    return "\n".join(sorted(kept)) + host.run("systemctl", "list-unit-files", "--plain", "--no-legend", "--no-pager").stdout


def test_healthy_pair_is_clean_and_untouched(pair, failover):
    failover("audit", *PAIR, "--json")
    before = {host: (pair.snapshot(host), units(host)) for host in (pair.a, pair.b)}
    result = failover("audit", *PAIR, "--json", expect=COMPLETED)
    for host, (files, states) in before.items():
        assert pair.changes(host, files) == {}, f"{host.name} was touched"
        assert units(host) == states
    assert result.document["clean"] is True and result.document["changed"] is False
    assert result.document["guards"] and not blocking(result.document)
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F17", "audit: beacon node of the backup, {fault}")
@pytest.mark.parametrize(
    "fault, guard",
    [({"down": "refused"}, "beacon-synced"), ({"syncing": {"is_syncing": True, "sync_distance": 40}}, "beacon-synced")],
    ids=["stopped", "syncing"],
)
def test_beacon_of_the_backup(pair, failover, fault, guard):
    pair.lab.beacon_fault(pair.b, **fault)
    before = {host: pair.snapshot(host) for host in (pair.a, pair.b)}
    result = failover("audit", *PAIR, "--json", expect=REFUSED)
    for host in before:
        assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
    assert guard in blocking(result.document), str(result)
    assert result.document["clean"] is False
    pair.assert_signs_alone(pair.a)


def test_backup_that_would_start_at_its_next_boot(pair, failover):
    pair.wipe(pair.b)
    result = failover("audit", *PAIR, "--json", expect=REFUSED)
    assert "backup-barred" in blocking(result.document), str(result)


def test_unreachable_primary(pair, failover):
    pair.a.drop_from(BRIDGE_ADDRESS)
    result = failover("audit", *PAIR, "--json", expect=REFUSED)
    pair.a.heal()
    assert "reached" in blocking(result.document), str(result)


# --- packaging -------------------------------------------------------------------------------------


@pytest.mark.parametrize("uncommented", [False, True], ids=["as it is", "every line switched on"])
def test_example_configuration_is_read(tmp_path, uncommented):
    """The example names no setting that there is not. Hosts that do not exist are a refusal, a bad file a usage error."""
    text = (PACKAGING / "failover.toml").read_text()
    if uncommented:
        text = re.sub(r"^#(?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)
        (tmp_path / "keys.txt").write_text("# none\n")
    config = tmp_path / "failover.toml"
    config.write_text(text)
    command = [os.environ["FAILOVER_BIN"], "--config", str(config), "--primary", "a.invalid", "--backup", "b.invalid", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == REFUSED, done.stdout + done.stderr


class Coordinator:
    """The units installed on the lab's plain host, as packaging/README.md says."""

    def __init__(self, pair, failover):
        self.host = pair.lab.stranger
        self.host.inside("/usr/bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(failover.binary, self.host.inside("/usr/bin/failover"))
        for name in ("failover-audit.service", "failover-audit.timer", "failover-notify@.service"):
            self.host.write(f"/etc/systemd/system/{name}", (PACKAGING / name).read_text())
        self.host.write("/usr/lib/sysusers.d/failover.conf", (PACKAGING / "failover.sysusers").read_text())
        self.host.write("/etc/failover/audit.env", (PACKAGING / "audit.env").read_text())
        config = failover.config.read_text()
        config = re.sub(r"^config_file = .*$", 'config_file = "/etc/failover/ssh_config"\nknown_hosts = "/etc/failover/known_hosts"', config, flags=re.M)
        self.host.write("/etc/failover/failover.toml", config)
        self.host.write("/etc/failover/known_hosts", KNOWN_HOSTS.read_text())
        aliases = "".join(f"Host {it.name}\n  HostName {it.address}\n  HostKeyAlias {it.name}\n  User root\n" for it in (pair.a, pair.b))
        self.host.write("/etc/failover/ssh_config", aliases)
        self.host.write("/etc/failover/id_ed25519", CLIENT_KEY.read_text())
        self.host.inside("/etc/failover/id_ed25519").chmod(0o600)
        self.host.write("/etc/failover/notify", '#!/bin/sh\necho "$1 $MONITOR_EXIT_STATUS" >/var/lib/notified\n')
        self.host.inside("/etc/failover/notify").chmod(0o755)
        drop_in = "/etc/systemd/system/failover-notify@.service.d/lab.conf"
        self.host.write(drop_in, "[Service]\nReadWritePaths=/var/lib\n")
        self.host.run("systemd-sysusers")
        self.host.run("systemctl", "daemon-reload")
        self.left = ["/usr/bin/failover", "/usr/lib/sysusers.d/failover.conf", "/etc/failover", "/var/lib/notified", str(drop_in).rpartition("/")[0]]
        self.left += [f"/etc/systemd/system/{name}" for name in ("failover-audit.service", "failover-audit.timer", "failover-notify@.service")]

    def remove(self) -> None:
        self.host.run("systemctl", "disable", "-q", "--now", "failover-audit.timer", check=False)
        self.host.run("rm", "-rf", "--", *self.left)
        self.host.run("systemctl", "daemon-reload")
        self.host.run("systemctl", "reset-failed", check=False)

    def audit(self) -> tuple[int, str]:
        """Runs the audit once, as the timer would: whether systemd says that it succeeded (0), and what was said.

        A unit that succeeded is forgotten by systemd, so what it shows afterwards proves nothing.
        """
        since = int(time.time())
        done = self.host.run("systemctl", "start", "failover-audit.service", check=False, timeout_s=120)
        self.host.run("journalctl", "--sync", check=False)
        said = self.host.run("journalctl", "-o", "cat", "--no-pager", "-u", "failover-audit.service", f"--since=@{since}").stdout
        return done.returncode, said

    def show(self, name: str, unit: str = "failover-audit.service") -> str:
        return self.host.run("systemctl", "show", unit, "--value", f"-p{name}").stdout.strip()

    def notified(self) -> str:
        path = self.host.inside("/var/lib/notified")
        return path.read_text().strip() if path.exists() else ""


@pytest.fixture
def coordinator(pair, failover):
    installed = Coordinator(pair, failover)
    yield installed
    installed.remove()


def test_units_are_valid(coordinator):
    done = coordinator.host.run("systemd-analyze", "verify", "failover-audit.service", "failover-audit.timer", "failover-notify@test.service", check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_service_audits_a_healthy_pair(pair, coordinator):
    """In its whole hardening, over real ssh with a control master, as a user without rights."""
    before = {host: pair.snapshot(host) for host in (pair.a, pair.b)}
    code, said = coordinator.audit()
    assert code == 0, said
    assert '"clean": true' in said
    for host in before:
        assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
    assert coordinator.notified() == ""
    assert not coordinator.host.run("pgrep", "-x", "ssh", check=False).stdout, "ssh is left behind"


def test_service_calls_the_hook_when_something_is_found(pair, coordinator):
    pair.lab.beacon_fault(pair.b, down="refused")
    code, said = coordinator.audit()
    assert code != 0
    assert (coordinator.show("Result"), coordinator.show("ExecMainStatus")) == ("exit-code", "1"), said
    assert "beacon-synced" in said
    wait_for("the notice", coordinator.notified, 20)
    assert coordinator.notified() == "failover-audit.service 1"


def test_timer_is_daily(coordinator):
    coordinator.host.run("systemctl", "enable", "-q", "--now", "failover-audit.timer")
    assert coordinator.show("ActiveState", "failover-audit.timer") == "active"
    assert "OnCalendar=*-*-* 00:00:00" in coordinator.show("TimersCalendar", "failover-audit.timer")
    assert coordinator.show("Persistent", "failover-audit.timer") == "yes"
