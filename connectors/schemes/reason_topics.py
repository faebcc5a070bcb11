"""What merchants are told when a bank refuses, and what usually helps an operator: by topic, in plain words.

Hundreds of codes of schemes come down to these. `code` is stable: merchants' programs decide by it.
"""

from __future__ import annotations

from dataclasses import dataclass

_DETAILS = "Have the merchant correct the payee, then let them pay anew."
_OURS = "Mend our side with the bank first, then retry."
_LATER = "The bank or the day was the problem: retry."
_ASK = "Ask the bank by our reference before anything else."
_RAIL = "Retry: routing may choose another rail."
_FILE = "Give the file to engineering; retry when it is mended."


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One thing that can be wrong: a stable code and a sentence for merchants, a remedy for operators."""

    code: str
    merchant: str
    remedy: str


def _topic(code: str, merchant: str, remedy: str) -> Topic:
    return Topic(code=code, merchant=merchant, remedy=remedy)


TOPICS: dict[str, Topic] = {
    "closed": _topic(
        "account_closed", "The account is closed. Ask the payee for another account and pay again.", _DETAILS),
    "blocked": _topic(
        "account_blocked", "The account cannot take payments. Ask the payee for another account.", _DETAILS),
    "barred": _topic(
        "account_blocked", "The payee's bank may not credit this payment. Please talk to us before you pay again.",
        "Show it to compliance before anybody pays this payee again."),
    "number": _topic(
        "account_invalid", "There is no account with this number. Check it with the payee and pay again.", _DETAILS),
    "kind": _topic(
        "account_invalid", "This kind of account cannot take the payment. Ask the payee for another account.",
        _DETAILS),
    "bank": _topic(
        "account_invalid", "The payee's bank was not found. Check the bank details with the payee.", _DETAILS),
    "moved": _topic(
        "account_invalid", "The payee's account has moved. Ask the payee for the new account details.", _DETAILS),
    "name": _topic(
        "details_mismatch", "The name does not belong to the account. Check name and account with the payee.",
        "Compare the name with the merchant; then cancel, or retry."),
    "address": _topic(
        "details_mismatch", "The payee's name or address is incomplete. Complete it and pay again.", _DETAILS),
    "details": _topic(
        "details_mismatch", "The payee's details do not fit the account. Check them with the payee.", _DETAILS),
    "declined": _topic(
        "refused_by_beneficiary", "The payee or their bank did not take it. Ask the payee before you pay again.",
        _DETAILS),
    "gone": _topic(
        "refused_by_beneficiary", "The bank can no longer credit this payee. Please talk to us before you pay again.",
        "Pay nothing more to this payee; talk to the merchant."),
    "recalled": _topic(
        "refused_by_beneficiary", "The payment came back because its return had been asked for.",
        "Nothing to do: it was asked for."),
    "limit": _topic(
        "limit_exceeded", "The amount is more than this way of paying carries. Another way may carry it.", _RAIL),
    "payee_limit": _topic(
        "limit_exceeded", "The payee cannot receive this much at the moment. Ask the payee when it is possible.",
        "The payee's own limit: let the merchant wait, or choose another account."),
    "minimum": _topic("limit_exceeded", "The amount is too small for this way of paying.", _RAIL),
    "later": _topic(
        "bank_unavailable", "The bank could not take the payment then. It is sent again by itself.", _LATER),
    "date": _topic(
        "bank_unavailable", "The payment came too late for its day. It is sent again for the next one.", _LATER),
    "unreachable": _topic(
        "bank_unavailable", "The payee's bank cannot be reached this way. Another way is tried.", _RAIL),
    "funding": _topic(
        "bank_unavailable", "The payment waits on our side and goes out by itself. You need not do anything.",
        "Fund first: put money into our account at this bank; it is sent again by itself."),
    "doubt": _topic(
        "outcome_unknown", "The bank has not yet said what became of it. It is being asked.", _ASK),
    "seen": _topic(
        "under_review", "The bank may have this payment already. We find out before it is sent again.", _ASK),
    "ours": _topic("under_review", "One of us is looking at this payment. You need not do anything.", _OURS),
    "file": _topic("under_review", "One of us is looking at this payment. You need not do anything.", _FILE),
    "credentials": _topic(
        "bank_unavailable", "The bank could not take the payment then. It is sent again by itself.",
        "Renew our credentials at the bank, then retry."),
    "debit": _topic(
        "under_review", "One of us is looking at this payment. You need not do anything.",
        "It belongs to collecting money, which we never do: ask the bank what it means by it."),
    "notice": _topic(
        "account_updated", "The payment arrived. The payee's bank has newer details: please update them.",
        "Nothing to do for this payment; the next one goes to the corrected account."),
    "unexplained": _topic(
        "bank_problem", "The bank did not carry out the payment. One of us finds out why.",
        "Read what the bank said, ask it by our reference, then retry or cancel."),
}  # fmt: skip
