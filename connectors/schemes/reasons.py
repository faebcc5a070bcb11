"""What banks say when they refuse or return, and what each reason leads to.

Tables are per scheme, never global: the same four letters mean different things in different
places. An unlisted code is REPAIR, so that a person looks before money moves again. From a
merchant's side: - RETRY            the bank or the day was the problem; - RETRY_OTHER_RAIL this
rail cannot carry this payment; - REFUSE           the account is closed, wrong or barred: the
merchant has the money back, corrects the beneficiary and pays anew; - REPAIR           our data,
our file, our balance sheet or a doubt: a person must act. Sources: ISO 20022 external code sets
4Q2025 (status and return reasons), EPC inquiry and r-transaction guidance (EPC173-14), NACHA
Operating Rules 2026 appendix four (return reason codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from connectors.base import Reaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonTable:
    """The reactions of one scheme; `effective_from` is when this reading of it began to apply."""

    scheme: str
    source: str
    effective_from: date
    reactions: Mapping[str, Reaction]

    def reaction(self, code: str) -> Reaction:
        """What `code` leads to; REPAIR when it is not listed."""
        return self.reactions.get(code, Reaction.REPAIR)


def _table(**codes: str) -> dict[str, Reaction]:
    return {
        code: Reaction(reaction) for reaction, listed in codes.items() for code in listed.split()
    }


# "There already": the bank has seen this payment or this file before. Never a rejection, never a
# reason to send anew: ask what became of the first one.
DUPLICATE_CODES = frozenset({"AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05", "R24"})


def is_duplicate(code: str) -> bool:
    """Tell whether a refusal says that the bank already has this payment or file."""
    return code in DUPLICATE_CODES or "DUPLICATE" in code.upper()


# AB06-AB10 are negative confirmations here because they come in a pain.002; a missing answer is
# not.
ISO_SCT = ReasonTable(
    scheme="sepa",
    source="ISO 20022 ExternalStatusReason1Code and ExternalReturnReason1Code; EPC173-14",
    effective_from=date(2025, 10, 5),
    reactions=_table(
        retry=(
            "AB01 AB02 AB03 AB04 AB06 AB07 AB08 AB09 AB10 AG10 AG11 ED05 ED06 NOAS TM01 "
            "AM04 AG07 "  # our account must be funded first
            "DT01"  # the date has passed meanwhile: the next attempt is dated anew
        ),
        retry_other_rail="AB05 AG03 AM02 AM13 AM14 AM21 AM23 CNOR RC07",
        refuse=(
            "AC01 AC03 AC04 AC06 AC07 "  # closed, wrong or blocked account
            "AG01 ARDT CUST FOCR FR01 AM07 MD07 MS02 RR04"  # barred, dead, frozen, asked for
        ),
        repair=(
            "AC02 AC13 AC14 AC15 BE01 BE04 BE06 RC01 RC03 RC04 RR03 "  # details to be corrected
            "AM05 DUPL "  # never reached: is_duplicate comes first
            "AM09 AM10 AM11 AM12 BE16 FF01 NARR MS03 "  # ours, or unexplained
            "BAD_REQUEST"
        ),
    ),
)

# The beneficiary's bank could not be reached in time (AB05-AB10) or does not take part: another rail
# may carry the payment, the same one will refuse it again. All of them say that no money moved.
ISO_SCT_INST = ReasonTable(
    scheme="sepa_instant",
    source="ISO 20022 ExternalStatusReason1Code; EPC004-16 and EPC059-18 (reason codes of SCT Inst)",
    effective_from=date(2025, 10, 5),
    reactions={
        **ISO_SCT.reactions,
        **_table(
            retry_other_rail=(
                "AB05 AB06 AB07 AB08 AB09 AB10 AG03 AG11 AM02 AM13 AM14 AM21 AM23 CNOR MS03 RC07"
            ),
            retry="AB01 AB02 AB03 AB04 AG10 ED05 ED06 NOAS TM01 AM04 AG07 DT01",
        ),
    },
)

# Real-time gross settlement: what is refused for its amount or its bank will be refused again here.
ISO_WIRE = ReasonTable(
    scheme="wire",
    source="ISO 20022 ExternalStatusReason1Code; Fedwire Funds Service pacs.002 usage",
    effective_from=date(2025, 7, 14),
    reactions={
        **ISO_SCT.reactions,
        **_table(retry_other_rail="AG03 CNOR RC07", repair="AM02 AM13 AM14 AM21 AM23"),
    },
)

# As for SEPA Instant: not reachable now, or not taking part, means another rail.
ISO_RTP = ReasonTable(
    scheme="rtp",
    source="ISO 20022 ExternalStatusReason1Code; RTP pacs.002 usage",
    effective_from=date(2025, 2, 9),
    reactions=ISO_SCT_INST.reactions,
)

# Not ISO although they look like it: BE08 is "the other bank is away" here.
FASTER_PAYMENTS = ReasonTable(
    scheme="faster_payments",
    source="a clearing bank's list of Faster Payments rejection codes with its advice on each",
    effective_from=date(2022, 2, 7),
    reactions=_table(
        retry="BE08 MS03",
        retry_other_rail="AM02",
        refuse=(
            "AC03 AC06 AC07 AG01 MD09 "  # unknown, stopped or closed account; barred; deceased
            "CB_AccountHoldersBankrupt CB_AccountSwitched"
        ),
        repair=(
            "AC09 PY01 CB_AccountNameAndNumberMismatch CB_ReferenceMissing CB_ReferenceIncorrect "
            "CB_BeneficiaryNameMissing BAD_REQUEST"
        ),
    ),
)

MTN = ReasonTable(
    scheme="mobile_money",
    source="MTN MoMo API, disbursement error codes",
    effective_from=date(2024, 1, 1),
    reactions=_table(
        retry=(
            "SERVICE_UNAVAILABLE EXPIRED COULD_NOT_PERFORM_TRANSACTION "
            "NOT_ENOUGH_FUNDS PAYER_LIMIT_REACHED"  # our float must be filled first
        ),
        refuse="PAYEE_NOT_FOUND PAYEE_NOT_ALLOWED_TO_RECEIVE PAYEE_LIMIT_REACHED",
        repair=(
            "REJECTED NOT_ALLOWED INVALID_CURRENCY TRANSFER_TYPE_UNKNOWN "
            "NOT_ALLOWED_TARGET_ENVIRONMENT INVALID_CALLBACK_URL_HOST "
            "INTERNAL_PROCESSING_ERROR BAD_REQUEST"  # the first of them may mean anything
        ),
    ),
)

WAVE = ReasonTable(
    scheme="mobile_money",
    source="Wave Business API, payout error codes",
    effective_from=date(2024, 1, 1),
    reactions=_table(
        retry="insufficient-funds service-unavailable",
        refuse=(
            "recipient-account-inactive recipient-account-blocked recipient-minor "
            "country-mismatch recipient-limit-exceeded PAYEE_LIMIT_REACHED"
        ),
        repair="request-validation-error currency-mismatch BAD_REQUEST",
    ),
)

# 2011 and 2013 are our PIN: after a few of them the operator blocks it, so a person must look.
ORANGE = ReasonTable(
    scheme="mobile_money",
    source="Orange Money web services (Sonatel), error codes",
    effective_from=date(2024, 1, 1),
    reactions=_table(
        retry="2020 2021",  # our float must be filled first
        refuse="2000 2001 PAYEE_LIMIT_REACHED",
        repair="2011 2013 2041 4003 50 BAD_REQUEST",
    ),
)

ACH = ReasonTable(
    scheme="ach",
    source="NACHA Operating Rules 2026, appendix four, for credit entries",
    effective_from=date(2026, 3, 20),
    reactions=_table(
        retry="R06 R18 R31 R32",  # R18: the date has passed meanwhile, the next attempt is dated anew
        refuse=(
            "R02 R03 R04 "  # closed, no such account, invalid number
            "R14 R15 R16 R23 R34"  # deceased, frozen, refused by receiver, limited
        ),
        repair=(
            "R12 R13 R20 R28 "  # the routing or the kind of account is wrong
            "R24 "  # duplicate entry: the first one may have been paid
            "R17 R19 R21 R22 R25 R26 R27 FILE_INVALID BAD_REQUEST"
        ),
    ),
)
