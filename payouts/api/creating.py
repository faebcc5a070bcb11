"""From a request's body to payouts: what a create, a list of them and a quote have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from payouts import creation, idempotency, keycache
from payouts.admission import PayoutRequest
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import Payout

Made = tuple[creation.Result, Payout | None]  # The payout is None for what was refused.


def payout_request(tenant_id: UUID, key: str, values: dict[str, Any]) -> PayoutRequest:
    """A validated body as a request. Its fingerprint is the same through whatever door it came."""
    return PayoutRequest(
        tenant_id=tenant_id,
        external_id=key,
        fingerprint=idempotency.fingerprint("POST /api/payouts", values),
        origin_module=values["originModule"],
        origin_entity_type=values["originEntityType"],
        origin_entity_id=values["originEntityId"],
        beneficiary_type=values["beneficiaryType"],
        beneficiary_id=values["beneficiaryId"],
        beneficiary_account_id=values["beneficiaryAccountId"],
        amount=values["amount"],
        currency=values["currency"],
        payout_method=values["payoutMethod"],
        priority=values["priority"],
        description=values["description"] or "",
        metadata=values["metadata"],
        scheduled_at=values["scheduledAt"],
    )


def create(wishes: Sequence[PayoutRequest], *, actor: Actor) -> list[Made]:
    """Create payouts and read them. One pair per wish, in order."""
    made = _create(wishes, actor)
    lost = [n for n, (result, payout) in enumerate(made) if _is_lost(result, payout)]
    for n in lost:
        keycache.forget(
            wishes[n]
        )  # It remembers what the (restored?) database does not have, or has under another key.
    for n, pair in zip(lost, _create([wishes[n] for n in lost], actor), strict=True):
        made[n] = pair
        if _is_lost(*pair):
            away = PayoutError("service_unavailable", retry_after_s=2)
            made[n] = (creation.Refused(away), None)
    return made


def _create(wishes: Sequence[PayoutRequest], actor: Actor) -> list[Made]:
    if not wishes:
        return []
    results = creation.create_payouts(wishes, actor=actor)
    ids = [result.payout_id for result in results if not isinstance(result, creation.Refused)]
    found = Payout.objects.in_bulk(ids)
    return [
        (r, None if isinstance(r, creation.Refused) else _own(found.get(r.payout_id), wish))
        for wish, r in zip(wishes, results, strict=True)
    ]


def _own(payout: Payout | None, wish: PayoutRequest) -> Payout | None:
    """A payout that the key cache named is believed to be the wish's when it says so itself."""
    if payout is None or (payout.tenant_id, payout.external_id) != (
        wish.tenant_id,
        wish.external_id,
    ):
        return None
    return payout


def as_created(result: creation.Result, shown: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a new payout says the status that it was created in, however quick a worker was.

    And the version that belongs to it: who compares versions never sees one with two statuses.
    """
    if not isinstance(result, creation.Created):
        return shown
    return {**shown, "status": result.status, "version": creation.FIRST_VERSION}


def _is_lost(result: creation.Result, payout: Payout | None) -> bool:
    return payout is None and not isinstance(result, creation.Refused)
