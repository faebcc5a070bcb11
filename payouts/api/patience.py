"""How long a client may take to send a body: one that drips must not keep a thread of the web for ever.

The server's own time limits begin anew with every byte. Here the whole body has one: whoever is late finds
the line closed for reading, and what came by then is answered as a body that is shorter than announced.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings

_LOOK_S = 0.5
_waiting: dict[int, tuple[float, Any]] = {}  # id of a line: when it is too late, and the line.
_watch: list[threading.Thread] = []
_starting = threading.Lock()


@contextmanager
def limited(meta: dict[str, Any]) -> Iterator[None]:
    """Read a body within; after `BODY_DEADLINE_S` there is no more of it. Servers that show no line: no limit."""
    line = meta.get("gunicorn.socket")
    if line is None:
        yield
        return
    _be_watching()
    _waiting[id(line)] = (time.monotonic() + settings.BODY_DEADLINE_S, line)
    try:
        yield
    finally:
        _waiting.pop(id(line), None)


def _be_watching() -> None:
    """One thread for each process, started by its first body: a fork would leave it behind."""
    with _starting:
        if not _watch or not _watch[0].is_alive():
            _watch[:] = [threading.Thread(target=_close_the_late, daemon=True, name="patience")]
            _watch[0].start()


def _close_the_late() -> None:
    while True:
        time.sleep(_LOOK_S)
        now = time.monotonic()
        for late, line in list(_waiting.values()):
            if late < now:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RD)
