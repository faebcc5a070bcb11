"""Wave payouts: synchronous, and safe to repeat under the same `Idempotency-Key`.

Source: Wave Business API, payouts. The answer says at once whether the money arrived. A key that comes
again with another body hears 409 idempotency-mismatch. Wave promises no length for a key's life; we
claim 24 hours. Our reference is found again by `client_reference`; the payout's id travels in
payment_reason (40 characters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from connectors.base import (
    Dedup,
    EventKind,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.latin import sepa_text
from connectors.rails.bank_api import json_text, read_json, unreadable_answer
from connectors.rails.wallets import WalletConnector, Word, amount_text, objects, outcome_of
from connectors.schemes.reasons import WAVE, ReasonTable

_PAYOUT = "/v1/payout"
_SEARCH = "/v1/payouts/search?"
_STATUSES: Mapping[str, EventKind] = {
    "processing": EventKind.ACCEPTED,
    "succeeded": EventKind.SETTLED,
    "failed": EventKind.REJECTED,
    "reversed": EventKind.RETURNED,
}


class WaveConnector(WalletConnector):
    """Wave. Credential: api_key."""

    driver: ClassVar[str] = "wave"
    operator: ClassVar[str] = "wave"
    reasons: ClassVar[ReasonTable] = WAVE
    dedup: ClassVar[Dedup] = Dedup.WINDOW
    dedup_hours: ClassVar[int] = 24

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

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored payout once. Raises ConnectorMisconfigured only."""
        (reference,) = transmission.instruction_references
        answer = self.api.submit(
            _PAYOUT,
            body=transmission.body,
            content_type=transmission.content_type,
            headers={"Idempotency-Key": reference},
            refusals=frozenset(WAVE.reactions),
        )
        if isinstance(answer, Outcome):
            return answer
        try:
            word = _word(read_json(answer.body))
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        return outcome_of(answer, transmission, [word])

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
        return outcome_of(answer, transmission, words)


def _word(told: Mapping[str, Any]) -> Word:
    error = told.get("payout_error") or {}
    if not isinstance(error, dict):
        raise UnreadableDocument("json_incomplete", "payout_error is no object")
    return Word(
        reference=json_text(told, "client_reference"),
        kind=_STATUSES.get(json_text(told, "status")),
        code=json_text(error, "error_code"),
        amount=json_text(told, "receive_amount"),
        currency=json_text(told, "currency"),
        operator_id=json_text(told, "id"),
    )
