"""What the bank's own record and our books must say of each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.chaos.facts import Facts, Violation

ZERO = Decimal(0)
# How often a payout may be booked and returned in the bank's record, at rest; anywhere else it is not there.
AT_REST = {"sent": ((1, 0),), "settled": ((1, 0),), "returned": ((1, 1),)}


def broken(facts: Facts) -> list[Violation]:
    """What holds at any instant, because the record was read before the snapshot; and what holds at rest."""
    found = [*_each_payment(facts), *_at_most_once(facts), *_never_closed(facts)]
    if facts.drained:
        found += [*_agrees_at_rest(facts), *_sums_agree(facts)]
    return found


def _rows(facts: Facts, state: str) -> dict[str, list[dict[str, Any]]]:
    """Rows by the payout that was found in the payment itself; never by our reference, which may be wrong."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in facts.records:
        if row["state"] == state:
            rows[row["payout_id"]].append(row)
    return rows


def _each_payment(facts: Facts) -> Iterator[Violation]:
    """A payment is one that we meant: a payout's money, to its account, under a reference of an attempt.

    An attempt is committed before its bytes leave, so the later snapshot has both.
    """
    for row in facts.records:
        if row["state"] == "rejected":
            continue
        payout = facts.payouts.get(row["payout_id"])
        if payout is None:
            says = f"the bank {row['state']} {row['reference']} for no payout of ours"
            yield Violation("I22", row["payout_id"] or "-", says)
            continue
        paid = (Decimal(row["amount"]), row["currency"], row["account_last4"])
        if paid != (payout.amount, payout.currency, payout.last4):
            meant = f"{payout.amount} {payout.currency} to …{payout.last4}"
            says = (
                f"the bank {row['state']} {paid[0]} {paid[1]} to …{paid[2]} where we meant {meant}"
            )
            yield Violation("I22", payout.id, says)
        if row["reference"] not in facts.references.get(payout.id, ()):
            says = f"the bank {row['state']} {row['reference']}, which no attempt carries"
            yield Violation("I22", payout.id, says)


def _at_most_once(facts: Facts) -> Iterator[Violation]:
    """No payout is ever booked a second time, not even one that came back: what is returned has ended."""
    returned = _rows(facts, "returned")
    for payout_id, rows in _rows(facts, "booked").items():
        if payout_id and len(rows) > 1:
            references = Counter(row["reference"] for row in rows)
            said = ", ".join(f"{n} x {reference}" for reference, n in references.items())
            back = len(returned[payout_id])
            yield Violation("I22", payout_id, f"paid {len(rows)} times ({said}), {back} came back")
    booked = _rows(facts, "booked")
    for payout_id, rows in returned.items():
        if len(rows) > len(booked[payout_id]):
            yield Violation("I22", payout_id, "more came back than was paid")


def _never_closed(facts: Facts) -> Iterator[Violation]:
    """What the bank had booked before the snapshot was not, in the snapshot, over without being paid.

    Cancelled and rejected are ends: a payout that is there now was not on its way to being paid earlier.
    """
    for payout_id in _rows(facts, "booked"):
        payout = facts.payouts.get(payout_id)
        if payout is not None and payout.status in ("cancelled", "rejected"):
            yield Violation("I23", payout_id, f"{payout.status}, and the bank has paid it")
    paid = set(_rows(facts, "booked"))
    for call in facts.before:
        if call.verb != "cancel" or call.status != 200 or not isinstance(call.answer, dict):
            continue
        payout = facts.payouts.get(call.payout_id or "")
        if call.answer.get("status") != "cancelled":
            continue  # The same request had been carried out before; this is what it led to.
        if call.payout_id in paid:
            says = "a client heard that it is cancelled, and the bank has paid it"
            yield Violation("I23", call.payout_id or "-", says)
        if payout is not None and payout.status != "cancelled":
            says = f"a client heard that it is cancelled, and it is {payout.status}"
            yield Violation("I28", payout.id, says)


def _agrees_at_rest(facts: Facts) -> Iterator[Violation]:
    """At rest both say the same of each payout.

    Nobody is in the dlq whom the bank has paid, the acknowledgement of another amount (`wrong_amount`) included.
    Such a payout rightly goes there at once: the bank contradicts itself, so nothing automatic may happen to
    it, and the hold stays. But the bank booked what it was asked to book, and its inquiry and its reports say
    so: that evidence must have led the payout out again by the time everything is at rest.
    """
    booked, returned = _rows(facts, "booked"), _rows(facts, "returned")
    for payout in facts.payouts.values():
        there, back = len(booked.get(payout.id, ())), len(returned.get(payout.id, ()))
        if (there, back) not in AT_REST.get(payout.status, ((0, 0),)):
            says = f"{payout.status}, but the bank booked it {there} times, and {back} came back"
            yield Violation("I23", payout.id, says)


def _sums_agree(facts: Facts) -> Iterator[Violation]:
    """What the bank booked and kept is what left through the clearing accounts, or is still to be captured."""
    bank: dict[str, Decimal] = defaultdict(Decimal)
    for row in facts.records:
        sign = {"booked": 1, "returned": -1}.get(row["state"], 0)
        bank[row["currency"]] += sign * Decimal(row["amount"])
    on_its_way: dict[str, Decimal] = defaultdict(Decimal)
    for payout in facts.payouts.values():
        if payout.status == "sent":
            on_its_way[payout.currency] += payout.amount
    for currency in sorted({*bank, *facts.cleared, *on_its_way}):
        ours = facts.cleared.get(currency, ZERO) + on_its_way[currency]
        if bank[currency] != ours:
            says = f"the bank booked and kept {bank[currency]}, through clearing went or will go {ours}"
            yield Violation("I23", currency, says)
