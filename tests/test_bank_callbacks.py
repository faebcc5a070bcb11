"""What the simulated banks send by themselves, over real HTTP into the real web: genuine, and spoilt by faults.

No report is fetched unless a test says so: what ends a payout here is a message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from connectors.bank_simulator.__main__ import build, serve
from payouts import banks, dispatch, doubt, inbound
from payouts.models import BankDocument, Payout, PayoutAuditLog
from tests import world as worlds
from tests.bank_messages import SENDERS, Sender
from tests.bank_simulator_client import until
from tests.world import World

REFUSED_LATE = {
    "faster_payments": ({"sort_code": "089999", "account_number": "90002801"}, "MS03"),
    "wave": ({"msisdn": "+221770000801", "operator": "wave"}, "service-unavailable"),
    "mtn": ({"msisdn": "+2250500000801"}, "EXPIRED"),
    "mpesa": ({"msisdn": "+254700000801"}, "1019"),
}
GOOD = {name: sender.pays for name, sender in SENDERS.items()} | {
    "wave": {"msisdn": "+221770000001", "operator": "wave"}
}
every_bank = pytest.mark.parametrize("name", SENDERS)


@pytest.fixture(scope="module")
def events_url() -> Iterator[str]:
    """Where this process's own web takes what banks send."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise wants to see it
    # Not the fixture of that name, which would have the first test's tables emptied in its own way.
    web = LiveServer("127.0.0.1")
    yield f"{web.url}/api/bank-events"
    web.stop()


@pytest.fixture(scope="module")
def telling(events_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A bank simulator that tells us."""
    server = build(
        port=0, state_dir=tmp_path_factory.mktemp("bank"), api_key=worlds.BANK_KEY, events_url=events_url
    )  # fmt: skip
    thread = threading.Thread(target=serve, args=(server,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join(10)


@pytest.fixture
def bank(telling: Any, events_url: str, settings: Any) -> Iterator[worlds.Bank]:
    port = telling.server_address[1]
    settings.BANK_URL, settings.BANK_URLS = f"http://127.0.0.1:{port}", {}
    settings.BANK_API_KEY = worlds.BANK_KEY
    settings.BANK_EVENTS_URL = events_url
    control = worlds.Bank(port)
    control.heal()
    yield control
    control.heal()


def pay(world: World, name: str, details: dict[str, str], *, whom: str = "whom") -> Payout:
    sender: Sender = SENDERS[name]
    world.pay_to(whom, **details)
    if world.currencies[whom] == "KES":
        world.deposit("KES")
    payout = world.create(whom, sender.amount, payout_method=sender.method)
    assert banks.line(payout.bank_connector_id).key == sender.address
    return payout


def reads_until(world: World, payout: Payout, *statuses: str) -> Payout:
    """Read what was sent to us, and nothing else, until the payout is there."""

    def there() -> bool:
        inbound.read_waiting()
        return world.status(payout) in statuses

    until(there, seconds=8)
    return Payout.objects.get(pk=payout.pk)


def messages() -> int:
    return BankDocument.objects.filter(remote_id__startswith="webhook").count()


def moves(payout: Payout, to: str) -> int:
    return PayoutAuditLog.objects.filter(payout_id=payout.pk, to_status=to).count()


@contextmanager
def reading_meanwhile() -> Iterator[None]:
    """Another worker, which reads whatever comes."""
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            inbound.read_waiting()
            time.sleep(0.02)
        connection.close()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(5)


@every_bank
def test_a_banks_own_messages_end_payouts_without_a_report(real_sandbox: World, name: str) -> None:
    details, code = REFUSED_LATE[name]
    good = pay(real_sandbox, name, GOOD[name])
    bad = pay(real_sandbox, name, details, whom="another")
    dispatch.dispatch_due()
    settled = reads_until(real_sandbox, good, "settled")
    refused = reads_until(real_sandbox, bad, "failed", "rejected", "dlq")
    assert refused.last_error_code == code
    if name != "wave":  # Its answer had said it all.
        assert messages() == 2
    assert not BankDocument.objects.exclude(error="").exists()
    (row,) = real_sandbox.bank.records(settled.id)
    assert (row["state"], Decimal(row["amount"])) == ("booked", settled.amount)


@every_bank
def test_what_becomes_of_a_message_costs_time_and_nothing_else(
    real_sandbox: World, name: str
) -> None:
    """Lost, doubled, signed by another or an hour ago; the report makes good what was not believed."""
    kept = {"webhook_lost": 0, "webhook_doubled": 1, "webhook_unsigned": 0}
    if SENDERS[name].signs:
        kept["webhook_old"] = 0
    for fault, expected in kept.items():
        rail = SENDERS[name].address.partition(":")[2]
        real_sandbox.bank.fault(fault, rail=rail, count=1)
        before = messages()
        payout = pay(real_sandbox, name, GOOD[name], whom=fault)
        dispatch.dispatch_due()
        until(lambda: real_sandbox.bank.faults()[-1]["hits"] == 1)
        time.sleep(0.5)
        inbound.read_waiting()
        assert messages() - before == expected, fault
        real_sandbox.reach(payout, "settled")
        assert moves(payout, "settled") == 1, fault
        assert len(real_sandbox.bank.records(payout.id)) == 1


@every_bank
def test_a_message_before_the_answer_settles_once(real_sandbox: World, name: str) -> None:
    rail = SENDERS[name].address.partition(":")[2]
    real_sandbox.bank.fault("webhook_early", rail=rail, count=1)
    payout = pay(real_sandbox, name, GOOD[name])
    with reading_meanwhile():
        dispatch.dispatch_due()
        until(lambda: real_sandbox.status(payout) == "settled")
    story = list(
        PayoutAuditLog.objects.filter(payout_id=payout.pk).order_by("sequence").values_list("to_status", flat=True)
    )  # fmt: skip
    assert story[-1] == "settled"
    assert moves(payout, "settled") == 1
    if name != "wave":  # The message was first: "sent" was never a status of its own.
        assert "sent" not in story[-1:]
        assert messages() == 1
    (attempt,) = real_sandbox.attempts(payout)
    assert attempt.state == "settled"


@pytest.mark.parametrize("name", ["faster_payments", "wave"])
def test_a_return_that_is_told_before_the_settlement_stays_a_return(
    real_sandbox: World, name: str
) -> None:
    back = {
        "faster_payments": {"sort_code": "089999", "account_number": "90005701"},
        "wave": {"msisdn": "+221770000701", "operator": "wave"},
    }[name]
    rail = SENDERS[name].address.partition(":")[2]
    real_sandbox.bank.fault("webhook_reordered", rail=rail, count=1, seconds=60)
    payout = pay(real_sandbox, name, back)
    before = real_sandbox.balance(payout.currency)
    dispatch.dispatch_due()
    until(lambda: real_sandbox.bank.faults()[0]["hits"] == 1)
    assert messages() == 0
    real_sandbox.bank.advance(days=1)
    reads_until(real_sandbox, payout, "returned")
    until(lambda: messages() == 2)  # What was held back follows.
    inbound.read_waiting()
    assert real_sandbox.status(payout) == "returned"
    assert moves(payout, "returned") == 1
    assert real_sandbox.balance(payout.currency) == (before[0] + payout.amount, 0)


def test_an_m_pesa_order_that_was_not_acknowledged_is_asked_about_and_never_sent_again(
    real_sandbox: World,
) -> None:
    """The question is acknowledged, and answered by a call; here the result itself is lost."""
    real_sandbox.bank.fault("webhook_lost", rail="mobile_money", count=1)
    real_sandbox.bank.fault("cut", rail="mobile_money", count=1)
    payout = pay(real_sandbox, "mpesa", GOOD["mpesa"])
    dispatch.dispatch_due()
    assert real_sandbox.status(payout) == "in_doubt"
    until(lambda: real_sandbox.bank.faults()[0]["hits"] == 1)

    def answered() -> bool:
        doubt.resolve_in_doubt()
        inbound.read_waiting()
        return real_sandbox.status(payout) == "settled"

    until(answered, seconds=10)
    (row,) = real_sandbox.bank.records(payout.id)
    assert row["state"] == "booked"
    (attempt,) = real_sandbox.attempts(payout)
    assert attempt.sends == 1
    assert BankDocument.objects.filter(document_type="mpesa.state").exists()


def test_m_pesa_that_knows_of_no_order_leaves_it_to_a_person(
    real_sandbox: World, settings: Any
) -> None:
    settings.INQUIRY_HORIZON_S = 2
    payout = pay(real_sandbox, "mpesa", GOOD["mpesa"])
    settings.BANK_URLS = {"mobile_money_mpesa": "http://127.0.0.1:1"}
    line = banks.line(payout.bank_connector_id)
    claim = dispatch.claim_due(line)
    assert claim is not None
    assert dispatch.prepare(line, claim)
    assert dispatch.begin_call(claim) is not None  # And the worker is gone.
    settings.BANK_URLS = {}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bank_transmissions SET lease_until = clock_timestamp()")

    def waits_for_a_person() -> bool:
        doubt.recover_expired()
        doubt.resolve_in_doubt()
        inbound.read_waiting()
        return real_sandbox.status(payout) == "dlq"

    until(waits_for_a_person, seconds=10)
    assert real_sandbox.bank.records(payout.id) == []
    assert real_sandbox.balance("KES")[1] == payout.amount  # The hold is kept.
