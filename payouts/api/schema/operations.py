"""What the OpenAPI document says about each address: bodies in and out, headers, refusals, an example of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

from payouts.api import payee_shapes, serializers
from payouts.api.schema import bodies, examples, parameters
from payouts.errors import REFUSALS

PROBLEM = "application/problem+json"
ANYWHERE = ("unauthenticated", "forbidden", "unknown_parameter", "service_unavailable")
# What a body may be refused for, wherever one is read.
BODY = (
    "malformed_json", "json_too_deep", "duplicate_json_key", "bad_request", "payload_too_large",
    "unsupported_media_type", "invalid_text", "validation_error", "unknown_field",
)  # fmt: skip
KEY = ("idempotency_key_invalid", "idempotency_key_reused", "idempotency_in_progress")
# Why a request does not become a payout, apart from its shape.
REFUSED_PAYOUT = (
    "origin_forbidden", "priority_forbidden", "beneficiary_not_found", "beneficiary_mismatch",
    "beneficiary_not_payable", "amount_invalid", "amount_precision", "amount_out_of_range", "currency_unsupported",
    "currency_mismatch", "payout_method_unsupported", "rail_unsupported", "metadata_too_large", "schedule_in_past",
    "schedule_invalid", "tenant_suspended",
)  # fmt: skip
Answer = tuple[Any, Any]  # The shape of a good answer, and an example of it.
Method = TypeVar("Method", bound=Callable[..., Any])


class Described(Protocol):
    """A decorator that leaves a view's method as it is."""

    def __call__(self, method: Method, /) -> Method: ...


def operation(
    name: str,
    summary: str,
    *,
    answers: dict[int, Answer],
    refused: tuple[str, ...] = (),
    parameters: list[OpenApiParameter] | None = None,
    request: Any = None,
    asked: dict[str, Any] | None = None,
    description: str = "",
) -> Described:
    """One operation. `refused` are the codes of its problems beside those that are possible anywhere."""
    codes = sorted({*ANYWHERE, *refused}, key=lambda code: (REFUSALS[code][0], code))
    shapes: dict[Any, Any] = {status: shape for status, (shape, _) in answers.items()}
    shapes |= {(REFUSALS[code][0], PROBLEM): bodies.Problem for code in codes}
    described: Described = extend_schema(
        operation_id=name,
        summary=summary,
        description=description or None,
        parameters=parameters,
        request=request,
        responses=shapes,
        examples=[
            *(_good(status, example) for status, (_, example) in answers.items()),
            *(_problem(code) for code in codes),
            *(_asked(title, value) for title, value in (asked or {}).items()),
        ],
    )
    return described


def _good(status: int, example: Any) -> OpenApiExample:
    return OpenApiExample(
        str(status), value=example, response_only=True, status_codes=[str(status)]
    )


def _problem(code: str) -> OpenApiExample:
    return OpenApiExample(
        code,
        value=examples.problem(code),
        response_only=True,
        status_codes=[str(REFUSALS[code][0])],
        media_type=PROBLEM,
    )


def _asked(title: str, value: Any) -> OpenApiExample:
    media_type = "application/x-ndjson" if isinstance(value, str) else "application/json"
    return OpenApiExample(title, value=value, request_only=True, media_type=media_type)


def _verb(
    name: str, summary: str, *, answers: tuple[int, ...], asked: Any, **more: Any
) -> Described:
    """What people decide about one payout."""
    return operation(
        name,
        summary,
        answers={
            status: (bodies.CARRIED_OUT, examples.carried_out(name, status)) for status in answers
        },
        parameters=[parameters.key(required=False)],
        asked={} if asked is None else {"with a reason": asked},
        refused=("not_found", *KEY, *BODY, *more.pop("refused")),
        **more,
    )


creates_a_payout = operation(
    "create_payout",
    "Create a payout, exactly once for its key",
    answers={
        201: (bodies.ONE_PAYOUT, examples.ONE_PAYOUT),
        200: (bodies.ONE_PAYOUT, examples.ONE_PAYOUT_LATER),
    },
    refused=("idempotency_key_required", "insufficient_funds", "not_found", *KEY, *BODY, *REFUSED_PAYOUT),
    parameters=[parameters.key(required=True)],
    request=serializers.PayoutInput,
    asked={"a bank transfer": examples.WISH},
)  # fmt: skip
creates_many = operation(
    "create_payouts",
    "Create many payouts, each exactly once for its own key",
    answers={200: (bodies.BULK, examples.BULK)},
    refused=("not_found", "too_many_items", *BODY),
    request={
        "application/json": bodies.BULK_REQUEST,
        "application/x-ndjson": OpenApiTypes.STR,
    },
    asked={"a list": examples.BULK_WISH, "lines": examples.LINES},
    description=(
        "A JSON list (bare, or under `payouts`) or a line of JSON for each payout; at most 1,000 payouts and 1 MB."
        " Each item is the body of a create with its `idempotencyKey`, and has one result, in order: what a"
        " create of its own would have answered. An item that is refused never spoils its neighbours."
    ),
)
quotes = operation(
    "quote_payout",
    "Say what a payout would cost, how it would go and when it would arrive; nothing is done",
    answers={200: (bodies.QUOTE, examples.QUOTE)},
    refused=("not_found", *BODY, *REFUSED_PAYOUT),
    request=serializers.PayoutInput,
    asked={"a bank transfer": examples.WISH},
    description="The body of a create. Too little money is no refusal here: see `funds`.",
)
shows_a_timeline = operation(
    "payout_timeline",
    "Everything that happened to a payout, in order, and what happens next",
    answers={200: (bodies.TIMELINE, examples.TIMELINE)},
    refused=("not_found",),
)
lists_payouts = operation(
    "list_payouts",
    "List payouts, newest first",
    answers={200: (bodies.MANY_PAYOUTS, examples.MANY_PAYOUTS)},
    refused=("parameter_invalid",),
    parameters=parameters.PAYOUTS,
    description="`total` and `offset` are left out behind a cursor: not counting is what makes it cheap.",
)
shows_a_payout = operation(
    "get_payout",
    "Show a payout",
    answers={200: (bodies.ONE_PAYOUT, examples.ONE_PAYOUT_LATER)},
    refused=("not_found",),
)
cancels = _verb(
    "cancel_payout",
    "Cancel: at once (200), or as soon as the bank says that it has nothing, or another person agrees (202)",
    answers=(200, 202),
    request=serializers.ReasonInput,
    asked={"reason": "Duplicate payment request"},
    refused=("cancel_too_late", "not_cancellable", "second_person_required"),
)
retries = _verb(
    "retry_payout",
    "Try again what failed",
    answers=(200,),
    request=serializers.OptionalReasonInput,
    asked={"reason": "The bank is back"},
    refused=("outcome_unknown", "not_retryable", "second_person_required"),
)
approves = _verb(
    "approve_payout",
    "Approve, as another person than the one who created it, before it expires",
    answers=(200,),
    request=serializers.ApprovalInput,
    asked={"contentHash": examples.CONTENT_HASH},
    refused=("not_approvable", "self_approval_forbidden", "stale_version", "approval_expired"),
)
recalls = operation(
    "recall_payout",
    "Ask the bank for the money back, where the way of paying knows it and in time",
    answers={202: (bodies.RECALLED, examples.RECALLED), 200: (bodies.RECALLED, examples.RECALLED_BEFORE)},
    refused=(
        "not_found", "not_recallable", "recall_not_supported", "recall_too_late", "recall_in_progress", *KEY, *BODY,
    ),
    parameters=[parameters.key(required=False)],
    request=serializers.RecallInput,
    asked={"paid twice": {"reason": "duplicate", "detail": "Paid twice for invoice 118"}},
    description=(
        "`recall_status` stands beside the status: requested, asked, accepted, refused, returned. The status"
        " itself changes when the money is back (`returned`)."
    ),
)  # fmt: skip
shows_statistics = operation(
    "payout_statistics",
    "Figures over all payouts, and by currency",
    answers={200: (bodies.STATISTICS, examples.STATISTICS)},
)
lists_alerts = operation(
    "list_alerts",
    "List alerts: those that are open first, newest before oldest",
    answers={200: (bodies.ALERTS, examples.ALERTS)},
    refused=("parameter_invalid",),
    parameters=parameters.ALERTS,
)
resolves_an_alert = operation(
    "resolve_alert",
    "Resolve an alert, with a reason",
    answers={200: (bodies.RESOLVED, examples.RESOLVED)},
    refused=("not_found", "alert_already_resolved", *KEY, *BODY),
    parameters=[parameters.key(required=False)],
    request=serializers.ReasonInput,
    asked={"with a reason": {"reason": "The bank confirmed the date by telephone"}},
    description="An operator who names no merchant resolves what belongs to none, such as a bank that is down.",
)
shows_health = operation(
    "connectors_health",
    "The health of each bank connection, under `name:rail`",
    answers={200: (bodies.HEALTH, examples.HEALTH)},
)
creates_a_beneficiary = operation(
    "create_beneficiary",
    "Add somebody to pay, with one account",
    answers={
        201: (bodies.ONE_BENEFICIARY, examples.ONE_BENEFICIARY),
        200: (bodies.ONE_BENEFICIARY, examples.ONE_BENEFICIARY),
    },
    refused=("not_found", "account_invalid", "currency_unsupported", *KEY, *BODY),
    parameters=[parameters.key(required=False)],
    request=serializers.BeneficiaryInput,
    asked={"an IBAN": examples.BENEFICIARY_WISH},
)
shows_a_beneficiary = operation(
    "get_beneficiary",
    "Show somebody to pay, with what banks have corrected about their accounts",
    answers={200: (bodies.ONE_BENEFICIARY, examples.CORRECTED_BENEFICIARY)},
    refused=("not_found",),
)
verifies_a_payee = operation(
    "verify_beneficiary",
    "Ask again whose accounts these are",
    answers={200: (bodies.ONE_BENEFICIARY, examples.VERIFIED_BENEFICIARY)},
    refused=("not_found", *KEY, *BODY),
    parameters=[parameters.key(required=False)],
    description="Each bank may take two seconds; one that does not answer is told as `not_possible`, `no_answer`.",
)
accepts_a_mismatch = operation(
    "accept_mismatch",
    "Let an account be paid although its bank knows it under another name",
    answers={200: (bodies.ONE_BENEFICIARY, examples.VERIFIED_BENEFICIARY)},
    refused=("not_found", "not_acceptable", *KEY, *BODY),
    parameters=[parameters.key(required=False)],
    request=payee_shapes.AcceptanceInput,
    asked={
        "after a call": {
            "accountId": examples.ACCOUNT_ID,
            "reason": "The merchant knows the payee by this name",
        }
    },
    description="Payouts that waited for it (`payee_no_match`) are then retried.",
)
deposits = operation(
    "deposit",
    "Credit a merchant, once for each reference",
    answers={
        201: (bodies.ONE_DEPOSIT, examples.ONE_DEPOSIT),
        200: (bodies.ONE_DEPOSIT, examples.ONE_DEPOSIT),
    },
    refused=(
        "not_found", "deposit_reference_reused", "amount_invalid", "amount_precision", "amount_out_of_range",
        "currency_unsupported", *KEY, *BODY,
    ),
    parameters=[parameters.key(required=False)],
    request=serializers.DepositInput,
    asked={"dollars": examples.DEPOSIT_WISH},
)  # fmt: skip
shows_balances = operation(
    "balances",
    "A merchant's money by currency",
    answers={200: (bodies.BALANCES, examples.BALANCES)},
    refused=("not_found",),
)
