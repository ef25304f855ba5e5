"""Running the program under test as an operator would: a config file, a state folder, an exit code.

All that depends on the program's own formats (config file, JSON keys, journal tables) is here and
nowhere else. It never reaches into a host.
"""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import chain
from lab import Lab
from settings import DATA, PARAMS, SSH_CONFIG, STATE, UNIT
from waiting import wait_for

COMPLETED, REFUSED, USAGE, RESTORED, PARKED, INTERNAL, UNCONFIRMED = range(7)
"""Exit codes, as in design.md."""

HANDOVER_S = 120
"""No run on this lab takes longer, or something hangs."""

CONFIG = """\
[timeouts]
connect_s = 6
retry_s = 12

[ssh]
config_file = "{ssh_config}"

[chain]
keys = {keys}
min_peers = 0
execution_layer = false
el_offline = "absent-ok"
is_optimistic = "absent-ok"

[clock]
synchronised = "not-available"
"""


@dataclass(frozen=True)
class Result:
    """What one run of the program said."""

    args: tuple[str, ...]
    exit: int
    stdout: str
    stderr: str

    killed: bool = False

    @property
    def document(self) -> dict:
        """The one JSON document of a `--json` run."""
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"failover {' '.join(self.args)}: exit {self.exit}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Program:
    """The binary with one coordinator's home: its own journal, its own config."""

    def __init__(self, lab: Lab, home: Path, ended: Callable[[Result], None] = lambda _: None):
        """`ended` is told of every run of the program that ended."""
        self.ended = ended
        self.binary = os.environ.get("FAILOVER_BIN", "")
        self.lab = lab
        self.home = home
        self.config = home / "failover.toml"
        self.config.write_text(render(lab))
        known = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TERM", "RUST_BACKTRACE")}
        self.env = known | {"HOME": str(STATE / "home"), "FAILOVER_STATE_DIR": str(home / "state"), "FAILOVER_CONFIG": str(self.config), "NO_COLOR": "1"}

    def __call__(self, *args: str, timeout_s: float = HANDOVER_S, stdin: str = "", expect: int | None = None) -> Result:
        """Runs it to its end. `expect` is the exit code that must come, with all output shown if not."""
        done = subprocess.run(self.command(args), env=self.env, input=stdin, capture_output=True, text=True, timeout=timeout_s, cwd=self.home)
        result = Result(args, done.returncode, done.stdout, done.stderr)
        self.ended(result)
        if expect is not None:
            assert result.exit == expect, str(result)
        return result

    def handover(self, primary: str = "val-a", backup: str = "val-b", *more: str, expect: int | None = COMPLETED) -> Result:
        """The main act, without questions, answered in JSON."""
        return self(*act(primary, backup), *more, expect=expect)

    def begin(self, primary: str = "val-a", backup: str = "val-b", *more: str) -> subprocess.Popen[str]:
        """The main act, left running."""
        return self.start(*act(primary, backup), *more)

    def finish(self, running: subprocess.Popen[str], expect: int | tuple[int, ...] | None = None, timeout_s: float = HANDOVER_S) -> Result:
        """Waits for the end of what was left running."""
        stdout, stderr = running.communicate(timeout=timeout_s)
        result = Result(tuple(running.args[1:]), running.returncode, stdout, stderr)
        self.ended(result)
        wanted = (expect,) if isinstance(expect, int) else expect
        assert wanted is None or result.exit in wanted, str(result)
        return result

    def configure(self, line: str, new: str) -> None:
        """Replaces a line of the configuration; an empty one to add at the end."""
        text = self.config.read_text()
        assert line in text
        self.config.write_text(text.replace(line, new) if line else f"{text}{new}\n")

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Starts it and leaves it running, in a process group of its own."""
        return subprocess.Popen(
            self.command(args), env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def crash(self, running: subprocess.Popen[str]) -> None:
        """kill -9 of the coordinator and all that it started (its ssh too), as a power cut would."""
        try:
            os.killpg(running.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        stdout, stderr = running.communicate()
        if running.returncode < 0:
            self.ended(Result(tuple(running.args[1:]), running.returncode, stdout, f"{self.events()[-1:]}\n{stderr}", killed=True))

    def command(self, args: tuple[str, ...]) -> list[str]:
        assert self.binary, "FAILOVER_BIN is not set; use tests/lab/run"
        return [self.binary, *args]

    def journalled(self) -> int:
        """How many events the journal holds; read without disturbing the writer."""
        journal = self.home / "state" / "journal.sqlite"
        if not journal.exists():
            return 0
        try:
            with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=1)) as database:
                return database.execute("SELECT count(*) FROM entries").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    def events(self) -> list[tuple[str, str]]:
        """Every event that was journalled, and the state that it led to."""
        journal = self.home / "state" / "journal.sqlite"
        if not journal.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=1)) as database:
                return database.execute("SELECT event, state FROM entries ORDER BY at, run, seq").fetchall()
        except sqlite3.OperationalError:
            return []

    def wait_event(self, running: subprocess.Popen[str], event: str) -> None:
        """Until this event is journalled; it is an error if the run ends before."""
        def there() -> bool:
            return running.poll() is not None or event in (name for name, _ in self.events())

        wait_for(event, there, HANDOVER_S, 0.005)
        assert running.poll() is None, f"the run ended before {event}, after {self.events()}"

    def wait_journalled(self, running: subprocess.Popen[str], events: int) -> bool:
        """Until the journal holds that many events; False if the run ended before."""
        wait_for(f"{events} events", lambda: running.poll() is not None or self.journalled() >= events, HANDOVER_S, 0.005)
        return running.poll() is None


def act(primary: str, backup: str) -> tuple[str, ...]:
    """The words of the main act."""
    return "--primary", primary, "--backup", backup, "--yes", "--json"


def render(lab: Lab) -> str:
    """The config file for this lab."""
    return CONFIG.format(
        ssh_config=SSH_CONFIG, unit=UNIT, data=DATA, params=PARAMS, keys=json.dumps(list(chain.pubkeys().values())),
        beacon_a=lab.a.plan.beacon_url, beacon_b=lab.b.plan.beacon_url,
    )  # fmt: skip
