"""One statement of a bank about one payment, as `evidence` takes it. Plain values: nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from payouts import audit

TEXT_MAX = 500
AMOUNT_END = Decimal(10) ** 15


def clean(text: str) -> str:
    """A bank's text as the database can keep it: no NUL, no lone surrogate, not endless."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:TEXT_MAX]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement about one payment.

    `kind`: accepted, rejected, settled, returned (banks say these), unknown, not_sent (the engine knows
    these about its own call); and what stands beside a status: correction, recall_asked, recall_accepted,
    recall_refused. `reaction` says what a refusal leads to. `amount` None: not stated.
    """

    source: str  # answer | inquiry | report | engine | letter
    source_key: str
    position: int
    bank_connector_id: UUID
    reference: str
    kind: str
    code: str = ""
    detail: str = ""
    amount: Decimal | None = None
    currency: str = ""
    value_date: date | None = None
    bank_reference: str = ""
    reaction: str = "retry"  # not_sent with "repair": the bytes cannot even be built
    retry_after_s: float | None = None
    final_on: date | None = None  # settled: the end of the rail's return window
    recall_reference: str = ""  # Answers to a recall: which one they answer, "" when not said.
    # correction: the account's fields as the receiving bank has them. Full numbers: never to be kept in clear.
    corrected: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in (
            "reference",
            "code",
            "detail",
            "currency",
            "bank_reference",
            "recall_reference",
        ):
            object.__setattr__(self, name, clean(getattr(self, name)))
        # Banks write account numbers into their texts. A letter's name is a person's word, and stays.
        if self.detail and self.source != "letter":
            object.__setattr__(self, "detail", audit.without_personal_data(self.detail))

    def as_written(self) -> tuple[Decimal | None, str]:
        """Amount and text as columns can hold them: money that none holds exactly is told in the text.

        Columns have fifteen digits before the point and three behind it; a bank may write more.
        """
        if self.amount is None:
            return None, self.detail
        if abs(self.amount) < AMOUNT_END and (Fraction(self.amount) * 1000).denominator == 1:
            return self.amount, self.detail
        return None, clean(f"the amount of {self.amount}. {self.detail}")
