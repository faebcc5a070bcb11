"""The two clocks, read in one place.

Technical time (leases, deadlines, inquiry, back-off) is the database's clock and never moves. Business
time (cut-offs, value dates, SLA, schedules, expiry) is the same plus a sandbox offset, which follows the
bank simulator's clock; outside the sandbox the offset is 0.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection


def now() -> datetime:
    """Business time, aware, UTC."""
    with connection.cursor() as cursor:
        if not settings.SANDBOX:
            cursor.execute("SELECT clock_timestamp()")
        else:
            cursor.execute(
                "SELECT clock_timestamp() + make_interval(secs => coalesce("
                "(SELECT offset_seconds FROM sandbox_clock WHERE id = 1), 0))"
            )
        moment: datetime = cursor.fetchone()[0]
        return moment


def technical_now() -> datetime:
    """The database's clock, aware, UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def follow(offset_seconds: float) -> None:
    """Set the sandbox offset; refuses outside the sandbox."""
    if not settings.SANDBOX:
        raise RuntimeError("business time is the real time outside the sandbox")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sandbox_clock (id, offset_seconds) VALUES (1, %s) ON CONFLICT (id)"
            " DO UPDATE SET offset_seconds = excluded.offset_seconds"
            " WHERE abs(sandbox_clock.offset_seconds - excluded.offset_seconds) > 0.05",
            [offset_seconds],
        )
