"""Writes what an ODFI says: JSON acknowledgements and settlement reports, NACHA return files.

A return (Nacha Operating Rules, appendix four) is an entry of its own: transaction code 21 for a
22 and 31 for a 32, one addenda record of type 99 with the return code and the original trace
number, the batch originated by the bank that returns (the former RDFI), company and identification
as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from connectors.bank_simulator.ach import BLOCKING_FACTOR, FILLER, HASH_MODULUS, routing_check_digit
from connectors.bank_simulator.payments import Line, Payment, State, money
from connectors.bank_simulator.scheme_clock import NEW_YORK

_RETURN_CODES = {"22": "21", "32": "31"}
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


def return_file(
    payments: Sequence[Payment], *, now: datetime, returned_on: date, number: int
) -> bytes:
    """A file of returned entries, one batch for each returning bank and original company."""
    records = [_file_header(payments[0], now, number)]
    batches = entries = hashes = credits = 0
    for batch_number, (_, members) in enumerate(
        groupby(sorted(payments, key=_origin), key=_origin), start=1
    ):
        batch = list(members)
        cents = sum(_cents(payment) for payment in batch)
        entry_hash = sum(int(payment.details["odfi"]) for payment in batch) % HASH_MODULUS
        records += _batch(batch, batch_number, returned_on, entry_hash=entry_hash, cents=cents)
        batches, entries = batches + 1, entries + 2 * len(batch)
        hashes, credits = hashes + entry_hash, credits + cents
    blocks = -(-(len(records) + 1) // BLOCKING_FACTOR)
    records.append(
        f"9{batches:06d}{blocks:06d}{entries:08d}{hashes % HASH_MODULUS:010d}"
        f"{0:012d}{credits:012d}{'':39}"
    )
    records += [FILLER] * (blocks * BLOCKING_FACTOR - len(records))
    return ("\n".join(records) + "\n").encode("ascii")


def _origin(payment: Payment) -> tuple[str, ...]:
    details = payment.details
    names = ("rdfi", "odfi", "company_id", "company", "entry_class", "description")
    return tuple(details[name] for name in names)


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


def _batch(
    payments: Sequence[Payment], number: int, returned_on: date, *, entry_hash: int, cents: int
) -> list[str]:
    details = payments[0].details
    returning = details["rdfi"][:8]
    head = f"{details['company']:16}{'':20}{details['company_id']:10}"
    records = [
        f"5{_MIXED}{head}{details['entry_class']}{details['description']:10}{'':6}"
        f"{returned_on:%y%m%d}{returned_on:%j}1{returning}{number:07d}"
    ]
    for position, payment in enumerate(payments, start=1):
        records += _returned(payment, f"{returning}{number % 1000:03d}{position:04d}")
    records.append(
        f"8{_MIXED}{2 * len(payments):06d}{entry_hash:010d}{0:012d}{cents:012d}"
        f"{details['company_id']:10}{'':19}{'':6}{returning}{number:07d}"
    )
    return records


def _returned(payment: Payment, trace: str) -> tuple[str, str]:
    """The returned entry and its 99 addenda. The account is masked: the bank keeps its end only."""
    details = payment.details
    odfi = details["odfi"]
    account = payment.account_last4.rjust(8, "X")
    return (
        f"6{_RETURN_CODES[details['code']]}{odfi}{routing_check_digit(odfi)}{account:17}"
        f"{_cents(payment):010d}{payment.reference:15}{details['name']:22}  1{trace}",
        f"799{payment.return_code:3}{payment.position}{'':6}{details['rdfi'][:8]}{'':44}{trace}",
    )
