"""Loaded by every Python that finds it on its path: moves the clock of a worker that starts, where a file says so.

Only the wall clock, as it is on a machine whose clock is wrong; spans of time are measured by another one.
"""

from __future__ import annotations

import os
import sys
import time


def _moved_by() -> int:
    named = os.environ.get("MOVED_CLOCK_FILE", "")
    if not named or "worker" not in sys.orig_argv or "celery" not in sys.orig_argv:
        return 0
    try:
        with open(named, encoding="ascii") as file:
            return int(file.read() or "0")
    except (OSError, ValueError):
        return 0


if seconds := _moved_by():
    import time_machine

    time_machine.travel(time.time() + seconds, tick=True).start()
    sys.stderr.write(f"this worker's clock is moved by {seconds} s\n")
