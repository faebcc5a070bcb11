"""Every refusal, by its stable code. A code, once published, keeps its meaning."""

from __future__ import annotations

# code: (HTTP status, title). The title is for people, the code for programs.
REFUSALS: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not one JSON document"),
    "json_too_deep": (400, "The JSON document is nested too deeply"),
    "duplicate_json_key": (400, "A key stands twice in one JSON object"),
    "invalid_text": (422, "A text contains characters that are not allowed"),
    "payload_too_large": (413, "The body is too large"),
    "too_many_items": (413, "The list is too long"),
    "unsupported_media_type": (415, "The body is not in a format that is understood here"),
    "method_not_allowed": (405, "This address does not know that method"),
    "bad_request": (400, "The request cannot be understood"),
    "unauthenticated": (401, "Who are you?"),
    "signature_missing": (401, "The message does not prove which bank sent it"),
    "signature_invalid": (401, "The signature is not this bank's"),
    "timestamp_invalid": (401, "The signed time is missing, malformed or in the future"),
    "timestamp_too_old": (401, "The message was signed too long ago"),
    "forbidden": (403, "Your role may not do this"),
    "origin_forbidden": (403, "A merchant pays from its own balance only"),
    "priority_forbidden": (403, "This priority is for operators"),
    "self_approval_forbidden": (403, "A second person must approve"),
    "not_found": (404, "There is no such thing"),
    "rate_limited": (429, "Too many requests"),
    "idempotency_key_required": (400, "The Idempotency-Key header is required"),
    "idempotency_key_invalid": (400, "The Idempotency-Key is 1 to 255 printable ASCII characters"),
    "idempotency_key_reused": (422, "This Idempotency-Key belongs to another request"),
    "idempotency_in_progress": (409, "The first request with this key is still running"),
    "validation_error": (422, "A field is missing or not valid"),
    "unknown_field": (422, "A field is not known"),
    "unknown_parameter": (422, "A query parameter is not known"),
    "parameter_invalid": (422, "A query parameter is not valid"),
    "amount_invalid": (422, "The amount is not a positive decimal number"),
    "amount_precision": (422, "The amount has more decimals than its currency"),
    "amount_out_of_range": (422, "The amount is too large"),
    "currency_unsupported": (422, "The currency is not known"),
    "currency_mismatch": (422, "The account is in another currency"),
    "payout_method_unsupported": (422, "The payout method is not known"),
    "rail_unsupported": (
        422,
        "No bank connection reaches this account with this method and amount",
    ),
    "beneficiary_not_found": (404, "There is no such beneficiary account"),
    "beneficiary_mismatch": (422, "The account belongs to another beneficiary"),
    "beneficiary_not_payable": (422, "The account cannot be paid"),
    "account_invalid": (422, "The account details are not valid"),
    "tenant_suspended": (422, "This merchant may not pay out"),
    "insufficient_funds": (422, "The balance is too low"),
    "metadata_too_large": (422, "The metadata is too large"),
    "schedule_in_past": (422, "The scheduled time has passed"),
    "batch_schedule_invalid": (422, "The batch schedule is not valid"),
    "batch_schedule_unknown": (404, "There is no such batch schedule"),
    "batch_not_due": (409, "The batch schedule has not fired then"),
    "schedule_invalid": (422, "The scheduled time is not valid"),
    "deposit_reference_reused": (422, "This reference belongs to another deposit"),
    "cancel_too_late": (409, "The bank has it: it cannot be cancelled any more"),
    "not_cancellable": (409, "It cannot be cancelled in this state"),
    "outcome_unknown": (409, "It may be at the bank: ask again when the bank has answered"),
    "not_retryable": (409, "It cannot be retried in this state"),
    "second_person_required": (403, "Above the limit another person must decide"),
    "stale_version": (409, "It is not what you have seen: look again"),
    "approval_expired": (409, "The approval comes too late"),
    "not_attestable": (
        409,
        "No bank's letter is needed: its outcome is known, or is still being asked for",
    ),
    "letter_contradicts": (
        409,
        "You have stated something else about this order: two others must agree",
    ),
    "recall_not_supported": (409, "This way of paying knows no recall"),
    "recall_too_late": (409, "The time in which it could be asked back has passed"),
    "recall_in_progress": (409, "It is being asked back already"),
    "not_recallable": (409, "Only what a bank has or has paid can be asked back"),
    "not_approvable": (409, "It does not wait for approval"),
    "not_acceptable": (
        409,
        "There is nothing to accept: nobody has said that the name is another's",
    ),
    "alert_already_resolved": (409, "The alert is resolved already"),
    "service_unavailable": (503, "A part of the engine does not answer: try again"),
    "internal_error": (500, "Something broke that should not have"),
}


class PayoutError(Exception):
    """A request that is refused. Nothing has been changed.

    `detail` may be shown to whoever asked; it never holds an account number or a secret.
    """

    def __init__(
        self, code: str, detail: str = "", *, param: str = "", retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail or REFUSALS[code][1]
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        return REFUSALS[self.code][0]

    @property
    def title(self) -> str:
        return REFUSALS[self.code][1]


class IllegalTransition(Exception):
    """A programming error: code asked for a status change that the table of transitions does not know."""
