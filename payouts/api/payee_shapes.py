"""Beneficiaries as the API shows them, and what may be said about them."""

from __future__ import annotations

from typing import Any

from payouts import corrections, payee_records
from payouts.api.serializers import Strict, Text, Uuid
from payouts.audit import Actor
from payouts.models import AccountCorrection, Beneficiary
from payouts.payee_records import Standing

# Who may pay an account may know what a similar one is called; who only looks may not.
MAY_READ_NAMES = frozenset({"merchant_admin", "finance_ops", "treasury_ops"})


class RecheckInput(Strict):
    """Nothing is asked for: a body may be absent or empty, and what it names is unknown."""


class AcceptanceInput(Strict):
    accountId = Uuid()  # noqa: N815
    reason = Text(max_length=500)


def present_beneficiary(beneficiary: Beneficiary, *, to: Actor) -> dict[str, Any]:
    """A beneficiary with the last four of each account; the number itself never leaves."""
    accounts = list(beneficiary.accounts.all())
    ids = [account.id for account in accounts]
    corrected, holders = corrections.of_accounts(ids), payee_records.standing(ids)
    return {
        "id": str(beneficiary.id),
        "name": beneficiary.name,
        "beneficiary_type": beneficiary.beneficiary_type,
        "country": beneficiary.country,
        "accounts": [
            {
                "id": str(account.id),
                "type": account.type,
                "last4": account.last4,
                "currency": account.currency,
                "country": account.country,
                "institution": account.institution,
                "status": account.status,
                "verification": _verification(holders.get(account.id), to=to),
                "corrected": _corrected(corrected.get(account.id)),
            }
            for account in accounts
        ],
    }


def _verification(standing: Standing | None, *, to: Actor) -> dict[str, Any] | None:
    """What its bank says to the name; None where nobody has been asked yet."""
    if standing is None or not (standing.verdict or standing.pending):
        return None
    return {
        "match": standing.verdict or "pending",
        "code": standing.code,
        "name": standing.name if to.role in MAY_READ_NAMES else "",
        "accepted": bool(standing.accepted_by),
        "verified_at": standing.verified_at,
    }


def _corrected(correction: AccountCorrection | None) -> dict[str, Any] | None:
    """Who pays this account pays `account_id`: its bank has said so by a code of its scheme."""
    if correction is None:
        return None
    return {
        "code": correction.code,
        "at": correction.corrected_at,
        "account_id": str(correction.corrected_account_id),
    }
