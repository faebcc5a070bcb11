"""Messages that are being worked on: a question about one of them finds it on its way."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator


class Flights:
    """What is on its way, by bank and key; the same message may be so twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: Counter[tuple[str, str]] = Counter()

    @contextlib.contextmanager
    def of(self, bank: str, key: str) -> Iterator[None]:
        """For the length of a `with` block, the message is on its way."""
        with self._lock:
            self._flying[bank, key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._flying[bank, key] -= 1

    def has(self, bank: str, key: str) -> bool:
        """Whether the message is on its way."""
        with self._lock:
            return self._flying[bank, key] > 0
