"""Faults that a tester switches on over `/_sim/faults`.

A fault fires with its probability, at most `count` times, and counts its hits; one that is used up
stays listed. All of them live in memory only: a restarted bank is a healthy bank.
"""

from __future__ import annotations

import itertools
import math
import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RAILS = ("ach", "rtp", "wire", "sepa", "sepa_instant", "faster_payments", "mobile_money")

FAULTS = (
    "busy",  # 503 before anything is booked.
    "late_answer",  # Books, answers `seconds` later.
    "cut",  # Books, drops the connection.
    "late_booking",  # Books `seconds` later, never answers.
    "slow_receiver",  # An instant scheme's receiver takes `seconds`; beyond its clock: refused.
    "reject",  # Refuses a payment with `code`.
    "garbage",  # Books, answers 200 with rubbish.
    "unmentioned",  # Books a payment, and does not speak of it in the answer to its message.
    "wrong_amount",  # Books what was asked, acknowledges another amount.
    "return",  # Accepts and settles a payment, returns it with `code`.
    "refuse_recall",  # Refuses with `code` to bring a payment back that it is asked for.
    "no_dedup",  # Books a repeat again.
    "silent",  # The report feed is empty until healed.
    "duplicate_report",  # A report appears twice in the feed, under two ids.
    "reordered_reports",  # A report is held back until the one after it is out.
    # What the bank tells by itself; of the three above, `silent` and `duplicate_report` do the same to it.
    "webhook_lost",  # Never sent.
    "webhook_doubled",  # Sent twice.
    "webhook_reordered",  # Held back until the one after it is out, or for `seconds`.
    "webhook_early",  # Sent before the order is answered.
    "webhook_unsigned",  # Signed with another key, or to an address with a wrong token.
    "webhook_old",  # Signed an hour ago.
)

DEFAULT_SECONDS = 5.0
MAX_SECONDS = 600.0
_FIELDS = frozenset({"rail", "fault", "probability", "count", "seconds", "code"})
_CODE = re.compile(r"[A-Za-z0-9_-]{2,40}\Z")


class FaultRefused(Exception):
    """A fault that cannot be set. `status` is the HTTP answer, `code` says why."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault that was switched on."""

    id: int
    fault: str
    rail: str | None
    probability: float
    count: int | None
    seconds: float
    code: str
    hits: int = 0

    @property
    def active(self) -> bool:
        """Whether it may still fire."""
        return self.count is None or self.hits < self.count

    def covers(self, fault: str, rail: str) -> bool:
        """Whether it is this fault, on this rail, and not used up."""
        return self.fault == fault and self.rail in (None, rail) and self.active

    def to_json(self) -> dict[str, Any]:
        """As `/_sim/faults` lists it."""
        return {
            "id": self.id,
            "rail": self.rail,
            "fault": self.fault,
            "probability": self.probability,
            "count": self.count,
            "seconds": self.seconds,
            "code": self.code or None,
            "hits": self.hits,
            "active": self.active,
        }


class FaultBoard:
    """All faults, in the order in which they were set; safe to use from any thread."""

    def __init__(self, *, seed: int | None = None) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._lock = threading.Lock()

    def add(self, raw: object) -> Fault:
        """Switch a fault on, or raise FaultRefused."""
        fields = _read(raw)
        with self._lock:
            fault = Fault(id=next(self._ids), **fields)
            self._faults.append(fault)
        return fault

    def take(self, fault: str, rail: str) -> Fault | None:
        """The fault to act out now, with this hit counted, or None. Cheap when nothing is set."""
        if not self._faults:
            return None
        with self._lock:
            for candidate in self._faults:
                if candidate.covers(fault, rail) and self._fires(candidate):
                    candidate.hits += 1
                    return candidate
        return None

    def _fires(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._random.random() < fault.probability

    def seconds_of(self, fault: str, rail: str) -> float | None:
        """The `seconds` of such a fault that has not been healed, used up or not; counts no hit."""
        with self._lock:
            for candidate in self._faults:
                if candidate.fault == fault and candidate.rail in (None, rail):
                    return candidate.seconds
        return None

    def listing(self) -> list[dict[str, Any]]:
        """Every fault with its hits."""
        with self._lock:
            return [fault.to_json() for fault in self._faults]

    def heal(self) -> list[dict[str, Any]]:
        """Switch all of them off; what they had done by then."""
        with self._lock:
            healed = [fault.to_json() | {"active": False} for fault in self._faults]
            self._faults.clear()
        return healed


def _read(raw: object) -> dict[str, Any]:
    """Check the body of a POST; unreadable is 400, a fault or rail that does not exist 422."""
    if not isinstance(raw, Mapping):
        raise FaultRefused(400, "BAD_REQUEST", "the body must be a JSON object")
    unknown = sorted(str(name) for name in raw.keys() - _FIELDS)
    if unknown:
        raise FaultRefused(400, "BAD_REQUEST", f"unknown fields: {', '.join(unknown)}")
    return {
        "fault": _fault_name(raw.get("fault")),
        "rail": _rail_name(raw.get("rail")),
        "probability": _number(raw, "probability", default=1.0, most=1.0),
        "count": _count(raw.get("count")),
        "seconds": _number(raw, "seconds", default=DEFAULT_SECONDS, most=MAX_SECONDS),
        "code": _code(raw.get("code")),
    }


def _fault_name(value: object) -> str:
    if not isinstance(value, str):
        raise FaultRefused(400, "BAD_REQUEST", "fault must be a string")
    if value not in FAULTS:
        raise FaultRefused(422, "UNKNOWN_FAULT", f"fault must be one of {', '.join(FAULTS)}")
    return value


def _rail_name(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise FaultRefused(400, "BAD_REQUEST", "rail must be a string")
    if value not in RAILS:
        raise FaultRefused(422, "UNKNOWN_RAIL", f"rail must be one of {', '.join(RAILS)}")
    return value


def _number(raw: Mapping[Any, Any], name: str, *, default: float, most: float) -> float:
    value = raw.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FaultRefused(400, "BAD_REQUEST", f"{name} must be a number")
    if not 0 <= value <= most:
        raise FaultRefused(400, "BAD_REQUEST", f"{name} must be between 0 and {most:g}")
    return float(value)


def _count(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FaultRefused(400, "BAD_REQUEST", "count must be a whole number above 0")
    return value


def _code(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not _CODE.match(value):
        raise FaultRefused(
            400, "BAD_REQUEST", "code must be 2 to 40 letters, digits, hyphens or underscores"
        )
    return value
