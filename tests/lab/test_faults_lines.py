"""Lines that drop, hosts that lose their power or stand still: at chosen moments of a run, and what a resume makes of it."""

import pytest

from program import COMPLETED, PARKED, REFUSED, RESTORED, UNCONFIRMED
from settings import BRIDGE_ADDRESS, BEACON_ADDRESS

ANY = (COMPLETED, REFUSED, RESTORED, PARKED, UNCONFIRMED)
"""Which it is depends on the moment; that it is true is checked against the hosts whichever it is."""


def cut(host, way: str) -> None:
    """Between host and coordinator only, or the whole cable: the beacon node is reached at another address."""
    if way in ("requests", "both ways"):
        host.drop_from(BRIDGE_ADDRESS)
    if way in ("replies", "both ways"):
        host.drop_to(BRIDGE_ADDRESS)
    if way == "cable":
        host.unplug()


def go_on(pair, failover, result) -> None:
    """A run that waits for a person is resumed, and comes to an end. Whom the last report calls the signer does sign."""
    if result.exit == PARKED and result.document["state"] != "Parked":
        resumed = failover("resume", "--yes", "--json")
        assert resumed.exit == COMPLETED, str(resumed)
        result = resumed
    signer = result.document["signer"]
    if signer is not None:
        pair.assert_signs_alone(pair.lab.hosts[signer])


@pytest.fixture
def failover(failover):
    """Gives up a line sooner than an operator would, so that a test that waits for it is short."""
    failover.configure("connect_s = 6\nretry_s = 12", "connect_s = 4\nask_s = 5\nretry_s = 6")
    return failover


@pytest.mark.fault("F1", "after the claim, between coordinator and primary: {way} lost; healed and resumed")
@pytest.mark.parametrize("way", ["requests", "both ways"])
def test_primary_is_cut_off_before_the_stop(pair, failover, way):
    """Unknown is not stopped: val-b must stay untouched and silent while the primary signs on."""
    running = failover.begin()
    failover.wait_event(running, "PreflightPassed")
    cut(pair.a, way)
    result = failover.finish(running, (REFUSED, PARKED))
    assert not pair.signed_since(pair.b, pair.window.since) and not pair.b.validator_pids()
    pair.a.heal()
    if result.exit == REFUSED:
        pair.assert_signs_alone(pair.a)
    go_on(pair, failover, result)


@pytest.mark.fault("F1", "the primary's cable is pulled after the stop; plugged in and resumed")
def test_primary_is_cut_off_after_the_stop(pair, failover):
    running = failover.begin()
    failover.wait_event(running, "StopAnswered")
    cut(pair.a, "cable")
    result = failover.finish(running, PARKED)
    assert not pair.b.validator_pids()
    pair.a.heal()
    go_on(pair, failover, result)


@pytest.mark.fault("F21", "the line to the primary drops when the backup is being started")
def test_primary_is_cut_off_after_the_start(pair, failover):
    """Not seen is not stopped, and is said so."""
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 12")
    running = failover.begin()
    failover.wait_event(running, "StartAllowed")
    cut(pair.a, "both ways")
    failover.finish(running, UNCONFIRMED)
    pair.a.heal()
    pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F32", "the line to the backup drops after {event}; healed and resumed")
@pytest.mark.parametrize("event", ["Claimed", "StartAllowed", "BackupStarted"])
def test_backup_is_cut_off(pair, failover, event):
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 14")
    running = failover.begin()
    failover.wait_event(running, event)
    cut(pair.b, "both ways")
    result = failover.finish(running, ANY)
    pair.b.heal()
    go_on(pair, failover, result)


@pytest.mark.fault("F29", "power cut after {event}, boots at once")
@pytest.mark.parametrize("event", ["Claimed", "PrimaryBarred", "FloorsMerged", "BackupStarted"])
def test_power_cut_of_the_primary(pair, failover, event):
    running = failover.begin()
    failover.wait_event(running, event)
    pair.a.power_cut()
    pair.a.boot()
    go_on(pair, failover, failover.finish(running, ANY))


@pytest.mark.fault("F30", "power cut after {event}, boots at once")
@pytest.mark.parametrize("event", ["Claimed", "ProvenStopped", "ReadBackCovers", "BackupStarted"])
def test_power_cut_of_the_backup(pair, failover, event):
    running = failover.begin()
    failover.wait_event(running, event)
    pair.b.power_cut()
    pair.b.boot()
    go_on(pair, failover, failover.finish(running, ANY))


@pytest.mark.fault("F28", "frozen after {event}, thawed when the run has ended")
@pytest.mark.parametrize("event", ["Claimed", "PrimaryBarred", "BackupStarted"])
def test_primary_stands_still(pair, failover, event):
    """What wakes up again must be unable to sign beside the backup."""
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 16")
    running = failover.begin()
    failover.wait_event(running, event)
    pair.a.freeze()
    result = failover.finish(running, ANY)
    pair.a.thaw()
    go_on(pair, failover, result)


@pytest.mark.fault("F17", "the backup's beacon node is lost after the proof: judged again before the start")
def test_beacon_node_fails_before_the_start(pair, failover):
    running = failover.begin()
    failover.wait_event(running, "PrimaryBarred")
    pair.lab.beacon_fault(pair.b, syncing={"is_syncing": True, "sync_distance": 40})
    failover.finish(running, RESTORED)
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F17", "the backup loses its beacon node when it has been started")
def test_beacon_node_is_lost_after_the_start(pair, failover):
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 10")
    running = failover.begin()
    failover.wait_event(running, "BackupStarted")
    pair.b.drop_to(BEACON_ADDRESS)
    failover.finish(running, UNCONFIRMED)


@pytest.mark.fault("F27", "blocks cannot be read, liveness is false for everybody; the backup publishes")
def test_liveness_says_false_for_everybody(pair, failover):
    """A node that knows of nobody is no witness: without a positive control nothing is concluded, in either direction."""
    failover.configure("[timeouts]", "[timeouts]\nwatch_s = 15")
    everybody = {"data": [{"index": str(index), "is_live": False} for index in range(32)]}
    blind = {"/eth/v1/beacon/blocks/*": {"status": 500, "body": {}}, "/eth/v1/validator/liveness/*": {"status": 200, "body": everybody}}
    pair.lab.beacon_fault(pair.b, replies=blind)
    why = failover.handover(expect=UNCONFIRMED).document["why"]
    assert "500" in why, f"the fault was not met: {why}"
    pair.assert_signs_alone(pair.b)
