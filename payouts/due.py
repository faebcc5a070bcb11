"""What is due at a bank: ready for it or to be tried again, locked, at most one transmission's worth."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from payouts import banks, clock, doorbell
from payouts.banks import BankLine
from payouts.failover import NOT_AT_A_BANK


def ids_due(bank: BankLine) -> list[UUID]:
    """Ids that are due, locked, at most one transmission's worth; a file waits until its window closes."""
    able = bank.capabilities
    if able.style == "message":
        return _take(bank, min(settings.WORKER_BATCH_SIZE, able.max_instructions))
    if not _window_closed(bank):
        return []
    return _take(bank, able.max_instructions)


# A run that is being released gives its payouts a thousand at a time. A file that took the first thousand
# would cost the day one of its few names for nothing, so it waits; but not for a run that nobody ends.
RUN_WAIT_S = 60
RUN_IS_OPEN = (
    " EXISTS (SELECT FROM payout_batches b WHERE b.status = 'open' AND EXISTS"
    " (SELECT FROM payouts p WHERE p.batch_id = b.id AND p.bank_connector_id = %(bank)s))"
)


def _window_closed(bank: BankLine) -> bool:
    """One process collects for a file rail at a time, and only once the window or the file is full."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 84))", [str(bank.id)])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(
            f"SELECT count(*), extract(epoch FROM clock_timestamp() - min(due_at)),{RUN_IS_OPEN} FROM ("
            " SELECT updated_at AS due_at FROM v_payouts_ready_for_processing v"
            f" WHERE bank_connector_id = %(bank)s{NOT_AT_A_BANK}"
            " UNION ALL SELECT next_retry_at FROM v_payouts_retry_queue v"
            f" WHERE bank_connector_id = %(bank)s{NOT_AT_A_BANK}) due",
            {"bank": bank.id},
        )
        waiting, oldest_s, run_open = cursor.fetchone()
    if not waiting or not banks.transmissions_left(bank, clock.now()):
        return False
    if waiting >= bank.capabilities.max_instructions:
        return True
    left_s = settings.FILE_WINDOW_SECONDS - float(oldest_s)
    if left_s <= 0 and not (run_open and left_s > -RUN_WAIT_S):
        return True
    if left_s <= 60:
        soonest_s = 0.5 if run_open else 0.0
        doorbell.ring("dispatch", delay_s=round(max(left_s, soonest_s) + 0.05, 1))
    return False


def _take(bank: BankLine, limit: int) -> list[UUID]:
    """The first `limit` of what is ready and what is to be retried, locked; others' rows are passed over."""
    first = "priority_rank, " if settings.WORKER_ENABLE_PRIORITY else ""
    queues = (
        ("v_payouts_ready_for_processing", "created_at"),
        ("v_payouts_retry_queue", "next_retry_at"),
    )
    found: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for view, since in queues:
            cursor.execute(
                f"SELECT id, priority_rank, created_at FROM {view} v WHERE bank_connector_id = %s"
                f"{NOT_AT_A_BANK}"
                f" ORDER BY {first}{since} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED",
                [bank.id, limit],
            )
            found += cursor.fetchall()
    ranked = sorted(found, key=lambda row: (row[1] if first else 0, row[2]))
    return [row[0] for row in ranked[:limit]]
