"""Instant schemes have a clock: too late is refused, no answer is asked about, nothing is sent again meanwhile."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from itertools import count

import pytest
from django.db import connection

from connectors.bank_simulator.pacs_rails import RtpRail
from connectors.bank_simulator.rails import SepaInstantRail
from connectors.base import Connector, EventKind, Outcome, OutcomeKind, Transmission
from connectors.registry import build
from payouts import dispatch, doubt
from tests.bank_simulator_client import LocalBank, local_bank, until
from tests.bank_stub import (
    NUMBERS,
    account,
    bank_stub,
    canned_json,
    config,
    instruction,
    transmission,
)
from tests.world import World

_numbers = count(1)
instant = pytest.mark.parametrize("driver", ["sepa_instant", "rtp"])
TOO_LATE = {
    "sepa_instant": {"iban": "DE32370400440000000551"},
    "rtp": {
        "routing_number": "021000021",
        "account_number": "900000000551",
        "account_type": "checking",
    },
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBank]:
    with local_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture
def local(running: LocalBank) -> Iterator[LocalBank]:
    yield running
    running.heal()


def prepare(
    local: LocalBank, driver: str, details: dict[str, str] | None = None, *, deadline_s: float = 5
) -> tuple[Connector, Transmission]:
    plain = config(driver, f"http://127.0.0.1:{local.port}")
    connector = build(driver, dataclasses.replace(plain, call_deadline_s=deadline_s))
    to = account(driver, details=details) if details else account(driver)
    today = local.now().date()
    payout = instruction(driver, 8000 + next(_numbers), account=to, execution_date=today)
    numbers = dataclasses.replace(NUMBERS, created_at=local.now())
    return connector, transmission(connector.prepare([payout], numbers), payout.reference)


def states(local: LocalBank, sent: Transmission) -> list[str]:
    rows = local.records()
    return [row["state"] for row in rows if row["reference"] == sent.instruction_references[0]]


def refusal(outcome: Outcome) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.code) for event in outcome.events]


@instant
def test_a_receiver_that_takes_longer_than_the_scheme_allows_is_refused_and_not_paid(
    local: LocalBank, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rail in (SepaInstantRail, RtpRail):
        monkeypatch.setattr(rail, "clock_s", 0.1)
    connector, sent = prepare(local, driver)
    local.fault("slow_receiver", rail=driver, seconds=30, count=1)
    assert refusal(connector.submit(sent)) == [(EventKind.REJECTED, "AB05")]
    assert states(local, sent) == ["rejected"]
    connector, sent = prepare(local, driver)
    local.fault("slow_receiver", rail=driver, seconds=0.05, count=1)
    assert refusal(connector.submit(sent)) == [(EventKind.SETTLED, "")]
    assert states(local, sent) == ["booked"]


@instant
def test_an_account_shows_a_receiver_that_is_too_late(local: LocalBank, driver: str) -> None:
    connector, sent = prepare(local, driver, TOO_LATE[driver])
    assert refusal(connector.submit(sent)) == [(EventKind.REJECTED, "AB05")]
    assert connector.reaction("AB05") == "retry_other_rail"


@instant
def test_a_question_that_comes_too_early_is_no_answer(local: LocalBank, driver: str) -> None:
    connector, sent = prepare(local, driver, deadline_s=0.3)
    local.fault("slow_receiver", rail=driver, seconds=1, count=1)
    sending = threading.Thread(target=lambda: connector.submit(sent))
    sending.start()
    until(lambda: local.hits() == [1])
    early = connector.inquire(sent)
    sending.join()
    # RTP says that it is on its way; a SEPA bank has not heard of it. Neither is a refusal.
    expected = (
        (OutcomeKind.UNKNOWN, "http_409")
        if driver == "rtp"
        else (OutcomeKind.NOT_FOUND, "not_found")
    )
    assert (early.kind, early.code) == expected
    until(lambda: states(local, sent) == ["booked"])
    assert refusal(connector.inquire(sent)) == [(EventKind.SETTLED, "")]
    assert states(local, sent) == ["booked"]


@pytest.mark.django_db
def test_nothing_is_sent_again_while_the_clock_of_the_scheme_may_run(
    sandbox: World, settings: object
) -> None:
    payout = sandbox.create(payout_method="instant_transfer")
    with bank_stub(canned_json({"code": "NOT_FOUND"}, 404)) as silent:
        settings.BANK_URLS = {"sepa_instant": silent.url}  # type: ignore[attr-defined]
        dispatch.dispatch_due()
        assert sandbox.status(payout) == "in_doubt"

        def orders() -> int:
            # An order goes to the rail's own address; each question names the message behind it.
            return [a.method for a in silent.asked].count("POST")

        for seconds, expected in ((0, 1), (5, 1), (9, 1), (11, 2)):
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE bank_transmissions SET next_inquiry_at = clock_timestamp() - interval '1 s',"
                    " last_sent_at = clock_timestamp() - make_interval(secs => %s) WHERE state = 'in_doubt'",
                    [seconds],
                )
            doubt.resolve_in_doubt()
            assert orders() == expected, seconds
    assert len({a.body for a in silent.asked if a.method == "POST"}) == 1


def test_rtp_accepts_without_posting_then_waits_then_sends_it_back(local: LocalBank) -> None:
    unposted = {**TOO_LATE["rtp"], "account_number": "900000000851"}
    connector, sent = prepare(local, "rtp", unposted)
    assert refusal(connector.submit(sent)) == [(EventKind.ACCEPTED, "")]

    def told() -> list[tuple[EventKind, str, str]]:
        page = connector.fetch_reports("")
        events = [e for document in page.documents for e in connector.parse_report(document)]
        ours = sent.instruction_references[0]
        kinds = {d.document_type for d in page.documents}
        assert kinds <= {"pacs.002.001.10", "pacs.004.001.10", "camt.054.001.08"}
        return [(e.kind, e.code, str(e.amount)) for e in events if e.reference == ours]

    until(lambda: len(told()) == 2)
    (pending, _, amount), (kind, code, back) = told()
    assert (pending, kind, code) == (EventKind.ACCEPTED, EventKind.RETURNED, "AC07")
    assert amount == back
    assert states(local, sent) == ["booked", "returned"]


@pytest.mark.django_db
def test_a_payout_that_rtp_did_not_post_is_returned_to_the_merchant(sandbox: World) -> None:
    sandbox.pay_to("unposted", **{**TOO_LATE["rtp"], "account_number": "900000000851"})
    before = sandbox.balance("USD")
    payout = sandbox.create("unposted", payout_method="instant_transfer")
    assert payout.rail == "rtp"
    sandbox.reach(payout, "returned")
    assert sandbox.balance("USD") == before
