"""RTP through a sponsor bank: instant US dollars, 24 hours a day, final; pacs.008 out, pacs.002 back.

Sources: RTP message specifications (message name: M, date, participant, 15 more characters), limit of
9 February 2025. The network never takes a message name twice, for ever. A missing answer is asked
about: no money moves without a pacs.002, but that is known only once the bank has said so.
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
from connectors.rails.interbank import InterbankConnector
from connectors.schemes.limits import current_limits
from connectors.schemes.reasons import ISO_RTP, ReasonTable
from connectors.schemes.recalls import INTERBANK_RECALL_DAYS

_LIMITS = current_limits("rtp")


class RtpConnector(InterbankConnector):
    """One sponsor bank on RTP."""

    driver: ClassVar[str] = "rtp"
    reasons: ClassVar[ReasonTable] = ISO_RTP
    clearing_system: ClassVar[str] = "TCH"
    local_instrument: ClassVar[str] = "STANDARD"
    can: ClassVar[Capabilities] = Capabilities(
        rail="rtp",
        account_types=frozenset({"us_bank"}),
        currencies=frozenset({"USD"}),
        min_amount=_LIMITS.min_amount,
        max_amount=_LIMITS.max_amount,
        style=TransmissionStyle.MESSAGE,
        max_instructions=1,
        transmissions_per_day=None,
        reference=ReferenceShape(kind="random", length=30),
        dedup=Dedup.FOREVER,
        dedup_window=None,
        can_inquire=True,
        refuses_before_booking=frozenset({429, 503}),
        answers_within=timedelta(seconds=20),
        finality=Finality.FINAL,
        can_recall=True,
        recall_days=INTERBANK_RECALL_DAYS,
        calendar=_LIMITS.calendar,
    )

    def message_id(self, numbers: DrawnNumbers, digest: str) -> str:
        """M, date, participant (routing number and T1), B, number and digest: 35 characters."""
        day = numbers.created_at.astimezone(UTC)
        number = numbers.file_number % 1_000_000
        return f"M{day:%Y%m%d}{self.sender_routing()}T1B{number:06d}{digest[:8]}"
