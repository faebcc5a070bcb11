"""What a clearing bank sends by itself about Faster Payments: signed, numbered, and to be echoed.

Source: ClearBank's public description of its webhooks (`DigitalSignature` over the body; the answer
repeats `Nonce` and is signed; TransactionSettled 6, TransactionRejected 2,
PaymentMessageAssessmentFailed 1, PaymentMessageValidationFailed 1). That description names no time of
sending: we ask the bank for a `Timestamp` beside the type, so that an old message cannot be played again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors.abilities import WebhookMessage, WebhookRefused
from connectors.base import (
    ConnectorConfig,
    EventKind,
    InboundDocument,
    StatusEvent,
    UnreadableDocument,
)
from connectors.rails.bank_api import json_text, read_json
from connectors.rails.webhooks import check_signature, check_time
from connectors.schemes.reasons import is_duplicate

WEBHOOK = "fps.webhook"
_CODE = re.compile(r"[A-Za-z0-9_]{2,40}", re.ASCII)
_FAILED = ("PaymentMessageAssessmentFailed", "PaymentMessageValidationFailed")
# The bank has corrected its own spelling of the first; what is sent depends on the version.
_FAILURES = ("AssessmentFailure", "AssesmentFailure", "ValidationFailure")


def read(
    config: ConnectorConfig,
    *,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    sign: Callable[[bytes], str],
) -> WebhookMessage:
    """Prove that the bank sent it; `sign` signs our answer. Raises WebhookRefused, ConnectorError."""
    signature = headers.get("digitalsignature", "")
    check_signature(config, "webhook_key", signature=signature, signed=body)
    try:
        told = read_json(body)
        at = datetime.fromisoformat(json_text(told, "Timestamp"))
    except (UnreadableDocument, ValueError):
        raise WebhookRefused("timestamp_invalid") from None
    if at.tzinfo is None:
        raise WebhookRefused("timestamp_invalid")
    check_time(at, now)
    nonce = told.get("Nonce")
    answer = json.dumps({"Nonce": nonce if isinstance(nonce, int) else 0}).encode()
    document = InboundDocument(remote_id=f"nonce {nonce}", document_type=WEBHOOK, body=body)
    return WebhookMessage(
        document=document, answer=answer, answer_headers={"DigitalSignature": sign(answer)}
    )


def events(body: bytes) -> list[StatusEvent]:
    """What a message says about payments; nothing for kinds that we have no use for.

    Raises UnreadableDocument.
    """
    told = read_json(body)
    kind, payload = json_text(told, "Type"), told.get("Payload")
    if not isinstance(payload, dict):
        raise UnreadableDocument("json_incomplete", "a message has no Payload")
    if kind in _FAILED:
        return list(_failures(payload))
    if kind == "TransactionRejected":
        return [event for event in [_rejected(payload)] if event is not None]
    if kind == "TransactionSettled":
        return [event for event in [_settled(payload)] if event is not None]
    return []


def _settled(payload: Mapping[str, Any]) -> StatusEvent | None:
    """Our payment arrived, or came back (IsReturn); money of others is not our affair, in or back to them.

    Whoever pays us names the payment: sent back, it may have the name of a payout that stays paid.
    """
    back = payload.get("IsReturn") is True
    if json_text(payload, "DebitCreditCode") == ("Debit" if back else "Credit"):
        return None
    at = json_text(payload, "TimestampSettled")
    try:
        value_date = datetime.fromisoformat(at).date() if at else None
    except ValueError:
        raise UnreadableDocument("json_incomplete", "TimestampSettled is no moment") from None
    return _event(payload, EventKind.RETURNED if back else EventKind.SETTLED, value_date=value_date)


def _rejected(payload: Mapping[str, Any]) -> StatusEvent | None:
    if is_duplicate(json_text(payload, "CancellationCode")):
        return None  # "There already" says nothing about the first one.
    return _event(payload, EventKind.REJECTED)


def _event(payload: Mapping[str, Any], kind: EventKind, **more: Any) -> StatusEvent:
    reference = json_text(payload, "EndToEndTransactionId")
    if not reference:
        raise UnreadableDocument("json_incomplete", "no EndToEndTransactionId")
    amount = payload.get("Amount")
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int | Decimal)):
        raise UnreadableDocument("json_incomplete", "Amount is no number")
    return StatusEvent(
        kind=kind,
        reference=reference,
        code=json_text(payload, "CancellationCode") if kind is not EventKind.SETTLED else "",
        detail=json_text(payload, "CancellationReason"),
        amount=None if amount is None else Decimal(amount),
        currency=json_text(payload, "CurrencyCode"),
        bank_reference=json_text(payload, "TransactionId"),
        **more,
    )


def _failures(payload: Mapping[str, Any]) -> Iterator[StatusEvent]:
    """Refused by the bank itself: nothing reached the scheme. Its reasons are texts, now and then a code."""
    listed = next((payload[name] for name in _FAILURES if name in payload), None)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise UnreadableDocument("json_incomplete", "no list of failures")
    for item in listed:
        reference, reasons = json_text(item, "EndToEndId"), item.get("Reasons")
        if not reference or not isinstance(reasons, list):
            raise UnreadableDocument("json_incomplete", "a failure has no EndToEndId or Reasons")
        first = str(reasons[0]) if reasons else ""
        code = first if _CODE.fullmatch(first) else "ASSESSMENT_FAILED"
        if not is_duplicate(code):
            yield StatusEvent(
                kind=EventKind.REJECTED, reference=reference, code=code, detail="; ".join(map(str, reasons))
            )  # fmt: skip
