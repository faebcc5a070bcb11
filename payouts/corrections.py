"""What a receiving bank corrects about an account (at ACH: a notification of change, NOC).

The payment went through, and the next one must go to what the bank names. An account's row never changes:
the corrected one is a row of its own, and `account_corrections` leads from the old to the new. Whoever names
the old one pays the new one, and a payout keeps showing what it was paid to.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

from payouts import audit, banks, beneficiaries, bulk, crypto
from payouts.audit import Actor, AuditRow
from payouts.models import AccountCorrection, BeneficiaryAccount
from payouts.states import LockedPayout

TYPES = {
    "id": "uuid", "tenant_id": "uuid", "account_id": "uuid", "corrected_account_id": "uuid", "payout_id": "uuid",
    "attempt_id": "uuid", "code": "text", "content": "bytea",
}  # fmt: skip


def current(account_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """What is paid today when one of these accounts is named: itself, or what it was corrected to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE way AS (SELECT n.id AS named, n.id AS here FROM unnest(%s::uuid[]) AS n (id)"
            " UNION ALL SELECT way.named, c.corrected_account_id FROM way"
            " JOIN account_corrections c ON c.account_id = way.here)"
            " SELECT named, here FROM way WHERE NOT EXISTS (SELECT FROM account_corrections c"
            " WHERE c.account_id = way.here)",
            [list(set(account_ids))],
        )
        return dict(cursor.fetchall())


def of_accounts(account_ids: Collection[UUID]) -> dict[UUID, AccountCorrection]:
    """The correction of each of these accounts that was corrected."""
    found = AccountCorrection.objects.filter(account_id__in=account_ids).defer("content")
    return {correction.account_id: correction for correction in found}


def apply(
    payout: LockedPayout, *, attempt_id: UUID, code: str, corrected: Mapping[str, str], actor: Actor
) -> str:
    """Correct the account that a locked payout was paid to. Returns the effect.

    noted, nothing_new (said before, or the account is so already), unusable (what is named makes no account,
    or the account does not open): then a person must ask the bank.
    """
    said = crypto.blind_index(json.dumps([code, dict(corrected)], sort_keys=True))
    account = _lock_account(payout.id)
    if AccountCorrection.objects.filter(attempt_id=attempt_id, content=said).exists():
        return "nothing_new"
    try:
        holder, details = _open(account)
        wanted = details | {k: v for k, v in corrected.items() if k != "holder_name"}
        if "iban" in corrected and "bic" not in corrected:
            wanted.pop("bic", None)  # It was the old account's bank.
        canonical = banks.canonical_account(account.type, wanted, account.country)
    except (banks.AccountInvalid, crypto.CannotOpen):
        return "unusable"
    holder_then = corrected.get("holder_name", holder)
    named = bool(corrected) and all(corrected.values())
    if not named or not banks.is_payable_name(holder_then):
        return "unusable"
    if (dict(canonical.details), holder_then) == (details, holder):
        return "nothing_new"
    audit.by_verb()
    after = _insert_account(account, canonical, holder=holder_then)
    row = {
        "id": uuid7(), "tenant_id": account.tenant_id, "account_id": account.id, "corrected_account_id": after,
        "payout_id": payout.id, "attempt_id": attempt_id, "code": code, "content": said,
    }  # fmt: skip
    bulk.insert("account_corrections", TYPES, [row])
    _tell(account, after, payout, code, actor)
    return "noted"


def _lock_account(payout_id: UUID) -> BeneficiaryAccount:
    """What the account of a payout is today, locked: corrections of one account come one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT beneficiary_account_id FROM payouts WHERE id = %s", [payout_id])
        (account_id,) = cursor.fetchone()
    while True:
        head = current([account_id])[account_id]
        locked = BeneficiaryAccount.objects.select_for_update(no_key=True).get(pk=head)
        if current([head])[head] == head:  # Nobody was faster while we waited.
            return locked


def _open(account: BeneficiaryAccount) -> tuple[str, dict[str, str]]:
    """The holder and the details of an account. Raises CannotOpen."""
    plain = crypto.open_sealed(
        account.details, table=beneficiaries.TABLE, column=beneficiaries.COLUMN, row=account.id
    )
    details: dict[str, str] = json.loads(plain)
    return details.pop("holder"), details


def _insert_account(
    before: BeneficiaryAccount, canonical: banks.CanonicalAccount, *, holder: str
) -> UUID:
    account_id = uuid7()
    values: dict[str, Any] = {
        name: getattr(before, name) for name in ("tenant_id", "beneficiary_id", "type", "currency", "status")
    }  # fmt: skip
    BeneficiaryAccount.objects.create(
        id=account_id,
        country=canonical.country,
        institution=canonical.institution,
        last4=canonical.last4,
        details=beneficiaries.sealed(account_id, holder=holder, details=canonical.details),
        blind_index=beneficiaries.index_of(canonical.details),
        **values,
    )
    return account_id


def _tell(
    before: BeneficiaryAccount, after: UUID, payout: LockedPayout, code: str, actor: Actor
) -> None:
    data = {
        "account_id": str(before.id), "corrected_account_id": str(after), "payout_id": str(payout.id),
        "code": code,
    }  # fmt: skip
    row = AuditRow(
        action="beneficiary.account_corrected", tenant_id=before.tenant_id, reason=code, data=data
    )
    audit.record([row], actor=actor)
