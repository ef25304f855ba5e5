"""The fault table: every row that the tests with a `fault` marker observed, written to docs/faults.md at the end of a run.

Only a whole run replaces the page: a part of the tests would drop the rows of the others, so its rows go beside the lab's
state folder. The list of faults is faults.toml; `tests/faults_doc.rs` compares page and list without a lab.
"""

import hashlib
import json
import os
import time
import tomllib
from pathlib import Path

import pytest

from settings import HERE, MARK, REPOSITORY, STATE

LIST = HERE / "faults.toml"
PAGE = REPOSITORY / "docs" / "faults.md"
KEPT = STATE.parent / f"{STATE.name.removesuffix(MARK)}-faults.json"
PART = KEPT.with_suffix(".md")
COLUMNS = ("fault", "how it was made", "what happened", "exit", "signs after", "gap s", "slots", "slashable", "overlap")
CELLS = ("fault", "how", "happened", "exit", "signs", "gap", "slots", "slashable", "overlap")

HEAD = """\
# Faults

Written by the lab's own run (`sudo tests/lab/run`), {when}: {tests} tests with {rows} rows. Do not edit.
What a fault is called and how it is made is a test's word; everything else was observed.

| column | is |
|---|---|
| what happened | each run of the program, by its own JSON report: its outcome, then each state in which it left the straight road and the event that led off it ([states.md](states.md)), then the guards that objected ([guards.md](guards.md)) |
| exit | of each of these runs ([operating.md](operating.md#outcomes)); `killed` = kill -9 by the test |
| signs after | who publishes messages at the end of the test, by the referee |
| gap s, slots | the longest time in the test in which nobody published anything, and whole slots of 2 s in it. `none` = never longer than {silence} s. `goes on` = nobody signs until a person acts; that is what *parked* means |
| slashable, overlap | slashable pairs among *all* messages published in this lab, and times in which two hosts signed at once, by the referee |

The machines are Debian hosts with systemd and sshd, the validators Lodestar's, the chain a real one with slots of 2 s.
A row is only there if its test passed: after each, the report was compared with the hosts (who runs, who is barred), no
floor of either database had fallen, and after a completed run the backup's database covered all that the other published.
What a gap costs at 2 s a slot is the same number of seconds at 12 s a slot, but for the wait for a slot.
"""


class Table:
    """Gathers the rows, also those of other workers, and writes the page."""

    def __init__(self, config: pytest.Config):
        self.config = config
        self.figures: list[str] = []
        self.bad: set[str] = set()
        self.asked: dict[str, list[dict]] = {}
        """Every test with a row that was run, and its rows; none of one that failed."""
        self.deselected = False

    def pytest_deselected(self, items) -> None:
        self.deselected = self.deselected or bool(items)

    def pytest_runtest_logreport(self, report) -> None:
        if report.outcome != "passed":
            self.bad.add(report.nodeid)
        if report.when == "teardown":
            told = report.user_properties
            self.figures += [value for name, value in told if name == "figure"]
            if dict(told).get("faults"):
                failed = report.nodeid in self.bad
                self.asked[report.nodeid] = [] if failed else [value for name, value in told if name == "fault"]

    def pytest_terminal_summary(self, terminalreporter) -> None:
        for line in self.figures and ["", *self.figures]:
            terminalreporter.write_line(line)
        if self.asked:
            terminalreporter.write_line(self.write())

    def write(self) -> str:
        """Writes the page if every test has its rows; says what became of it.

        What a whole run leaves open, because a test failed, a later run of that test with the same program may fill in. The
        page names it.
        """
        kept = {} if self.whole() else recall()
        again = sorted(set(kept.get("again", [])) | (set(self.asked) & set(kept.get("tests", {}))))
        kept = {"program": program(), "again": again, "tests": kept.get("tests", {}) | self.asked, "whole": self.whole() or kept.get("whole", False)}
        KEPT.write_text(json.dumps(kept))
        open_ = sorted(test for test, rows in kept["tests"].items() if not rows)
        rows = [row for rows in kept["tests"].values() for row in rows]
        if kept["whole"] and not open_ and not missing(rows):
            PAGE.write_text(render(rows, again))
            return f"fault table: {len(rows)} rows, {PAGE}"
        PART.write_text(render(rows, again))
        why = f"failed: {', '.join(open_)}" if open_ else "not a whole run"
        return f"fault table: {why}; {len(rows)} rows are in {PART}, {PAGE.name} stays as it was"

    def whole(self) -> bool:
        """Every test was asked for."""
        option = self.config.option
        asked = not (option.keyword or option.markexpr or option.deselect or option.maxfail or self.deselected)
        return asked and self.config.args_source is pytest.Config.ArgsSource.TESTPATHS


def recall() -> dict:
    """What earlier runs of this very program left."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return kept if kept.get("program") == program() else {}


def program() -> str:
    """Which program is tested."""
    return hashlib.sha256(Path(os.environ["FAILOVER_BIN"]).read_bytes()).hexdigest()


def listed() -> list[dict]:
    return tomllib.loads(LIST.read_text())["fault"]


def missing(rows: list[dict]) -> set[str]:
    """Faults of the list that no row shows and that are not said to be shown elsewhere."""
    shown = {row["fault"] for row in rows}
    return {fault["id"] for fault in listed() if fault["id"] not in shown and not fault.get("elsewhere")}


def render(rows: list[dict], again: list[str]) -> str:
    """The whole page."""
    tests = len({row["test"] for row in rows})
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    parts = [HEAD.format(when=when, tests=tests, rows=len(rows), silence=5)]
    parts += [f"Run again after they had failed or stood in the way, with the same program: {', '.join(again)}.\n"] if again else []
    parts += [section(fault, [row for row in rows if row["fault"] == fault["id"]]) for fault in listed()]
    return "\n".join(parts)


def section(fault: dict, rows: list[dict]) -> str:
    """One fault: what must come of it, what came of it, and what the lab cannot show."""
    lines = [f"## {fault['id']}: {fault['fault']}", "", f"At the start: {fault['start']}. Safe: {fault['safe']}.", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(row[cell] for cell in CELLS)} |" for row in sorted(rows, key=lambda row: (row["test"], row["how"]))]
    for other in fault.get("elsewhere", []):
        place = f"`{other['test']}` in [{other['file']}](../{other['file']})"
        lines.append(f"| {fault['id']} | {other['what']} | shown by {place} |" + " - |" * (len(COLUMNS) - 3))
    return "\n".join([*lines, ""])
