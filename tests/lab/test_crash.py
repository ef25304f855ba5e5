"""The coordinator is killed, or there are two of them."""

import signal

import pytest

from program import COMPLETED, PARKED, REFUSED, RESTORED


KILLS = {
    3: [pytest.mark.fault("F19", "kill -9 after three events, resumed")],
    7: [pytest.mark.fault("F19", "kill -9 after seven events, resumed")],
    11: [pytest.mark.fault("F12", "kill -9 after the start, the same command again"), pytest.mark.fault("F19", "kill -9 after the start")],
}
"""After how many events. Three only: `tests/kill` kills a real process at every append and at every command."""


@pytest.mark.parametrize("events", [pytest.param(events, marks=marks) for events, marks in KILLS.items()])
def test_killed_after_any_event_then_resumed(pair, failover, events):
    """kill -9 of the coordinator once N events are journalled; going on ends in a true, safe outcome."""
    running = failover.begin()
    interrupted = failover.wait_journalled(running, events)
    failover.crash(running)
    pair.window.assert_safe()
    if not interrupted:
        pytest.skip(f"a run has fewer than {events} events")
    result = failover.handover(expect=None) if events == 11 else failover("resume", "--yes", "--json")
    assert result.exit in (COMPLETED, REFUSED, RESTORED, PARKED), str(result)
    if result.exit == COMPLETED:
        pair.assert_signs_alone(pair.b)
    elif result.exit in (REFUSED, RESTORED):
        pair.assert_signs_alone(pair.a)
    else:
        assert result.document["next"], "parked without saying what to do"


def test_sigterm_parks_and_undo_gives_the_primary_back(pair, failover):
    """A signal leads to a safe state that says how to go on, and one of the ways on is back."""
    running = failover.begin()
    assert failover.wait_journalled(running, 4)
    running.send_signal(signal.SIGTERM)
    stdout = failover.finish(running, PARKED).stdout
    assert "resume" in stdout and "--undo" in stdout
    failover("resume", "--undo", "--yes", "--json", expect=RESTORED)
    pair.assert_signs_alone(pair.a)


def test_a_dropped_terminal_does_not_stop_a_run(pair, failover):
    running = failover.begin()
    assert failover.wait_journalled(running, 4)
    running.send_signal(signal.SIGHUP)
    failover.finish(running, COMPLETED)
    pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F25", "a second coordinator while the first lies killed")
@pytest.mark.fault("F19", "kill -9 after four events, resumed")
def test_second_coordinator_is_refused_while_the_first_lies_dead(pair, failover, second_coordinator):
    running = failover.begin()
    assert failover.wait_journalled(running, 4)
    failover.crash(running)
    other = second_coordinator.handover(expect=REFUSED)
    assert "claim" in other.stdout
    failover("resume", "--yes", "--json", expect=COMPLETED)
    pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F29", "power cut after the stop; it stays off")
def test_power_cut_of_the_primary_in_the_middle(pair, failover):
    running = failover.begin()
    assert failover.wait_journalled(running, 4)
    pair.a.power_cut()
    failover.finish(running, (REFUSED, PARKED))
    pair.assert_silent(pair.b)
