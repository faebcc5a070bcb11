"""What requests must look like (camelCase in) and what answers look like (snake_case out).

A field that is not declared is refused, a text must be a text, an amount is read from its source.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payouts import clock, money, reasons, recalls, states
from payouts.api.requests import JsonNumber
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import Payout, PayoutAlert, Priority, Status

METADATA_KEYS_MAX = 50
METADATA_BYTES_MAX = 16_384
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
HYPHENATED = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _path(field: Any, name: str = "") -> str:
    """The name of a field as a caller knows it: `account.iban`."""
    names = [name] if name else []
    while field is not None and field.field_name:
        names.insert(0, field.field_name)
        field = field.parent
    return ".".join(names)


class Choice(serializers.ChoiceField):
    """One of a few words. A refusal lists them and never repeats what was sent."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            raise serializers.ValidationError(f"One of {', '.join(self.choices)}", code="invalid")
        return data


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses what it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise PayoutError("validation_error", "It must be a JSON object", param=_path(self))
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            raise PayoutError("unknown_field", param=_path(self, unknown[0][:100]))
        return super().to_internal_value(data)

    def checked(self) -> dict[str, Any]:
        """The validated values. Raises ValidationError or PayoutError."""
        self.is_valid(raise_exception=True)
        return dict(self.validated_data)


class Text(serializers.CharField):
    """A JSON string; numbers and booleans are not text. Spaces around it are dropped."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if any(ord(char) < 32 for char in data):
            raise PayoutError(
                "invalid_text", "Control characters are not allowed", param=_path(self)
            )
        return super().to_internal_value(data)


class Country(Text):
    """ISO 3166-1 alpha-2, in capitals."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not re.fullmatch("[A-Z]{2}", data):
            raise serializers.ValidationError("Two capital letters (ISO 3166-1)", code="invalid")
        return data


class Uuid(serializers.UUIDField):
    """A UUID written with hyphens."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not HYPHENATED.fullmatch(data):
            self.fail("invalid", value="")
        return UUID(data)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"},
            {"type": "number"},
        ],
        "example": "1000.00",
    }
)
class Amount(serializers.Field[Decimal, Any, str, Decimal]):
    """A decimal string, or a JSON number taken from its source text."""

    def to_internal_value(self, data: Any) -> Decimal:
        param = self.field_name or "amount"
        if isinstance(data, JsonNumber):
            return money.parse_amount(data.source, param=param)
        if isinstance(data, int) and not isinstance(data, bool):
            return money.parse_amount(str(data), param=param)
        if isinstance(data, str):
            return money.parse_amount(data, param=param)
        raise PayoutError("amount_invalid", param=param)

    def to_representation(self, value: Decimal) -> str:
        return str(value)


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.Field[datetime, Any, str, datetime]):
    """An ISO 8601 time with its offset."""

    def to_internal_value(self, data: Any) -> datetime:
        if isinstance(data, str) and MOMENT.fullmatch(data):
            with contextlib.suppress(ValueError, OverflowError):
                return datetime.fromisoformat(data).astimezone(UTC)
        raise PayoutError(
            "schedule_invalid", "An ISO 8601 time with offset", param=self.field_name or ""
        )

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


@extend_schema_field({"type": "object", "maxProperties": METADATA_KEYS_MAX})
class Metadata(serializers.Field[dict[str, Any], Any, dict[str, Any], dict[str, Any]]):
    """At most 50 keys and 16 KiB; kept as given, never interpreted."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise PayoutError("validation_error", "metadata is an object", param="metadata")
        if len(data) > METADATA_KEYS_MAX:
            raise PayoutError(
                "metadata_too_large", f"At most {METADATA_KEYS_MAX} keys", param="metadata"
            )
        _check_numbers(data)
        if len(json.dumps(data)) > METADATA_BYTES_MAX:
            raise PayoutError("metadata_too_large", param="metadata")
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


def _check_numbers(value: Any) -> None:
    """A number that would change when stored is refused: it belongs into a string."""
    if isinstance(value, dict):
        for inner in value.values():
            _check_numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_numbers(inner)
    elif isinstance(value, JsonNumber):
        kept = float(value)
        if not math.isfinite(kept) or not _same_number(repr(kept), value.source):
            raise PayoutError("validation_error", "Write this number as a string", param="metadata")


def _same_number(one: str, other: str) -> bool:
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:  # An exponent beyond anything.
        return False


class PayoutInput(Strict):
    originModule = Text(max_length=100)  # noqa: N815  (the specification's names)
    originEntityType = Text(max_length=100)  # noqa: N815
    originEntityId = Uuid()  # noqa: N815
    beneficiaryType = Text(max_length=50)  # noqa: N815
    beneficiaryId = Uuid()  # noqa: N815
    beneficiaryAccountId = Uuid()  # noqa: N815
    amount = Amount()
    currency = Text(max_length=10, trim_whitespace=False)
    payoutMethod = Text(max_length=50)  # noqa: N815
    priority = Choice(Priority.choices, required=False, default="standard")
    description = Text(
        max_length=140, required=False, allow_blank=True, allow_null=True, default=""
    )
    metadata = Metadata(required=False, allow_null=True, default=None)
    scheduledAt = Moment(required=False, allow_null=True, default=None)  # noqa: N815


class AccountInput(Strict):
    type = Choice(["iban", "us_bank", "uk_bank", "mobile_money", "swift"])
    currency = Text(max_length=10, trim_whitespace=False)
    iban = Text(max_length=60, required=False)
    bic = Text(max_length=20, required=False)
    routingNumber = Text(max_length=20, required=False)  # noqa: N815
    accountNumber = Text(max_length=60, required=False)  # noqa: N815
    accountType = Text(max_length=20, required=False)  # noqa: N815
    sortCode = Text(max_length=20, required=False)  # noqa: N815
    msisdn = Text(max_length=30, required=False)
    operator = Text(max_length=50, required=False)

    def details(self, values: Mapping[str, str]) -> dict[str, str]:
        """The account's own fields, in snake_case."""
        return {
            re.sub("([A-Z])", lambda m: "_" + m[1].lower(), name): value
            for name, value in values.items()
            if name not in ("type", "currency")
        }


class BeneficiaryInput(Strict):
    name = Text(max_length=140)
    beneficiaryType = Choice(["user", "merchant", "business"])  # noqa: N815
    country = Country()
    account = AccountInput()


class DepositInput(Strict):
    tenantId = Uuid()  # noqa: N815
    amount = Amount()
    currency = Text(max_length=10, trim_whitespace=False)
    reference = Text(max_length=200)


class ReasonInput(Strict):
    reason = Text(max_length=500)


class RecallInput(Strict):
    """`reason` is a code; `detail` is what the bank may read."""

    reason = Choice([(reason, reason) for reason in recalls.REASONS])
    detail = Text(max_length=105, required=False, allow_blank=True, allow_null=True, default="")


class OptionalReasonInput(Strict):
    reason = Text(max_length=500, required=False, allow_blank=True, allow_null=True, default="")


class ApprovalInput(Strict):
    """`contentHash` is the payout's `content_hash` as the approver saw it."""

    contentHash = Text(max_length=64, required=False, allow_null=True, default=None)  # noqa: N815


class StatusReason(serializers.Serializer[Any]):
    """Why a payout is not well: a stable code and a sentence for merchants; more for operators."""

    code = serializers.CharField(help_text="Stable: programs decide by it.")
    message = serializers.CharField(help_text="For a merchant to read.")
    bank_code = serializers.CharField(
        required=False, help_text="For operators: the bank's own code."
    )
    operator_message = serializers.CharField(
        required=False, help_text="For operators: what the code says, and what usually helps."
    )


class PayoutOutput(serializers.ModelSerializer[Payout]):
    """A payout as it leaves: amounts are strings with their currency's decimals."""

    class Meta:
        model = Payout
        exclude = [
            "request_fingerprint", "audit_sequence", "beneficiary", "beneficiary_account", "approval_hash",
        ]  # fmt: skip

    beneficiary_id = serializers.UUIDField()
    beneficiary_account_id = serializers.UUIDField()
    # What a second person confirms, and until when: of a payout above its merchant's approval limit.
    content_hash = serializers.SerializerMethodField()
    approval_expires_at = serializers.SerializerMethodField()
    status_reason = StatusReason(
        allow_null=True, read_only=True, help_text="Why it is not well; null when it is."
    )
    settlement_finality = serializers.SerializerMethodField(
        help_text="Of what is settled: final, or provisional until settlement_final_at."
    )

    def get_settlement_finality(self, payout: Payout) -> str | None:
        if payout.status != Status.SETTLED:
            return None
        final_at = payout.settlement_final_at
        return "final" if final_at is None or final_at <= clock.now() else "provisional"

    def get_content_hash(self, payout: Payout) -> str | None:
        waits = self.context.get(str(payout.id))
        return waits.content_hash if waits else payout.approval_hash or None

    def get_approval_expires_at(self, payout: Payout) -> datetime | None:
        waits = self.context.get(str(payout.id))
        return waits.expires_at if waits else None

    def to_representation(self, instance: Payout) -> dict[str, Any]:
        shown = super().to_representation(instance)
        shown["amount"] = money.display(instance.amount, instance.currency)
        shown["fee_amount"] = money.display(instance.fee_amount, instance.fee_currency)
        return shown


def present_payouts(payouts: Iterable[Payout], actor: Actor) -> list[dict[str, Any]]:
    """Payouts as this caller may see them: merchants read no bank's own words and no operator's identity."""
    shown = list(payouts)
    waiting = [payout.id for payout in shown if payout.status == Status.REQUIRES_APPROVAL]
    asked = {str(p.id): p for p in states.read_payouts(waiting)} if waiting else {}
    shape = PayoutOutput(context=asked)  # One for all: making one costs more than using it.
    return [
        shape.to_representation(payout)
        | (_for_merchants(payout) if actor.is_merchant else {"status_reason": _why(payout)})
        for payout in shown
    ]


def _why(payout: Payout) -> dict[str, str] | None:
    """For operators: what merchants are told, with the bank's code and what usually helps."""
    code = payout.return_code or payout.last_error_code
    if not code:
        return None
    row = reasons.find(code, bank=payout.bank_connector_id)
    return {
        "code": row.merchant_code,
        "message": row.merchant,
        "bank_code": code,
        "operator_message": row.operator,
    }


def _for_merchants(payout: Payout) -> dict[str, Any]:
    reason = reasons.explain(payout.last_error_code, bank=payout.bank_connector_id)
    came_back = reasons.explain(payout.return_code, bank=payout.bank_connector_id)
    why = came_back if came_back.code else reason
    theirs = payout.created_by_role == "merchant_admin"
    return {
        "last_error": reason.text,
        "last_error_code": reason.code,
        "return_code": came_back.code,
        "status_reason": {"code": why.code, "message": why.text} if why.code else None,
        "sira_routing_score": None,  # How we choose is ours.
        "routing_decision_id": None,
        **{
            name: "operator" if getattr(payout, name) else ""
            for name in ("approved_by", "give_up_requested_by", "given_up_by")
        },
        "created_by": payout.created_by if theirs else payout.created_by_role,
    }


class AlertOutput(serializers.ModelSerializer[PayoutAlert]):
    class Meta:
        model = PayoutAlert
        exclude = ["dedupe_key"]
