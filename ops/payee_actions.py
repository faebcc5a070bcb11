"""What people decide about whom an account belongs to: one action on its page."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ops.actions import Action, Outcome, refused
from ops.roles import ACT
from payouts import payees
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import BeneficiaryAccount

GOES_ON = "it is paid whatever its bank says of the name"


def _accept(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
    known = BeneficiaryAccount.objects.in_bulk(ids)
    return [_accept_one(one, known.get(one), actor, reason) for one in ids]


def _accept_one(
    account_id: UUID, row: BeneficiaryAccount | None, actor: Actor, reason: str
) -> Outcome:
    if row is None:
        return refused(account_id, PayoutError("not_found"))
    try:
        payees.accept_mismatch(
            row.beneficiary_id, row.id, tenant_id=row.tenant_id, actor=actor, reason=reason
        )
    except PayoutError as error:
        return refused(account_id, error)
    return Outcome(id=account_id, word=GOES_ON)


def _acceptable(ids: Sequence[UUID], actor: Actor) -> list[Outcome]:
    open_for_it = payees.acceptable(ids)
    return [
        Outcome(id=one, word=GOES_ON)
        if one in open_for_it
        else refused(one, PayoutError("not_acceptable"))
        for one in ids
    ]


ACCEPT_NAME = Action(
    name="accept-name", label="Accept the name", done="Accepted", roles=ACT, danger=True,
    says="Its bank says that the account belongs to another name. Accepted, it is paid all the same: retry the"
         " payouts that wait for it. A later check of the name ends this.",
    reasons=("Confirmed with the merchant by telephone", "The bank confirmed the account holder"),
    do=_accept, foresee=_acceptable,
)  # fmt: skip
