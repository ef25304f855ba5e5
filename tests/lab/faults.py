"""The fault table: every row that the tests with a `fault` marker observed, written to docs/faults.md at the end of a run.

Only a whole run replaces the page: a part of the tests would drop the rows of the others, so its rows go to the lab's state
folder. The list of faults is faults.toml; `tests/faults_doc.rs` compares page and list without a lab.
"""

import time
import tomllib

import pytest

from settings import HERE, REPOSITORY, STATE

LIST = HERE / "faults.toml"
PAGE = REPOSITORY / "docs" / "faults.md"
PROPERTY = "fault"
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
        self.rows: list[dict] = []
        self.figures: list[str] = []
        self.bad: set[str] = set()
        self.deselected = False

    def pytest_deselected(self, items) -> None:
        self.deselected = self.deselected or bool(items)

    def pytest_runtest_logreport(self, report) -> None:
        if report.outcome != "passed":
            self.bad.add(report.nodeid)
        if report.when == "teardown":
            self.rows += [value for name, value in report.user_properties if name == PROPERTY and report.nodeid not in self.bad]
            self.figures += [value for name, value in report.user_properties if name == "figure"]

    def pytest_terminal_summary(self, terminalreporter) -> None:
        for line in self.figures and ["", *self.figures]:
            terminalreporter.write_line(line)
        if self.rows:
            terminalreporter.write_line(self.write())

    def write(self) -> str:
        """Writes the page, or what there is of it beside; says where."""
        page = render(self.rows)
        if self.whole():
            PAGE.write_text(page)
            return f"fault table: {len(self.rows)} rows, {PAGE}"
        part = STATE.parent / f"{STATE.name}-faults.md"
        part.write_text(page)
        return f"fault table: not a whole run, so {len(self.rows)} rows are in {part} and {PAGE.name} stays as it was"

    def whole(self) -> bool:
        """Every test was asked for, and every one that has a row has passed."""
        option = self.config.option
        asked = not (option.keyword or option.markexpr or option.deselect or option.maxfail or self.deselected)
        everywhere = self.config.args_source is pytest.Config.ArgsSource.TESTPATHS
        return asked and everywhere and not self.bad and not missing(self.rows)


def listed() -> list[dict]:
    return tomllib.loads(LIST.read_text())["fault"]


def missing(rows: list[dict]) -> set[str]:
    """Faults of the list that no row shows and that are not said to be shown elsewhere."""
    shown = {row["fault"] for row in rows}
    return {fault["id"] for fault in listed() if fault["id"] not in shown and not fault.get("elsewhere")}


def render(rows: list[dict]) -> str:
    """The whole page."""
    tests = len({row["test"] for row in rows})
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    parts = [HEAD.format(when=when, tests=tests, rows=len(rows), silence=5)]
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
