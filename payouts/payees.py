"""Whose account is it? Asked when an account is made and again before it is first paid; what that leads to.

Making a beneficiary never waits for a bank: the question is written with the account, the doorbell rings, and a
worker asks within seconds. Before the first payment whoever carries it looks whether somebody has answered
lately; if not it asks itself, once for each account whoever else pays it meanwhile, for PAYEE_CHECK_S at most.
No answer by then is an answer too: `not_possible`, and the payment goes on. No transaction is open while a
bank is asked.

What a verdict leads to is the merchant's setting (`payee_checks`: verdict -> "pay" or "hold"). By default only a
name that is another's is held: the payout waits in the dead-letter queue until a person accepts it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from payouts import audit, banks, beneficiaries, idempotency, metrics, payee_records
from payouts.audit import Actor, engine
from payouts.banks import AccountDetails, BankLine
from payouts.errors import PayoutError
from payouts.models import Beneficiary
from payouts.payee_records import (
    NO_ANSWER,
    NOT_OFFERED,
    UNREADABLE,
    Answer,
    Standing,
    Taken,
)

log = logging.getLogger(__name__)
ACTOR = engine("payees")
AT_ONCE = 8
BATCH = 50
LOOK_AGAIN_S = 0.02
DEFAULT_POLICY = {"match": "pay", "close_match": "pay", "no_match": "hold", "not_possible": "pay"}
HELD = {
    "match": "payee_not_verified", "close_match": "payee_close_match", "no_match": "payee_no_match",
    "not_possible": "payee_not_verified",
}  # fmt: skip


def ask_waiting() -> int:
    """Ask about accounts that were made lately, with nothing open. Returns how many were answered for."""
    deadline_s, asked = _deadline_s(), 0
    while taken := payee_records.take_open(limit=BATCH, lease_s=2 * deadline_s + 1):
        answers = _ask(taken, candidates=banks.lines(), deadline_s=deadline_s)
        _record(answers, actor=ACTOR)
        asked += len(answers)
    return asked


def is_anybody_waiting() -> bool:
    """Whether there is an account to ask about that nobody asks about."""
    return payee_records.is_any_open()


def verify_before_first_use(bank: BankLine, payout_ids: Sequence[UUID]) -> None:
    """See to it that the accounts of these payouts have been asked about, where this bank can ask.

    What goes wrong here keeps no payment: an account that nobody can say anything about is paid.
    """
    try:
        if bank.capabilities.verifies_payee:
            _verify(bank, _accounts_of(payout_ids))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("payees could not be verified")
        metrics.worker_failed("dispatch")


def _verify(bank: BankLine, account_ids: Sequence[UUID]) -> None:
    fresh_s, deadline_s = settings.PAYEE_CHECK_FRESH_S, _deadline_s()
    waiting = payee_records.unchecked(account_ids, fresh_s=fresh_s)
    if not waiting:
        return
    ends = time.monotonic() + deadline_s
    ours = payee_records.take(waiting, fresh_s=fresh_s, lease_s=2 * deadline_s + 1)
    _record(_ask(ours, candidates=[bank], deadline_s=deadline_s), actor=ACTOR)
    # Somebody else asks about the rest; what they do not hear in time nobody waits for.
    others = set(waiting) - {taken.account_id for taken in ours}
    while others and time.monotonic() < ends:
        others = set(payee_records.unchecked(others, fresh_s=fresh_s))
        time.sleep(LOOK_AGAIN_S if others else 0)


def held(account_ids: Collection[UUID]) -> dict[UUID, str]:
    """Accounts that must not be paid yet, by what was said of their holders, with the code that says so."""
    codes = {}
    for one in payee_records.standing(account_ids).values():
        if one.verdict and not one.accepted_by and _policy(one) == "hold":
            codes[one.account_id] = HELD[one.verdict]
    return codes


def _policy(standing: Standing) -> str:
    default = DEFAULT_POLICY[standing.verdict]
    wish = standing.policy.get(standing.verdict, default)
    return wish if wish in ("pay", "hold") else default


def recheck(
    beneficiary_id: UUID, *, tenant_id: UUID, actor: Actor, key: idempotency.KeyUse | None = None
) -> Beneficiary:
    """Ask again about every account of a beneficiary, now. Raises PayoutError not_found."""
    found = beneficiaries.get_beneficiary(beneficiary_id, tenant_id=tenant_id)
    with transaction.atomic(durable=True):
        if idempotency.claim(key, resource_id=beneficiary_id) is not None:
            return found
    taken = [Taken(account_id=a.id, occasion="recheck") for a in found.accounts.all()]
    answers = _ask(taken, candidates=banks.lines(), deadline_s=_deadline_s())
    _record(answers, actor=actor)
    return found


def accept_mismatch(
    beneficiary_id: UUID,
    account_id: UUID,
    *,
    tenant_id: UUID,
    actor: Actor,
    reason: str,
    key: idempotency.KeyUse | None = None,
) -> Beneficiary:
    """Let an account be paid whatever its bank says of the name. Raises PayoutError.

    not_found; not_acceptable where nothing was said, or nothing that keeps a payment; stale_version where
    something else is said meanwhile.
    """
    found = beneficiaries.get_beneficiary(beneficiary_id, tenant_id=tenant_id)
    if account_id not in {account.id for account in found.accounts.all()}:
        raise PayoutError("not_found")
    with transaction.atomic(durable=True):
        if idempotency.claim(key, resource_id=beneficiary_id) is not None:
            return found
        before = payee_records.standing([account_id]).get(account_id)
        if before is None or not _is_acceptable(before):
            raise PayoutError("not_acceptable")
        if before.accepted_by:
            return found
        reason = audit.without_personal_data(reason)
        taken = payee_records.accept(account_id, actor=actor, reason=reason)
        if taken is None or taken.verdict != before.verdict:  # Its bank spoke just now.
            raise PayoutError("stale_version")
        data = {"account_id": str(account_id), "verdict": before.verdict, "code": before.code}
        row = audit.AuditRow(
            action="beneficiary.mismatch_accepted", tenant_id=tenant_id, reason=reason, data=data
        )
        audit.record([row], actor=actor)
    return found


def acceptable(account_ids: Collection[UUID]) -> set[UUID]:
    """The accounts whose name somebody may accept as things stand. Changes nothing."""
    known = payee_records.standing(account_ids)
    return {one for one, told in known.items() if _is_acceptable(told) and not told.accepted_by}


def _is_acceptable(told: Standing) -> bool:
    return told.verdict not in ("", "match")


def _record(answers: Sequence[Answer], *, actor: Actor) -> None:
    if answers:
        with transaction.atomic(durable=True):
            payee_records.record(answers, actor=actor)


def _ask(
    taken: Sequence[Taken], *, candidates: Sequence[BankLine], deadline_s: float
) -> list[Answer]:
    """Ask about accounts, some at once, for `deadline_s` in all. An answer for each of them."""
    accounts = beneficiaries.open_accounts(one.account_id for one in taken)
    found: dict[UUID, BankLine | None] = {
        account_id: _bank_for(account, candidates) for account_id, account in accounts.items()
    }
    calls: dict[UUID, Future[banks.PayeeVerification]] = {}
    asks = {bank.id: banks.verifier(bank, deadline_s=deadline_s) for bank in found.values() if bank}
    threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="payees")
    try:
        for account_id, bank in found.items():
            if bank is not None:
                calls[account_id] = threads.submit(asks[bank.id], accounts[account_id])
        wait(calls.values(), timeout=deadline_s)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return [_answer(one, accounts, found, calls) for one in taken]


def _answer(
    taken: Taken,
    accounts: Mapping[UUID, AccountDetails],
    found: Mapping[UUID, BankLine | None],
    calls: Mapping[UUID, Future[banks.PayeeVerification]],
) -> Answer:
    account_id, bank = taken.account_id, found.get(taken.account_id)
    verdict, code, name = "not_possible", NO_ANSWER, ""
    call = calls.get(account_id)
    if account_id not in accounts:
        code = UNREADABLE
    elif call is None:
        code = NOT_OFFERED
    elif call.done() and not call.cancelled():
        if (error := call.exception()) is None:
            told = call.result()
            verdict, code, name = told.match.value, told.code, told.name
        elif not isinstance(error, banks.ConnectorError):
            log.error("asking about an account broke: %s", type(error).__name__)
    return Answer(
        account_id=account_id,
        occasion=taken.occasion,
        bank_connector_id=bank.id if bank else None,
        verdict=verdict,
        code=code,
        asked_name=accounts[account_id].holder_name if account_id in accounts else "",
        name=name,
    )


def _bank_for(account: AccountDetails, candidates: Sequence[BankLine]) -> BankLine | None:
    """The first connection, by preference, that can ask about such an account and is not left alone."""
    for bank in candidates:
        if not bank.enabled or bank.paused or bank.breaker == "open":
            continue
        if bank.capabilities.verifies_payee and not bank.connector.check_beneficiary(account):
            return bank
    return None


def _deadline_s() -> float:
    """How long a check may take: well within what a lease leaves beside the call."""
    left_s: float = (settings.LEASE_S - settings.CALL_DEADLINE_S) / 2
    return min(settings.PAYEE_CHECK_S, left_s)


def _accounts_of(payout_ids: Sequence[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT beneficiary_account_id FROM payouts WHERE id = ANY(%s)",
            [list(payout_ids)],
        )
        return [row[0] for row in cursor.fetchall()]
