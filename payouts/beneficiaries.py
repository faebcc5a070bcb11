"""Who is paid, and where: creating beneficiaries and opening their account details for a bank."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Prefetch
from uuid_utils.compat import uuid7

from payouts import audit, banks, crypto, doorbell, idempotency, payee_records
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import Beneficiary, BeneficiaryAccount, Tenant

TABLE, COLUMN = "beneficiary_accounts", "details"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBeneficiary:
    """A validated request. `details` holds the account as typed, in snake_case names."""

    tenant_id: UUID
    name: str
    beneficiary_type: str
    country: str
    account_type: str
    currency: str
    details: dict[str, str]


def create_beneficiary(
    request: NewBeneficiary, *, actor: Actor, key: idempotency.KeyUse | None
) -> tuple[Beneficiary, bool]:
    """Create a beneficiary with one account. Returns it and whether it is new. Raises PayoutError."""
    account = _canonical(request)
    beneficiary_id, account_id = uuid7(), uuid7()
    with transaction.atomic(durable=True):
        ensure_tenants([request.tenant_id])
        known = idempotency.claim(key, resource_id=beneficiary_id)
        if known is not None:
            return get_beneficiary(known, tenant_id=request.tenant_id), False
        Beneficiary.objects.create(
            id=beneficiary_id,
            tenant_id=request.tenant_id,
            name=request.name,
            beneficiary_type=request.beneficiary_type,
            country=request.country,
            created_by=actor.id,
        )
        BeneficiaryAccount.objects.create(
            id=account_id,
            tenant_id=request.tenant_id,
            beneficiary_id=beneficiary_id,
            type=request.account_type,
            currency=request.currency,
            country=account.country,
            institution=account.institution,
            last4=account.last4,
            details=sealed(account_id, holder=request.name, details=account.details),
            blind_index=index_of(account.details),
        )
        payee_records.open_check(account_id, tenant_id=request.tenant_id)
        doorbell.ring(
            "payees"
        )  # Its bank is asked whose account it is; nobody waits for that here.
        row = audit.AuditRow(
            action="beneficiary.created",
            tenant_id=request.tenant_id,
            data={"beneficiary_id": str(beneficiary_id), "account_id": str(account_id)},
        )
        audit.record([row], actor=actor)
    return get_beneficiary(beneficiary_id, tenant_id=request.tenant_id), True


def sealed(account_id: UUID, *, holder: str, details: Mapping[str, str]) -> bytes:
    """Account details as they are kept, bound to their row."""
    number = json.dumps({"holder": holder, **details}, sort_keys=True).encode()
    return crypto.seal(number, table=TABLE, column=COLUMN, row=account_id)


def index_of(details: Mapping[str, str]) -> bytes:
    """What finds equal accounts without opening any."""
    return crypto.blind_index(json.dumps(dict(details), sort_keys=True))


def _canonical(request: NewBeneficiary) -> banks.CanonicalAccount:
    if not banks.is_payable_name(request.name):
        detail = "invalid_name: no bank could write this name"
        raise PayoutError("account_invalid", detail, param="name")
    try:
        return banks.canonical_account(request.account_type, request.details, request.country)
    except banks.AccountInvalid as invalid:
        first = invalid.errors[0]
        field = re.sub("_([a-z])", lambda m: m[1].upper(), first.field)  # As requests spell it.
        raise PayoutError(
            "account_invalid", f"{first.code}: {first.detail}", param=f"account.{field}"
        ) from None


def get_beneficiary(beneficiary_id: UUID, *, tenant_id: UUID | None) -> Beneficiary:
    """A tenant's beneficiary (None: anybody's) with its accounts, oldest first. Raises PayoutError not_found."""
    rows = Beneficiary.objects.filter(id=beneficiary_id)
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    oldest_first = Prefetch("accounts", queryset=BeneficiaryAccount.objects.order_by("id"))
    found = rows.prefetch_related(oldest_first).first()
    if found is None:
        raise PayoutError("not_found")
    return found


def ensure_tenants(tenant_ids: Iterable[UUID]) -> None:
    """Make tenants on first use; nothing is written for those that exist."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants (id, name, status, settings, version)"
            " SELECT t, '', 'active', '{}', 1 FROM unnest(%s::uuid[]) AS t ON CONFLICT DO NOTHING",
            [sorted(set(tenant_ids))],
        )


def find_tenants(tenant_ids: Collection[UUID]) -> dict[UUID, Tenant]:
    """Tenants, as they are or as their first use would make them. Nothing is written."""
    known = Tenant.objects.in_bulk(tenant_ids)
    return {
        tenant_id: known.get(tenant_id) or Tenant(id=tenant_id, status="active", settings={})
        for tenant_id in tenant_ids
    }


def open_accounts(account_ids: Iterable[UUID]) -> dict[UUID, banks.AccountDetails]:
    """Decrypt accounts for a bank; one that does not open is left out.

    Keep the result no longer than the bytes are being built.
    """
    found = BeneficiaryAccount.objects.filter(id__in=set(account_ids)).select_related("beneficiary")
    opened = {}
    for row in found:
        try:
            plain = crypto.open_sealed(row.details, table=TABLE, column=COLUMN, row=row.id)
        except crypto.CannotOpen:
            continue
        details = json.loads(plain)
        opened[row.id] = banks.AccountDetails(
            type=row.type,
            holder_name=details.pop("holder"),
            holder_type=row.beneficiary.beneficiary_type,
            country=row.country,
            currency=row.currency,
            details=details,
        )
    return opened
