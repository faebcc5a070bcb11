"""What can be done where: one row per (rail, operator, country, currency), product and time in force.

Facts of the scheme (limits, windows) and claims of the connector (repetition, recall, finality) side by
side. The claims are held against the bank by the contract suite, the facts name their sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from connectors.base import Capabilities, Dedup
from connectors.schemes import limits
from connectors.schemes.cutoffs import FOR_EVER, Window

CANCEL = (
    "until it is sent"  # No bank takes an order back by our word alone: after that it is a recall.
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One row. `operator` and `country` are "" where they make no difference.

    Amounts in units of `currency`; in force on days from `effective_from` until before `effective_until`;
    `hours` are the windows that a payment goes through then; `recall_days` None: not at all.
    """

    rail: str
    operator: str
    country: str
    currency: str
    product: str  # "" | "same day"
    min_amount: Decimal
    max_amount: Decimal
    effective_from: date
    effective_until: date
    hours: tuple[Window, ...]
    repetition: str
    cancel: str
    recall_days: int | None
    finality: str
    provisional_days: int
    answers_within_s: float | None
    source: str

    def in_force(self, on: date) -> bool:
        return self.effective_from <= on < self.effective_until


def describe(able: Capabilities, windows: Sequence[Window]) -> list[Ability]:
    """Every row of a connection, past, present and to come. `windows`: as it offers them."""
    found: list[Ability] = []
    for operator in sorted(able.institutions or ("",)):
        # Countries make a difference to wallets only: elsewhere a rail is one for all that it reaches.
        for country in sorted(able.countries or ("",)) if operator else ("",):
            for currency in sorted(able.currencies):
                found.extend(_of_one(able, windows, operator, country, currency))
    return found


def _of_one(
    able: Capabilities, windows: Sequence[Window], operator: str, country: str, currency: str
) -> Iterator[Ability]:
    rows = limits.history(able.rail, currency, operator=operator, country=country)
    usual = [window for window in windows if not window.same_day]
    for row, until in _with_ends(rows):
        yield _ability(
            able, row, operator, country, "", row.max_amount, row.effective_from, until, usual
        )
    for since, until, cap in _same_day_caps(windows):
        offered = [w for w in windows if w.same_day and w.max_amount == cap]
        row = limits.limits_on(able.rail, since, currency, operator=operator, country=country)
        yield _ability(able, row, operator, country, "same day", cap, since, until, offered)


def _with_ends(rows: Iterable[limits.RailLimits]) -> Iterator[tuple[limits.RailLimits, date]]:
    ordered = list(rows)
    for row, after in pairwise(ordered):
        yield row, after.effective_from
    yield ordered[-1], FOR_EVER


def _same_day_caps(windows: Sequence[Window]) -> list[tuple[date, date, Decimal]]:
    """From when to when which amount goes the same day, through whichever windows."""
    spans: dict[Decimal, tuple[date, date]] = {}
    for window in windows:
        if window.same_day and window.max_amount is not None:
            begins, ends = spans.get(window.max_amount, (FOR_EVER, date.min))
            begins, ends = min(begins, window.effective_from), max(ends, window.effective_until)
            spans[window.max_amount] = (begins, ends)
    return sorted((begins, ends, cap) for cap, (begins, ends) in spans.items())


def _ability(
    able: Capabilities,
    row: limits.RailLimits,
    operator: str,
    country: str,
    product: str,
    most: Decimal,
    since: date,
    until: date,
    windows: Sequence[Window],
) -> Ability:
    return Ability(
        rail=able.rail,
        operator=operator,
        country=country,
        currency=row.currency,
        product=product,
        min_amount=row.min_amount,
        max_amount=most,
        effective_from=since,
        effective_until=until,
        hours=tuple(w for w in windows if w.effective_from < until and since < w.effective_until),
        repetition=_repetition(able),
        cancel=CANCEL,
        recall_days=able.recall_days if able.can_recall else None,
        finality=able.finality.value,
        provisional_days=able.provisional_days,
        answers_within_s=able.answers_within.total_seconds() if able.answers_within else None,
        source=windows[0].source if product and windows else row.source,
    )


def _repetition(able: Capabilities) -> str:
    """How long the bank recognises the same order."""
    if able.dedup is not Dedup.WINDOW or able.dedup_window is None:
        return {Dedup.FOREVER: "for ever"}.get(able.dedup, "never")
    hours = able.dedup_window.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours > 24 else f"{hours:g} hours"


def hours_of(windows: Iterable[Window], on: date) -> str:
    """When a payment is taken on a day's rules, in words: "until 10:30, 14:45 America/New_York, XFED"."""
    open_ = [w for w in windows if w.effective_from <= on < w.effective_until]
    if not open_:
        return "closed"
    if all(window.deadline is None for window in open_):
        return "at any hour"
    ends = []
    for window in open_:
        lead = f" less {window.bank_lead.seconds // 60} min" if window.bank_lead else ""
        ends.append(f"{window.deadline:%H:%M}{lead}")
    first = open_[0]
    begins = f"{first.opens:%H:%M} to " if first.opens != first.opens.min else "until "
    begins = f"the evening before {begins}" if first.eve else begins
    return f"{begins}{', '.join(ends)} {first.time_zone}, {first.calendar}"
