"""SIRA's advice on routes. It may prefer one eligible route to another, and it never keeps anybody waiting.

Without SIRA_URL the rules decide alone. With it, one question is asked per list, with SIRA_DEADLINE_MS; a
late, broken or senseless answer is no answer, and this process then asks no more for SIRA_PAUSE_S, so that
a dead SIRA costs one create its deadline, not every create.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from connectors import sira as wire
from connectors.base import ConnectorError
from payouts.routing import Advice, Candidate, Wish, able

log = logging.getLogger(__name__)
_quiet_until: list[float] = [0.0]


def ask(
    wishes: Sequence[Wish], surveys: Sequence[Sequence[Candidate]], *, now: datetime
) -> dict[int, Advice] | None:
    """Advice by the wishes' numbers; empty when SIRA does not say, None when there is no SIRA to ask."""
    if not settings.SIRA_URL:
        return None
    questions = [
        _question(n, wish, able(survey))
        for n, (wish, survey) in enumerate(zip(wishes, surveys, strict=True))
        if len(able(survey)) > 1  # One is no choice.
    ]
    if not questions or time.monotonic() < _quiet_until[0]:
        return {}
    try:
        found = wire.recommend(
            settings.SIRA_URL,
            questions,
            asked_at=now,
            deadline_s=settings.SIRA_DEADLINE_MS / 1000,
        )
    except ConnectorError as error:
        _quiet_until[0] = time.monotonic() + settings.SIRA_PAUSE_S
        log.warning("SIRA does not say: %s; the rules decide", error.code)
        return {}
    return {
        n: Advice(
            connector=advice.connector,
            score=advice.score,
            predicted_at=advice.predicted_settlement_at,
        )
        for n, advice in found.items()
    }


def _question(number: int, wish: Wish, candidates: Sequence[Candidate]) -> dict[str, object]:
    return {
        "id": number,
        "payout_method": wish.payout_method,
        "priority": wish.priority,
        "amount": f"{wish.amount:f}",
        "currency": wish.currency,
        "country": wish.country,
        "institution": wish.institution,
        "candidates": [
            {
                "connector": candidate.bank.key,
                "rail": candidate.bank.rail,
                "fee": f"{candidate.promise.fee:f}",
                "success": f"{candidate.success:f}",
                "arrives_at": candidate.promise.target_at.isoformat(),
            }
            for candidate in candidates
            if candidate.promise is not None
        ],
    }
