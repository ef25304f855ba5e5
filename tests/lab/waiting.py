"""Waiting for a condition, with a deadline and a message that says what was awaited.

It never sleeps for a fixed time in the hope that something has happened meanwhile.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], timeout_s: float, every_s: float = 0.1) -> T:
    """Calls `probe` until it answers something true; returns that answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain for: {what} (last answer: {answer!r})")
        time.sleep(every_s)
