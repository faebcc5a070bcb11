"""What the desk asks of a rail: how it reads, answers, settles and reports.

The desk and the book know payments; everything that differs from rail to rail is behind `Rail`. A
new rail is one class that derives from it and a line in `rails`.
"""

from __future__ import annotations

import abc
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    RecallWish,
    Reply,
    State,
    Submission,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request at a bank's door. `path` is what follows the bank's name; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    api_key: str = field(repr=False)  # What the bank has agreed with its one customer.


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a bank tells its customer by itself. `url` is "" for the address that was registered."""

    body: bytes = field(repr=False)
    url: str = field(default="", repr=False)
    method: str = "POST"
    tries: int = 4


class Rail(abc.ABC):
    """One rail at one or several banks. `report_id` is unique for a bank; `now` is the scheme's."""

    name: ClassVar[str]
    resource: ClassVar[str]  # The path that takes submissions.
    banks: ClassVar[tuple[str, ...]]
    duplicate_code: ClassVar[str]  # For a key that was used before with other content.
    default_code: ClassVar[str] = "AC04"  # What the faults `reject` and `return` say by themselves.
    remembers: ClassVar[bool] = True  # False: there is no protection against a repetition.
    decides_later: ClassVar[bool] = False  # A refusal is told by report, not by the answer.
    checks_payees: ClassVar[str] = ""  # How it is asked whose account it is (`payees`).

    clock_s: ClassVar[float | None] = None  # An instant scheme's: how long a receiver's bank has.
    too_late_code: ClassVar[str] = "AB05"  # What the sender hears when that time is over.

    @abc.abstractmethod
    def read(self, request: Incoming, now: datetime) -> Submission:
        """Parse and check; raises UnreadableSubmission for what is not in the format at all."""

    @abc.abstractmethod
    def magic(self, order: Order) -> Magic | None:
        """The fixed outcome of the order's account, if it has one."""

    @abc.abstractmethod
    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        """The acknowledgement of a submission: as first decided, or with today's statuses."""

    @abc.abstractmethod
    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        """The refusal of a submission as a whole."""

    def wanted_on(self, order: Order, now: datetime) -> date | None:
        """The day for which a payment is taken: the one that was asked for, unless a rule moves it."""
        return order.wanted_on

    @abc.abstractmethod
    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        """When an accepted payment settles."""

    @abc.abstractmethod
    def returns_at(self, settled_at: datetime) -> datetime:
        """When a settled payment comes back, if it does."""

    @abc.abstractmethod
    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        """The report of what settled on a day."""

    @abc.abstractmethod
    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        """The report of what came back on a day."""

    @abc.abstractmethod
    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        """The report that some of a message's payments were refused after all."""

    def notices(self, payments: Sequence[Payment], state: State, *, now: datetime) -> list[Notice]:
        """What the customer is told at once about payments that have just come to this state."""
        return []

    def answers_later(self, request: Incoming, lines: Sequence[Line]) -> list[Notice]:
        """What answers a question about a message, where that is not the reply to it."""
        return []

    def seal(self, body: bytes, *, at: float, api_key: str) -> tuple[bytes, Mapping[str, str]]:
        """A notice as it is sent at a (real, Unix) time, and the headers that prove it."""
        return body, {}

    def admits(self, request: Incoming) -> bool:
        """Whether the caller has proved who it is."""
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(given, f"Bearer {request.api_key}".encode())

    def side_door(self, request: Incoming) -> Reply | None:
        """The answer to what is neither an order nor a question, such as the wish for a token."""
        return None

    def asked_for(self, request: Incoming) -> str | None:
        """Which message a request asks for, or None when it asks for none."""
        prefix = self.resource + "/"
        key = request.path.removeprefix(prefix)
        asks = request.method == "GET" and request.path.startswith(prefix) and "/" not in key
        return key if asks and key else None

    def repeat(self, first: Reply) -> Reply:
        """What the same message hears when it comes again."""
        return first

    def in_flight(self) -> Reply:
        """What a question hears about a message that is still being worked on."""
        return self.unknown()

    def unknown(self) -> Reply:
        """What a question for a message hears that was never received."""
        return json_reply(404, {"code": "NOT_FOUND"})


class TakesRecalls(Rail):
    """A rail on which money can be asked back, and where its reports say more than states."""

    recall_code: ClassVar[str]  # With which money that was asked back comes.
    # recalls.WHY_NOT in the words of this rail. What is not here is no refusal.
    recall_refusals: ClassVar[Mapping[str, str]]
    kept_code: ClassVar[str] = "CUST"  # What the fault `refuse_recall` says by itself.
    says_yes: ClassVar[bool] = False  # A report says that money will come back, before it does.

    @abc.abstractmethod
    def asks_back(self, request: Incoming) -> RecallWish | None:
        """What a request wants back, or None when it is no recall."""

    @abc.abstractmethod
    def recall_answer(self, wish: RecallWish, *, refusal: str, detail: str, now: datetime) -> Reply:
        """The answer to a recall: with a `refusal` it goes no further, else it was passed on."""

    @abc.abstractmethod
    def recall_until(self, settled_at: datetime, wish: RecallWish) -> datetime:
        """Until when a payment can be asked back for this reason."""

    def recalled_at(self, now: datetime) -> datetime:
        """When money comes back that is given back (or is heard to be kept)."""
        return self.returns_at(now)

    @abc.abstractmethod
    def note(
        self,
        kind: str,
        notes: Sequence[tuple[Payment, Mapping[str, str]]],
        *,
        number: int,
        now: datetime,
        day: date,
    ) -> Document:
        """The report of what stands beside a payment's state: one of book.NOTES."""


def json_reply(status: int, content: object, **headers: str) -> Reply:
    """A JSON answer; header names are given with underscores."""
    return Reply(
        status=status,
        content_type="application/json",
        body=json.dumps(content).encode(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
