"""Units that will not stop, come back, or do not start; tools that are missing; processes that are hidden."""

import signal

import pytest

import breaking
import processes
from program import COMPLETED, PARKED, REFUSED, RESTORED, UNCONFIRMED
from settings import UNIT
from waiting import wait_for

RESTART = "[Service]\nRestart={policy}\nRestartSec={after_s}\n"


def kill(host) -> None:
    """The validator's process dies, as by the kernel's own choice."""
    for pid in host.validator_pids():
        processes.send(pid, signal.SIGKILL)


@pytest.mark.fault("F3", "systemctl stop is refused (RefuseManualStop=yes)")
def test_stop_is_refused(pair, failover):
    """What the stop says is not believed, in either direction: its processes are."""
    with breaking.drop_in(pair.a, UNIT, "[Unit]\nRefuseManualStop=yes\n"):
        result = failover.handover(expect=None)
        assert result.exit in (COMPLETED, PARKED), str(result)


@pytest.mark.fault("F3", "the validator does not end when asked, and its unit lets it live (SendSIGKILL=no, a deaf process)")
def test_stop_leaves_a_process(pair, failover):
    """A process of the unit that no stop ends: it is killed by its control group, or the run does not go on."""
    deaf = "[Service]\nKillMode=process\nExecStartPre=/bin/sh -c 'setsid sh -c \"trap : TERM; while :; do sleep 1; done\" >/dev/null 2>&1 &'\n"
    with breaking.drop_in(pair.a, UNIT, deaf):
        pair.a.run("systemctl", "restart", UNIT)
        pair.wait_signing(pair.a)
        result = failover.handover(expect=None)
        assert result.exit in (COMPLETED, PARKED, REFUSED), str(result)


@pytest.mark.fault("F3", "/proc with hidepid=2 on both hosts, looked at {who}")
@pytest.mark.parametrize("who", ["as root", "as a user"])
def test_hidden_processes(pair, failover, who):
    with breaking.hidden_processes(pair.a), breaking.hidden_processes(pair.b):
        if who == "as root":
            failover.handover(expect=COMPLETED)
        else:
            result = failover.handover("val-a-ops", "val-b-ops", expect=REFUSED)
            assert "privileged" in {guard["id"] for guard in result.document["guards"] if guard["verdict"] != "pass"}
            pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F3", "pgrep is missing on both hosts: it is not used")
def test_without_pgrep(pair, failover):
    with breaking.without(pair.a, "pgrep"), breaking.without(pair.b, "pgrep"):
        failover("--primary", "val-a", "--backup", "val-b", "--dry-run", "--json", expect=COMPLETED)


TOOLS = [("val-a", "busctl"), ("val-a", "flock"), ("val-a", "find"), ("val-a", "sha256sum"), ("val-b", "tar"), ("val-b", "curl"), ("val-b", "journalctl")]


@pytest.mark.fault("F33", "{tool} is missing on {host}")
@pytest.mark.parametrize("host, tool", TOOLS)
def test_without_a_tool(pair, failover, host, tool):
    """Refused or undone, or done in another way that is as good, or not confirmed; never believed to have answered."""
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 12")
    with breaking.without(pair.lab.hosts[host], tool):
        result = failover.handover(expect=None)
    assert result.exit in (COMPLETED, REFUSED, RESTORED, UNCONFIRMED), str(result)
    pair.assert_signs_alone(pair.b if result.exit in (COMPLETED, UNCONFIRMED) else pair.a)


@pytest.mark.fault("F4", "Restart={policy}, RestartSec={after_s}: killed before the run, which finds it waiting to come back")
@pytest.mark.parametrize("policy, after_s", [("always", 10), ("on-failure", 3)])
def test_killed_before_the_run(pair, failover, policy, after_s):
    """Waiting for a restart is alive; and what was barred does not come back."""
    with breaking.drop_in(pair.a, UNIT, RESTART.format(policy=policy, after_s=after_s)):
        kill(pair.a)
        wait_for("the wait for a restart", lambda: pair.a.unit()["SubState"] == "auto-restart", 10, 0.05)
        result = failover.handover(expect=None)
        assert result.exit in (COMPLETED, REFUSED), str(result)
        pair.assert_silent(pair.a if result.exit == COMPLETED else pair.b, slots=after_s // 2 + 1)


@pytest.mark.fault("F4", "Restart=always, RestartSec=1: killed when it has been barred, before it is stopped")
def test_killed_between_bar_and_stop(pair, failover):
    with breaking.drop_in(pair.a, UNIT, RESTART.format(policy="always", after_s=1)):
        running = failover.begin()
        failover.wait_event(running, "PrimaryBarred")
        kill(pair.a)
        failover.finish(running, COMPLETED)
        pair.assert_silent(pair.a, slots=2)
        pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F18", "the backup's validator {why}")
@pytest.mark.parametrize("why", ["is given a flag that it does not know", "finds its parameters missing"])
def test_backup_does_not_start(pair, failover, why):
    """After a start was tried there is no undo: both stay barred, and the way back is a hand-over."""
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 15")
    if "flag" in why:
        flag = pair.b.unit_text().split("ExecStart=")[1].splitlines()[0] + " --no-such-flag 1"
        fault = breaking.drop_in(pair.b, UNIT, f"[Service]\nRestartSec=60\nExecStart=\nExecStart={flag}\n")
    else:
        fault = breaking.drop_in(pair.b, UNIT, "[Service]\nExecStartPre=/usr/bin/test -e /etc/lodestar/keys\n")
    with fault:
        result = failover.handover(expect=None)
        assert result.exit == PARKED, str(result)
        assert pair.barred(pair.a) and pair.barred(pair.b)
    failover.handover("val-b", "val-a", expect=COMPLETED)
    pair.assert_signs_alone(pair.a)
