"""How a route is chosen: the cheapest that keeps the promise, weighted by success; SIRA may only prefer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from payouts import banks, creation, crypto, routing, sira, statistics
from payouts.banks import BankLine
from payouts.models import Payout, PayoutSlaRule, RoutingDecision
from payouts.routing import Choices, Route, Wish
from payouts.statistics import Count, Seen
from tests.bank_stub import BankStub, Canned, bank_stub, canned_json
from tests.test_breaker import health, run
from tests.test_dispatch import sepa
from tests.world import World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)  # A Tuesday.
EUR = Wish(
    payout_method="bank_transfer", account_type="iban", currency="EUR", amount=Decimal(100),
    country="DE", institution="COBADEFF", priority="standard",
)  # fmt: skip
FAILURE_COST = {"*": Decimal(2)}


@pytest.fixture
def line(sandbox: World) -> BankLine:
    """A line that carries EUR to IBANs; what tests change on it is a copy."""
    return sepa()


def named(line: BankLine, name: str, rail: str = "sepa", **changes: Any) -> BankLine:
    made = uuid4()
    place: dict[str, Any] = {"table": "bank_connectors", "column": "credentials", "row": made}
    key = crypto.seal(b'{"api_key": "x"}', **place)
    return replace(line, id=made, name=name, rail=rail, sealed_credentials=key, **changes)


def rule(rail: str, **changes: Any) -> PayoutSlaRule:
    plain: dict[str, Any] = {
        "rail": rail, "time_zone": "Europe/Brussels", "calendar": "XECB", "processing_days": 0,
        "settlement_days": 1, "base_fee": Decimal("0.15"),
    }  # fmt: skip
    return PayoutSlaRule(**{**plain, **changes})


def choices(
    lines: list[BankLine], *rules: PayoutSlaRule, seen: list[Count] | None = None
) -> Choices:
    return Choices(
        lines=lines,
        rules=list(rules),
        seen=Seen.of(seen or [], rails={line.id: line.rail for line in lines}),
        failure_cost=FAILURE_COST,
        now=NOW,
    )


def choose(made: Choices, wish: Wish = EUR) -> Route:
    route = routing.decide(wish, made.survey(wish))
    assert route is not None
    return route


def seen_at(line: BankLine, *, good: int, bad: int) -> list[Count]:
    return [
        Count(bank_connector_id=line.id, institution=place, measure=measure, bucket=0, seen=n)
        for place in ("", EUR.institution)
        for measure, n in (("success", good), ("failure", bad))
    ]


# --- eligibility ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "wish", "refused"),
    [
        ({}, {"account_type": "us_bank"}, "account_type"),
        ({}, {"currency": "USD"}, "currency"),
        ({"max_amount": Decimal(99)}, {}, "amount"),
        ({"min_amount": Decimal(101)}, {}, "amount"),
        ({"enabled": False}, {}, "not_in_service"),
        ({"effective_from": date(2026, 11, 25)}, {}, "not_in_service"),
        ({"effective_until": date(2026, 11, 24)}, {}, "not_in_service"),
        ({"driver": "unknown"}, {}, "misconfigured"),
        ({"paused": True}, {}, "paused"),
        ({"breaker": "open"}, {}, "breaker_open"),
    ],
)
def test_a_route_that_cannot_be_taken_says_why(
    line: BankLine, change: dict[str, Any], wish: dict[str, Any], refused: str
) -> None:
    made = choices([named(line, "first", **change)], rule("sepa"))
    (candidate,) = made.survey(replace(EUR, **wish))
    assert candidate.refused == refused
    assert candidate.detail
    able = routing.decide(replace(EUR, **wish), [candidate])
    assert (able is not None) == (refused in routing.WAITS)  # Better later than not at all.


def test_a_bank_is_spoken_to_by_the_driver_it_names(sandbox: World) -> None:
    named_so = {bank.key: (bank.driver, bank.rail) for bank in banks.lines()}
    built = {
        bank.key: (bank.connector.driver, bank.connector.capabilities().rail)
        for bank in banks.lines()
    }
    assert built == named_so
    assert len(set(built.values())) >= 2


def test_a_method_is_served_by_its_rails_only(line: BankLine) -> None:
    made = choices([named(line, "first"), named(line, "second", "wire")], rule("sepa"))
    looked_at = made.survey(replace(EUR, payout_method="wire"))
    assert [c.bank.name for c in looked_at] == ["second"]


# --- choice -----------------------------------------------------------------------------------------


def test_the_cheaper_one_wins(line: BankLine) -> None:
    dear, cheap = named(line, "a", preference=1), named(line, "b", "wire", preference=9)
    made = choices([dear, cheap], rule("sepa", base_fee=Decimal(3)), rule("wire"))
    assert choose(made).bank is cheap


def test_success_is_worth_money(line: BankLine) -> None:
    """0.05 cheaper, and fails four times in ten: 0.8 dearer than it looks."""
    cheap, sure = named(line, "a"), named(line, "b", "wire")
    made = choices(
        [cheap, sure],
        rule("sepa", base_fee=Decimal("0.10")),
        rule("wire", base_fee=Decimal("0.15")),
        seen=seen_at(cheap, good=600, bad=400) + seen_at(sure, good=990, bad=10),
    )
    route = choose(made)
    assert route.bank is sure
    shown = {c["connector"]: c for c in route.candidates}
    assert Decimal(shown["a:sepa"]["cost"]) == pytest.approx(Decimal("0.90"), abs=Decimal("0.02"))
    assert Decimal(shown["b:wire"]["cost"]) == pytest.approx(Decimal("0.17"), abs=Decimal("0.02"))
    assert route.score == Decimal(shown["b:wire"]["score"])
    assert shown["a:sepa"]["success"] == "600 of 1000"


def test_among_equals_the_operators_preference_decides_then_the_key(line: BankLine) -> None:
    a, b, c = (
        named(line, "a", preference=9),
        named(line, "b", preference=1),
        named(line, "c", preference=1),
    )
    assert choose(choices([c, a, b], rule("sepa"))).bank is b


def test_instant_costs_what_it_must(line: BankLine) -> None:
    slow, fast = named(line, "a"), named(line, "b", "sepa_instant")
    rules = [
        rule("sepa"),
        rule("sepa_instant", priority="instant", target_seconds=10, base_fee=Decimal("0.90")),
        rule("sepa_instant", base_fee=Decimal("0.95")),
    ]
    made = choices([slow, fast], *rules)
    assert choose(made).bank is slow
    for asked in ({"priority": "instant"}, {"payout_method": "instant_transfer"}):
        route = choose(made, replace(EUR, **asked))
        assert route.bank is fast
        assert route.promise.target_at == NOW + timedelta(seconds=10)


def test_where_nothing_is_instant_the_earliest_goes(line: BankLine) -> None:
    later, sooner = named(line, "a"), named(line, "b", "wire")
    made = choices(
        [later, sooner], rule("sepa"), rule("wire", settlement_days=0, base_fee=Decimal(15))
    )
    assert choose(made, replace(EUR, priority="instant")).bank is sooner


def test_a_route_without_a_rule_comes_last_because_nobody_knows_its_cost(line: BankLine) -> None:
    unknown, known = named(line, "a", "wire"), named(line, "b")
    assert choose(choices([unknown, known], rule("sepa"))).bank is known


def test_a_route_that_is_usually_late_loses_to_one_that_is_not(line: BankLine) -> None:
    late, punctual = named(line, "a", preference=1), named(line, "b", preference=9)
    step = statistics.LATENESS_EDGES_S.index(statistics.HOUR)
    seen = Count(
        bank_connector_id=late.id, institution="", measure="lateness", bucket=step, seen=50
    )
    made = choices([late, punctual], rule("sepa"), seen=[seen])
    assert choose(made).bank is punctual
    alone = choose(choices([late], rule("sepa"), seen=[seen]))
    assert alone.predicted_at == alone.promise.target_at + timedelta(hours=1)


def test_a_paused_or_broken_bank_is_avoided_and_taken_only_when_alone(line: BankLine) -> None:
    first, other = named(line, "a", preference=1), named(line, "b")
    for change in ({"paused": True}, {"breaker": "open"}):
        stopped = replace(first, **change)
        assert choose(choices([stopped, other], rule("sepa"))).bank is other
        alone = choose(choices([stopped], rule("sepa")))
        assert alone.bank is stopped
        assert "nothing else carries it" in alone.reason


def test_a_batch_is_promised_from_its_cut_off(line: BankLine) -> None:
    made = choices([line], rule("sepa", cutoff_time=clock_time(18)))
    route = choose(made, replace(EUR, priority="batch"))
    assert route.scheduled_at == datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


def test_a_thousand_choices_take_little(line: BankLine) -> None:
    lines = [named(line, f"b{n}", rail) for n, rail in enumerate(("sepa", "wire", "rtp", "ach"))]
    rules = [rule(rail) for rail in ("sepa", "wire", "rtp", "ach")] * 3
    made = choices(lines, *rules)
    begin = time.process_time()
    for n in range(1000):
        choose(made, replace(EUR, amount=Decimal(n + 1)))
    assert time.process_time() - begin < 1  # A fifth of it on a quiet machine.


# --- stored -----------------------------------------------------------------------------------------


def test_a_payout_keeps_its_score_its_prediction_and_the_whole_choice(sandbox: World) -> None:
    payout = sandbox.create()
    decision = RoutingDecision.objects.get(pk=payout.routing_decision_id)
    assert payout.sira_routing_score == decision.score == statistics.PRIOR
    assert payout.predicted_settlement_at == decision.predicted_settlement_at
    assert decision.source == "rules"
    assert decision.reason.startswith("default:sepa: ")
    shown = {c["connector"]: c for c in decision.candidates}
    assert shown["default:sepa"]["refused"] == shown["backup:sepa"]["refused"] == ""
    assert shown["default:ach"]["refused"] == "account_type"
    assert set(shown["backup:sepa"]) >= {"cost", "success", "score", "arrives_at"}


def test_a_bank_that_is_left_alone_gets_nothing_new(sandbox: World, settings: Any) -> None:
    from payouts import breaker

    run("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    settings.BREAKER_FAILURES, settings.BREAKER_PAUSE_S = 1, 60
    breaker.note_failure(sepa().id, reason="connection_refused")
    assert health().breaker == "open"
    payout = sandbox.create()
    assert banks.line(payout.bank_connector_id).key == "backup:sepa"


# --- SIRA -------------------------------------------------------------------------------------------


@pytest.fixture
def asked(settings: Any) -> Iterator[Callable[[Canned], BankStub]]:
    """SIRA as a server that answers what a test says."""
    import contextlib

    sira._quiet_until[0] = 0.0
    settings.SIRA_PAUSE_S = 60
    with contextlib.ExitStack() as stack:

        def answering(answer: Canned) -> BankStub:
            stub = stack.enter_context(bank_stub(answer))
            settings.SIRA_URL = f"{stub.url}/route"
            return stub

        yield answering
    sira._quiet_until[0] = 0.0


def source_of(payout: Payout) -> tuple[str, str]:
    decision = RoutingDecision.objects.get(pk=payout.routing_decision_id)
    return banks.line(decision.bank_connector_id).key, decision.source


def prefer(connector: str, **more: Any) -> Canned:
    return canned_json({"recommendations": [{"id": 0, "connector": connector, **more}]})


def test_sira_prefers_among_what_can_be_taken(
    sandbox: World, asked: Callable[[Canned], BankStub]
) -> None:
    stub = asked(prefer("backup:sepa", score=0.77))
    payout = sandbox.create()
    assert source_of(payout) == ("backup:sepa", "sira")
    assert payout.sira_routing_score == Decimal("0.7700")
    (question,) = stub.asked
    (sent,) = json.loads(question.body)["payouts"]
    assert {c["connector"] for c in sent["candidates"]} >= {"default:sepa", "backup:sepa"}
    assert b"Schmidt" not in question.body
    assert b"DE89370400440532013000" not in question.body


def test_sira_is_asked_once_for_a_list(sandbox: World, asked: Callable[[Canned], BankStub]) -> None:
    stub = asked(canned_json({"recommendations": [{"id": 1, "connector": "backup:sepa"}]}))
    results = creation.create_payouts(
        [sandbox.request(), sandbox.request()], actor=sandbox.merchant
    )
    made = [Payout.objects.get(pk=r.payout_id) for r in results if isinstance(r, creation.Created)]
    assert [source_of(p) for p in made] == [
        ("default:sepa", "fallback"),
        ("backup:sepa", "sira"),
    ]
    assert len(stub.asked) == 1


@pytest.mark.parametrize("state", ["paused", "breaker_open"])
def test_sira_makes_nothing_eligible(
    sandbox: World, asked: Callable[[Canned], BankStub], settings: Any, state: str
) -> None:
    from payouts import breaker

    if state == "paused":
        banks.pause([sepa("backup").id], actor=sandbox.operator, reason="x")
    else:
        settings.BREAKER_FAILURES, settings.BREAKER_PAUSE_S = 1, 60
        breaker.note_failure(sepa("backup").id, reason="x")
    asked(prefer("backup:sepa"))
    assert source_of(sandbox.create())[0] == "default:sepa"
    asked(prefer("default:ach"))
    assert source_of(sandbox.create())[0] == "default:sepa"


@pytest.mark.parametrize(
    "answer",
    [
        Canned(503),
        Canned(200, b"not json"),
        Canned(200, b"[" * 100_000),
        canned_json({}),
        canned_json({"recommendations": [{"connector": "backup:sepa"}]}),
        canned_json({"recommendations": [{"id": "0", "connector": "backup:sepa"}]}),
        canned_json({"recommendations": [{"id": 0, "connector": 7}]}),
        Canned(200, b'{"recommendations": [{"id": 1e999999999, "connector": "backup:sepa"}]}'),
        Canned(200, b'{"recommendations": [{"id": NaN, "connector": "backup:sepa"}]}'),
        prefer("backup:sepa", score=1.5),
        prefer("backup:sepa", predicted_settlement_at="2020-01-01T00:00:00Z"),
        prefer("backup:sepa", predicted_settlement_at="soon"),
        Canned(200, b" " * 2_000_000),
        Canned(301, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
def test_a_senseless_answer_is_no_answer(
    sandbox: World, asked: Callable[[Canned], BankStub], answer: Canned
) -> None:
    asked(answer)
    payout = sandbox.create()
    assert source_of(payout) == ("default:sepa", "fallback")


def test_a_slow_or_dead_sira_costs_one_deadline_and_then_nothing(
    sandbox: World, settings: Any, asked: Callable[[Canned], BankStub]
) -> None:
    settings.SIRA_DEADLINE_MS = 300
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.SIRA_URL = f"http://127.0.0.1:{silent.getsockname()[1]}/route"
        begin = time.monotonic()
        first = sandbox.create()
        assert 0.3 <= time.monotonic() - begin < 5
        second = sandbox.create()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # Nobody called a second time.
            silent.accept()
    assert source_of(first) == source_of(second) == ("default:sepa", "fallback")
