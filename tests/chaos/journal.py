"""What is written down while chaos runs: what clients asked and heard, and which fault struck when."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any


class Lines:
    """JSON lines in a file. Each is one write, so that a reader never finds half of one but the last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, row: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(row, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


class ClientsLog:
    """Every request before it is sent, every answer or its absence after that."""

    FIELDS = ("verb", "tenant", "user", "role", "key", "payout_id", "body")

    def __init__(self, path: Path) -> None:
        self.lines = Lines(path)
        self._lock = threading.Lock()
        self._numbers: dict[int, int] = {}

    def ask(self, client: int, **asked: Any) -> int:
        """Write a question down; returns its number."""
        with self._lock:
            n = self._numbers[client] = self._numbers.get(client, 0) + 1
        self._row(client, n, "ask", asked)
        return n

    def heard(self, client: int, n: int, asked: dict[str, Any], **answer: Any) -> None:
        self._row(client, n, "heard", {**asked, **answer})

    def _row(self, client: int, n: int, phase: str, known: dict[str, Any]) -> None:
        row = {"at": time.time(), "client": client, "n": n, "phase": phase}
        row |= {name: known.get(name) for name in (*self.FIELDS, "status", "answer", "error")}
        self.lines.write(row)


class Trace:
    """Which fault struck what, when: seconds since the start."""

    def __init__(self, path: Path) -> None:
        self.lines = Lines(path)
        self.started = time.monotonic()

    def note(self, fault: str, target: str, **more: Any) -> None:
        at = round(time.monotonic() - self.started, 3)
        self.lines.write({"at": at, "fault": fault, "target": target, **more})
