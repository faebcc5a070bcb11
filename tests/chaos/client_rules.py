"""What clients were told, against what is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from tests.chaos.clients_log import Call, Creation, creations, shown_payouts
from tests.chaos.facts import WAYS, Facts, Payout, Violation

ZERO = Decimal(0)
ON_A_PAYOUT = ("cancel", "retry", "approve", "get")


def broken(facts: Facts) -> list[Violation]:
    """All of it holds at any instant; see `facts` for which of the two readings of the log each rule takes."""
    return [
        *_one_key_one_payout(facts),
        *_what_was_shown_exists(facts),
        *_refused_means_nothing_happened(facts),
        *_wishes_are_noted(facts),
        *_read_your_writes(facts.after),
        *_never_back(facts.after),
        *_funding(facts),
        *_answers_are_meant(facts.after),
    ]


def _one_key_one_payout(facts: Facts) -> Iterator[Violation]:
    """I25: whoever asks under one key hears of one payout, which is what was asked for, and once that it is new."""
    answers: dict[tuple[str, str], list[Creation]] = defaultdict(list)
    for creation in creations(facts.before):
        if creation.payout_id is not None:
            answers[creation.tenant, creation.key].append(creation)
    for (tenant, key), heard in answers.items():
        subject = f"{tenant} {key}"
        ids = sorted({str(creation.payout_id) for creation in heard})
        if len(ids) > 1:
            yield Violation("I25", subject, f"one key, several payouts heard of: {', '.join(ids)}")
        if sum(creation.status == 201 for creation in heard) > 1:
            yield Violation("I25", subject, "heard more than once that it is new (201)")
        for creation in heard:
            payout = facts.payouts.get(str(creation.payout_id))
            if payout is not None and (difference := _differs(creation, payout)):
                yield Violation("I25", payout.id, f"answered for {key}, but {difference}")


def _differs(creation: Creation, payout: Payout) -> str:
    """Where a payout is not what this request asked for."""
    if (payout.tenant, payout.key) != (creation.tenant, creation.key):
        return f"it belongs to {payout.tenant} {payout.key}"
    body = creation.body
    if _decimal(body.get("amount")) not in (None, payout.amount):
        return f"{body['amount']} was asked for, it is {payout.amount}"
    if str(body.get("currency", payout.currency)) != payout.currency:
        return f"{body['currency']} was asked for, it is {payout.currency}"
    account = str(body.get("beneficiaryAccountId") or payout.account_id).lower()
    return "" if account == payout.account_id else "it pays another account"


def _decimal(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None


def _what_was_shown_exists(facts: Facts) -> Iterator[Violation]:
    """I26: an id that a client was ever told is there, whatever crashed since."""
    told = {str(shown.get("id")) for _, shown in shown_payouts(facts.before)}
    told |= {
        str(call.payout_id)
        for call in facts.before
        if call.verb in ON_A_PAYOUT and call.payout_id and call.status in (200, 202)
    }
    for payout_id in sorted(told - facts.payouts.keys()):
        yield Violation("I26", payout_id, "a client was told of it, and it does not exist")


def _refused_means_nothing_happened(facts: Facts) -> Iterator[Violation]:
    """I27: where every request under a key was refused, there is no payout. (Anything else means "perhaps".)

    The log behind the snapshot: a payout that the snapshot has was asked for in it.
    """
    asked: dict[tuple[str, str], list[Creation]] = defaultdict(list)
    for creation in creations(facts.after):
        asked[creation.tenant, creation.key].append(creation)
    for name, all_of_it in asked.items():
        if name in facts.by_key and all(creation.refused for creation in all_of_it):
            statuses = sorted({str(creation.status) for creation in all_of_it})
            says = f"refused with {', '.join(statuses)}, and it exists"
            yield Violation("I27", facts.by_key[name][0].id, says)


def _answers_are_meant(calls: Sequence[Call]) -> Iterator[Violation]:
    """No request and no fault gives a 500: what cannot be done now is a 503, and no answer at all is a fault's."""
    for call in calls:
        if call.status == 500:
            subject = call.payout_id or call.key or call.verb
            yield Violation("answers", subject, f"a {call.verb} of a client was answered with 500")


def _wishes_are_noted(facts: Facts) -> Iterator[Violation]:
    """A 202 is a promise: the wish to cancel is kept with the payout."""
    for call in facts.before:
        payout = facts.payouts.get(call.payout_id or "")
        if call.verb != "cancel" or call.status != 202 or payout is None:
            continue
        if not payout.cancel_requested and payout.status != "cancelled":
            yield Violation("I26", payout.id, "a client heard that the cancellation is noted")


def _read_your_writes(calls: Sequence[Call]) -> Iterator[Violation]:
    """I31: whoever heard of a new payout finds it."""
    since: dict[tuple[str, str], float] = {}
    for creation in creations(calls):
        heard_at = creation.call.heard_at
        if creation.payout_id is not None and heard_at is not None:
            name = (creation.tenant, creation.payout_id)
            since[name] = min(heard_at, since.get(name, heard_at))
    for call in calls:
        known = since.get((call.tenant, call.payout_id or ""))
        if call.verb != "get" or call.status != 404 or known is None:
            continue
        if call.asked_at > known:
            yield Violation("I31", call.payout_id or "-", "created, and later not found")


def _never_back(calls: Sequence[Call]) -> Iterator[Violation]:
    """I32: a reader who asks after having heard never sees an older state, or one that cannot follow."""
    seen: dict[str, list[tuple[Call, Mapping[str, Any]]]] = defaultdict(list)
    for call, shown in shown_payouts(calls):
        if call.heard_at is not None and shown.get("id") and "version" in shown:
            seen[str(shown["id"])].append((call, shown))
    for payout_id, reads in seen.items():
        by_answer = sorted(reads, key=lambda read: read[0].heard_at or 0)
        newest: Mapping[str, Any] = {}
        heard = 0
        for call, shown in sorted(reads, key=lambda read: read[0].asked_at):
            while heard < len(by_answer) and (by_answer[heard][0].heard_at or 0) < call.asked_at:
                if by_answer[heard][1]["version"] >= newest.get("version", 0):
                    newest = by_answer[heard][1]
                heard += 1
            if newest and _goes_back(newest, shown):
                says = f"{newest['status']} (version {newest['version']}) was read before, then "
                says += f"{shown['status']} (version {shown['version']})"
                yield Violation("I32", payout_id, says)


def _goes_back(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    if later["version"] < earlier["version"]:
        return True
    if later["version"] == earlier["version"]:
        return bool(later["status"] != earlier["status"])
    return later["status"] not in _reachable(earlier["status"])


@cache
def _reachable(status: str) -> frozenset[str]:
    """Everywhere that ways lead from a status, over one step or more."""
    found: set[str] = set()
    left = [status]
    while left:
        new = set(WAYS[left.pop()]) - found
        found |= new
        left += new
    return frozenset(found)


def _funding(facts: Facts) -> Iterator[Violation]:
    """I24: what merchants paid in is what they have, hold and have paid out; with our own list of what came in.

    Deposits older than the log are the demo's; the ledger is asked for them. Fees are ours, never a merchant's.
    """
    wishes: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in facts.after:
        if call.verb == "deposit" and isinstance(call.body, dict):
            wishes[str(call.body.get("tenantId")), str(call.body.get("reference"))].append(call)
    begun = min((call.asked_at for call in facts.after), default=None)
    funded: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for deposit in facts.deposits:
        funded[deposit.tenant, deposit.currency] += deposit.amount
        asked = wishes.get((deposit.tenant, deposit.reference), [])
        meant = {(_decimal(call.body.get("amount")), call.body.get("currency")) for call in asked}
        if asked and (deposit.amount, deposit.currency) not in meant:
            says = f"{deposit.amount} {deposit.currency} came in where another sum was paid in"
            yield Violation("I24", f"{deposit.tenant} {deposit.reference}", says)
        if not asked and begun is not None and _seconds(deposit.created_at) > begun + 2:
            yield Violation("I24", f"{deposit.tenant} {deposit.reference}", "nobody paid this in")
    there = {(deposit.tenant, deposit.reference) for deposit in facts.deposits}
    for call in facts.before:
        if call.verb == "deposit" and call.done and isinstance(call.body, dict):
            name = (str(call.body.get("tenantId")), str(call.body.get("reference")))
            if name not in there:
                yield Violation("I24", " ".join(name), "paid in and acknowledged, but not there")
    yield from _adds_up(facts, funded)


def _adds_up(facts: Facts, funded: Mapping[tuple[str, str], Decimal]) -> Iterator[Violation]:
    away: dict[tuple[str, str], Decimal] = defaultdict(Decimal)  # Paid and not come back.
    for payout in facts.payouts.values():
        if payout.status == "settled":
            away[payout.tenant, payout.currency] += payout.amount
    for purse in sorted({*funded, *facts.balances, *away}):
        free, held = facts.balances.get(purse, (ZERO, ZERO))
        total = free + held + away[purse]
        if funded.get(purse, ZERO) != total:
            says = (
                f"{funded.get(purse, ZERO)} came in; free {free}, held {held}, paid {away[purse]}"
            )
            yield Violation("I24", " ".join(purse), says)


def _seconds(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()
