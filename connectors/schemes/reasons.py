"""What banks say when they refuse or return, what each reason leads to, and what it means in words.

A reason is a row per (driver, rail, code). A driver's own row stands over its rail's, and that over ours:
the same four letters mean different things in different places, so nothing is looked up globally. An
unlisted code is REPAIR, so that a person looks before money moves again. From a merchant's side:

- RETRY, RETRY_OTHER_RAIL: the bank or the day was the problem, or this rail cannot carry it;
- FUND_FIRST: our account at the bank lacks money: it goes out again once there is some;
- REFUSE: the account is closed, wrong or barred: the merchant has the money back and pays anew;
- REPAIR: our data, our file or a doubt: a person must act.

Rows are in `reasons_iso`, `reasons_ach` and `reasons_local`, their words for merchants in `reason_topics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from connectors.base import Reaction
from connectors.schemes import reasons_ach, reasons_iso, reasons_local
from connectors.schemes.reason_topics import TOPICS, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a code leads to and means. `merchant` is for everybody, `says` and `remedy` for operators."""

    code: str
    reaction: Reaction
    topic: Topic
    says: str
    scheme: str
    source: str
    effective_from: date
    listed: bool = True  # False: nobody listed the code, and the words are general ones.

    @property
    def merchant_code(self) -> str:
        """The stable code that merchants' programs decide by."""
        return self.topic.code

    @property
    def merchant(self) -> str:
        """A sentence that a merchant may read: it names no bank, no scheme and no account."""
        return self.topic.merchant

    @property
    def operator(self) -> str:
        """What it says and what usually helps."""
        return f"{self.says}. {self.topic.remedy}"


@dataclass(frozen=True, kw_only=True)
class ReasonTable:
    """The reasons of one scheme; `effective_from` is when this reading of it began to apply.

    `lines` are rows as text, `code reaction topic | what it says`; a later one replaces an earlier one.
    """

    scheme: str
    source: str
    effective_from: date
    lines: str = field(repr=False)

    @cached_property
    def rows(self) -> Mapping[str, Reason]:
        """Every listed code. Raises ValueError or KeyError for a line that cannot be read."""
        return {reason.code: reason for reason in self._read()}

    @cached_property
    def reactions(self) -> Mapping[str, Reaction]:
        """What every listed code leads to."""
        return {code: reason.reaction for code, reason in self.rows.items()}

    def reaction(self, code: str) -> Reaction:
        """What `code` leads to; REPAIR when it is not listed."""
        row = self.rows.get(code)
        return row.reaction if row else Reaction.REPAIR

    @cached_property
    def refusals(self) -> frozenset[str]:
        """The codes that say for certain that nothing was booked; not those that leave it in doubt."""
        unsure = (TOPICS["doubt"], TOPICS["seen"])
        return frozenset(c for c, row in self.rows.items() if row.topic not in unsure) | {
            "BAD_REQUEST"
        }

    @cached_property
    def unsure(self) -> frozenset[str]:
        """The codes of a payment that its bank calls failed and cannot say whether it paid."""
        return frozenset(c for c, row in self.rows.items() if row.topic is TOPICS["doubt"])

    def _read(self) -> Iterator[Reason]:
        for line in filter(None, self.lines.splitlines()):
            row, says = line.split(" | ")
            code, reaction, topic = row.split()
            yield Reason(
                code=code,
                reaction=Reaction(reaction),
                topic=TOPICS[topic],
                says=says,
                scheme=self.scheme,
                source=self.source,
                effective_from=self.effective_from,
            )


# "There already": the bank has seen this payment or this file before. Never a rejection, never a
# reason to send anew: ask what became of the first one.
DUPLICATE_CODES = frozenset({"AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05", "R24"})


def is_duplicate(code: str) -> bool:
    """Tell whether a refusal says that the bank already has this payment or file."""
    return code in DUPLICATE_CODES or "DUPLICATE" in code.upper()


OURS = ReasonTable(
    scheme="",
    source="the connectors and the engine themselves",
    effective_from=date(2026, 1, 1),
    lines=reasons_local.OURS,
)
ISO_SCT = ReasonTable(
    scheme="sepa",
    source="ISO 20022 external status and return reason codes, 4Q2025; EPC173-14",
    effective_from=date(2025, 10, 5),
    lines=reasons_iso.CREDIT_TRANSFER,
)
ISO_SCT_INST = ReasonTable(
    scheme="sepa_instant",
    source="ISO 20022 external status reason codes, 4Q2025; EPC004-16 and EPC059-18",
    effective_from=date(2025, 10, 5),
    lines=reasons_iso.CREDIT_TRANSFER + reasons_iso.INSTANT,
)
ISO_WIRE = ReasonTable(
    scheme="wire",
    source="ISO 20022 external status reason codes, 4Q2025; Fedwire Funds Service pacs.002 usage",
    effective_from=date(2025, 7, 14),
    lines=reasons_iso.CREDIT_TRANSFER + reasons_iso.WIRE,
)
# As for SEPA Instant: not reachable now, or not taking part, means another rail.
ISO_RTP = ReasonTable(
    scheme="rtp",
    source="ISO 20022 external status reason codes, 4Q2025; RTP pacs.002 usage",
    effective_from=date(2025, 2, 9),
    lines=reasons_iso.CREDIT_TRANSFER + reasons_iso.INSTANT,
)
FASTER_PAYMENTS = ReasonTable(
    scheme="faster_payments",
    source="a clearing bank's list of Faster Payments rejection codes with its advice on each",
    effective_from=date(2022, 2, 7),
    lines=reasons_local.FASTER_PAYMENTS,
)
ACH = ReasonTable(
    scheme="ach",
    source="NACHA Operating Rules 2026, appendix four, for credit entries",
    effective_from=date(2026, 3, 20),
    lines=reasons_ach.RETURNS + reasons_ach.CHANGES,
)
MTN = ReasonTable(
    scheme="mobile_money",
    source="MTN MoMo API, disbursement error codes",
    effective_from=date(2024, 1, 1),
    lines=reasons_local.MTN,
)
WAVE = ReasonTable(
    scheme="mobile_money",
    source="Wave Business API, payout error codes",
    effective_from=date(2024, 1, 1),
    lines=reasons_local.WAVE,
)
ORANGE = ReasonTable(
    scheme="mobile_money",
    source="Orange Money web services (Sonatel), error codes",
    effective_from=date(2024, 1, 1),
    lines=reasons_local.ORANGE,
)
MPESA = ReasonTable(
    scheme="mobile_money",
    source="Safaricom Daraja API, result codes of B2C; 400.002.02 is its refusal of a request",
    effective_from=date(2024, 1, 1),
    lines=reasons_local.MPESA,
)

BY_RAIL: Mapping[str, ReasonTable] = {
    "ach": ACH,
    "wire": ISO_WIRE,
    "rtp": ISO_RTP,
    "sepa": ISO_SCT,
    "sepa_instant": ISO_SCT_INST,
    "faster_payments": FASTER_PAYMENTS,
}
# A wallet's rail has no codes of its own: its operators have.
BY_DRIVER: Mapping[str, ReasonTable] = {
    "mtn": MTN,
    "wave": WAVE,
    "orange": ORANGE,
    "mpesa": MPESA,
}


def find(code: str, *, rail: str, driver: str = "") -> Reason:
    """The reason that a code stands for: of its driver, else its rail, else ours, else a general one."""
    for table in (BY_DRIVER.get(driver), BY_RAIL.get(rail), OURS):
        if table is not None and code in table.rows:
            return table.rows[code]
    return _general(code)


def _general(code: str) -> Reason:
    """For a code that nobody listed. An HTTP status says nothing about the payment."""
    topic, says = "unexplained", "The bank gave a code that is in none of our tables"
    if code.startswith("http_"):
        topic, says = "doubt", "The bank answered with an HTTP status that says nothing about it"
    elif is_duplicate(code):
        topic, says = "seen", "The bank says that it has this already"
    return Reason(
        code=code,
        reaction=Reaction.REPAIR,
        topic=TOPICS[topic],
        says=says,
        scheme="",
        source=OURS.source,
        effective_from=OURS.effective_from,
        listed=False,
    )
