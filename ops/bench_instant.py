"""How long an instant payout takes, from the request to `settled`, beside what its two halves cost alone.

A running sandbox is paid through over HTTP, as a merchant would, at a steady rate: a request counts from the
moment it was due, so that an engine that falls behind cannot hide it. The end is the engine's own
`settled_at`, the start is read from the same clock (the bank's must not have been moved on).
The baseline of the same run is one bare request to the engine and one to the bank.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from ops.http_client import Client
from ops.rail_tour import WAYS, Way
from payouts import clock

INSTANT = ("RTP", "SEPA Instant", "Faster Payments", "Orange", "MTN", "Wave", "M-Pesa")
CLIENTS = 8
GIVE_UP_S = 120.0


@dataclass(slots=True)
class Timing:
    """One way to pay: seconds from request to settled for each payout."""

    name: str
    seconds: list[float]
    unsettled: int

    def quantile(self, share: float) -> float:
        """The smallest duration that this share of all payouts did not exceed; unsettled ones never did."""
        ordered = sorted(self.seconds) + [math.inf] * self.unsettled
        return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]


class InstantBench:
    """Pays `count` payouts each instant way, all ways in turn, `rate` requests a second."""

    def __init__(
        self, *, engine: Client, bank: Client, count: int, rate: float, say: Callable[[str], None]
    ) -> None:
        self.engine, self.bank, self.count, self.rate, self.say = engine, bank, count, rate, say

    def run(self) -> list[Timing]:
        ways = [way for way in WAYS if way.name in INSTANT]
        receivers = {way.name: self._receiver(way) for way in ways}
        wishes = [(way, receivers[way.name]) for _ in range(self.count) for way in ways]
        self.say(f"{len(wishes)} payouts at {self.rate:g} a second")
        began, clock_then = time.monotonic(), clock.technical_now().timestamp()

        def pay_in_turn(number: int) -> tuple[str, str, float]:
            due = number / self.rate
            time.sleep(max(0.0, began + due - time.monotonic()))
            way, receiver = wishes[number]
            return way.name, self._pay(way, receiver), clock_then + due

        with ThreadPoolExecutor(CLIENTS) as pool:
            begun = list(pool.map(pay_in_turn, range(len(wishes))))
        self.say(f"{len(begun)} payouts accepted, waiting for the last to settle")
        ended = self._settled([payout_id for _, payout_id, _ in begun])
        timings = []
        for way in ways:
            mine = [(p, at) for name, p, at in begun if name == way.name]
            seconds = [ended[p] - at for p, at in mine if p in ended]
            timings.append(Timing(way.name, seconds, len(mine) - len(seconds)))
        return timings

    def baseline(self, requests: int = 50) -> dict[str, float]:
        """Median seconds of one bare request to each side, on the same machine in the same run."""
        found = {}
        for name, client, path in (
            ("engine", self.engine, "/healthz"),
            ("bank", self.bank, "/_sim/clock"),
        ):
            took = []
            for _ in range(requests):
                started = time.perf_counter()
                client.call("GET", path)
                took.append(time.perf_counter() - started)
            found[name] = statistics.median(took)
        return found

    def _receiver(self, way: Way) -> dict[str, str]:
        account = way.account("")
        who = {"name": f"{way.name} Receiver", "beneficiaryType": "user", "country": way.country}
        body = {**who, "account": account}
        answer = self.engine.call("POST", "/api/beneficiaries", body)
        if answer.status != 201:
            raise RuntimeError(f"{way.name}: beneficiary answered {answer.status} {answer.body}")
        made = answer.body["beneficiary"]
        return {
            "beneficiaryId": made["id"],
            "beneficiaryAccountId": made["accounts"][0]["id"],
            "currency": account["currency"],
        }

    def _pay(self, way: Way, receiver: dict[str, str]) -> str:
        body = {
            "originModule": "bench", "originEntityType": "merchant", "originEntityId": self.engine.tenant_id,
            "beneficiaryType": "user", **receiver, "amount": way.amount, "payoutMethod": way.method,
            "priority": "instant",
        }  # fmt: skip
        answer = self.engine.call("POST", "/api/payouts", body, key=str(uuid4()))
        if answer.status != 201:
            raise RuntimeError(f"{way.name}: create answered {answer.status} {answer.body}")
        payout_id: str = answer.body["payout"]["id"]
        return payout_id

    def _settled(self, payout_ids: Sequence[str]) -> dict[str, float]:
        """When each settled, in seconds since the epoch. What has not after two minutes is left out."""
        ended: dict[str, float] = {}
        deadline = time.monotonic() + GIVE_UP_S
        waiting = list(payout_ids)
        while waiting and time.monotonic() < deadline:
            still = []
            for payout_id in waiting:
                payout = self.engine.get_payout(payout_id)
                if payout["status"] in ("settled", "returned"):
                    ended[payout_id] = datetime.fromisoformat(payout["settled_at"]).timestamp()
                else:
                    still.append(payout_id)
            waiting = still
            time.sleep(0.2 if waiting else 0)
        return ended


def as_rows(timings: Sequence[Timing], baseline: dict[str, float]) -> list[dict[str, Any]]:
    """Figures per way, and how many bare round trips (engine and bank together) the median takes."""
    round_trip = baseline["engine"] + baseline["bank"]
    return [
        {
            "rail": t.name,
            "payouts": len(t.seconds) + t.unsettled,
            "unsettled": t.unsettled,
            "p50_s": round(t.quantile(0.50), 3),
            "p99_s": round(t.quantile(0.99), 3),
            "slowest_s": round(t.quantile(1.0), 3),
            "p50_in_bare_round_trips": round(t.quantile(0.50) / round_trip, 1),
        }
        for t in timings
    ]
