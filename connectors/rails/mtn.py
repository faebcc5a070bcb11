"""MTN MoMo disbursement: a token, 202 with nothing in it, then the operator is asked or reports.

Source: MTN MoMo API, disbursement product. Our reference is the `X-Reference-Id` (a UUIDv4): a second
request under it hears 409 RESOURCE_ALREADY_EXIST, which means "received, go and ask" and never a
refusal. MTN names no end to this; we claim 24 hours. Business refusals come later, as FAILED with a
reason.

MTN calls `X-Callback-Url` once, by PUT, and signs nothing. The address is another for each transfer and
has a token in it (`webhooks.callback_url`): whoever knows it was told by us, in that transfer's request.
So it is believed, about that transfer alone. A call that is lost is made good by the reports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from connectors.abilities import PayeeVerification, WebhookMessage, WebhookRefused
from connectors.base import (
    AccountDetails,
    Dedup,
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    ReferenceShape,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.latin import sepa_text
from connectors.http import HttpAnswer
from connectors.rails.bank_api import TokenDoor, json_text, read_json, unreadable_answer
from connectors.rails.checks import option
from connectors.rails.payee_checks import ask_mtn
from connectors.rails.wallets import WalletConnector, Word, amount_text, event_of, outcome_of
from connectors.rails.webhooks import callback_url, check_token
from connectors.schemes.reasons import MTN, ReasonTable

_TRANSFERS = "/disbursement/v1_0/transfer"
_CALLBACK = "mtn.callback"
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
    subscription_key, callback_secret (known to nobody but us).
    """

    driver: ClassVar[str] = "mtn"
    operator: ClassVar[str] = "mtn"
    reasons: ClassVar[ReasonTable] = MTN
    reference: ClassVar[ReferenceShape] = ReferenceShape(kind="uuid4", length=36)
    reference_form: ClassVar[re.Pattern[str]] = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
    )
    checks_payees: ClassVar[bool] = True
    dedup: ClassVar[Dedup] = Dedup.WINDOW
    dedup_hours: ClassVar[int] = 24
    calls_back: ClassVar[bool] = True

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

    def verify_payee(self, account: AccountDetails) -> PayeeVerification:
        """Ask the operator whose wallet it is. Raises ConnectorError."""
        return ask_mtn(self.api, account, self._headers())

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored transfer once. Raises ConnectorMisconfigured only."""
        (reference,) = transmission.instruction_references
        address = callback_url(self.config, reference)
        named = {"X-Callback-Url": address} if address else {}
        answer = self.api.submit(
            _TRANSFERS,
            body=transmission.body,
            content_type=transmission.content_type,
            headers={**self._headers(), **named, "X-Reference-Id": reference},
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

    def read_webhook(
        self, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> WebhookMessage:
        """Prove the address, and that it speaks of its own transfer. Raises WebhookRefused."""
        reference, _ = check_token(self.config, query)
        try:
            about = json_text(read_json(body), "externalId")
        except UnreadableDocument:
            about = ""
        if about != reference:
            raise WebhookRefused("signature_invalid")
        document = InboundDocument(remote_id=reference, document_type=_CALLBACK, body=body)
        return WebhookMessage(document=document)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a settlement report, or what MTN called back with. Raises UnreadableDocument."""
        if document.document_type != _CALLBACK:
            return super().parse_report(document)
        event = event_of(_word(read_json(document.body)), self.reasons)
        return [] if event is None else [event]

    def _headers(self) -> dict[str, str]:
        environment = option(self.config, "target_environment", r"[a-z]{2,30}")
        return {
            "X-Target-Environment": environment,
            "Ocp-Apim-Subscription-Key": self.credential("subscription_key"),
        }

    def _read(self, answer: HttpAnswer, transmission: Transmission) -> Outcome:
        try:
            word = _word(read_json(answer.body))
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        return outcome_of(answer, transmission, [word], self.reasons)


def _word(told: Mapping[str, Any]) -> Word:
    reason = told.get("reason") or ""
    return Word(
        reference=json_text(told, "externalId"),
        kind=_STATUSES.get(json_text(told, "status")),
        code=json_text(reason, "code") if isinstance(reason, dict) else str(reason),
        amount=json_text(told, "amount"),
        currency=json_text(told, "currency"),
        operator_id=json_text(told, "financialTransactionId"),
    )
