"""One row of the fault table: what came of a fault, from the program's own reports and from the referee's log.

Nothing in a row but the words of the fault itself is written by a test.
"""

import time

import referee
from program import Result
from referee import SILENCE_S
from settings import SECONDS_PER_SLOT
from truth import Truth, report_of

ON_THE_ROAD = {
    "PreflightPassed", "Claimed", "PrimaryBarred", "StopAnswered", "ProvenStopped", "Collected", "FloorsMerged", "Imported",
    "ReadBackCovers", "StartAllowed", "BackupStarted", "AttestationSeen", "BackupBarred", "ClaimsReleased", "PreflightRefused",
    "PrimaryRestored", "BackupHalted",
}  # fmt: skip
"""Events that say no more than the outcome does."""

MOST_GUARDS = 3


def row(fault: str, how: str, truth: Truth) -> dict:
    """The row of a test that has just ended."""
    window = truth.pair.window
    messages = referee.read(window.log)[0]
    end = time.time()
    pause_s, goes_on = longest_pause(messages, window.since, end)
    slots = referee.silent_slots(messages, window.genesis, window.since, end)
    return {
        "fault": fault,
        "how": how,
        "happened": "; ".join(happened(result) for result in truth.said) or "nothing was asked of the program",
        "exit": ", ".join("killed" if result.killed else str(result.exit) for result in truth.said) or "-",
        "signs": messages[-1].host if messages and not goes_on else "nobody",
        "gap": (f"{pause_s:.1f}" + (", goes on" if goes_on else "")) if pause_s > SILENCE_S else "none",
        "slots": str(slots) if pause_s > SILENCE_S else "0",
        "slashable": str(len(window.slashable())),
        "overlap": str(len(window.overlaps()) or "none"),
    }


def longest_pause(messages: list[referee.Message], since: float, until: float) -> tuple[float, bool]:
    """Seconds in which nobody published anything, and whether they last until the end."""
    before = [message.t for message in messages if message.t < since][-1:] or [since]
    times = before + [message.t for message in messages if message.t >= since]
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    last = until - times[-1]
    return max([*pauses, last]), last > 2.5 * SECONDS_PER_SLOT


def happened(result: Result) -> str:
    """What one run of the program said of itself."""
    name = act(result)
    if result.killed:
        events = result.stderr.splitlines()[0]
        return f"{name}: killed behind {events.split(chr(39))[1] if chr(39) in events else 'nothing'}"
    report = report_of(result)
    if report is not None:
        return f"{name}: {', '.join(filter(None, (report['outcome'], course(report))))}"
    if result.stdout.startswith("{"):
        document = result.document
        if "guards" in document:
            return f"{name}: {blocking(document) or 'every guard passes'}"
        if "proven" in document:
            return f"{name}: {'proven' if document['proven'] else 'not proven'}"
    if result.exit == 0:
        return f"{name}: done"
    return f"{name}: usage error" if result.exit == 2 else f"{name}: {first_line(result.stderr)}"


def act(result: Result) -> str:
    words = [word for word in result.args if word in ("resume", "audit", "halt", "status", "ansible", "--undo", "--dry-run")]
    return " ".join(words) if words else "hand-over"


def course(report: dict) -> str:
    """Where the run left the road, and the guards that objected if one did."""
    stays = report["states"]
    # What came before a resume stands in the run's own row.
    resumed = max((place for place, stay in enumerate(stays) if stay["event"] in ("Resumed", "UndoAsked")), default=-1)
    turns = [f"{stay['name']}: {stay['event']}" for stay in stays[resumed + 1 :] if stay["event"] not in ON_THE_ROAD]
    turns += [f"stands in {report['state']}"] if report["state"].startswith("Parked(") else []
    objected = blocking(report)
    return ", ".join(filter(None, [*turns, objected]))


def blocking(document: dict) -> str:
    found = [f"`{guard['id']}` {guard['verdict']}s" if guard["verdict"] == "refuse" else f"`{guard['id']}` {guard['verdict']}" for guard in document["guards"] if guard["verdict"] != "pass"]
    more = len(found) - MOST_GUARDS
    return ", ".join(found[:MOST_GUARDS]) + (f" and {more} more" if more > 0 else "")


def first_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0].replace("|", "\\|")[:120] if lines else "no word"
