"""The main act on a healthy pair, there and back, and what it reports about itself."""

import time
from datetime import datetime

import pytest

from program import COMPLETED

A_SLOT_OR_TWO_S = 2.0
"""How far the program's own figure may lie from the referee's."""


MOST_ROUND_TRIPS = 15
"""After the connections stand; counted, not timed."""


@pytest.mark.fault("F35", "to val-b, and back to val-a")
def test_failover_and_back(pair, failover, figures):
    generations = []
    for old, new in ((pair.a, pair.b), (pair.b, pair.a)):
        began = time.time()
        document = failover.handover(old.name, new.name).document
        pair.assert_signs_alone(new)
        figures(line(pair, document, old, new, began))
        figures(where_the_gap_went(document))
        assert document["round_trips"] <= MOST_ROUND_TRIPS
        assert document["outcome"] == "completed"
        assert (document["primary"], document["backup"]) == (old.name, new.name)
        assert document["keys"] == 4
        # The report counts to the first attestation; the referee's gap ends with any message, a sync committee's too.
        assert document["gap_s"] == pytest.approx(to_first_attestation_s(pair, document, new), abs=A_SLOT_OR_TWO_S)
        assert document["gap_s"] > pair.window.gap_s(old.name, new.name) - A_SLOT_OR_TWO_S
        for host in ("primary", "backup"):
            way = document["collected"][host]
            assert (way["way"], way["why"]) == ("direct", ""), way
        assert document["cross_check"] == {"outcome": "agrees", "why": "the same floors for 4 keys"}
        assert document["floors"]["raised"] + document["floors"]["equal"] >= 4
        assert pair.barred(old) and not pair.barred(new)
        assert new.unit()["UnitFileState"] == "enabled"
        pair.window.assert_safe()
        generations.append(document["generation"])
    assert generations[0] < generations[1]


def to_first_attestation_s(pair, document, new) -> float:
    """Seconds from asking the primary to stop, by the report, to the backup's first attestation, by the referee."""
    stopping = next(stay for stay in document["states"] if stay["name"] == "StoppingPrimary")
    asked = datetime.fromisoformat(stopping["start"]).timestamp()
    seen = [it.t for it in pair.window.from_host(new.name) if it.kind == "attestation" and it.t > asked]
    return min(seen) - asked


def line(pair, document, old, new, began: float) -> str:
    """What a run is compared with others by."""
    gap = pair.window.gap_s(old.name, new.name)
    missed = [duty for duty in pair.window.missed(time.time()) if duty.slot * 2 + pair.genesis >= began]
    return (
        f"FIGURES {old.name} to {new.name}: {gap:.1f} s without a signer, {len(missed)} attestations missed,"
        f" slashable {len(pair.window.slashable())}, overlap {len(pair.window.overlaps()) or 'none'},"
        f" {document['round_trips']} sequential round trips, {time.time() - began:.1f} s in all"
    )


def where_the_gap_went(document) -> str:
    """The gap by the report, cut into what the hosts and the chain took and what the coordinator took itself."""
    spent = {stay["name"]: stay["seconds"] for stay in document["states"]}
    stop, start = spent["StoppingPrimary"], spent["StartingBackup"]
    collecting, importing = spent["Collecting"], spent["Importing"] + spent["ReadingBack"]
    proof = spent["ProvingStopped"]
    own = spent["Merging"] + spent["JudgingStart"]
    waited = document["gap_s"] - stop - proof - collecting - importing - own - start
    return (
        f"        {document['gap_s']:.1f} s from stop to first attestation: stop {stop:.2f}, proof window {proof:.2f},"
        f" collecting {collecting:.2f}, client's import and reading back {importing:.2f}, coordinator's own {own:.2f}, start {start:.2f},"
        f" start to first attestation {waited:.2f}"
    )


def test_dry_run_changes_nothing(pair, failover):
    before = {host: pair.snapshot(host) for host in (pair.a, pair.b)}
    document = failover.handover("val-a", "val-b", "--dry-run").document
    for host in before:
        assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
    assert document["guards"] and all(guard["verdict"] == "pass" for guard in document["guards"])
    pair.assert_signs_alone(pair.a)


def test_json_alone_is_on_stdout(pair, failover):
    result = failover.handover("val-a", "val-b", "--dry-run")
    assert isinstance(result.document, dict)


@pytest.mark.fault("F7", "power cut on both, both boot")
def test_power_cut_on_both_after_a_failover_starts_exactly_one(pair, failover):
    failover.handover(expect=COMPLETED)
    for host in (pair.a, pair.b):
        host.power_cut()
    for host in (pair.a, pair.b):
        host.boot()
    pair.assert_signs_alone(pair.b)
