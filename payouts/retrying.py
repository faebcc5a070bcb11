"""When a payout is tried again: its rail's policy, what the bank asked for, and the cut-offs of its day.

A try after the cut-off is not forbidden, it is only worth less: the money arrives a banking day later. So a
wait never runs past a cut-off that the next try could still make.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection

from payouts import banks, clock, deadlines, sla
from payouts.backoff import RetryPolicy
from payouts.states import LockedPayout

MARGIN_S = 60.0  # A try takes its time to reach the bank.


def wait_s(payout: LockedPayout, repetition: int, *, asked_s: float | None) -> float:
    """Seconds to wait before a repetition; `asked_s` is the bank's Retry-After."""
    policy: RetryPolicy = settings.RETRY_POLICIES[payout.rail]
    left_s = _left_s(payout, clock.now())
    return policy.delay_s(repetition, at_least_s=asked_s or 0.0, left_s=left_s)


def fund_wait_s(asked_s: float | None) -> float:
    """Seconds until a payout is sent again to a bank where our account lacked money."""
    return max(settings.FUND_RETRY_S, asked_s or 0.0)


def _left_s(payout: LockedPayout, now: datetime) -> float | None:
    """Until the first cut-off that a try can still make: the bank's, or that of what was promised."""
    bank = banks.line(payout.bank_connector_id)
    margin_s = MARGIN_S
    if bank.capabilities.style == "file":
        margin_s += settings.FILE_WINDOW_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.priority, r.cutoff_time, r.time_zone, r.calendar, r.weekend FROM payouts p"
            " LEFT JOIN payout_sla_rules r ON r.id = p.sla_rule_id WHERE p.id = %s",
            [payout.id],
        )
        priority, cutoff, time_zone, calendar, weekend = cursor.fetchone()
    send_by = deadlines.plan(bank, now, amount=payout.amount, priority=priority).send_by
    ends = [(send_by - now).total_seconds()] if send_by is not None else []
    promised_s = None
    if cutoff is not None:
        promised_s = sla.seconds_left(
            now, cutoff=cutoff, time_zone=time_zone, calendar=calendar, weekend=weekend
        )
    ends += [promised_s] if promised_s is not None else []
    return min((end - margin_s for end in ends if end > margin_s), default=None)
