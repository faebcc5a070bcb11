"""Orange Money cash-in: an answer at once, and no protection against a repetition whatever.

Source: Orange Money web services (Sonatel), eWallet cash-in. `reference` is stored and can be searched
for, but two cash-ins under one reference are two cash-ins. So nothing is ever sent again: what was not
answered is asked about, and what is not found is a person's business. The PIN travels encrypted with
the operator's public key; it is encrypted once, when the connection is set up, so that the same
instruction always gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

from connectors.base import (
    ConnectorConfig,
    ConnectorMisconfigured,
    Dedup,
    EventKind,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    Transmission,
    UnreadableDocument,
)
from connectors.rails.bank_api import TokenDoor, json_text, read_json, unreadable_answer
from connectors.rails.checks import option
from connectors.rails.wallets import WalletConnector, Word, objects, outcome_of
from connectors.schemes.currencies import DECIMALS
from connectors.schemes.reasons import ORANGE, ReasonTable

_CASH_INS = "/api/eWallet/v1/cashins"
_TRANSACTIONS = "/api/eWallet/v1/transactions?"
_STATUSES: Mapping[str, EventKind] = {
    "PENDING": EventKind.ACCEPTED,
    "INITIATED": EventKind.ACCEPTED,
    "SUCCESS": EventKind.SETTLED,
    "FAILED": EventKind.REJECTED,
}


class OrangeConnector(WalletConnector):
    """Orange in one country. Options besides: partner_msisdn; credentials client_id, api_key (the
    client's secret), encrypted_pin.
    """

    driver: ClassVar[str] = "orange"
    operator: ClassVar[str] = "orange"
    reasons: ClassVar[ReasonTable] = ORANGE
    dedup: ClassVar[Dedup] = Dedup.NONE

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        if any(DECIMALS[currency] for currency in self.can.currencies):
            raise ConnectorMisconfigured("option_invalid", "currency")  # `value` is a whole number.

    def token_door(self) -> TokenDoor | None:
        """`/oauth/v1/token` by client credentials."""
        return TokenDoor(
            path="/oauth/v1/token", user="client_id", form="grant_type=client_credentials"
        )

    def order(self, instruction: PayoutInstruction, msisdn: str) -> Mapping[str, Any]:
        """A cash-in from our retailer account into a wallet."""
        partner = option(self.config, "partner_msisdn", r"[0-9]{8,15}")
        return {
            "partner": {
                "idType": "MSISDN",
                "id": partner,
                "encryptedPinCode": self.credential("encrypted_pin"),
            },
            "customer": {"idType": "MSISDN", "id": msisdn.removeprefix("+")},
            "amount": {"value": int(instruction.amount), "unit": instruction.currency},
            "reference": instruction.reference,
            "receiveNotification": False,
            "metadata": {"payout": str(instruction.payout_id)},
        }

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored cash-in once. Raises ConnectorMisconfigured only."""
        answer = self.api.submit(
            _CASH_INS,
            body=transmission.body,
            content_type=transmission.content_type,
            refusals=ORANGE.refusals,
        )
        if isinstance(answer, Outcome):
            return answer
        try:
            word = _word(read_json(answer.body))
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        return outcome_of(answer, transmission, [word], self.reasons)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Search by our reference; two under it are a person's business. Misconfigured only."""
        (reference,) = transmission.instruction_references
        answer = self.api.ask(_TRANSACTIONS + urlencode({"reference": reference}))
        if isinstance(answer, Outcome):
            return answer
        try:
            words = [_word(found) for found in objects(read_json(answer.body), "transactions")]
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        if not words:
            return Outcome(kind=OutcomeKind.NOT_FOUND, code="not_found", document=answer.body)
        return outcome_of(answer, transmission, words, self.reasons)


def _word(told: Mapping[str, Any]) -> Word:
    amount = told.get("amount") or {}
    if not isinstance(amount, dict):
        raise UnreadableDocument("json_incomplete", "amount is no object")
    value = amount.get("value", "")
    return Word(
        reference=json_text(told, "reference"),
        kind=_STATUSES.get(json_text(told, "status")),
        code=json_text(told, "code"),
        amount=str(value) if isinstance(value, int | Decimal) else "",
        currency=json_text(amount, "unit"),
        operator_id=json_text(told, "transactionId"),
    )
