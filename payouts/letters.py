"""What a bank says in writing when nothing else resolves a doubt: two people state it, and then it is evidence.

One person's statement is a row and moves nothing. When another person states the same of the same order, with
the same document, it goes the way of everything that banks say.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from payouts import audit, banks, bulk, clock, deadlines, doorbell, evidence, states
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.evidence import Statement
from payouts.states import LockedPayout
from payouts.verdicts import DECIDERS, Done, Refused, Requested, Result

SAYS = ("settled", "rejected")
DOCUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/:#-]{2,99}", re.ASCII)
LETTER_TYPES = {
    "id": "uuid", "tenant_id": "uuid", "payout_id": "uuid", "attempt_id": "uuid", "says": "text",
    "document": "text", "reason": "text", "stated_by": "text", "stated_by_role": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The attempt that a bank may have, and what was stated about it so far: by whom, what, from which document."""

    attempt_id: UUID
    bank_connector_id: UUID
    reference: str
    letters: tuple[tuple[str, str, str], ...]


def attest(
    ids: Sequence[UUID],
    *,
    actor: Actor,
    says: str,
    document: str,
    reason: str,
    tenant_id: UUID | None,
) -> list[Result]:
    """State what a bank has written about dead payouts that it may have. Raises PayoutError for all of them.

    `document` says where the letter is kept. Done: two people agree, and the payout has moved.
    """
    _check(says, document)
    with transaction.atomic(durable=True):
        locked = states.lock_payouts(ids, tenant_id=tenant_id)
        orders = _orders(locked)
        verdicts = {
            p.id: _judge(p, orders.get(p.id), actor=actor, says=says, document=document)
            for p in locked.values()
        }
        taken = [p for p in locked.values() if not isinstance(verdicts[p.id], Refused)]
        fresh = [p for p in taken if not _said_before(orders[p.id], actor)]
        rows = [_letter(p, orders[p.id], actor, says, document, reason) for p in fresh]
        bulk.insert("bank_letters", LETTER_TYPES, rows)
        data = {
            p.id: {"says": says, "document": document, "reference": orders[p.id].reference}
            for p in fresh
        }
        if fresh:
            states.note(fresh, "payout.attested", actor=actor, reason=reason, data=data)
        agreed = [p for p in taken if isinstance(verdicts[p.id], Done)]
        said = [_statement(orders[p.id], says, document) for p in agreed]
        if said:
            evidence.record(said, actor=actor)
            doorbell.ring("dispatch")
    stands = {p.id: p.status for p in states.read_payouts([p.id for p in agreed])}
    results: list[Result] = []
    for one in ids:
        verdict = verdicts.get(one, Refused(one, PayoutError("not_found")))
        results.append(Done(one, stands[one]) if one in stands else verdict)
    return results


def foresee(
    ids: Sequence[UUID], *, actor: Actor, says: str, document: str, tenant_id: UUID | None = None
) -> list[Result]:
    """What `attest` would answer as things stand. Locks nothing, changes nothing."""
    _check(says, document)
    found = {p.id: p for p in states.read_payouts(ids, tenant_id=tenant_id)}
    orders = _orders(found)
    return [
        _judge(found[one], orders.get(one), actor=actor, says=says, document=document)
        if one in found
        else Refused(one, PayoutError("not_found"))
        for one in ids
    ]


def _check(says: str, document: str) -> None:
    if says not in SAYS:
        raise PayoutError("validation_error", f"One of {', '.join(SAYS)}", param="says")
    kept = audit.without_personal_data(document)
    if not DOCUMENT.fullmatch(document) or kept != document:
        detail = "Where the letter is kept, such as LETTER-2026/118: no account number, no address"
        raise PayoutError("validation_error", detail, param="document")


def _judge(
    payout: LockedPayout, order: Order | None, *, actor: Actor, says: str, document: str
) -> Result:
    if payout.status != "dlq" or order is None:
        return Refused(payout.id, PayoutError("not_attestable"))
    if actor.role not in DECIDERS:
        return Refused(payout.id, PayoutError("second_person_required"))
    for person, said, source in order.letters:
        if person == actor.id and (said, source) != (says, document):
            return Refused(payout.id, PayoutError("letter_contradicts"))
    others = [letter[1:] for letter in order.letters if letter[0] != actor.id]
    if (says, document) in others:
        return Done(payout.id, says)
    return Requested(payout.id, payout.status, awaits="person")


def _said_before(order: Order, actor: Actor) -> bool:
    return any(person == actor.id for person, _, _ in order.letters)


def _orders(payouts: dict[UUID, LockedPayout]) -> dict[UUID, Order]:
    """The attempt of each payout that a bank may have (there is one at most), with its letters."""
    letters: dict[UUID, list[tuple[str, str, str]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attempt_id, stated_by, says, document FROM bank_letters WHERE attempt_id IN (SELECT id"
            " FROM payout_retry_log WHERE payout_id = ANY(%s)) ORDER BY stated_at",
            [list(payouts)],
        )
        for attempt_id, *letter in cursor.fetchall():
            letters[attempt_id].append((letter[0], letter[1], letter[2]))
        cursor.execute(
            "SELECT payout_id, id, bank_connector_id, reference FROM payout_retry_log"
            " WHERE payout_id = ANY(%s) AND state IN ('intent', 'unknown', 'accepted')",
            [list(payouts)],
        )
        return {
            row[0]: Order(
                attempt_id=row[1],
                bank_connector_id=row[2],
                reference=row[3],
                letters=tuple(letters[row[1]]),
            )
            for row in cursor.fetchall()
        }


def _letter(
    payout: LockedPayout, order: Order, actor: Actor, says: str, document: str, reason: str
) -> dict[str, object]:
    return {
        "id": uuid7(), "tenant_id": payout.tenant_id, "payout_id": payout.id, "attempt_id": order.attempt_id,
        "says": says, "document": document, "reason": audit.without_personal_data(reason),
        "stated_by": actor.id, "stated_by_role": actor.role,
    }  # fmt: skip


def _statement(order: Order, says: str, document: str) -> Statement:
    """What two people have read is what the bank said. A refusal leaves what follows to people: retry, or give up."""
    return Statement(
        source="letter",
        source_key=f"letter:{order.attempt_id}",
        position=0,
        bank_connector_id=order.bank_connector_id,
        reference=order.reference,
        kind=says,
        code="letter" if says == "rejected" else "",
        detail=document,
        reaction="retry",
        final_on=_final_on(order.bank_connector_id) if says == "settled" else None,
    )


def _final_on(bank_connector_id: UUID) -> date | None:
    return deadlines.end_of_return_window(banks.line(bank_connector_id), clock.now().date())
