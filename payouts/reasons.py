"""Why a payout does not move, in words for merchants: a short list of codes that stays, whatever a bank says.

Operators read what a bank wrote. A merchant decides by these codes, so one that is not listed here is told
as `bank_problem`, never passed on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code and a sentence. Both are empty when nothing is wrong."""

    code: str
    text: str


TEXTS = {
    "account_closed": "The account is closed",
    "account_blocked": "The account cannot be credited",
    "account_invalid": "There is no such account: check its number and its bank",
    "details_mismatch": "The beneficiary's details do not fit the account",
    "refused_by_beneficiary": "The beneficiary or their bank did not take it",
    "limit_exceeded": "The amount is not carried by this way of paying",
    "bank_unavailable": "The bank could not take it then; it is tried again",
    "outcome_unknown": "The bank has not yet said what became of it; it is being asked",
    "under_review": "One of us is looking at it",
    "bank_problem": "The bank did not carry it out",
}
# merchant's code -> codes of ISO 20022, and of NACHA's returns; each in its own rails only.
ISO_20022 = {
    "account_closed": "AC04 AC07",
    "account_blocked": "AC06 AG01 FR01 RR04 AM07",
    "account_invalid": "AC01 AC02 AC03 AC13 AC14 AC15 RC01 RC03 RC04 RC07",
    "details_mismatch": "BE01 BE04 BE06 BE16 RR03",
    "refused_by_beneficiary": "CUST FOCR MD07 MS02 MS03 ARDT CNOR",
    "limit_exceeded": "AM02 AM13 AM14 AM21 AM23",
    "bank_unavailable": (
        "AB01 AB02 AB03 AB04 AB05 AB06 AB07 AB08 AB09 AB10 AG10 AG11 ED05 NOAS TM01 DT01 AM04 AG07"
    ),
    "under_review": "AM05 DUPL AM09 AM10 AM11 AM12 FF01 NARR",
}
NACHA = {
    "account_closed": "R02",
    "account_blocked": "R16",
    "account_invalid": "R03 R04 R12 R13 R20 R28",
    "details_mismatch": "R17 R19 R26",
    "refused_by_beneficiary": "R14 R15 R23 R34",
    "bank_unavailable": "R06 R18 R31 R32",
    "under_review": "R21 R22 R24 R25 R27",
}
# What the engine itself says, whatever the rail.
ENGINE = {
    "outcome_unknown": (
        "outcome_unknown deadline cut protocol_error answer_too_large status_unknown inquiry_unsupported not_found"
    ),
    "bank_unavailable": (
        "bank_busy bank_auth dns_failed connection_refused connect_failed connect_timeout tls_failed"
        " deadline_before_send claim_lost connector_broke"
    ),
    "details_mismatch": "invalid_name",
    "under_review": "bank_mismatch prepare_failed file_total_exceeded FILE_INVALID BAD_REQUEST",
}
SCHEMES = {"ach": NACHA}  # Every other rail that we speak uses ISO 20022, or its own words.


def explain(code: str, *, rail: str) -> Reason:
    """A merchant's reason for a code that a bank or the engine gave on a rail."""
    if not code:
        return Reason("", "")
    for table in (ENGINE, SCHEMES.get(rail, ISO_20022)):
        for ours, theirs in table.items():
            if code in theirs.split():
                return Reason(ours, TEXTS[ours])
    if code.startswith("http_"):  # An answer that says nothing about the payment.
        return Reason("outcome_unknown", TEXTS["outcome_unknown"])
    return Reason("bank_problem", TEXTS["bank_problem"])
