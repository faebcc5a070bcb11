"""SIRA (Brique 83) over HTTP: one question about a list of payouts, one answer, one deadline.

Question: `POST <SIRA_URL>` with `{"asked_at", "payouts": [{"id", "payout_method", "priority", "amount",
"currency", "country", "institution", "candidates": [{"connector", "rail", "fee", "success", "arrives_at"}]}]}`.
Answer: 200 `{"recommendations": [{"id", "connector", "score"?, "predicted_settlement_at"?}]}`, where a score
is a probability. Neither names nor account numbers travel. Whatever else comes back is a ConnectorError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from connectors.base import ConnectorError
from connectors.http import HttpAnswer, HttpClient, failure_code

MAX_BYTES = 1024 * 1024
FURTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What SIRA prefers for one payout, and what it expects; both expectations may be missing."""

    connector: str
    score: Decimal | None
    predicted_settlement_at: datetime | None


def recommend(
    url: str, payouts: Sequence[Mapping[str, Any]], *, asked_at: datetime, deadline_s: float
) -> dict[int, Recommendation]:
    """Ask once. Returns recommendations by the payouts' ids. Raises ConnectorError."""
    parts = urlsplit(url)
    client = HttpClient(
        f"{parts.scheme}://{parts.netloc}", deadline_s=deadline_s, connect_timeout_s=deadline_s
    )
    body = json.dumps({"asked_at": asked_at.isoformat(), "payouts": list(payouts)}).encode()
    result = client.request(
        "POST",
        parts.path or "/",
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        body=body,
        max_bytes=MAX_BYTES,
    )
    if not isinstance(result, HttpAnswer) or result.status != 200:
        raise ConnectorError(failure_code(result))
    return read_answer(result.body, asked_at=asked_at)


def read_answer(body: bytes, *, asked_at: datetime) -> dict[int, Recommendation]:
    """Read an answer as a whole: one wrong field and none of it is believed. Raises ConnectorError."""
    try:
        answer = json.loads(body, parse_float=Decimal, parse_int=Decimal)
        found = {}
        for item in answer["recommendations"]:
            number = item["id"]
            # Its size first: the whole number that 1e999999999 stands for does not fit anywhere.
            if not isinstance(number, Decimal) or not 0 <= number < 10**9 or number % 1:
                raise ValueError
            found[int(number)] = _read(item, asked_at)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        InvalidOperation,
        RecursionError,
    ):
        raise ConnectorError("answer_unreadable") from None
    return found


def _read(item: Mapping[str, Any], asked_at: datetime) -> Recommendation:
    connector, score, moment = item["connector"], item.get("score"), None
    if not isinstance(connector, str):
        raise TypeError
    if score is not None and not (isinstance(score, Decimal) and 0 <= score <= 1):
        raise ValueError
    if (text := item.get("predicted_settlement_at")) is not None:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or not asked_at <= moment <= asked_at + FURTHEST:
            raise ValueError
    return Recommendation(
        connector=connector,
        score=None if score is None else score.quantize(Decimal("0.0001")),
        predicted_settlement_at=moment,
    )
