"""What people may do at the workbench: each action names its verb, its roles, and words for the dialog.

An action holds no rule. Its verb decides, refuses with a code, and writes the audit row. To add one: a row
here, its name in `acts` of the page's admin, and its test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from ops.roles import ACT
from payouts import lifecycle
from payouts.audit import Actor
from payouts.errors import REFUSALS, PayoutError


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one thing, or would: `code` is a refusal's, `word` what to tell."""

    id: UUID
    word: str
    code: str = ""


Do = Callable[[Sequence[UUID], Actor, str], list[Outcome]]
Foresee = Callable[[Sequence[UUID], Actor], list[Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`name` is part of its address; `label` and `done` are the verb on the button and in the result."""

    name: str
    label: str
    done: str
    says: str
    roles: frozenset[str]
    reasons: tuple[str, ...]
    do: Do
    foresee: Foresee
    danger: bool = False


def refused(subject: UUID, error: PayoutError) -> Outcome:
    detail = "" if error.detail == error.title else f" ({error.detail})"
    return Outcome(id=subject, code=error.code, word=f"{error.title}{detail}")


def plain_words(code: str) -> str:
    return REFUSALS[code][1] if code in REFUSALS else code


# --- payouts ------------------------------------------------------------------------------------------

NOW = {
    "pending": "due now",
    "scheduled": "approved, waits for its time",
    "failed": "due now",
    "cancelled": "cancelled, the merchant has the money back",
}


def _told(results: Sequence[lifecycle.Result]) -> list[Outcome]:
    return [_tell(result) for result in results]


def _tell(result: lifecycle.Result) -> Outcome:
    if isinstance(result, lifecycle.Refused):
        return refused(result.payout_id, result.error)
    if isinstance(result, lifecycle.Requested):
        word = "noted: it is cancelled if the bank refuses it"
        return Outcome(id=result.payout_id, word=word)
    if result.replayed:
        return Outcome(
            id=result.payout_id, code="done_before", word=f"It is {result.status} already"
        )
    return Outcome(id=result.payout_id, word=NOW.get(result.status, result.status))


def _retry(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
    return _told(lifecycle.retry_payouts(ids, actor=actor, reason=reason, tenant_id=None))


def _cancel(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
    return _told(lifecycle.cancel_payouts(ids, actor=actor, reason=reason, tenant_id=None))


def _approve(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
    return _told(lifecycle.approve_payouts(ids, actor=actor, reason=reason, tenant_id=None))


def _foresee(verb: str) -> Foresee:
    def foresee(ids: Sequence[UUID], actor: Actor) -> list[Outcome]:
        return _told(lifecycle.foresee([verb], ids, actor=actor)[verb])

    return foresee


def foresee_one(
    actions: Sequence[Action], payout_id: UUID, actor: Actor
) -> list[tuple[Action, Outcome]]:
    """What each action would do to one payout, read once."""
    told = lifecycle.foresee([a.name for a in actions], [payout_id], actor=actor)
    return [(action, _tell(told[action.name][0])) for action in actions]


RETRY = Action(
    name="retry", label="Retry", done="Retried", roles=ACT,
    says="It is due at once, with three more tries. The bank gets a new reference; the money stays held.",
    reasons=("The bank is available again", "The cause was mended at the bank", "The bank asked us to send again"),
    do=_retry, foresee=_foresee("retry"),
)  # fmt: skip
CANCEL = Action(
    name="cancel", label="Cancel", done="Cancelled", roles=ACT, danger=True,
    says="Nothing is sent any more and the merchant has the money back. Where the bank may have it already,"
         " the wish is noted and honoured if the bank refuses it.",
    reasons=("The merchant asked for it", "The beneficiary's account is closed", "It was asked for twice"),
    do=_cancel, foresee=_foresee("cancel"),
)  # fmt: skip
APPROVE = Action(
    name="approve", label="Approve", done="Approved", roles=ACT,
    says="It goes to the bank at its time. Whoever created it cannot approve it.",
    reasons=("Checked against the merchant's invoice", "Confirmed with the merchant by telephone"),
    do=_approve, foresee=_foresee("approve"),
)  # fmt: skip
