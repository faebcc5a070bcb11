"""A payout changes its bank, where that cannot pay twice and helps.

It cannot pay twice while nothing of it is at a bank: every attempt so far certainly never left, or was
finally refused. A call that timed out is neither; such a payout stays where it is, whatever else is free.
It helps when the bank is being left alone by its breaker, or when the refusal said that this rail cannot
carry the payment (`retry_other_rail`). A bank that people paused keeps its payouts.

The new bank must be ready, its breaker closed. What was promised to the merchant stays promised: routes
that still keep it come first. The change is a new decision, an audit row, and at the next claim a new attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from payouts import admission, audit, clock, decisions, doorbell, routing, states
from payouts.audit import engine
from payouts.breaker import STATE_SQL, Breaker
from payouts.routing import Choices, Route, Wish
from payouts.states import LockedPayout

ACTOR = engine("failover")
# No earlier order for it may be, or is just being, told to a bank.
NOT_AT_A_BANK = (
    " AND NOT EXISTS (SELECT FROM payout_retry_log a JOIN bank_transmissions t ON t.id = a.transmission_id"
    " WHERE a.payout_id = v.id AND (a.state IN ('intent', 'unknown', 'accepted', 'settled')"
    " OR t.state = 'sending'))"
)
REFUSED_RAIL = (
    " FROM payout_retry_log a WHERE a.payout_id = v.id AND a.state = 'rejected' AND EXISTS (SELECT FROM"
    " bank_evidence e WHERE e.payout_id = v.id AND e.attempt_id = a.id AND e.reaction = 'retry_other_rail')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A payout that may change its bank, with what choosing another needs."""

    id: UUID
    payout_method: str
    account_type: str
    currency: str
    amount: Decimal
    country: str
    institution: str
    priority: str
    due_by: datetime
    refused_rails: list[str]

    def wish(self, *, now: datetime) -> Wish:
        """`scheduled_at` now: what waited for its time or its batch has waited already."""
        return Wish(
            payout_method=self.payout_method,
            account_type=self.account_type,
            currency=self.currency,
            amount=self.amount,
            country=self.country,
            institution=self.institution,
            priority=self.priority,
            scheduled_at=now,
            due_by=self.due_by,
        )


def reroute_due(*, limit: int = 200) -> int:
    """Give another bank to what waits for one that is left alone, or whose rail refused. Returns how many."""
    seen = _stranded(limit) | _refused_by_their_rail(limit)
    if not seen:
        return 0
    with transaction.atomic(durable=True):
        found = states.lock_payouts(seen)
        # Another worker may have been faster: what has its new bank already stays there.
        locked = {pk: p for pk, p in found.items() if p.bank_connector_id == seen[pk]}
        cases = {case.id: case for case in _cases(list(locked))}
        routes = _other_routes(cases, locked)
        if routes:
            _write(routes, locked)
            doorbell.ring("dispatch")
    return len(routes)


def _stranded(limit: int) -> dict[UUID, UUID]:
    """What waits for a bank that its breaker leaves alone (and nobody paused), with that bank."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.bank_connector_id FROM bank_connector_state s WHERE NOT s.paused AND {STATE_SQL} = %s",
            [Breaker.OPEN],
        )
        alone = [row[0] for row in cursor.fetchall()]
        if not alone:
            return {}
        cursor.execute(
            "(SELECT v.id, v.bank_connector_id FROM payouts v WHERE v.status = 'pending'"
            " AND v.bank_connector_id = ANY(%(alone)s)"
            f"{NOT_AT_A_BANK} ORDER BY v.priority_rank, v.created_at LIMIT %(limit)s) UNION ALL"
            " (SELECT v.id, v.bank_connector_id FROM payouts v WHERE v.status = 'failed'"
            " AND v.bank_connector_id = ANY(%(alone)s)"
            f"{NOT_AT_A_BANK} ORDER BY v.next_retry_at LIMIT %(limit)s)",
            {"alone": alone, "limit": limit},
        )
        return dict(cursor.fetchall())


def _refused_by_their_rail(limit: int) -> dict[UUID, UUID]:
    """What is due again after a refusal that another rail might not give, and is still on that rail."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.id, v.bank_connector_id FROM v_payouts_retry_queue v"
            f" WHERE EXISTS (SELECT {REFUSED_RAIL} AND a.rail = v.rail){NOT_AT_A_BANK}"
            " AND NOT EXISTS (SELECT FROM bank_connector_state s"
            "   WHERE s.bank_connector_id = v.bank_connector_id AND s.paused)"
            " ORDER BY v.next_retry_at LIMIT %s",
            [limit],
        )
        return dict(cursor.fetchall())


def _cases(ids: Sequence[UUID]) -> list[Case]:
    """Looked at again under the locks: what may still change its bank."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.id, v.payout_method, b.type, v.currency, v.amount, b.country, b.institution, v.priority,"
            f" v.sla_target_at, ARRAY(SELECT DISTINCT a.rail{REFUSED_RAIL}) FROM payouts v"
            " JOIN beneficiary_accounts b ON b.id = v.beneficiary_account_id"
            f" WHERE v.id = ANY(%s) AND v.status IN ('pending', 'failed'){NOT_AT_A_BANK}",
            [list(ids)],
        )
        names = tuple(Case.__slots__)
        return [Case(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _other_routes(
    cases: Mapping[UUID, Case], locked: Mapping[UUID, LockedPayout]
) -> dict[UUID, Route]:
    now = clock.now()
    wishes = {case.id: case.wish(now=now) for case in cases.values()}
    choices = admission.choices_of(list(wishes.values()), now=now)
    found = {
        case.id: _other_route(case, wishes[case.id], locked[case.id].bank_connector_id, choices)
        for case in cases.values()
    }
    return {payout_id: route for payout_id, route in found.items() if route is not None}


def _other_route(case: Case, wish: Wish, current: UUID, choices: Choices) -> Route | None:
    """The best ready route elsewhere. A half-open bank is being tried with what it has; it gets no more."""
    survey = choices.survey(wish)
    elsewhere = [
        candidate
        for candidate in survey
        if not candidate.refused
        and candidate.bank.breaker == Breaker.CLOSED
        and candidate.bank.id != current
        and candidate.bank.rail not in case.refused_rails
    ]
    return routing.decide(wish, elsewhere)


def _write(routes: Mapping[UUID, Route], locked: Mapping[UUID, LockedPayout]) -> None:
    """The decisions, the payouts' new route (the promise stays as it was), and the audit rows."""
    made = [
        decisions.Decision(
            id=uuid7(), payout_id=payout_id, tenant_id=locked[payout_id].tenant_id, route=route
        )
        for payout_id, route in routes.items()
    ]
    decisions.record(made)
    audit.by_verb()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts p SET bank_connector_id = v.bank, rail = v.rail, routing_decision_id = v.decision,"
            " sira_routing_score = v.score, predicted_settlement_at = v.predicted, fee_amount = v.fee,"
            " next_retry_at = CASE WHEN p.status = 'failed' THEN clock_timestamp() ELSE p.next_retry_at END"
            " FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::numeric[], %s::timestamptz[],"
            " %s::numeric[]) AS v (id, bank, rail, decision, score, predicted, fee) WHERE p.id = v.id",
            [
                [d.payout_id for d in made],
                [d.route.bank.id for d in made],
                [d.route.bank.rail for d in made],
                [d.id for d in made],
                [d.route.score for d in made],
                [d.route.predicted_at for d in made],
                [d.route.promise.fee for d in made],
            ],
        )
    states.note(
        [locked[d.payout_id] for d in made],
        "payout.rerouted",
        actor=ACTOR,
        data={
            d.payout_id: {
                "from": f"{locked[d.payout_id].connector}:{locked[d.payout_id].rail}",
                "to": d.route.bank.key,
            }
            for d in made
        },
    )
