"""Until when a bank takes a payment for today, and which date goes on the order: its scheme's windows and its leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from payouts import sla
from payouts.banks import BankLine, ConnectorMisconfigured

SAME_DAY = ("priority", "instant")  # Priorities that a dearer same-day window is worth to.


def plan(bank: BankLine, moment: datetime, *, amount: Decimal, priority: str) -> sla.Plan:
    """How the bank's scheme carries a payment sent at `moment`. Raises ConnectorMisconfigured."""
    try:
        return sla.plan_settlement(
            bank.windows, now=moment, amount=amount, same_day=priority in SAME_DAY
        )
    except sla.NoWindow as error:
        raise ConnectorMisconfigured("option_invalid", "cutoffs") from error


def execution_dates(
    bank: BankLine, moment: datetime, wanted: Sequence[tuple[Decimal, str]]
) -> list[date]:
    """The date of each order (amount, priority), reckoned once for those that share their windows.

    Raises ConnectorMisconfigured.
    """
    caps = {window.max_amount for window in bank.windows if window.max_amount is not None}
    days: dict[tuple[bool, int], date] = {}
    found = []
    for amount, priority in wanted:
        key = (priority in SAME_DAY, sum(amount <= cap for cap in caps))
        if key not in days:
            days[key] = plan(bank, moment, amount=amount, priority=priority).execution_date
        found.append(days[key])
    return found


def end_of_return_window(bank: BankLine, settled_on: date) -> date | None:
    """The last day on which a return is normal, where settlement is provisional."""
    days = bank.capabilities.provisional_days
    return sla.add_banking_days(settled_on, days, bank.capabilities.calendar) if days else None
