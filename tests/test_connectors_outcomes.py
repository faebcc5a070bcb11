"""What is lost between us and a bank, and what happens: one table over every connector, held against the bank.

The table stands in docs/rails.md in the same words. A new connector needs a row here and there.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from connectors.base import Dedup, OutcomeKind
from connectors.rails import bank_api
from connectors.registry import CONNECTORS, build
from tests.bank_simulator_client import until
from tests.bank_stub import Canned, bank_stub, config
from tests.test_connectors_claims import bookings, has_it, line_of, order
from tests.world import World


@dataclass(frozen=True)
class Row:
    """In the words of the page, by column."""

    lost: str  # The answer is lost after the booking.
    again: str  # The same order comes twice.
    early: str  # It is asked about before the bank has answered.
    told: str  # The bank tells us before it answers.
    token: str  # Our token (or key) is no longer good.
    patience: str  # 429 with Retry-After.


FOUND = "in doubt; found by asking: booked once"
CALLED = "in doubt; asked, and told by a call: booked once"
FIRST = "the first answer; booked once"
TWICE = "**booked twice**: so it is never sent again"
UNHEARD = "not found: proves nothing, asked again"
ON_ITS_WAY = "on its way: asked again"
AT_ONCE = "settled by it; the answer adds nothing"
NO_CALLS = "–"
NEW_TOKEN = "not sent; the next call buys a token"
KEY = "not sent; a person must look"
WAITS = "not sent; waits as long as it was asked to"

TABLE = {
    "ach": Row(FOUND, FIRST, UNHEARD, NO_CALLS, KEY, WAITS),
    "faster_payments": Row(FOUND, FIRST, UNHEARD, AT_ONCE, KEY, WAITS),
    "mpesa": Row(CALLED, TWICE, "asked: told by a call", AT_ONCE, NEW_TOKEN, WAITS),
    "mtn": Row(FOUND, "409: asked; booked once", UNHEARD, AT_ONCE, NEW_TOKEN, WAITS),
    "orange": Row(FOUND, TWICE, UNHEARD, NO_CALLS, NEW_TOKEN, WAITS),
    "rtp": Row(FOUND, FIRST, ON_ITS_WAY, NO_CALLS, KEY, WAITS),
    "sepa": Row(FOUND, FIRST, UNHEARD, NO_CALLS, KEY, WAITS),
    "sepa_instant": Row(FOUND, FIRST, UNHEARD, NO_CALLS, KEY, WAITS),
    "wave": Row(FOUND, FIRST, UNHEARD, AT_ONCE, KEY, WAITS),
    "wire": Row(FOUND, FIRST, ON_ITS_WAY, NO_CALLS, KEY, WAITS),
}
every = pytest.mark.parametrize("driver", sorted(TABLE))


def test_the_table_has_every_connector_and_stands_in_the_page() -> None:
    assert set(TABLE) == set(CONNECTORS)
    page = (Path(__file__).parents[1] / "docs" / "rails.md").read_text()
    for driver, row in TABLE.items():
        assert f"| `{driver}` | {' | '.join(dataclasses.astuple(row))} |" in page, driver


@every
def test_an_answer_that_is_lost_after_the_booking(sandbox: World, driver: str) -> None:
    bank, payout_id = line_of(driver), uuid4()
    message = order(bank, payout_id)
    sandbox.bank.fault("cut", rail=bank.rail, count=1)
    assert bank.connector.submit(message).kind is OutcomeKind.UNKNOWN
    asked = bank.connector.inquire(message)
    if TABLE[driver].lost == CALLED:
        assert (asked.kind, asked.code) == (OutcomeKind.UNKNOWN, "asked")
    else:
        assert has_it(asked)
    assert bookings(sandbox, payout_id) == 1


@every
def test_the_same_order_twice(sandbox: World, driver: str) -> None:
    bank, payout_id, row = line_of(driver), uuid4(), TABLE[driver]
    message = order(bank, payout_id)
    first, second = bank.connector.submit(message), bank.connector.submit(message)
    assert has_it(first)
    assert second.kind is not OutcomeKind.REJECTED
    if row.again == FIRST:
        assert has_it(second)
    assert bookings(sandbox, payout_id) == (2 if row.again == TWICE else 1)
    assert (bank.capabilities.dedup is Dedup.NONE) == (row.again == TWICE)


@every
def test_a_question_before_the_answer(sandbox: World, driver: str) -> None:
    bank, payout_id, row = line_of(driver), uuid4(), TABLE[driver]
    message = order(bank, payout_id)
    hasty = bank.build(deadline_s=0.25)
    hasty.check_health()  # A token is bought before anything is timed.
    sandbox.bank.fault("late_booking", rail=bank.rail, seconds=0.6, count=1)
    sending = threading.Thread(target=hasty.submit, args=(message,))
    sending.start()
    until(lambda: sandbox.bank.faults()[-1]["hits"] == 1)
    early = bank.connector.inquire(message)
    expected = {
        UNHEARD: (OutcomeKind.NOT_FOUND, "not_found"),
        ON_ITS_WAY: (OutcomeKind.UNKNOWN, "http_409"),
    }
    assert (early.kind, early.code) == expected.get(row.early, (OutcomeKind.UNKNOWN, "asked"))
    assert bookings(sandbox, payout_id) == 0
    sending.join()
    until(lambda: bookings(sandbox, payout_id) == 1)
    if row.early in expected:
        assert has_it(bank.connector.inquire(message))


@every
def test_who_is_told_before_the_answer_is_who_is_told_at_all(driver: str) -> None:
    # What becomes of such a message: test_F30_… in test_bank_events.py and test_bank_callbacks.py.
    able = build(driver, config(driver)).capabilities()
    assert able.sends_webhooks == (TABLE[driver].told == AT_ONCE)


@every
def test_a_token_or_key_that_is_no_longer_good(
    sandbox: World, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, payout_id = line_of(driver), uuid4()
    message = order(bank, payout_id)
    if TABLE[driver].token == NEW_TOKEN:
        assert bank.connector.check_health().healthy
        kept = {key: ("expired", time.monotonic() + 900) for key in bank_api._TOKENS}
        assert kept
        monkeypatch.setattr(bank_api, "_TOKENS", kept)
        outcome = bank.connector.submit(message)
    else:
        plain = config(driver, sandbox.bank.url)
        stale = dataclasses.replace(plain, credentials={**plain.credentials, "api_key": "expired"})
        outcome = build(driver, stale).submit(message)
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_SENT, "bank_auth")
    assert bookings(sandbox, payout_id) == 0
    assert has_it(bank.connector.submit(message))
    assert bookings(sandbox, payout_id) == 1


@every
def test_a_bank_that_asks_for_patience(sandbox: World, driver: str) -> None:
    # The engine waits: test_F24_… in test_faults_outcomes.py.
    message = order(line_of(driver), uuid4())
    with bank_stub(Canned(429, headers={"Retry-After": "7"})) as busy:
        outcome = build(driver, config(driver, busy.url)).submit(message)
    assert TABLE[driver].patience == WAITS
    assert (outcome.kind, outcome.retry_after_s) == (OutcomeKind.NOT_SENT, 7.0)
