"""Writes what an ODFI says: JSON acknowledgements and settlement reports; NACHA files of what comes back.

A return (Nacha Operating Rules, appendix four) is an entry of its own: transaction code 21 for a
22 and 31 for a 32, one addenda record of type 99 with the return code and the original trace
number, the batch originated by the bank that returns (the former RDFI), company and identification
as they were. A reversal that is returned is a 26 or 36. A notification of change (appendix five) looks
like a return, in a batch of class COR, over nothing, with an addenda of type 98.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from connectors.bank_simulator.ach_records import (
    BLOCKING_FACTOR,
    FILLER,
    HASH_MODULUS,
    routing_check_digit,
)
from connectors.bank_simulator.magic import CORRECT_ACCOUNT
from connectors.bank_simulator.payments import Line, Payment, RecallWish, State, money
from connectors.bank_simulator.scheme_clock import NEW_YORK

_RETURN_CODES = {"22": "21", "32": "31"}
_RETURN_OF_DEBIT_CODES = {
    "22": "26",
    "32": "36",
}  # By the code of the credit that was to be reversed.
_DEBITS = frozenset(_RETURN_OF_DEBIT_CODES.values())
_MIXED = "200"


def acknowledgement(file_reference: str, lines: Sequence[Line], *, today: bool) -> bytes:
    """An acknowledgement of a file: first verdicts, or with `today` each entry's present status."""
    states = [line.payment.state if today else line.payment.verdict for line in lines]
    refused = states.count(State.REJECTED)
    status = "accepted" if not refused else "rejected" if refused == len(states) else "partial"
    entries = [_acknowledged(line, state) for line, state in zip(lines, states, strict=True)]
    total = sum((line.shown_amount for line in lines), Decimal(0))
    return _ack(file_reference, status, total=money(total), entries=entries)


def file_refusal(file_reference: str, *, code: str, detail: str) -> bytes:
    """An acknowledgement that refuses a file as a whole."""
    return _ack(file_reference, "rejected", code=code, detail=detail)


def _ack(
    file_reference: str,
    status: str,
    *,
    code: str = "",
    detail: str = "",
    total: str = "0.00",
    entries: Sequence[dict[str, str]] = (),
) -> bytes:
    return json.dumps(
        {
            "type": "ack",
            "file_reference": file_reference,
            "status": status,
            "code": code,
            "detail": detail,
            "total_credit": total,
            "entries": list(entries),
        }
    ).encode()


def _acknowledged(line: Line, state: State) -> dict[str, str]:
    refused = state is State.REJECTED
    code = line.payment.code if refused else ""
    if state is State.RETURNED:
        code = line.payment.return_code
    return {
        "individual_id": line.payment.reference,
        "trace_number": line.position,
        "amount": money(line.shown_amount),
        "status": state.value,
        "code": code,
        "bank_reference": "" if refused else line.payment.bank_reference,
    }


def settlement(payments: Iterable[Payment], *, settled_on: date) -> bytes:
    """What settled on a day."""
    entries = [
        {
            "individual_id": payment.reference,
            "trace_number": payment.position,
            "amount": money(payment.amount),
            "currency": payment.currency,
            "bank_reference": payment.bank_reference,
        }
        for payment in payments
    ]
    report = {"type": "settlement", "settlement_date": settled_on.isoformat(), "entries": entries}
    return json.dumps(report).encode()


def reversal_answer(wish: RecallWish, *, refusal: str, detail: str) -> bytes:
    """The acknowledgement of a file of one reversal."""
    status = State.REJECTED if refusal else State.ACCEPTED
    entry = {
        "individual_id": wish.reference,
        "trace_number": wish.details.get("trace", ""),
        "amount": money(wish.amount or Decimal(0)),
        "status": status.value,
        "code": refusal,
        "bank_reference": "",
    }
    return _ack(
        wish.key.partition("/")[0],
        status.value,
        code=refusal,
        detail=detail,
        entries=[entry] if wish.reference else [],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Back:
    """An entry on its way back. `addenda` is what stands in places 2 to 79 of its addenda record."""

    payment: Payment
    code: str
    cents: int
    addenda: str
    entry_class: str
    description: str

    @property
    def origin(self) -> tuple[str, ...]:
        """What the entries of a batch share: the bank that sends them back, and the company."""
        details = self.payment.details
        names = ("rdfi", "odfi", "company_id", "company")
        return (*(details[name] for name in names), self.entry_class, self.description)


def return_file(
    payments: Sequence[Payment], *, now: datetime, returned_on: date, number: int
) -> bytes:
    """Entries that come back."""
    backs = [
        _Back(
            payment=payment,
            code=_RETURN_CODES[payment.details["code"]],
            cents=_cents(payment),
            addenda=_addenda("99", payment.return_code, payment.position, payment),
            entry_class=payment.details["entry_class"],
            description=payment.details["description"],
        )
        for payment in payments
    ]
    return _file(backs, now=now, returned_on=returned_on, number=number)


def kept_file(
    notes: Sequence[tuple[Payment, Mapping[str, str]]],
    *,
    now: datetime,
    returned_on: date,
    number: int,
) -> bytes:
    """Reversals that come back: debits, because the receiver's bank does not give the money."""
    backs = [
        _Back(
            payment=payment,
            code=_RETURN_OF_DEBIT_CODES[payment.details["code"]],
            cents=_cents(payment),
            addenda=_addenda("99", note["code"], note["trace"], payment),
            entry_class=payment.details["entry_class"],
            description="REVERSAL",
        )
        for payment, note in notes
    ]
    return _file(backs, now=now, returned_on=returned_on, number=number)


def notice_file(
    notes: Sequence[tuple[Payment, Mapping[str, str]]],
    *,
    now: datetime,
    returned_on: date,
    number: int,
) -> bytes:
    """Notifications of change: what the account is called, in an entry over nothing."""
    backs = [
        _Back(
            payment=payment,
            code=_RETURN_CODES[payment.details["code"]],
            cents=0,
            addenda=_addenda("98", note["code"], payment.position, payment) + CORRECT_ACCOUNT,
            entry_class="COR",
            description=payment.details["description"],
        )
        for payment, note in notes
    ]
    return _file(backs, now=now, returned_on=returned_on, number=number)


def _addenda(kind: str, code: str, original_trace: str, payment: Payment) -> str:
    return f"{kind}{code:3}{original_trace}{'':6}{payment.details['rdfi'][:8]}"


def _file(backs: Sequence[_Back], *, now: datetime, returned_on: date, number: int) -> bytes:
    """A file of entries that come back, one batch for each returning bank and original company."""
    records = [_file_header(backs[0].payment, now, number)]
    batches = entries = hashes = debits = credits = 0
    ordered = sorted(backs, key=lambda back: back.origin)
    for batch_number, (_, members) in enumerate(
        groupby(ordered, key=lambda back: back.origin), start=1
    ):
        batch = list(members)
        debit = sum(back.cents for back in batch if back.code in _DEBITS)
        credit = sum(back.cents for back in batch if back.code not in _DEBITS)
        entry_hash = sum(int(back.payment.details["odfi"]) for back in batch) % HASH_MODULUS
        totals = f"{2 * len(batch):06d}{entry_hash:010d}{debit:012d}{credit:012d}"
        records += _batch(batch, batch_number, returned_on, totals=totals)
        batches, entries = batches + 1, entries + 2 * len(batch)
        hashes, debits, credits = hashes + entry_hash, debits + debit, credits + credit
    blocks = -(-(len(records) + 1) // BLOCKING_FACTOR)
    records.append(
        f"9{batches:06d}{blocks:06d}{entries:08d}{hashes % HASH_MODULUS:010d}"
        f"{debits:012d}{credits:012d}{'':39}"
    )
    records += [FILLER] * (blocks * BLOCKING_FACTOR - len(records))
    return ("\n".join(records) + "\n").encode("ascii")


def _cents(payment: Payment) -> int:
    return int(payment.amount.scaleb(2))


def _file_header(first: Payment, now: datetime, number: int) -> str:
    """From the bank back to whom it came from; destination and origin change places."""
    created = now.astimezone(NEW_YORK)
    modifier = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[number % 36]
    return (
        f"101{first.details['origin']:>10}{first.details['destination']:>10}{created:%y%m%d%H%M}{modifier}"
        f"094101{'MOLAM':23}{'SIMULATED BANK':23}{'':8}"
    )


def _batch(backs: Sequence[_Back], number: int, returned_on: date, *, totals: str) -> list[str]:
    first, details = backs[0], backs[0].payment.details
    returning = details["rdfi"][:8]
    head = f"{details['company']:16}{'':20}{details['company_id']:10}"
    records = [
        f"5{_MIXED}{head}{first.entry_class}{first.description:10}{'':6}"
        f"{returned_on:%y%m%d}{returned_on:%j}1{returning}{number:07d}"
    ]
    for position, back in enumerate(backs, start=1):
        records += _returned(back, f"{returning}{number % 1000:03d}{position:04d}")
    records.append(
        f"8{_MIXED}{totals}{details['company_id']:10}{'':19}{'':6}{returning}{number:07d}"
    )
    return records


def _returned(back: _Back, trace: str) -> tuple[str, str]:
    """An entry and its addenda. The account is masked: the bank keeps its end only."""
    payment, details = back.payment, back.payment.details
    odfi = details["odfi"]
    account = payment.account_last4.rjust(8, "X")
    return (
        f"6{back.code}{odfi}{routing_check_digit(odfi)}{account:17}"
        f"{back.cents:010d}{payment.reference:15}{details['name']:22}  1{trace}",
        f"7{back.addenda:78}{trace}",
    )
