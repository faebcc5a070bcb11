"""What mobile money operators share: one payment in each request, a wallet of their own, their limits.

Source: the operators' public API descriptions (MTN MoMo disbursement, Wave Business payouts, Orange
Money web services); BCEAO instruction 008-05-2015 for the ceiling of a wallet. A connection belongs
to one operator in named countries and one currency: a wallet of somebody else is refused before
anything is sent.
"""

from __future__ import annotations

import abc
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, ClassVar

from connectors.accounts import canonical_details
from connectors.base import (
    AccountDetails,
    Capabilities,
    ConnectorConfig,
    ConnectorMisconfigured,
    Dedup,
    DrawnNumbers,
    EventKind,
    FieldError,
    Health,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    Prepared,
    Reaction,
    ReferenceShape,
    ReportPage,
    StatusEvent,
    Transmission,
    TransmissionStyle,
    UnreadableDocument,
)
from connectors.http import HttpAnswer
from connectors.rails.bank_api import (
    BankApi,
    TokenDoor,
    json_amount,
    json_text,
    read_json,
    unreadable_answer,
)
from connectors.rails.checks import check_account, option, sort_out
from connectors.schemes.currencies import DECIMALS
from connectors.schemes.limits import current_limits
from connectors.schemes.reasons import ReasonTable, is_duplicate

_REPORTED: Mapping[str, EventKind] = {
    "SUCCESSFUL": EventKind.SETTLED,
    "FAILED": EventKind.REJECTED,
    "REVERSED": EventKind.RETURNED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What an operator says about one payment, before it is held against what we sent."""

    reference: str
    kind: EventKind | None  # None: a status we do not know.
    code: str
    amount: str
    currency: str
    operator_id: str


class WalletConnector(abc.ABC):
    """One operator. Options: bank, currency (XOF), countries (CI); credentials as the operator asks."""

    operator: ClassVar[str]
    reasons: ClassVar[ReasonTable]
    reference: ClassVar[ReferenceShape] = ReferenceShape(kind="random", length=30)
    reference_form: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z0-9]{1,35}", re.ASCII)
    dedup: ClassVar[Dedup]
    dedup_hours: ClassVar[int] = 0
    recall_days: ClassVar[int] = 0  # 0: the operator knows no recall.
    checks_payees: ClassVar[bool] = False  # The operator has `abilities.VerifiesPayees`.
    calls_back: ClassVar[bool] = (
        False  # The operator tells us by itself: `abilities.ReadsWebhooks`.
    )

    def __init__(self, config: ConnectorConfig) -> None:
        self.config = config
        self.can = self._capabilities()
        self.api = BankApi(
            config,
            rail="mobile_money",
            refuses_before_booking=self.can.refuses_before_booking,
            token=self.token_door(),
        )

    def token_door(self) -> TokenDoor | None:
        """Where the operator hands out tokens; None when the key itself opens."""
        return None

    @abc.abstractmethod
    def order(self, instruction: PayoutInstruction, msisdn: str) -> Mapping[str, Any]:
        """The operator's JSON for one payment. Pure and deterministic."""

    def capabilities(self) -> Capabilities:
        """What this operator carries: one currency to its own wallets."""
        return self.can

    def check_beneficiary(self, account: AccountDetails) -> list[FieldError]:
        """Check the number, the name, and that the wallet is this operator's."""
        errors = check_account(account, self.can)
        if errors:
            return errors
        canonical = canonical_details(account.type, account.details, account.country)
        if canonical.institution != self.operator:
            detail = "the wallet is not this operator's"
            errors.append(FieldError(field="operator", code="operator_unsupported", detail=detail))
        if canonical.country not in (self.can.countries or ()):
            detail = "this connection does not pay into this country"
            errors.append(FieldError(field="msisdn", code="country_unsupported", detail=detail))
        return errors

    def prepare(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> Prepared:
        """Write one request. Raises ConnectorError when there is more than one instruction."""
        good, errors = sort_out(
            instructions, self.can, reference=self.reference_form, check=self.check_beneficiary
        )
        digest = hashlib.sha256(self.config.name.encode())
        body = b""
        for instruction in instructions:
            digest.update(f"\n{instruction.reference} {instruction.payout_id}".encode())
        for instruction in good:
            account = instruction.account
            details = canonical_details(account.type, account.details, account.country).details
            content = self.order(instruction, details["msisdn"])
            body = json.dumps(content, separators=(",", ":")).encode()
        day = numbers.created_at.astimezone(UTC)
        return Prepared(
            reference=f"{day:%Y%m%d}{numbers.file_number:06d}{digest.hexdigest()[:14].upper()}",
            body=body,
            content_type="application/json",
            errors=errors,
        )

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch the operator's settlement reports after `cursor`. Raises ConnectorError."""
        return self.api.fetch_reports(cursor)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a settlement report. Raises UnreadableDocument."""
        if document.document_type != "wallet.report":
            raise UnreadableDocument("document_type_unknown", document.document_type[:40])
        words = [
            Word(
                reference=json_text(item, "reference"),
                kind=_REPORTED.get(json_text(item, "status")),
                code=json_text(item, "code"),
                amount=json_text(item, "amount"),
                currency=json_text(item, "currency"),
                operator_id=json_text(item, "id"),
            )
            for item in objects(read_json(document.body), "transactions")
        ]
        return [event for word in words if (event := event_of(word, self.reasons)) is not None]

    def reaction(self, code: str) -> Reaction:
        """What a code of this operator leads to."""
        return self.reasons.reaction(code)

    def check_health(self) -> Health:
        """Ask the operator's health endpoint."""
        return self.api.check_health()

    def credential(self, name: str) -> str:
        """A secret of this connection. Raises ConnectorMisconfigured."""
        value = self.config.credentials.get(name, "")
        if not value:
            raise ConnectorMisconfigured("credentials_missing", name)
        return value

    def _capabilities(self) -> Capabilities:
        currency = option(self.config, "currency", r"[A-Z]{3}", default="XOF")
        countries = option(self.config, "countries", r"[A-Z]{2}(,[A-Z]{2})*", default="CI")
        try:
            limits = current_limits("mobile_money", currency)
        except KeyError:
            raise ConnectorMisconfigured("option_invalid", "currency") from None
        return Capabilities(
            rail="mobile_money",
            account_types=frozenset({"mobile_money"}),
            currencies=frozenset({currency}),
            institutions=frozenset({self.operator}),
            countries=frozenset(countries.split(",")),
            min_amount=limits.min_amount,
            max_amount=limits.max_amount,
            style=TransmissionStyle.MESSAGE,
            max_instructions=1,
            transmissions_per_day=None,
            reference=self.reference,
            dedup=self.dedup,
            dedup_window=timedelta(hours=self.dedup_hours) if self.dedup_hours else None,
            can_inquire=True,
            refuses_before_booking=frozenset({429, 503}),
            verifies_payee=self.checks_payees,
            sends_webhooks=self.calls_back,
            can_recall=self.recall_days > 0,
            recall_days=self.recall_days,
            calendar=limits.calendar,
        )


def outcome_of(
    answer: HttpAnswer, transmission: Transmission, words: Sequence[Word], reasons: ReasonTable
) -> Outcome:
    """What the operator's words about one payment prove. Never raises."""
    (ours,) = transmission.instruction_references or ("",)
    if len(words) != 1 or words[0].reference != ours:
        return unreadable_answer(answer, "answer_mismatch", "does not speak of this one payment")
    try:
        event = event_of(words[0], reasons)
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    if event is None:
        return unreadable_answer(answer, "status_unknown")
    refused = event.kind is EventKind.REJECTED
    return Outcome(
        kind=OutcomeKind.REJECTED if refused else OutcomeKind.ACCEPTED,
        code=event.code,
        events=[event],
        bank_reference=event.bank_reference,
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def event_of(word: Word, reasons: ReasonTable) -> StatusEvent | None:
    """A word as an event; None for an unknown status, for "there already" and for "failed, or perhaps not"."""
    if not word.reference:
        raise UnreadableDocument("json_incomplete", "a payment has no reference of ours")
    refused = word.kind is EventKind.REJECTED
    if word.kind is None or (refused and (is_duplicate(word.code) or word.code in reasons.unsure)):
        return None
    return StatusEvent(
        kind=word.kind,
        reference=word.reference,
        code=word.code if word.kind in (EventKind.REJECTED, EventKind.RETURNED) else "",
        amount=json_amount({"amount": word.amount}, "amount") if word.amount else None,
        currency=word.currency,
        bank_reference=word.operator_id,
    )


def objects(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of objects. Raises UnreadableDocument."""
    listed = content.get(name)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise UnreadableDocument("json_incomplete", f"{name} is not a list of objects")
    return listed


def amount_text(instruction: PayoutInstruction) -> str:
    """The amount with exactly as many decimals as its currency has."""
    return f"{instruction.amount:.{DECIMALS[instruction.currency]}f}"
