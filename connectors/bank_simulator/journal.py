"""The bank's only file: an append-only journal, one JSON object on each line, one line for each
decision.

A line is written with one `write` on a descriptor opened with O_APPEND *before* the answer leaves,
so that killing the process at any point neither forgets what was answered nor books it twice. What
a killed process has handed to `write` is in the kernel and stays; only a power cut could lose it,
and a simulator need not survive that (`fsync` would cost more than everything else it does).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]

FILE_NAME = "journal.jsonl"
LOCK_WAIT_SECONDS = 5.0


class JournalDamaged(Exception):
    """A line other than the last cannot be read: somebody else wrote into the file."""


class JournalInUse(Exception):
    """Another process is writing this journal."""


class Journal:
    """Reads what was written, then appends. Callers serialise `append` themselves."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / FILE_NAME
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock()

    def _lock(self) -> None:
        """One writer only. A killed predecessor may take a moment to let go."""
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(self._fd)
                    raise JournalInUse(f"{self.path} is in use by another bank simulator") from None
                time.sleep(0.05)

    def replay(self) -> Iterator[Event]:
        """Every decision so far. A torn last line was never answered: it is cut off."""
        good_until = 0
        with open(self.path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                yield self._decode(line, number)
                good_until += len(line)
        if good_until != os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, good_until)

    def _decode(self, line: bytes, number: int) -> Event:
        try:
            event = json.loads(line)
        except ValueError as error:
            raise JournalDamaged(f"{self.path}, line {number}: {error}") from None
        if not isinstance(event, dict):
            raise JournalDamaged(f"{self.path}, line {number}: not an object")
        return event

    def append(self, event: Event) -> None:
        """Write one decision. When this returns, it survives the death of this process."""
        line = json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n"
        start = os.fstat(self._fd).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            # A disk that is full must not leave half a line for the next append to run into.
            os.ftruncate(self._fd, start)
            raise

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._fd)
