"""Fedwire through a sponsor bank: pacs.008 out, pacs.002 and camt.054 back; final once settled.

Sources: Fedwire Funds Service, ISO 20022 implementation (live since 14 July 2025) and operating
hours. A business day opens at 21:00 New York on the calendar day before and closes for third-party
payments at 18:45; what is sent later settles on the next one. The message name has the form of an
IMAD: date, eight characters, six digits. We claim that a repetition is recognised for a day: an IMAD
is unique within its business day.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import ClassVar

from connectors.base import (
    Capabilities,
    Dedup,
    DrawnNumbers,
    Finality,
    ReferenceShape,
    TransmissionStyle,
)
from connectors.rails.checks import option
from connectors.rails.interbank import InterbankConnector
from connectors.schemes.limits import current_limits
from connectors.schemes.reasons import ISO_WIRE, ReasonTable
from connectors.schemes.recalls import INTERBANK_RECALL_DAYS

_LIMITS = current_limits("wire")


class WireConnector(InterbankConnector):
    """One sponsor bank on Fedwire. Its options, and source (four characters, default MOLA)."""

    driver: ClassVar[str] = "wire"
    reasons: ClassVar[ReasonTable] = ISO_WIRE
    clearing_system: ClassVar[str] = "FDW"
    local_instrument: ClassVar[str] = "CTRC"
    can: ClassVar[Capabilities] = Capabilities(
        rail="wire",
        account_types=frozenset({"us_bank", "swift"}),
        currencies=frozenset({"USD"}),
        min_amount=_LIMITS.min_amount,
        max_amount=_LIMITS.max_amount,
        style=TransmissionStyle.MESSAGE,
        max_instructions=1,
        transmissions_per_day=1_000_000,  # Six digits in the message's name.
        reference=ReferenceShape(kind="random", length=30),
        dedup=Dedup.WINDOW,
        dedup_window=timedelta(hours=24),
        can_inquire=True,
        refuses_before_booking=frozenset({429, 503}),
        finality=Finality.FINAL,
        can_recall=True,
        recall_days=INTERBANK_RECALL_DAYS,
        calendar=_LIMITS.calendar,
    )

    def message_id(self, numbers: DrawnNumbers, digest: str) -> str:
        """Date, source and number as in an IMAD; half of the source is ours to choose."""
        day = numbers.created_at.astimezone(UTC)
        source = option(self.config, "source", r"[A-Z0-9]{4}", default="MOLA")
        return f"{day:%Y%m%d}{source}{digest[:4]}{numbers.file_number % 1_000_000:06d}"
