"""What people may do at the workbench: each action names its verb, its roles, and words for the dialog.

An action holds no rule. Its verb decides, refuses with a code, and writes the audit row. To add one: a row
here, its name in `acts` of the page's admin, and its test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ops.roles import ACT
from payouts import alerts, banks, bankstate, lifecycle, recalls, states
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import PayoutAlert


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one thing, or would: `code` is a refusal's, `word` what to tell."""

    id: UUID
    word: str
    code: str = ""


Do = Callable[[Sequence[UUID], Actor, str], list[Outcome]]
Foresee = Callable[[Sequence[UUID], Actor], list[Outcome]]
Seen = Mapping[UUID, str]


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
    # A decision about what was looked at: the page carries `contents`, and what has changed since is refused.
    contents: Callable[[Sequence[UUID]], Seen] | None = None
    do_as_seen: Callable[[Sequence[UUID], Actor, str, Seen], list[Outcome]] | None = None

    def perform(self, ids: Sequence[UUID], actor: Actor, reason: str, seen: Seen) -> list[Outcome]:
        if self.do_as_seen is not None:
            return self.do_as_seen(ids, actor, reason, seen)
        return self.do(ids, actor, reason)


def refused(subject: UUID, error: PayoutError) -> Outcome:
    detail = "" if error.detail == error.title else f" ({error.detail})"
    return Outcome(id=subject, code=error.code, word=f"{error.title}{detail}")


# --- payouts ------------------------------------------------------------------------------------------

NOW = {
    "pending": "due now",
    "scheduled": "approved, waits for its time",
    "failed": "due now",
    "cancelled": "cancelled, the merchant has the money back",
}
NOTED = {
    "bank": "noted: it is cancelled if the bank refuses it",
    "person": "noted: above the approval limit another person must ask for it, too",
}


def _told(results: Sequence[lifecycle.Result]) -> list[Outcome]:
    return [_tell(result) for result in results]


def _tell(result: lifecycle.Result) -> Outcome:
    if isinstance(result, lifecycle.Refused):
        return refused(result.payout_id, result.error)
    if isinstance(result, lifecycle.Requested):
        word = NOTED[result.awaits]
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


def _approve(
    ids: Sequence[UUID], actor: Actor, reason: str, seen: Seen | None = None
) -> list[Outcome]:
    return _told(
        lifecycle.approve_payouts(ids, actor=actor, reason=reason, tenant_id=None, seen=seen)
    )


def _contents(ids: Sequence[UUID]) -> Seen:
    return {row.id: row.content_hash or "" for row in states.read_payouts(ids)}


def _foresee(verb: str) -> Foresee:
    def foresee(ids: Sequence[UUID], actor: Actor) -> list[Outcome]:
        return _told(lifecycle.foresee([verb], ids, actor=actor)[verb])

    return foresee


def foresee_one(
    actions: Sequence[Action], payout_id: UUID, actor: Actor
) -> list[tuple[Action, Outcome]]:
    """What each action would do to one payout, read once."""
    told = lifecycle.foresee([a.name for a in actions if a is not RECALL], [payout_id], actor=actor)
    return [
        (
            action,
            _tell(told[action.name][0])
            if action is not RECALL
            else _recallable([payout_id], actor)[0],
        )
        for action in actions
    ]


# How a reason begins at the workbench -> why the bank is asked.
RECALL_REASONS = {
    "Duplicate": "duplicate", "Technical": "technical", "Fraud": "fraud", "Customer": "customer",
    "Wrong amount": "wrong_amount", "Wrong account": "wrong_account",
}  # fmt: skip
UNCLEAR = f"Begin with {', '.join(RECALL_REASONS)}: the bank is told which of them it is"


def _recall(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
    begins = [
        code for word, code in RECALL_REASONS.items() if reason.lower().startswith(word.lower())
    ]
    if not begins:
        return [Outcome(id=one, code="validation_error", word=UNCLEAR) for one in ids]
    results = recalls.recall_payouts(
        ids, actor=actor, reason=begins[0], detail=reason, tenant_id=None
    )
    return [_tell_recall(result) for result in results]


def _recallable(ids: Sequence[UUID], actor: Actor) -> list[Outcome]:
    return [_tell_recall(result) for result in recalls.foresee(ids)]


def _tell_recall(result: recalls.Result) -> Outcome:
    if isinstance(result, recalls.Refused):
        return refused(result.payout_id, result.error)
    return Outcome(id=result.payout_id, word="the bank is asked for the money")


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
    do=_approve, do_as_seen=_approve, contents=_contents, foresee=_foresee("approve"),
)  # fmt: skip

RECALL = Action(
    name="recall", label="Recall", done="Recalled", roles=ACT, danger=True,
    says="The bank is asked to bring the money back. Nothing else changes until it does: then the payout is returned"
         " and the merchant has the money. Begin the reason with Duplicate, Technical, Fraud, Customer, Wrong amount"
         " or Wrong account.",
    reasons=("Duplicate: paid twice by mistake", "Fraud: the merchant reports it", "Customer: the merchant asks for it",
             "Wrong account: not the beneficiary's", "Wrong amount: not what was invoiced",
             "Technical: sent by a fault of ours"),
    do=_recall, foresee=_recallable,
)  # fmt: skip


# --- alerts -------------------------------------------------------------------------------------------


def _resolve(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
    results = alerts.resolve_alerts(ids, actor=actor, reason=reason)
    return [
        refused(r.alert_id, r.error)
        if isinstance(r, alerts.Refused)
        else Outcome(id=r.alert_id, word="it stays in the list of resolved ones")
        for r in results
    ]


def _resolvable(ids: Sequence[UUID], actor: Actor) -> list[Outcome]:
    known = dict(PayoutAlert.objects.filter(pk__in=ids).values_list("pk", "resolved"))
    found = []
    for one in ids:
        if one not in known:
            found.append(refused(one, PayoutError("not_found")))
        elif known[one]:
            found.append(refused(one, PayoutError("alert_already_resolved")))
        else:
            found.append(Outcome(id=one, word="open"))
    return found


RESOLVE = Action(
    name="resolve", label="Resolve", done="Resolved", roles=ACT,
    says="It leaves the list of open alerts. If its cause comes back, a new one is raised.",
    reasons=("The cause is mended", "Known, and nothing to be done", "The bank was informed"),
    do=_resolve, foresee=_resolvable,
)  # fmt: skip

# --- banks --------------------------------------------------------------------------------------------


def _switch(verb: Callable[..., list[bankstate.Switched | bankstate.Refused]], word: str) -> Do:
    def do(ids: Sequence[UUID], actor: Actor, reason: str) -> list[Outcome]:
        return [
            refused(r.connector_id, r.error)
            if isinstance(r, bankstate.Refused)
            else Outcome(id=r.connector_id, word=word)
            for r in verb(ids, actor=actor, reason=reason)
        ]

    return do


def _switchable(*, paused: bool) -> Foresee:
    """Pausing what is paused already is no error to a program; a person needs no button for it."""

    def foresee(ids: Sequence[UUID], actor: Actor) -> list[Outcome]:
        known = {bank.connector_id: bank.paused for bank in banks.health_report()}
        already = "It is paused already" if paused else "It is in use already"
        return [
            refused(one, PayoutError("not_found"))
            if one not in known
            else Outcome(id=one, code="done_before" if known[one] == paused else "", word=already)
            for one in ids
        ]

    return foresee


PAUSE = Action(
    name="pause", label="Pause", done="Paused", roles=ACT, danger=True,
    says="Nothing new is sent to this bank; what is routed to it waits. What the bank says is still heard.",
    reasons=("The bank asked for it", "Planned maintenance at the bank", "We look into its refusals"),
    do=_switch(banks.pause, "nothing new is sent to it"), foresee=_switchable(paused=True),
)  # fmt: skip
RESUME = Action(
    name="resume", label="Resume", done="Resumed", roles=ACT,
    says="The bank is used again, and what waits for it is sent at once.",
    reasons=("The bank confirmed that it works", "The maintenance is over"),
    do=_switch(banks.resume, "what waits for it is sent"), foresee=_switchable(paused=False),
)  # fmt: skip
