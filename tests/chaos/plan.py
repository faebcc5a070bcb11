"""Which fault strikes when: a plan drawn from the seed before anything starts."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault at one moment, in seconds since the chaos began."""

    at: float
    fault: str
    more: dict[str, Any] = field(default_factory=dict)


# fault -> how often in a minute. Before the point is the family, or the part that is struck.
PER_MINUTE = {
    "kill.worker": 2, "kill.worker_child": 5, "kill.web": 1.4, "kill.web_child": 4, "kill.beat": 2, "kill.poller": 3,
    "kill.bank_simulator": 2, "stop.worker": 1.6, "stop.web": 1, "stop.beat": 1, "stop.poller": 1,
    "stop.bank_simulator": 1, "postgres.restart": 3, "valkey.kill": 1, "valkey.flush": 2, "clock.worker": 1,
    "clock.scheme": 6,
    "database.commit_before": 9, "database.commit_after": 9, "database.first_byte": 6, "database.delay": 3,
    "database.reset": 3, "database.down": 2,
    "bank.swallow": 12, "bank.half": 4, "bank.answer": 5, "bank.first_byte": 4, "bank.delay": 2,
    "bank.reset": 3, "bank.down": 2,
    "simulator.busy": 3, "simulator.late_answer": 3, "simulator.cut": 3, "simulator.late_booking": 3,
    "simulator.reject": 3, "simulator.garbage": 3, "simulator.wrong_amount": 2, "simulator.return": 3,
    "simulator.silent": 2, "simulator.duplicate_report": 3, "simulator.reordered_reports": 3,
}  # fmt: skip
# Nobody resends to a bank that has forgotten an order; it strikes when all is quiet (see `quiet.py`).
LAST = "simulator.no_dedup"
NAMES = (*PER_MINUTE, LAST)
# Codes by which a bank says "not today", by rail; other refusals come from the accounts that are paid.
NOT_TODAY = {
    "sepa": "ED05", "sepa_instant": "ED05", "rtp": "ED05", "wire": "ED05", "ach": "R31",
    "faster_payments": "BE08",
}  # fmt: skip


OFTEN = (6, 2, 2, 1, 2, 2)  # As those rails are used.
# What may take with it what somebody had just heard.
DEADLY = ("kill", "postgres", "database", "clock.worker")


class UnknownFault(Exception):
    """Somebody asks for a fault that does not exist."""


def chosen(only: Collection[str]) -> set[str]:
    """The faults that a list names, each whole ("kill.web") or by its first part ("kill")."""
    if not only:
        return set(NAMES)
    found: set[str] = set()
    for wanted in only:
        named = {n for n in NAMES if n == wanted or n.startswith(f"{wanted}.")}
        if not named:
            raise UnknownFault(f"no fault is called {wanted!r}: one of {', '.join(NAMES)}")
        found |= named
    return found


def draw(
    *, seed: int, seconds: float, only: Collection[str] = (), often: float = 1
) -> list[Strike]:
    """Every strike of one run, in order. The same seed and length give the same plan.

    `often`: how many times as often as usual.
    """
    rng = random.Random(f"plan of {seed}")
    wanted = chosen(only)
    strikes = []
    for fault, per_minute in PER_MINUTE.items():
        # One fault's strikes are spread over the run, so that a process is not killed ten times in a row.
        count = int(often * per_minute * seconds / 60 + rng.random())
        for n in range(count):
            at = (n + rng.random()) * seconds / count
            strike = Strike(round(at, 3), fault, _details(fault, rng))
            if fault in wanted:
                strikes.append(strike)
    return sorted(strikes, key=lambda strike: strike.at)


def _details(fault: str, rng: random.Random) -> dict[str, Any]:
    kind, _, what = fault.partition(".")
    if kind == "stop":
        return {"seconds": round(rng.uniform(2, 7), 1)}
    if fault == "clock.scheme":
        return {"seconds": rng.choice([6, 12, 24, 30]) * 3600}
    if fault == "clock.worker":
        return {"seconds": rng.choice([86_400, -86_400])}
    if what == "delay":
        return {"seconds": round(rng.uniform(0.05, 0.6), 2), "during": round(rng.uniform(1, 3), 1)}
    if what == "down":
        return {"seconds": round(rng.uniform(0.5, 2.5), 1)}
    if kind in ("database", "bank"):
        return {"count": rng.choice([1, 1, 2, 3])}
    if kind == "simulator":
        return _of_simulator(what, rng)
    return {}


def _of_simulator(fault: str, rng: random.Random) -> dict[str, Any]:
    details: dict[str, Any] = {"count": rng.choice([1, 2, 3])}
    if fault in ("late_answer", "late_booking"):
        # A late booking comes when the bank was asked, and said that it knows nothing.
        details["seconds"] = round(rng.uniform(3, 6 if fault == "late_answer" else 9), 1)
    if fault in ("silent", "reordered_reports"):
        details["seconds"] = 3
    if fault == "silent":
        details["count"] = 6
    if fault == "wrong_amount":
        details["count"] = 1
    if fault == "reject":
        details["rail"] = rng.choices(list(NOT_TODAY), weights=list(OFTEN))[0]
        details["code"] = NOT_TODAY[details["rail"]]
    return details
