"""The bank simulator from the tester's side: its record, its faults with their hits, its clock."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from typing import Any

DAY_S = 86_400


class Simulator:
    """Speaks to `/_sim/` directly, past the proxy. A simulator that is being restarted is simply not there."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hits: Counter[str] = Counter()
        self._counted: dict[tuple[Any, ...], int] = {}
        self._lock = threading.Lock()
        self._records: list[dict[str, Any]] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, or None when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            read = json.loads(answer.read())
            return read if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def send_raw(self, request: bytes) -> bytes:
        """Deliver a request's bytes as they were; returns the head of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.connect()
            connection.sock.sendall(request)
            return connection.sock.recv(65_536)
        finally:
            connection.close()

    def fault(self, fault: str, **more: Any) -> bool:
        return self.ask("POST", "/_sim/faults", {"fault": fault, **more}) is not None

    def advance(self, seconds: int) -> bool:
        return self.ask("POST", "/_sim/clock", {"advance_seconds": seconds}) is not None

    def heal(self) -> None:
        """All faults off; what they had done is kept."""
        self._count(self.ask("DELETE", "/_sim/faults"))

    def note_hits(self) -> list[dict[str, Any]]:
        """Its counters live as long as it does: look often. Returns the faults that may still be hit."""
        listed = self.ask("GET", "/_sim/faults")
        self._count(listed)
        return [fault for fault in listed or () if fault["active"]]

    def set_again(self, fault: dict[str, Any]) -> bool:
        """A fault as it was listed, with what is left of it."""
        more = {name: fault[name] for name in ("rail", "seconds", "code") if fault[name]}
        return self.fault(fault["fault"], count=fault["count"] - fault["hits"], **more)

    def _count(self, listed: Any) -> None:
        with self._lock:
            for fault in listed or ():
                # After a restart numbers begin anew: a fault is told by all that it was set to.
                name = tuple(fault[k] for k in ("id", "fault", "rail", "count", "seconds", "code"))
                before = self._counted.get(name, 0)
                if fault["hits"] > before:
                    self.hits[fault["fault"]] += fault["hits"] - before
                    self._counted[name] = fault["hits"]

    def records(self) -> list[dict[str, Any]]:
        """The whole record as far as it could be read."""
        with self._lock:
            since = self._records[-1]["seq"] if self._records else 0
            self._records += self.ask("GET", f"/_sim/records?since={since}") or []
            return list(self._records)
