"""The verdicts: what the recorded messages prove.

Pure functions over `Message`s and `Duty`s, plus one reader of the referee's log. Nothing here
asks the program under test: a run is judged only by what the hosts published.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

from settings import SECONDS_PER_SLOT

SILENCE_S = 2.5 * SECONDS_PER_SLOT
"""A signing host publishes in every slot; a longer pause ends its interval."""


@dataclass(frozen=True)
class Message:
    """One signed message, as one host published it."""

    t: float
    kind: str
    host: str
    validator: int
    slot: int
    root: str
    source: int = -1
    target: int = -1


@dataclass(frozen=True)
class Duty:
    """An attestation that a key under test owes the chain."""

    slot: int
    validator: int


@dataclass(frozen=True)
class Interval:
    """A stretch of time in which a host published without a pause."""

    host: str
    first: float
    last: float


@dataclass(frozen=True)
class Slashable:
    """Two messages that may not both exist, and the rule they break."""

    rule: str
    one: Message
    other: Message


def slashable(messages: Iterable[Message]) -> list[Slashable]:
    """Every slashable pair, whichever hosts they came from. A repeat of equal content is not one."""
    found = []
    for _, group in by_validator(messages, "attestation"):
        found += [Slashable(rule, *pair) for pair in combinations(group, 2) if (rule := attestation_rule(*pair))]
    for _, group in by_validator(messages, "block"):
        found += [Slashable("double proposal", *pair) for pair in combinations(group, 2) if proposes_twice(*pair)]
    return found


def attestation_rule(one: Message, other: Message) -> str | None:
    """The rule of EIP-3076 that two attestations of one validator break, in either order."""
    if one.target == other.target:
        return "double vote" if one.root != other.root else None
    if surrounds(one, other) or surrounds(other, one):
        return "surround vote"
    return None


def surrounds(outer: Message, inner: Message) -> bool:
    return outer.source < inner.source and inner.target < outer.target


def proposes_twice(one: Message, other: Message) -> bool:
    return one.slot == other.slot and one.root != other.root


def intervals(messages: Iterable[Message], silence_s: float = SILENCE_S) -> list[Interval]:
    """When each host signed, in order of time."""
    found: list[Interval] = []
    for host, group in groupby(sorted(messages, key=lambda m: (m.host, m.t)), key=lambda m: m.host):
        times = [message.t for message in group]
        first = last = times[0]
        for time in times[1:]:
            if time - last > silence_s:
                found.append(Interval(host, first, last))
                first = time
            last = time
        found.append(Interval(host, first, last))
    return sorted(found, key=lambda interval: interval.first)


def overlaps(messages: Iterable[Message], silence_s: float = SILENCE_S) -> list[tuple[Interval, Interval]]:
    """Pairs of intervals in which two hosts signed at one time."""
    pairs = combinations(intervals(messages, silence_s), 2)
    return [(one, other) for one, other in pairs if one.host != other.host and one.first <= other.last and other.first <= one.last]


def gap_s(messages: Iterable[Message], old: str, new: str) -> float | None:
    """Seconds from the last message of `old` to the first of `new` after it; negative = they overlap.

    None if either was silent. With several handovers in one window, the last one counts.
    """
    spans = intervals(messages)
    starts = [span.first for span in spans if span.host == new]
    ends = [span.last for span in spans if span.host == old and starts and span.first <= starts[-1]]
    return starts[-1] - ends[-1] if ends else None


def missed(messages: Iterable[Message], duties: Iterable[Duty], genesis: int, since: float, until: float) -> list[Duty]:
    """Duties that fell due within the window and that nobody fulfilled.

    An attestation is due a third into its slot; one that is due so late in the window that its
    publication may fall outside is not counted.
    """
    done = {(message.validator, message.slot) for message in messages if message.kind == "attestation"}
    grace = SECONDS_PER_SLOT
    due = [duty for duty in set(duties) if since <= due_at(duty, genesis) <= until - grace]
    return sorted((duty for duty in due if (duty.validator, duty.slot) not in done), key=lambda duty: (duty.slot, duty.validator))


def due_at(duty: Duty, genesis: int) -> float:
    return genesis + (duty.slot + 1 / 3) * SECONDS_PER_SLOT


def silent_slots(messages: Iterable[Message], genesis: int, since: float, until: float) -> int:
    """Whole slots within the window in which no key published anything at all."""
    first = int((since - genesis) // SECONDS_PER_SLOT) + 1
    last = int((until - genesis) // SECONDS_PER_SLOT) - 1
    heard = {int((message.t - genesis) // SECONDS_PER_SLOT) for message in messages}
    return sum(1 for slot in range(first, last + 1) if slot not in heard)


def count_by_host(messages: Iterable[Message]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for message in messages:
        counts[message.host] = counts.get(message.host, 0) + 1
    return counts


def by_validator(messages: Iterable[Message], kind: str) -> Iterable[tuple[int, list[Message]]]:
    chosen = sorted((m for m in messages if m.kind == kind), key=lambda m: (m.validator, m.t))
    return [(validator, list(group)) for validator, group in groupby(chosen, key=lambda m: m.validator)]


class Log:
    """The referee's log, of which only what is new is read: tests ask for it many times a second."""

    def __init__(self, path: Path):
        self.path = path
        self.begin()

    def begin(self) -> None:
        self.end = 0
        self.messages: list[Message] = []
        self.duties: list[Duty] = []

    def read(self) -> None:
        if self.path.stat().st_size < self.end:
            self.begin()
        with open(self.path, "rb") as file:
            file.seek(self.end)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.enter(json.loads(line), line)
                self.end += len(line)

    def enter(self, entry: dict, line: bytes) -> None:
        kind = entry["kind"]
        if kind == "duty":
            self.duties.append(Duty(entry["slot"], entry["validator"]))
        elif kind == "unreadable":
            raise ValueError(f"the referee could not read a published message: {line.decode().strip()}")
        elif kind != "fault":
            fields = {name: entry[name] for name in Message.__dataclass_fields__ if name in entry}
            self.messages.append(Message(**fields))


LOGS: dict[Path, Log] = {}


def read(log: Path) -> tuple[list[Message], list[Duty]]:
    """The whole log. A line that the proxy could not read is an error: it might hide a signature."""
    known = LOGS.setdefault(log, Log(log))
    known.read()
    return list(known.messages), list(known.duties)


class Window:
    """The messages since one moment, and the verdicts about them. Slashing is judged over the whole log."""

    def __init__(self, log: Path, genesis: int, since: float):
        self.log = log
        self.genesis = genesis
        self.since = since

    def messages(self) -> list[Message]:
        return [message for message in read(self.log)[0] if message.t >= self.since]

    def from_host(self, host: str) -> list[Message]:
        return [message for message in self.messages() if message.host == host]

    def slashable(self) -> list[Slashable]:
        return slashable(read(self.log)[0])

    def overlaps(self) -> list[tuple[Interval, Interval]]:
        return overlaps(self.messages())

    def gap_s(self, old: str, new: str) -> float | None:
        """The gap of a handover that ended in this window; the old host's last message may lie before it."""
        return gap_s(read(self.log)[0], old, new) if self.from_host(new) else None

    def missed(self, until: float) -> list[Duty]:
        messages, duties = read(self.log)
        return missed(messages, duties, self.genesis, self.since, until)

    def assert_safe(self) -> None:
        """The two promises that hold after every test, whatever else happened."""
        assert self.slashable() == [], "slashable messages were published"
        assert self.overlaps() == [], "two hosts signed at the same time"
