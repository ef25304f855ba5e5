"""Other people and other machines: a second operator, an old playbook, a revived validator, a stranger's address."""

import subprocess

import pytest

import breaking
from program import COMPLETED, PARKED, REFUSED, USAGE
from settings import PREFIX_LENGTH, UNIT
from waiting import wait_for


@pytest.mark.fault("F2", "with --force")
def test_there_is_no_force(pair, failover):
    pair.a.unplug()
    failover.handover("val-a", "val-b", "--force", expect=USAGE)
    assert not pair.b.validator_pids() and pair.barred(pair.b)


@pytest.mark.fault("F2", "the primary's host is dead (power cut)")
def test_dead_primary(pair, failover):
    """No proof from outside the host is built in, so a dead host is an unreachable one."""
    pair.a.power_cut()
    result = failover.handover(expect=REFUSED)
    assert "reached" in {guard["id"] for guard in result.document["guards"] if guard["verdict"] != "pass"}
    assert not pair.b.validator_pids()


class Impostor:
    """The stranger under the primary's address, with or without the primary's host keys."""

    def __init__(self, pair, host_keys: bool):
        self.pair, self.stranger, self.a = pair, pair.lab.stranger, pair.a
        self.a.unplug()
        if host_keys:
            self.stranger.run("sh", "-c", "mkdir -p /etc/ssh/kept && mv /etc/ssh/ssh_host_* /etc/ssh/kept/")
            for file in self.a.inside("/etc/ssh").glob("ssh_host_*"):
                self.stranger.write(f"/etc/ssh/{file.name}", file.read_text())
                self.stranger.inside(f"/etc/ssh/{file.name}").chmod(0o600)
        self.stranger.net("ip", "address", "add", f"{self.a.address}/{PREFIX_LENGTH}", "dev", "host0")
        subprocess.run(["ip", "neighbour", "flush", "all"], capture_output=True, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stranger.net("ip", "address", "delete", f"{self.a.address}/{PREFIX_LENGTH}", "dev", "host0")
        self.stranger.restore_host_key()
        subprocess.run(["ip", "neighbour", "flush", "all"], capture_output=True, check=False)
        self.a.heal()


@pytest.mark.fault("F8", "before the run, another machine has the primary's address{keys}")
@pytest.mark.parametrize("keys", ["", " and its host keys"])
def test_strangers_address(pair, failover, keys):
    with Impostor(pair, bool(keys)):
        result = failover.handover(expect=REFUSED)
        assert not pair.b.validator_pids()
    blocking = {guard["id"] for guard in result.document["guards"] if guard["verdict"] != "pass"}
    assert blocking & {"reached", "unit-found"}, str(result)


@pytest.mark.fault("F8", "in the middle of the run another machine takes over the primary's address and host keys")
def test_stranger_takes_over(pair, failover):
    """The machine id is asked with every answer: a stranger's word that nothing runs is not the primary's."""
    running = failover.begin()
    failover.wait_event(running, "PrimaryBarred")
    with Impostor(pair, True):
        result = failover.finish(running, PARKED)
        assert not pair.b.validator_pids()
    failover("resume", "--yes", "--json", expect=COMPLETED)
    assert result.document["outcome"] == "parked"


@pytest.mark.fault("F20", "a person starts a validator on the primary by hand, past its gate, when the backup has been started")
def test_primary_is_alive_after_the_start(pair, failover):
    """The one that was revived here has no beacon node: alive, but it can sign nothing."""
    running = failover.begin()
    failover.wait_event(running, "StartAllowed")
    with breaking.stray(pair.a):
        failover.finish(running, PARKED)
        assert not pair.b.validator_pids() and pair.barred(pair.b)


@pytest.mark.fault("F6", "the fenced primary is enabled by an old playbook, then rebooted")
@pytest.mark.fault("F23", "days later: enable and start of the old primary's unit, then its reboot; audit")
@pytest.mark.fault("F24", "keys taken out of the barred host's unit and put back, client restarted; then a validator by hand; audit")
def test_old_primary_is_revived(pair, failover):
    """A deployment that knows nothing of a hand-over must fail loudly, whatever it changes, and after a reboot too."""
    failover.handover(expect=COMPLETED)
    assert pair.a.run("systemctl", "enable", "--now", UNIT, check=False).returncode != 0
    text = pair.a.unit_text()
    for keys in ("--interopIndexes 31..31", "--interopIndexes 28..31"):
        pair.a.write(f"/etc/systemd/system/{UNIT}", text.replace("--interopIndexes 28..31", keys))
        pair.a.run("systemctl", "daemon-reload")
        assert pair.a.run("systemctl", "restart", UNIT, check=False).returncode != 0
    pair.a.reboot()
    pair.assert_signs_alone(pair.b)
    assert "backup-barred" in audited(failover)
    with breaking.stray(pair.a):
        wait_for("the validator", lambda: pair.a.validator_pids(), 10)
        assert "backup-stopped" in audited(failover)
    pair.assert_signs_alone(pair.b)


def audited(failover) -> set[str]:
    """What the audit of the new roles finds."""
    result = failover("audit", "--primary", "val-b", "--backup", "val-a", "--json", expect=REFUSED)
    return {guard["id"] for guard in result.document["guards"] if guard["verdict"] != "pass"}


@pytest.mark.fault("F25", "two operators at once, same direction")
def test_two_at_once(pair, failover, second_coordinator):
    """Exactly one goes on. The other is told that a host is claimed, or finds the work done."""
    one, other = failover.begin(), second_coordinator.begin()
    exits = sorted((failover.finish(one).exit, second_coordinator.finish(other).exit))
    assert exits == [COMPLETED, REFUSED], exits
    pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F25", "two operators at once, opposite directions")
def test_two_in_opposite_directions(pair, failover, second_coordinator):
    one, other = failover.begin(), second_coordinator.begin("val-b", "val-a")
    assert second_coordinator.finish(other).exit == REFUSED
    failover.finish(one, COMPLETED)
    pair.assert_signs_alone(pair.b)
