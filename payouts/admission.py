"""What may become a payout: every rule of a create that needs no money, then the route and the promise.

Nothing is written here, so that a quote may be judged by the same code as a create.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from uuid_utils.compat import uuid7

from payouts import (
    banks,
    beneficiaries,
    clock,
    corrections,
    funds,
    money,
    routing,
    schedules,
    sira,
    sla,
    statistics,
)
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import BeneficiaryAccount, PayoutSlaRule, Status, Tenant
from payouts.routing import METHODS, Choices, Route, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRequest:
    """A validated request to pay. `amount` is exact, in units of `currency`; `scheduled_at` is aware."""

    tenant_id: UUID
    external_id: str
    fingerprint: bytes
    origin_module: str
    origin_entity_type: str
    origin_entity_id: UUID
    beneficiary_type: str
    beneficiary_id: UUID
    beneficiary_account_id: UUID
    amount: Decimal
    currency: str
    payout_method: str
    priority: str = "standard"
    description: str = ""
    metadata: dict[str, Any] | None = None
    scheduled_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Draft:
    """A request that was found good, on its way to becoming rows."""

    index: int
    request: PayoutRequest
    account: BeneficiaryAccount
    tenant: Tenant
    route: Route
    promise: sla.Promise
    status: str
    scheduled_at: datetime | None
    payout_id: UUID
    hold_id: UUID
    decision_id: UUID

    def cover(self) -> funds.Cover:
        return funds.Cover(
            payout_id=self.payout_id,
            tenant_id=self.request.tenant_id,
            amount=self.request.amount,
            currency=self.request.currency,
        )


def judge(
    numbered: Sequence[tuple[int, PayoutRequest]], *, actor: Actor
) -> tuple[list[Draft], dict[int, PayoutError]]:
    """Say of each numbered request whether it may become a payout: drafts, and refusals by number."""
    refusals: dict[int, PayoutError] = {}
    if not numbered:
        return [], refusals
    now = clock.now()
    tenants = beneficiaries.find_tenants({r.tenant_id for _, r in numbered})
    accounts = _accounts({r.beneficiary_account_id for _, r in numbered})
    sound: list[tuple[int, PayoutRequest, BeneficiaryAccount]] = []
    for n, request in numbered:
        try:
            tenant = tenants[request.tenant_id]
            account = _check(request, tenant, accounts, actor=actor, now=now)
        except PayoutError as error:
            refusals[n] = error
        else:
            sound.append((n, request, account))
    fires = _fires([request for _, request, _ in sound], now=now)
    wishes = [
        _wish(request, account, fires.get(n, {})) for n, (_, request, account) in enumerate(sound)
    ]
    routes = choose_routes(wishes, now=now)
    drafts = []
    for (n, request, account), route in zip(sound, routes, strict=True):
        if route is None:
            refusals[n] = PayoutError("rail_unsupported", param="payoutMethod")
        else:
            drafts.append(_draft(n, request, account, tenants[request.tenant_id], route, now=now))
    return drafts, refusals


def choose_routes(wishes: Sequence[Wish], *, now: datetime) -> list[Route | None]:
    """A route for each wish, in order. SIRA is asked once for the whole list, with no transaction open."""
    if not wishes:
        return []
    choices = choices_of(wishes, now=now)
    surveys = [choices.survey(wish) for wish in wishes]
    advice = sira.ask(wishes, surveys, now=now)
    source = "rules" if advice is None else "sira"
    return [
        routing.decide(wish, survey, source=source, advice=(advice or {}).get(n))
        for n, (wish, survey) in enumerate(zip(wishes, surveys, strict=True))
    ]


def choices_of(wishes: Sequence[Wish], *, now: datetime) -> Choices:
    """Read what a choice needs: connections, rules, and what was seen at these institutions."""
    lines = banks.lines()
    return Choices(
        lines=lines,
        rules=list(PayoutSlaRule.objects.all()),
        seen=statistics.look(
            [wish.institution for wish in wishes], rails={bank.id: bank.rail for bank in lines}
        ),
        failure_cost=settings.ROUTING_FAILURE_COST,
        now=now,
    )


def _accounts(named: Collection[UUID]) -> dict[UUID, BeneficiaryAccount]:
    """The accounts by the ids that requests name, each as its bank has corrected it since."""
    today = corrections.current(named)
    rows = BeneficiaryAccount.objects.in_bulk(set(today.values()))
    return {account_id: rows[here] for account_id, here in today.items() if here in rows}


def _check(
    request: PayoutRequest,
    tenant: Tenant,
    accounts: dict[UUID, BeneficiaryAccount],
    *,
    actor: Actor,
    now: datetime,
) -> BeneficiaryAccount:
    """The rules of a create that need no money and no route. Raises PayoutError."""
    money.check_currency(request.currency)
    money.check_precision(request.amount, request.currency)
    if actor.is_merchant and request.origin_entity_id != request.tenant_id:
        raise PayoutError("origin_forbidden", param="originEntityId")
    if actor.is_merchant and request.priority == "priority":
        raise PayoutError("priority_forbidden", param="priority")
    if request.payout_method not in METHODS:
        raise PayoutError("payout_method_unsupported", param="payoutMethod")
    if tenant.status != "active":
        raise PayoutError("tenant_suspended")
    if request.scheduled_at is not None:
        _check_schedule(request.scheduled_at, now)
    account = accounts.get(request.beneficiary_account_id)
    if account is None or account.tenant_id != request.tenant_id:
        raise PayoutError("beneficiary_not_found", param="beneficiaryAccountId")
    if account.beneficiary_id != request.beneficiary_id:
        raise PayoutError("beneficiary_mismatch", param="beneficiaryId")
    if account.status != "active":
        raise PayoutError("beneficiary_not_payable", param="beneficiaryAccountId")
    if account.currency != request.currency:
        detail = f"The account is in {account.currency}"
        raise PayoutError("currency_mismatch", detail, param="currency")
    return account


def _check_schedule(scheduled_at: datetime, now: datetime) -> None:
    if scheduled_at < now - timedelta(seconds=60):
        raise PayoutError("schedule_in_past", param="scheduledAt")
    if scheduled_at > now + timedelta(days=settings.PAYOUT_HORIZON_DAYS):
        detail = f"At most {settings.PAYOUT_HORIZON_DAYS} days ahead"
        raise PayoutError("schedule_invalid", detail, param="scheduledAt")


def _fires(requests: Sequence[PayoutRequest], *, now: datetime) -> dict[int, dict[str, datetime]]:
    """When a schedule collects next, by rail, for the requests that wait for one."""
    waiting = {
        n: request
        for n, request in enumerate(requests)
        if request.priority == "batch" and request.scheduled_at is None
    }
    plans = schedules.enabled() if waiting else []
    known: dict[tuple[UUID, str, str], datetime | None] = {}
    found: dict[int, dict[str, datetime]] = {}
    for n, request in waiting.items():
        for rail in METHODS[request.payout_method]:
            key = (request.tenant_id, request.currency, rail)
            if key not in known:
                known[key] = schedules.planned_fire(
                    plans, tenant_id=key[0], currency=key[1], rail=rail, after=now
                )
            if (fire := known[key]) is not None:
                found.setdefault(n, {})[rail] = fire
    return found


def _wish(
    request: PayoutRequest, account: BeneficiaryAccount, fires: Mapping[str, datetime]
) -> Wish:
    return Wish(
        fires=fires,
        payout_method=request.payout_method,
        account_type=account.type,
        currency=request.currency,
        amount=request.amount,
        country=account.country,
        institution=account.institution,
        priority=request.priority,
        scheduled_at=request.scheduled_at,
    )


def _draft(
    index: int,
    request: PayoutRequest,
    account: BeneficiaryAccount,
    tenant: Tenant,
    route: Route,
    *,
    now: datetime,
) -> Draft:
    return Draft(
        index=index,
        request=request,
        account=account,
        tenant=tenant,
        route=route,
        promise=route.promise,
        status=_first_status(request, tenant, route.scheduled_at, now),
        scheduled_at=route.scheduled_at,
        payout_id=uuid7(),
        hold_id=uuid7(),
        decision_id=uuid7(),
    )


def approval_limit(tenant: Tenant, currency: str) -> Decimal | None:
    """Above which amount a second person must approve; None means never."""
    own = tenant.settings.get("approval_limits", {})
    limit = own.get(
        currency, settings.APPROVAL_LIMITS.get(currency, settings.APPROVAL_LIMITS.get("*"))
    )
    return None if limit is None else Decimal(limit)


def _first_status(
    request: PayoutRequest, tenant: Tenant, scheduled_at: datetime | None, now: datetime
) -> str:
    limit = approval_limit(tenant, request.currency)
    if limit is not None and request.amount > limit:
        return Status.REQUIRES_APPROVAL
    return Status.SCHEDULED if scheduled_at is not None and scheduled_at > now else Status.PENDING
