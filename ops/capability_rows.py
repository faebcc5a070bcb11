"""The capability table as people and programs read it: connections that say the same share a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from payouts import money
from payouts.banks import BankLine, hours_of

TITLES = (
    "rail", "connection", "operator", "country", "currency", "from", "to", "since", "hours", "a repetition", "recall",
    "settled is",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. Amounts are decimal strings; `until` "" has no end; `recall_days` None: cannot be recalled."""

    rail: str
    product: str
    connections: tuple[str, ...]
    operator: str
    country: str
    currency: str
    min_amount: str
    max_amount: str
    effective_from: str
    effective_until: str
    hours: str
    repetition: str
    cancel: str
    recall_days: int | None
    finality: str
    provisional_days: int
    source: str

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of TITLES."""
        rail = f"{self.rail}, {self.product}" if self.product else self.rail
        recall = "no" if self.recall_days is None else f"{self.recall_days} days"
        final = (
            f"{self.finality} for {self.provisional_days} days"
            if self.provisional_days
            else self.finality
        )
        since = (
            f"{self.effective_from} to {self.effective_until}"
            if self.effective_until
            else self.effective_from
        )
        return (
            rail, ", ".join(self.connections), self.operator, self.country, self.currency, self.min_amount,
            self.max_amount, since, self.hours, self.repetition, recall, final,
        )  # fmt: skip


def of(lines: Iterable[BankLine], *, on: date, history: bool = False) -> list[Row]:
    """Every connection's rows, those in force on `on` or all of them, by rail and what makes them differ."""
    names: dict[tuple[Any, ...], list[str]] = {}
    firsts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in lines:
        for ability in line.abilities:
            if not (history or ability.in_force(on)):
                continue
            day = on if ability.in_force(on) else ability.effective_from
            shown = {
                "rail": ability.rail,
                "product": ability.product,
                "operator": ability.operator,
                "country": ability.country,
                "currency": ability.currency,
                "min_amount": money.display(ability.min_amount, ability.currency),
                "max_amount": money.display(ability.max_amount, ability.currency),
                "effective_from": ability.effective_from.isoformat(),
                "effective_until": ""
                if ability.effective_until == date.max
                else ability.effective_until.isoformat(),
                "hours": hours_of(ability.hours, day),
                "repetition": ability.repetition,
                "cancel": ability.cancel,
                "recall_days": ability.recall_days,
                "finality": ability.finality,
                "provisional_days": ability.provisional_days,
                "source": ability.source,
            }
            key = tuple(shown.values())
            firsts[key] = shown
            names.setdefault(key, []).append(line.name)
    rows = [Row(**shown, connections=tuple(sorted(names[key]))) for key, shown in firsts.items()]
    return sorted(
        rows, key=lambda r: (r.rail, r.operator, r.country, r.currency, r.product, r.effective_from)
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table as it stands in docs/rails.md."""
    lines = [f"| {' | '.join(TITLES)} |", f"|{'---|' * len(TITLES)}"]
    lines += [f"| {' | '.join(cell or '–' for cell in row.cells())} |" for row in rows]
    return "\n".join(lines) + "\n"
