"""The control API under `/_sim/`: the record, the faults and the clock. No credentials: sandbox
only."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

from connectors.bank_simulator.desk import Desk
from connectors.bank_simulator.faults import FaultRefused
from connectors.bank_simulator.payments import Reply
from connectors.bank_simulator.scheme_clock import MAX_OFFSET_SECONDS


class ControlRefused(Exception):
    """A control request that cannot be done."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class Control:
    """Answers control requests. `clock_moved` wakes whoever settles what falls due."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.clock_moved = threading.Event()

    def reply(self, method: str, parts: list[str], query: dict[str, str], body: bytes) -> Reply:
        """The answer to a request under `/_sim/`."""
        try:
            return _reply(200, self._content(method, parts, query, body))
        except (ControlRefused, FaultRefused) as refused:
            return _reply(refused.status, {"code": refused.code, "detail": refused.detail})

    def _content(self, method: str, parts: list[str], query: dict[str, str], body: bytes) -> object:
        match (method, parts):
            case ("GET", ["records"]):
                return self._records(query)
            case ("GET", ["faults"]):
                return self._desk.faults.listing()
            case ("POST", ["faults"]):
                return self._desk.faults.add(_decode(body)).to_json()
            case ("DELETE", ["faults"]):
                healed = self._desk.faults.heal()
                self.clock_moved.set()
                return healed
            case ("GET", ["clock"]):
                return self._clock()
            case ("POST", ["clock"]):
                return self._advance(_decode(body))
            case ("GET", ["health"]):
                return {"status": "ok"}
        raise ControlRefused(404, "NOT_FOUND", "records, faults, clock and health are here")

    def _records(self, query: dict[str, str]) -> list[dict[str, Any]]:
        since = query.get("since", "0")
        if not since.isdecimal() or len(since) > 18:
            raise ControlRefused(400, "BAD_REQUEST", "since must be a whole number")
        return self._desk.records(int(since))

    def _clock(self) -> dict[str, Any]:
        clock = self._desk.book.clock
        return {"now": clock.now().isoformat(), "offset_seconds": clock.offset_seconds}

    def _advance(self, content: object) -> dict[str, Any]:
        seconds = content.get("advance_seconds") if isinstance(content, dict) else None
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not math.isfinite(seconds)
        ):
            raise ControlRefused(400, "BAD_REQUEST", "advance_seconds must be a number")
        if seconds < 0:
            raise ControlRefused(400, "BAD_REQUEST", "the clock never goes back")
        if self._desk.book.clock.offset_seconds + seconds > MAX_OFFSET_SECONDS:
            raise ControlRefused(400, "BAD_REQUEST", "no further than ten years ahead")
        self._desk.advance(float(seconds))
        self.clock_moved.set()
        return self._clock()


def _decode(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        raise ControlRefused(400, "BAD_REQUEST", "the body is not JSON") from None
    return content


def _reply(status: int, content: object) -> Reply:
    body = json.dumps(content).encode()
    return Reply(status=status, content_type="application/json", body=body)
