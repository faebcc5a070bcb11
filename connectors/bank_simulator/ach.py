"""What an ODFI makes of the entries of a NACHA file: orders, or the return code of the first mistake.

A file that fails a control is refused as a whole (`FILE_INVALID`, see ach_records); an entry that is
wrong on its own is refused alone, with the return code that would name it. Taken here: credits
(service class 220, codes 22 and 32) of PPD, CCD and CTX batches, and reversals of them (225, codes 27
and 37, REVERSAL) at a door of their own.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from connectors.bank_simulator.ach_records import (
    CREDITS,
    REVERSALS,
    RawEntry,
    day,
    read_file,
    routing_check_digit,
)
from connectors.bank_simulator.payments import Order, RecallWish, Submission, as_uuid
from connectors.bank_simulator.scheme_clock import NEW_YORK

# An older effective date is a mistake; a younger one settles on the next banking day.
MAX_DAYS_LATE = 7
MAX_DAYS_AHEAD = 366


def read(body: bytes, now: datetime) -> Submission:
    """A file's entries, each with the first rule it breaks; or the file refused as a whole."""
    digest = hashlib.sha256(body).hexdigest()
    file = read_file(body, CREDITS)
    if file.invalid:
        return Submission(key=file.key, digest=digest, refusal="FILE_INVALID", detail=file.invalid)
    orders = [_order(entry, now) for entry in file.entries]
    return Submission(key=file.key, digest=digest, orders=orders)


def read_reversal(body: bytes) -> RecallWish:
    """The one entry that a file of reversals takes back; or the file refused as a whole.

    A reversal is known by its trace: the file's own name says little, there being 36 of them a day.
    """
    digest = hashlib.sha256(body).hexdigest()
    file = read_file(body, REVERSALS)
    if file.invalid or len(file.entries) != 1:
        detail = file.invalid or "one reversal at a time, please"
        return RecallWish(key=file.key, digest=digest, refusal="FILE_INVALID", detail=detail)
    (entry,) = file.entries
    return RecallWish(
        key=f"{file.key}/{entry.fields['trace']}",
        digest=digest,
        reference=entry.fields["individual_id"].strip(),
        amount=Decimal(entry.fields["cents"]).scaleb(-2),
        currency="USD",
        details={"trace": entry.fields["trace"]},
    )


def _order(entry: RawEntry, now: datetime) -> Order:
    """One entry as an order; its own mistakes become its refusal."""
    fields = entry.fields
    effective = day(entry.batch["effective"])
    return Order(
        reference=fields["individual_id"].strip(),
        payout_id=as_uuid("".join(entry.information)[:36]),
        amount=Decimal(fields["cents"]).scaleb(-2),
        currency="USD",
        account=fields["account"].strip(),
        wanted_on=effective,
        group=entry.batch["number"],
        position=fields["trace"],
        details=_kept(entry),
        refusal=_check_entry(entry, effective, now),
    )


def _kept(entry: RawEntry) -> dict[str, str]:
    """What a return of this entry will need."""
    fields, batch = entry.fields, entry.batch
    return {
        "code": fields["code"],
        "rdfi": fields["rdfi"] + fields["check"],
        "name": fields["name"],
        "entry_class": batch["entry_class"],
        "company": batch["company"],
        "company_id": batch["company_id"],
        "description": batch["description"],
        "odfi": batch["odfi"],
        "origin": entry.file["origin"],
        "destination": entry.file["destination"],
    }


def _check_entry(entry: RawEntry, effective: date | None, now: datetime) -> str:
    """The return code that names the first mistake in an entry, or an empty text."""
    fields = entry.fields
    today = now.astimezone(NEW_YORK).date()
    if effective is None or effective < today - timedelta(days=MAX_DAYS_LATE):
        return "R18"
    if effective > today + timedelta(days=MAX_DAYS_AHEAD):
        return "R18"
    if routing_check_digit(fields["rdfi"]) != fields["check"] or fields["rdfi"] == "00000000":
        return "R28"
    if int(fields["cents"]) == 0:
        return "R19"
    if not re.fullmatch(r"[A-Z0-9a-z\-]{1,17}", fields["account"].strip()):
        return "R04"
    return "" if fields["individual_id"].strip() and entry.name else "R26"
