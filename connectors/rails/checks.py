"""What every rail asks of an account and of an instruction before it writes a single byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.accounts import AccountInvalid, canonical_details
from connectors.base import (
    AccountDetails,
    Capabilities,
    ConnectorConfig,
    ConnectorError,
    ConnectorMisconfigured,
    FieldError,
    PayoutInstruction,
)
from connectors.formats.latin import is_payable_name, sepa_text
from connectors.schemes.currencies import fits_currency
from connectors.schemes.holder_names import HOLDER_NAMES


def check_account(account: AccountDetails, capabilities: Capabilities) -> list[FieldError]:
    """Say what stands against paying this account on a rail with these capabilities."""
    errors: list[FieldError] = []
    if account.currency not in capabilities.currencies:
        errors.append(_error("currency", "currency_unsupported", "not carried by this rail"))
    name_error = check_holder_name(account.holder_name, capabilities.rail)
    errors += [name_error] if name_error else []
    if account.type not in capabilities.account_types:
        errors.append(_error("type", "account_type_unsupported", "not carried by this rail"))
        return errors
    try:
        canonical_details(account.type, account.details, account.country)
    except AccountInvalid as invalid:
        errors.extend(invalid.errors)
    return errors


def check_holder_name(name: str, rail: str) -> FieldError | None:
    """Say what keeps a holder's name off a rail. Codes: invalid_name, name_too_long."""
    # One letter may become several ("щ" is "shch"), none becomes as many.
    written = sepa_text(name, len(name) * 32) if is_payable_name(name) else ""
    if not written:
        return _error("holder_name", "invalid_name", "cannot be written in Latin letters")
    rule = HOLDER_NAMES[rail]
    if not rule.cut and len(written) > rule.longest:
        detail = f"is longer than {rule.longest} characters once it is written in Latin letters"
        return _error("holder_name", "name_too_long", detail)
    return None


def check_instruction(
    instruction: PayoutInstruction, capabilities: Capabilities, reference: re.Pattern[str]
) -> FieldError | None:
    """Say the first thing that keeps an instruction off a rail, its account left aside."""
    if not reference.fullmatch(instruction.reference):
        return _error("reference", "invalid_reference", "not of this rail's shape")
    if instruction.currency != instruction.account.currency:
        return _error("currency", "currency_mismatch", "not the currency of the account")
    if instruction.currency not in capabilities.currencies:
        return _error("currency", "currency_unsupported", "not carried by this rail")
    if not fits_currency(instruction.amount, instruction.currency):
        return _error("amount", "amount_precision", "more decimals than the currency has")
    if capabilities.amount_step and instruction.amount % capabilities.amount_step:
        return _error(
            "amount", "amount_precision", "not a whole multiple of what this rail carries"
        )
    if not capabilities.min_amount <= instruction.amount <= capabilities.max_amount:
        return _error("amount", "amount_out_of_range", "outside the limits of this rail")
    return None


def sort_out(
    instructions: Sequence[PayoutInstruction],
    capabilities: Capabilities,
    *,
    reference: re.Pattern[str],
    check: Callable[[AccountDetails], list[FieldError]],
) -> tuple[list[PayoutInstruction], dict[str, FieldError]]:
    """Part the instructions that can be written from those that cannot, in their order.

    Raises ConnectorError when the list itself is wrong: too long, or one payout or one reference in
    it twice. Those are faults of the caller that could pay somebody twice, so no file is built at
    all.
    """
    if len(instructions) > capabilities.max_instructions:
        raise ConnectorError("too_many_instructions", f"above {capabilities.max_instructions}")
    if len({instruction.reference for instruction in instructions}) != len(instructions):
        raise ConnectorError("reference_repeated", "one reference stands twice in the list")
    if len({instruction.payout_id for instruction in instructions}) != len(instructions):
        raise ConnectorError("payout_repeated", "one payout stands twice in the list")
    good: list[PayoutInstruction] = []
    errors: dict[str, FieldError] = {}
    for instruction in instructions:
        error = check_instruction(instruction, capabilities, reference)
        if error is None:
            error = next(iter(check(instruction.account)), None)
        if error is None:
            good.append(instruction)
        else:
            errors[instruction.reference] = error
    return good, errors


def option(config: ConnectorConfig, name: str, pattern: str = r".+", default: str = "") -> str:
    """A text option of a connector. Raises ConnectorMisconfigured when missing or malformed."""
    options: Mapping[str, Any] = config.options
    value = str(options.get(name, default))
    if not value:
        raise ConnectorMisconfigured("option_missing", name)
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ConnectorMisconfigured("option_invalid", name)
    return value


def _error(name: str, code: str, detail: str) -> FieldError:
    return FieldError(field=name, code=code, detail=detail)
