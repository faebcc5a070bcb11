"""MTN MoMo disbursement: a token, 202 with nothing in it, then the operator is asked or reports.

Source: MTN MoMo API, disbursement product. Our reference is the `X-Reference-Id` (a UUIDv4): a second
request under it hears 409 RESOURCE_ALREADY_EXIST, which means "received, go and ask" and never a
refusal. MTN names no end to this; we claim 24 hours. Business refusals come later, as FAILED with a
reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from connectors.base import (
    Dedup,
    EventKind,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    ReferenceShape,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.latin import sepa_text
from connectors.http import HttpAnswer
from connectors.rails.bank_api import TokenDoor, json_text, read_json, unreadable_answer
from connectors.rails.checks import option
from connectors.rails.wallets import WalletConnector, Word, amount_text, outcome_of
from connectors.schemes.reasons import MTN, ReasonTable

_TRANSFERS = "/disbursement/v1_0/transfer"
_ALREADY = "RESOURCE_ALREADY_EXIST"
_STATUSES: Mapping[str, EventKind] = {
    "PENDING": EventKind.ACCEPTED,
    "ONGOING": EventKind.ACCEPTED,
    "DELAYED": EventKind.ACCEPTED,
    "SUCCESSFUL": EventKind.SETTLED,
    "FAILED": EventKind.REJECTED,
}


class MtnConnector(WalletConnector):
    """MTN in one country. Options besides: target_environment; credentials api_user, api_key,
    subscription_key.
    """

    driver: ClassVar[str] = "mtn"
    operator: ClassVar[str] = "mtn"
    reasons: ClassVar[ReasonTable] = MTN
    reference: ClassVar[ReferenceShape] = ReferenceShape(kind="uuid4", length=36)
    reference_form: ClassVar[re.Pattern[str]] = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
    )
    dedup: ClassVar[Dedup] = Dedup.WINDOW
    dedup_hours: ClassVar[int] = 24

    def token_door(self) -> TokenDoor | None:
        """`/disbursement/token/` with user and key."""
        return TokenDoor(path="/disbursement/token/", user="api_user")

    def order(self, instruction: PayoutInstruction, msisdn: str) -> Mapping[str, Any]:
        """A transfer to a number; the payout's id travels in payerMessage."""
        option(self.config, "target_environment", r"[a-z]{2,30}")  # Missing: say so before sending.
        return {
            "amount": amount_text(instruction),
            "currency": instruction.currency,
            "externalId": instruction.reference,
            "payee": {"partyIdType": "MSISDN", "partyId": msisdn.removeprefix("+")},
            "payerMessage": str(instruction.payout_id),
            "payeeNote": sepa_text(instruction.description, 160),
        }

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored transfer once. Raises ConnectorMisconfigured only."""
        (reference,) = transmission.instruction_references
        answer = self.api.submit(
            _TRANSFERS,
            body=transmission.body,
            content_type=transmission.content_type,
            headers={**self._headers(), "X-Reference-Id": reference},
            refusals=MTN.refusals,
        )
        if isinstance(answer, Outcome):
            if answer.code == "http_409" and _ALREADY.encode() in answer.document:
                return replace(answer, code=_ALREADY)
            return answer
        if answer.status != 202 or answer.body:
            return unreadable_answer(answer, "answer_unreadable")
        return Outcome(kind=OutcomeKind.ACCEPTED)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Ask for the transfer by our reference. Raises ConnectorMisconfigured only."""
        (reference,) = transmission.instruction_references
        answer = self.api.inquire(
            _TRANSFERS,
            reference,
            headers=self._headers(),
            not_found=frozenset({"NOT_FOUND", "RESOURCE_NOT_FOUND"}),
        )
        return answer if isinstance(answer, Outcome) else self._read(answer, transmission)

    def _headers(self) -> dict[str, str]:
        environment = option(self.config, "target_environment", r"[a-z]{2,30}")
        return {
            "X-Target-Environment": environment,
            "Ocp-Apim-Subscription-Key": self.credential("subscription_key"),
        }

    def _read(self, answer: HttpAnswer, transmission: Transmission) -> Outcome:
        try:
            told = read_json(answer.body)
            reason = told.get("reason") or ""
            code = json_text(reason, "code") if isinstance(reason, dict) else str(reason)
            word = Word(
                reference=json_text(told, "externalId"),
                kind=_STATUSES.get(json_text(told, "status")),
                code=code,
                amount=json_text(told, "amount"),
                currency=json_text(told, "currency"),
                operator_id=json_text(told, "financialTransactionId"),
            )
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        return outcome_of(answer, transmission, [word])
