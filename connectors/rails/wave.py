"""Wave payouts: synchronous, and safe to repeat under the same `Idempotency-Key`.

Source: Wave Business API, payouts. The answer says at once whether the money arrived. A key that comes
again with another body hears 409 idempotency-mismatch. Wave promises no length for a key's life; we
claim 24 hours. Our reference is found again by `client_reference`; the payout's id travels in
payment_reason (40 characters). A payout is reversed by its id within three days; a reversal that was made
is answered 200 again, with nothing in it. Webhooks carry `Wave-Signature: t=<unix time>,v1=<hex>`, the
HMAC-SHA-256 of the time and the body; while a secret is changed there are two v1.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from connectors.abilities import PayeeVerification, RecallOrder, WebhookMessage, WebhookRefused
from connectors.base import (
    AccountDetails,
    Dedup,
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.latin import sepa_text
from connectors.rails.bank_api import json_text, read_json, unreadable_answer
from connectors.rails.payee_checks import ask_wave
from connectors.rails.wallets import (
    WalletConnector,
    Word,
    amount_text,
    event_of,
    objects,
    outcome_of,
)
from connectors.rails.webhooks import check_time
from connectors.schemes.reasons import WAVE, ReasonTable

_PAYOUT = "/v1/payout"
_PAYOUT_ID = re.compile(r"pt-[A-Za-z0-9]{1,40}", re.ASCII)
# The listed words for "it stays where it is": too late, the account is gone, the money is spent.
_NOT_REVERSED = frozenset(
    {
        "payout-reversal-time-limit-exceeded",
        "payout-reversal-account-terminated",
        "payout-reversal-not-possible",
        "insufficient-funds",
    }
)
_SEARCH = "/v1/payouts/search?"
_WEBHOOK = "wave.webhook"
_UNIX_TIME = re.compile(r"[0-9]{1,11}", re.ASCII)
_STATUSES: Mapping[str, EventKind] = {
    "processing": EventKind.ACCEPTED,
    "succeeded": EventKind.SETTLED,
    "failed": EventKind.REJECTED,
    "reversed": EventKind.RETURNED,
}


class WaveConnector(WalletConnector):
    """Wave. Credentials: api_key, webhook_secret."""

    driver: ClassVar[str] = "wave"
    operator: ClassVar[str] = "wave"
    reasons: ClassVar[ReasonTable] = WAVE
    checks_payees: ClassVar[bool] = True
    dedup: ClassVar[Dedup] = Dedup.WINDOW
    dedup_hours: ClassVar[int] = 24
    calls_back: ClassVar[bool] = True
    recall_days: ClassVar[int] = 3

    def order(self, instruction: PayoutInstruction, msisdn: str) -> Mapping[str, Any]:
        """A payout of a net amount to a number."""
        return {
            "currency": instruction.currency,
            "receive_amount": amount_text(instruction),
            "mobile": msisdn,
            "name": sepa_text(instruction.account.holder_name, 70),
            "client_reference": instruction.reference,
            "payment_reason": str(instruction.payout_id),
        }

    def verify_payee(self, account: AccountDetails) -> PayeeVerification:
        """Ask the operator whose wallet it is. Raises ConnectorError."""
        return ask_wave(self.api, account)

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored payout once. Raises ConnectorMisconfigured only."""
        (reference,) = transmission.instruction_references
        answer = self.api.submit(
            _PAYOUT,
            body=transmission.body,
            content_type=transmission.content_type,
            headers={"Idempotency-Key": reference},
            refusals=WAVE.refusals,
        )
        if isinstance(answer, Outcome):
            return answer
        try:
            word = _word(read_json(answer.body))
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        return outcome_of(answer, transmission, [word], self.reasons)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Search by our reference. Raises ConnectorMisconfigured only."""
        (reference,) = transmission.instruction_references
        answer = self.api.ask(_SEARCH + urlencode({"client_reference": reference}))
        if isinstance(answer, Outcome):
            return answer
        try:
            words = [_word(found) for found in objects(read_json(answer.body), "result")]
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        if not words:
            return Outcome(kind=OutcomeKind.NOT_FOUND, code="not_found", document=answer.body)
        return outcome_of(answer, transmission, words, self.reasons)

    def recall(self, order: RecallOrder) -> Outcome:
        """Reverse a payout; the answer says at once that the money is back. Raises
        ConnectorMisconfigured only.
        """
        payout_id = order.bank_reference
        if not _PAYOUT_ID.fullmatch(payout_id):  # We heard of it by report only.
            found = self.inquire(order.transmission)
            payout_id = found.bank_reference
            if not _PAYOUT_ID.fullmatch(payout_id):
                return Outcome(kind=OutcomeKind.UNKNOWN, code=found.code or "payout_not_found")
        answer = self.api.submit(
            f"{_PAYOUT}/{payout_id}/reverse",
            body=b"",
            content_type="application/json",
            headers={"Idempotency-Key": order.reference},
            refusals=_NOT_REVERSED,
        )
        if isinstance(answer, Outcome):
            return answer
        if answer.body.strip() not in (b"", b"{}"):
            return unreadable_answer(answer, "answer_unreadable")
        back = StatusEvent(
            kind=EventKind.RETURNED,
            reference=order.payment_reference,
            code="REVERSED",
            bank_reference=payout_id,
        )
        return Outcome(kind=OutcomeKind.ACCEPTED, events=[back], bank_reference=payout_id)

    def read_webhook(
        self, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> WebhookMessage:
        """Prove signature and time. Raises WebhookRefused, ConnectorError."""
        parts = [part.partition("=")[::2] for part in headers.get("wave-signature", "").split(",")]
        stamps = [value for name, value in parts if name.strip() == "t"]
        given = [value for name, value in parts if name.strip() == "v1"]
        if not stamps or not given:
            raise WebhookRefused("signature_missing")
        stamp = stamps[0]
        if not _UNIX_TIME.fullmatch(stamp):
            raise WebhookRefused("timestamp_invalid")
        secret = self.credential("webhook_secret").encode()
        right = hmac.new(secret, stamp.encode() + body, hashlib.sha256).hexdigest().encode()
        matches = [hmac.compare_digest(one.encode("utf-8", "replace"), right) for one in given]
        if not any(matches):
            raise WebhookRefused("signature_invalid")
        check_time(datetime.fromtimestamp(int(stamp), UTC), now)
        digest = hashlib.sha256(body).hexdigest()[:16]
        document = InboundDocument(remote_id=digest, document_type=_WEBHOOK, body=body)
        return WebhookMessage(document=document)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a settlement report, or a payout that Wave told us of. Raises UnreadableDocument."""
        if document.document_type != _WEBHOOK:
            return super().parse_report(document)
        told = read_json(document.body)
        data = told.get("data")
        if not isinstance(data, dict):
            raise UnreadableDocument("json_incomplete", "a message has no data")
        if not json_text(told, "type").startswith("payout."):
            return []  # About money that comes in.
        event = event_of(_word(data), self.reasons)
        return [] if event is None else [event]


def _word(told: Mapping[str, Any]) -> Word:
    error = told.get("payout_error") or {}
    if not isinstance(error, dict):
        raise UnreadableDocument("json_incomplete", "payout_error is no object")
    status = json_text(told, "status")
    return Word(
        reference=json_text(told, "client_reference"),
        kind=_STATUSES.get(status),
        # Wave says that it took the money back and not why.
        code=json_text(error, "error_code") or ("REVERSED" if status == "reversed" else ""),
        amount=json_text(told, "receive_amount"),
        currency=json_text(told, "currency"),
        operator_id=json_text(told, "id"),
    )
