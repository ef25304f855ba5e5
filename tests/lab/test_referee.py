"""The referee itself: every verdict has a case in which it fires and one in which it must not.

Needs no lab.
"""

import json

import pytest

from referee import Duty, Message, count_by_host, gap_s, intervals, missed, overlaps, read, silent_slots, slashable


def vote(source: int, target: int, root: str = "r", host: str = "a", validator: int = 28, t: float = 0) -> Message:
    return Message(t, "attestation", host, validator, target * 8, root, source, target)


def block(slot: int, root: str = "r", host: str = "a", validator: int = 28) -> Message:
    return Message(0, "block", host, validator, slot, root)


def beat(host: str, *times: float) -> list[Message]:
    return [Message(t, "sync_committee", host, 28, int(t // 2), "r") for t in times]


def rules(*messages: Message) -> list[str]:
    return [pair.rule for pair in slashable(messages)]


def test_double_vote_by_two_hosts():
    assert rules(vote(1, 2, "r"), vote(1, 2, "s", host="b")) == ["double vote"]


def test_double_vote_by_one_host():
    assert rules(vote(1, 2, "r"), vote(0, 2, "s")) == ["double vote"]


def test_the_same_vote_twice_is_no_double_vote():
    assert rules(vote(1, 2), vote(1, 2, host="b")) == []


@pytest.mark.parametrize("later_surrounds", [True, False])
def test_surround_vote_in_both_directions(later_surrounds):
    wide, narrow = vote(1, 6), vote(2, 5)
    pair = (narrow, wide) if later_surrounds else (wide, narrow)
    assert rules(*(vote(m.source, m.target, str(t), t=t) for t, m in enumerate(pair))) == ["surround vote"]


@pytest.mark.parametrize("other", [(2, 7), (1, 5), (0, 5), (6, 7)])
def test_votes_that_share_or_cross_an_edge_do_not_surround(other):
    assert rules(vote(1, 6), vote(*other, root="s")) == []


def test_double_proposal():
    assert rules(block(9, "r"), block(9, "s", host="b")) == ["double proposal"]
    assert rules(block(9), block(9, host="b")) == []
    assert rules(block(9), block(10, "s")) == []


def test_different_validators_do_not_slash_each_other():
    assert rules(vote(1, 2), vote(1, 2, "s", validator=29), block(9), block(9, "s", validator=29)) == []


def test_every_pair_is_looked_at_not_only_neighbours():
    assert rules(vote(1, 2, "r", t=0), vote(2, 3, t=1), vote(1, 2, "s", t=2)) == ["double vote"]


def test_intervals_end_after_a_silence():
    spans = intervals(beat("a", 0, 2, 4, 20, 22), silence_s=5)
    assert [(span.first, span.last) for span in spans] == [(0, 4), (20, 22)]


def test_overlap():
    assert overlaps(beat("a", 0, 2, 4) + beat("b", 3.9, 6)) != []
    assert overlaps(beat("a", 0, 2, 4) + beat("b", 6, 8)) == []


def test_one_message_inside_the_other_hosts_interval_overlaps():
    assert overlaps(beat("a", 0, 2, 4, 6) + beat("b", 3)) != []


def test_there_and_back_does_not_overlap():
    assert overlaps(beat("a", 0, 2) + beat("b", 12, 14) + beat("a", 24, 26)) == []


def test_gap():
    assert gap_s(beat("a", 0, 2) + beat("b", 8, 10), "a", "b") == 6
    assert gap_s(beat("a", 0, 2), "a", "b") is None
    assert gap_s(beat("b", 2), "a", "b") is None


def test_gap_of_the_last_handover_counts():
    both = beat("a", 0, 2) + beat("b", 12, 14) + beat("a", 24, 26) + beat("b", 33)
    assert gap_s(both, "a", "b") == 7
    assert gap_s(both, "b", "a") == 10


def test_gap_of_an_overlap_is_not_positive():
    assert gap_s(beat("a", 0, 2, 4) + beat("b", 3), "a", "b") < 0


def test_missed_attestations():
    duties = [Duty(8, 28), Duty(9, 29), Duty(9, 29), Duty(90, 30)]
    assert missed([vote(0, 1)], duties, genesis=0, since=0, until=60) == [Duty(9, 29)]
    assert missed([], duties, genesis=0, since=18, until=60) == [Duty(9, 29)]


def test_a_sync_message_does_not_fulfil_an_attestation():
    assert missed(beat("a", 16.7), [Duty(8, 28)], genesis=0, since=0, until=60) == [Duty(8, 28)]


def test_silent_slots():
    assert silent_slots(beat("a", 2.7, 4.7, 10.7), genesis=0, since=1, until=13) == 2


def test_count_by_host():
    assert count_by_host(beat("a", 1, 2) + beat("b", 3)) == {"a": 2, "b": 1}


def test_a_message_that_the_proxy_could_not_read_is_not_passed_over(tmp_path):
    log = tmp_path / "log"
    log.write_text(json.dumps({"t": 1, "kind": "unreadable", "body": "?"}) + "\n")
    for _ in range(2):
        with pytest.raises(ValueError):
            read(log)


def test_reading_the_log(tmp_path):
    log = tmp_path / "log"
    lines = [
        {"t": 1.5, "kind": "attestation", "host": "val-a", "address": "x", "door": "val-a", "validator": 28, "slot": 8, "source": 0, "target": 1, "root": "r"},
        {"t": 1, "kind": "duty", "epoch": 1, "slot": 8, "validator": 28},
        {"t": 2, "kind": "fault", "host": "val-a", "faults": {}},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"half a li')
    messages, duties = read(log)
    assert messages == [vote(0, 1, host="val-a", t=1.5)]
    assert duties == [Duty(8, 28)]
    # The half line is whole by now, and another has come.
    log.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *lines]))
    assert read(log) == (messages * 2, duties * 2)
