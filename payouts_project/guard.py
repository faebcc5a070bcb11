"""Outlives the supervisor by a moment, to end what it leaves behind when it is killed.

Run as a file with a pipe on stdin, by the supervisor. It reads lines `+ GROUP SIGNAL` and
`- GROUP`; when the pipe ends, the supervisor is gone, and every group still listed gets its signal
and, after a while, SIGKILL. The kernel's own parent-death signal reaches only direct children:
the worker's and the web server's children are the reason that this exists.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TextIO

PATIENCE_SECONDS = 5.0


def read_groups(lines: TextIO) -> dict[int, int]:
    """Follow the list until the other side is gone; returns what was on it then."""
    groups: dict[int, int] = {}
    for line in lines:
        match line.split():
            case ["+", group, with_signal]:
                groups[int(group)] = int(with_signal)
            case ["-", group]:
                groups.pop(int(group), None)
    return groups


def end(groups: dict[int, int]) -> None:
    left = {group for group, with_signal in groups.items() if _signal(group, with_signal)}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, with_signal: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, with_signal)
        return True
    return False


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    end(read_groups(sys.stdin))
