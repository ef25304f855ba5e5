"""Starting and ending the lab's own processes.

A process is only ever ended by its id, and only if it still is the process that the lab started
(the kernel's start time is kept beside the id). Never by name.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

from settings import STATE
from waiting import wait_for

PIDS = STATE / "pids"


def start(name: str, command: list[str], env: dict[str, str] | None = None, cwd: Path = STATE) -> int:
    """Starts a process of its own session, output to `logs/NAME.log`, and remembers it."""
    PIDS.mkdir(parents=True, exist_ok=True)
    (STATE / "logs").mkdir(exist_ok=True)
    with open(STATE / "logs" / f"{name}.log", "ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            env=os.environ | (env or {}),
            start_new_session=True,
        )
    record = {"pid": child.pid, "started": start_time(child.pid)}
    (PIDS / f"{name}.json").write_text(json.dumps(record))
    return child.pid


def running(name: str) -> int | None:
    """The id of a process that was started under this name, if it still lives."""
    try:
        record = json.loads((PIDS / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    if record["started"] is None or start_time(record["pid"]) != record["started"]:
        return None
    return record["pid"]


def stop(name: str, number: int = signal.SIGTERM, timeout_s: float = 10) -> None:
    """Ends a process started under this name: asks first, then kills."""
    pid = running(name)
    if pid is not None:
        send(pid, number)
        try:
            wait_for(f"end of {name}", lambda: gone(pid), timeout_s, 0.05)
        except TimeoutError:
            send(pid, signal.SIGKILL)
            wait_for(f"end of killed {name}", lambda: gone(pid), 10, 0.05)
    (PIDS / f"{name}.json").unlink(missing_ok=True)


def send(pid: int, number: int) -> None:
    """A signal to a process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def gone(pid: int) -> bool:
    """True when no such process runs; reaps it if it was our own child."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return start_time(pid) is None


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process that has not ended, else None."""
    fields = stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else None


def stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state letter on (the name may hold blanks)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid: int) -> list[int]:
    """The living direct children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
