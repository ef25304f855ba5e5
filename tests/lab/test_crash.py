"""The coordinator is killed, or there are two of them."""

import signal

import pytest

from program import COMPLETED, PARKED, REFUSED, RESTORED


@pytest.mark.parametrize("events", range(1, 13))
def test_killed_after_any_event_then_resumed(pair, failover, events):
    """kill -9 of the coordinator once N events are journalled; `resume` ends in a true, safe outcome."""
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    interrupted = failover.wait_journalled(running, events)
    failover.crash(running)
    pair.window.assert_safe()
    if not interrupted:
        pytest.skip(f"a run has fewer than {events} events")
    result = failover("resume", "--yes", "--json")
    assert result.exit in (COMPLETED, REFUSED, RESTORED, PARKED), str(result)
    if result.exit == COMPLETED:
        pair.assert_signs_alone(pair.b)
    elif result.exit in (REFUSED, RESTORED):
        pair.assert_signs_alone(pair.a)
    else:
        assert result.document["next"], "parked without saying what to do"


def test_sigterm_parks_and_undo_gives_the_primary_back(pair, failover):
    """A signal leads to a safe state that says how to go on, and one of the ways on is back."""
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    assert failover.wait_journalled(running, 4)
    running.send_signal(signal.SIGTERM)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == PARKED, stdout + stderr
    assert "resume" in stdout and "--undo" in stdout
    failover("resume", "--undo", "--yes", "--json", expect=RESTORED)
    pair.assert_signs_alone(pair.a)


def test_a_dropped_terminal_does_not_stop_a_run(pair, failover):
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    assert failover.wait_journalled(running, 4)
    running.send_signal(signal.SIGHUP)
    stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == COMPLETED, stdout + stderr
    pair.assert_signs_alone(pair.b)


def test_second_coordinator_is_refused(pair, failover, second_coordinator):
    """While one run holds the claim, another operator's is refused and told who."""
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    assert failover.wait_journalled(running, 3)
    other = second_coordinator.handover(expect=REFUSED)
    stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == COMPLETED, stdout + stderr
    assert "claim" in other.stdout + other.stderr
    pair.assert_signs_alone(pair.b)


def test_second_coordinator_is_refused_while_the_first_lies_dead(pair, failover, second_coordinator):
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    assert failover.wait_journalled(running, 4)
    failover.crash(running)
    second_coordinator.handover(expect=REFUSED)
    failover("resume", "--yes", "--json", expect=COMPLETED)
    pair.assert_signs_alone(pair.b)


def test_primary_is_cut_off_in_the_middle(pair, failover):
    """F1: the line drops after preflight. Unknown is not stopped: val-b must stay untouched and silent."""
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    assert failover.wait_journalled(running, 2)
    pair.a.drop_from("10.213.77.1")
    stdout, stderr = running.communicate(timeout=180)
    assert running.returncode in (REFUSED, PARKED), stdout + stderr
    assert not pair.signed_since(pair.b, pair.window.since)
    assert not pair.b.validator_pids()


def test_power_cut_of_the_primary_in_the_middle(pair, failover):
    running = failover.start("--primary", "val-a", "--backup", "val-b", "--yes", "--json")
    assert failover.wait_journalled(running, 4)
    pair.a.power_cut()
    stdout, stderr = running.communicate(timeout=180)
    assert running.returncode in (REFUSED, PARKED), stdout + stderr
    pair.assert_silent(pair.b)
