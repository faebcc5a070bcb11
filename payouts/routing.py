"""Which bank connection a payout takes: the cheapest that keeps the promise, weighted by success. Pure.

Everything is passed in: connections, rules, what was seen, the time. A connection that cannot carry a
payout is refused with a reason; of those that can, each has the fee and the arrival of its most specific
rule, a probability of success (`statistics.Seen.success`) and

    expected cost = fee + (1 - success) x failure cost

where the failure cost (ROUTING_FAILURE_COST, per currency) is what a failed try is worth avoiding. First
come connections that are ready (neither paused nor left alone by their breaker), then those that keep the
promise, then those whose cost is known, then those that are not usually late; among equals the lowest
expected cost wins, then the operators' preference, then the key. The promise is seconds where a merchant
asked for them (`instant_transfer`, priority `instant`), `due_by` where a payout changes its route, and
otherwise what the route's own rule says. When none keeps it, the earliest wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from payouts import money, sla
from payouts.banks import BankLine
from payouts.sla import Promise, Rule
from payouts.statistics import Seen

# What a merchant may ask for, and the rails that may serve it.
METHODS: dict[str, frozenset[str]] = {
    "bank_transfer": frozenset({"ach", "sepa", "faster_payments", "wire", "rtp", "sepa_instant"}),
    "wire": frozenset({"wire"}),
    "instant_transfer": frozenset({"rtp", "sepa_instant", "faster_payments"}),
    "mobile_money": frozenset({"mobile_money"}),
}
INSTANT = timedelta(seconds=60)  # What "instant" promises at the latest.
# Why a connection was not taken: stable code -> what people read.
OBSTACLES = {
    "misconfigured": "cannot be used as it is configured",
    "not_in_service": "not in service",
    "account_type": "cannot pay this kind of account",
    "currency": "not in this currency",
    "institution": "not an account of this institution's",
    "country": "not into this country",
    "amount": "not this amount",
    "paused": "paused by operators",
    "breaker_open": "left alone after failures",
}
WAITS = ("paused", "breaker_open")  # It could carry the payout later: better than not at all.


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What must be carried: where to, how much, how, and when.

    `due_by`: what was promised before. `fires`: when a schedule collects for a rail next.
    """

    payout_method: str
    account_type: str
    currency: str
    amount: Decimal
    country: str
    institution: str
    priority: str
    scheduled_at: datetime | None = None
    due_by: datetime | None = None
    fires: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def is_instant(self) -> bool:
        return self.payout_method == "instant_transfer" or self.priority == "instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A connection that was looked at. Without a promise it cannot carry the payout at all."""

    bank: BankLine
    refused: str  # a code of OBSTACLES; "" for one that is ready
    detail: str
    rule: Rule | None = None
    promise: Promise | None = None
    scheduled_at: datetime | None = None
    predicted_at: datetime | None = None
    success: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    seen: tuple[int, int] = (0, 0)
    rank: tuple[Any, ...] = ()

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "connector": self.bank.key,
            "refused": self.refused,
            "detail": self.detail,
        }
        if self.promise is not None and self.predicted_at is not None:
            shown |= {
                "fee": f"{self.promise.fee:f}",
                "cost": f"{self.cost:f}",
                "score": f"{self.success:f}",
                "success": f"{self.seen[0]} of {sum(self.seen)}",
                "arrives_at": self.promise.target_at.isoformat(),
                "predicted_at": self.predicted_at.isoformat(),
            }
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What SIRA says about one payout: a preference, with what it expects."""

    connector: str
    score: Decimal | None = None
    predicted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A chosen connection, why, and what is promised and expected of it."""

    bank: BankLine
    reason: str
    candidates: list[dict[str, Any]]
    promise: Promise
    scheduled_at: datetime | None  # Set where a batch waits for its cut-off.
    score: Decimal
    predicted_at: datetime
    source: str  # rules | sira | fallback


@dataclass(slots=True, kw_only=True)
class Choices:
    """All that is looked at for one list; remembers rules, because a list asks for few of them."""

    lines: Sequence[BankLine]
    rules: Sequence[Rule]
    seen: Seen
    failure_cost: Mapping[str, Decimal]
    now: datetime
    _rules: dict[tuple[UUID, str, str], Rule | None] = field(default_factory=dict)
    _promises: dict[tuple[Any, ...], Promise] = field(default_factory=dict)
    _standing: dict[UUID, tuple[str, str]] = field(default_factory=dict)

    def survey(self, wish: Wish) -> list[Candidate]:
        """Every connection whose rail serves the wish, the best one first."""
        rails = METHODS[wish.payout_method]
        found = [self._look(bank, wish) for bank in self.lines if bank.rail in rails]
        return sorted(found, key=lambda c: (c.promise is None, c.rank, c.bank.key))

    def _look(self, bank: BankLine, wish: Wish) -> Candidate:
        refused, detail = self._obstacle(bank, wish)
        if refused and refused not in WAITS:
            return Candidate(bank=bank, refused=refused, detail=detail)
        rule = self._rule(bank, wish)
        scheduled_at = wish.scheduled_at
        if scheduled_at is None and wish.priority == "batch":
            # Waits for its batch; without a schedule that fits, until the cut-off.
            scheduled_at = wish.fires.get(bank.rail) or sla.next_cutoff(rule, self.now)
        start = max(scheduled_at or self.now, self.now)
        promise = self._promise(rule, wish, start)
        success = self.seen.success(bank.id, wish.institution)
        price = self.failure_cost.get(wish.currency, self.failure_cost.get("*", Decimal(0)))
        cost = (promise.fee + (1 - success) * price).quantize(Decimal("0.0001"))
        lateness_s = self.seen.lateness_s(bank.id, wish.institution)
        keeps = not wish.is_instant or promise.target_at <= start + INSTANT
        keeps = keeps and (wish.due_by is None or promise.target_at <= wish.due_by)
        return Candidate(
            bank=bank,
            refused=refused,
            detail=detail,
            rule=rule,
            promise=promise,
            scheduled_at=scheduled_at,
            predicted_at=max(promise.target_at + timedelta(seconds=lateness_s), start),
            success=success,
            cost=cost,
            seen=self.seen.tally(bank.id, wish.institution),
            rank=(
                bool(refused), not keeps, self.now if keeps else promise.target_at, rule is None,
                lateness_s > 0, cost, bank.preference,
            ),
        )  # fmt: skip

    def _promise(self, rule: Rule | None, wish: Wish, start: datetime) -> Promise:
        """Computed once for what does not depend on the amount: calendars cost more than all the rest."""
        amount = wish.amount if rule is not None and rule.percentage_fee else None
        key = (rule.id if rule else None, start, wish.currency, amount)
        if key not in self._promises:
            self._promises[key] = sla.promise(
                rule, amount=wish.amount, accepted_at=start, decimals=money.EXPONENTS[wish.currency]
            )
        return self._promises[key]

    def _rule(self, bank: BankLine, wish: Wish) -> Rule | None:
        """The most specific rule; who asks for an instant transfer means the instant promise."""
        means_instant = wish.payout_method == "instant_transfer" and wish.priority == "standard"
        priority = "instant" if means_instant else wish.priority
        key = (bank.id, wish.country, priority)
        if key not in self._rules:
            places = (wish.country, "EU") if bank.rail.startswith("sepa") else (wish.country,)
            self._rules[key] = sla.most_specific(
                self.rules,
                connector_id=bank.id,
                rail=bank.rail,
                countries=places,
                priority=priority,
                on=self.now.date(),
            )
        return self._rules[key]

    def _obstacle(self, bank: BankLine, wish: Wish) -> tuple[str, str]:
        """Why a connection cannot carry a wish, as code and text; "" when it can."""
        if bank.id not in self._standing:
            self._standing[bank.id] = _standing(bank, self.now)
        standing, detail = self._standing[bank.id]
        if standing and standing not in WAITS:
            return standing, detail
        able = bank.capabilities
        if wish.account_type not in able.account_types:
            return "account_type", OBSTACLES["account_type"]
        if wish.currency not in able.currencies:
            return "currency", OBSTACLES["currency"]
        if able.institutions is not None and wish.institution not in able.institutions:
            return "institution", OBSTACLES["institution"]
        if able.countries is not None and wish.country not in able.countries:
            return "country", OBSTACLES["country"]
        sent_on = max(wish.scheduled_at or self.now, self.now).date()
        low, high = bank.limits(sent_on, currency=wish.currency, country=wish.country)
        if not low <= wish.amount <= high:
            return "amount", f"only from {low} to {high}"
        if able.amount_step and wish.amount % able.amount_step:
            return "amount", f"only in whole multiples of {able.amount_step}"
        return standing, detail


def _standing(bank: BankLine, now: datetime) -> tuple[str, str]:
    """What stands against a connection whatever is to be carried."""
    try:
        bank.capabilities, bank.windows  # noqa: B018  (read to see whether they can be)
    except Exception as error:  # noqa: BLE001  (a bank that cannot be built must not stop the others)
        return "misconfigured", f"{OBSTACLES['misconfigured']}: {type(error).__name__}"
    if not bank.in_service(now.date()):
        code = "not_in_service"
    elif bank.paused:
        code = "paused"
    elif bank.breaker == "open":
        code = "breaker_open"
    else:
        return "", ""
    return code, OBSTACLES[code]


def able(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that an advice may choose from: as ready and as punctual as the best one."""
    carrying = [c for c in candidates if c.promise is not None]
    return [c for c in carrying if c.rank[:2] == carrying[0].rank[:2]]


def decide(
    wish: Wish,
    candidates: Sequence[Candidate],
    *,
    source: str = "rules",
    advice: Advice | None = None,
) -> Route | None:
    """Take the best candidate, or the advised one if it is as able; None where nothing can carry it."""
    choosable = able(candidates)
    if not choosable:
        return None
    chosen = choosable[0]
    advised = [c for c in choosable if advice is not None and c.bank.key == advice.connector]
    if advised and advice is not None:
        chosen, source = advised[0], "sira"
    elif source == "sira":  # It was not asked about a choice between one, or it did not say.
        source = "fallback" if len(choosable) > 1 else "rules"
    assert chosen.promise is not None
    assert chosen.predicted_at is not None
    score, predicted = chosen.success, chosen.predicted_at
    if source == "sira" and advice is not None:
        score = advice.score if advice.score is not None else score
        predicted = advice.predicted_at or predicted
    return Route(
        bank=chosen.bank,
        reason=_reason(wish, chosen, choosable, source),
        candidates=[c.to_json() for c in candidates],
        promise=chosen.promise,
        scheduled_at=chosen.scheduled_at,
        score=score,
        predicted_at=predicted,
        source=source,
    )


def _reason(wish: Wish, chosen: Candidate, choosable: Sequence[Candidate], source: str) -> str:
    if chosen.refused:
        return f"{chosen.bank.key}: {chosen.detail}, and nothing else carries it"
    assert chosen.promise is not None
    price = (
        f"expected cost {chosen.cost:f} {wish.currency} (fee {chosen.promise.fee:f},"
        f" success {chosen.success:f})"
    )
    if source == "sira":
        return f"{chosen.bank.key}: SIRA's choice among {len(choosable)}, {price}"
    if len(choosable) == 1:
        return f"{chosen.bank.key}: the only one that can, {price}"
    return f"{chosen.bank.key}: best of {len(choosable)}, {price}"
