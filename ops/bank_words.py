"""What codes mean, and what usually helps: for people who did not learn the schemes' tables by heart.

Words only. What a code leads to is decided by the reason tables of each rail.
"""

from __future__ import annotations

DETAILS = "Have the merchant correct the beneficiary, cancel this payout and let them ask anew."
OURS = "Mend our side with the bank first, then retry."
LATER = "The bank or the day was the problem: retry."
ASK = "Ask the bank by our reference before anything else."
# code: (what it says, what usually helps)
WORDS: dict[str, tuple[str, str]] = {
    # ISO 20022, as SEPA uses it.
    "AC01": ("The account number is wrong", DETAILS),
    "AC02": ("Our own account number is wrong", OURS),
    "AC03": ("The account number is not valid", DETAILS),
    "AC04": ("The account is closed", DETAILS),
    "AC06": ("The account is blocked", DETAILS),
    "AC13": ("The account is of the wrong kind", DETAILS),
    "AC14": ("An agent in the chain is wrong", OURS),
    "AG01": ("This payment is barred on that account", DETAILS),
    "AG03": ("That bank does not take this kind of payment", "Retry: routing may choose another rail."),
    "AM02": ("The amount is not allowed on this rail", "Retry: routing may choose another rail."),
    "AM04": ("Our account at the bank had too little money", "Fund our account at the bank, then retry."),
    "AM05": ("The bank has seen this payment before", ASK),
    "AM09": ("The amount is not what was agreed", OURS),
    "BE01": ("The name does not fit the account", "Compare the name with the merchant; then cancel, or retry."),
    "BE04": ("The beneficiary's address is missing or wrong", DETAILS),
    "BE06": ("The bank does not know the beneficiary", DETAILS),
    "CNOR": ("That bank cannot be reached on this rail", "Retry: routing may choose another rail."),
    "CUST": ("The beneficiary's bank was asked to refuse it", DETAILS),
    "DT01": ("The date had passed", LATER),
    "ED05": ("Settlement failed between the banks", LATER),
    "FF01": ("The bank could not read our file", "Send the file to engineering; retry when mended."),
    "FOCR": ("It came back after our recall", "Nothing to do: it was asked for."),
    "MD07": ("The beneficiary has died", DETAILS),
    "MS02": ("The beneficiary refused it, without a reason", DETAILS),
    "MS03": ("The bank refused it, without a reason", ASK),
    "NARR": ("See the bank's own words", ASK),
    "RC01": ("The bank's code (BIC) is wrong", DETAILS),
    "RR03": ("The beneficiary's name or address is missing", DETAILS),
    "RR04": ("Refused for regulatory reasons", DETAILS),
    "TM01": ("It came after the cut-off", LATER),
    # NACHA.
    "R01": ("Insufficient funds", LATER),
    "R02": ("The account is closed", DETAILS),
    "R03": ("There is no such account", DETAILS),
    "R04": ("The account number is not valid", DETAILS),
    "R06": ("The bank asked for its return", LATER),
    "R12": ("The branch was sold to another bank", DETAILS),
    "R13": ("The routing number is not valid", DETAILS),
    "R14": ("The account's representative has died", DETAILS),
    "R15": ("The beneficiary has died", DETAILS),
    "R16": ("The account is frozen", DETAILS),
    "R17": ("The bank could not read the entry", "Send the file to engineering; retry when mended."),
    "R18": ("The effective date is not valid", LATER),
    "R20": ("It is not a transaction account", DETAILS),
    "R23": ("The beneficiary refused it", DETAILS),
    "R24": ("The bank has seen this entry before", ASK),
    "R31": ("The bank asks to permit a return", LATER),
    "R32": ("The settlement between the banks failed", LATER),
    # Ours.
    "connection_refused": ("The bank's door was closed", LATER),
    "connect_timeout": ("The bank could not be reached in time", LATER),
    "deadline": ("The bank did not answer in time", ASK),
    "deadline_before_send": ("There was no time left to send it", LATER),
    "dns_failed": ("The bank's address was not found", OURS),
    "tls_failed": ("No secure connection to the bank", OURS),
    "bank_auth": ("The bank refused our credentials", "Renew our credentials at the bank, then retry."),
    "bank_busy": ("The bank was busy", LATER),
    "answer_unreadable": ("The bank's answer could not be read", ASK),
    "BAD_REQUEST": ("The bank could not read the request", "Send it to engineering; retry when mended."),
    "FILE_INVALID": ("The bank could not read our file", "Send the file to engineering; retry when mended."),
}  # fmt: skip
UNKNOWN = "Read what the bank said below, ask the bank by our reference, then retry or cancel."


def meaning(code: str) -> str:
    """A code in words; nothing for one that nobody listed."""
    return WORDS[code][0] if code in WORDS else ""


def remedy(code: str) -> str:
    return WORDS[code][1] if code in WORDS else UNKNOWN
