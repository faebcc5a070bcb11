"""Every verb, every bank's mood and every crash in any order, against a model of the merchant's money."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from payouts import creation, evidence, funds
from tests.money_model import LIMIT, TABLES, Engine, past_all_walls
from tests.statuses import NEXT
from tests.world import World

# Where even a short run comes by.
COMMON = {"requires_approval", "scheduled", "sent", "in_doubt", "settled", "cancelled"}


@pytest.fixture
def quick(real_sandbox: World, settings: Any) -> Iterator[World]:
    """A world whose seconds are short and whose banks are left alone by no breaker."""
    settings.CALL_DEADLINE_S = 0.4
    settings.APPROVAL_LIMITS = {"*": LIMIT}
    settings.APPROVAL_TTL_H = 24 * 365
    settings.BREAKER_FAILURES = 10_000
    settings.INQUIRY_HORIZON_S = 3600
    with _machine(real_sandbox):
        yield real_sandbox


@contextmanager
def _machine(world: World) -> Iterator[None]:
    Engine.world = world
    yield
    world.bank.heal()
    past_all_walls(*(f"DELETE FROM {table}" for table in TABLES))
    Engine.drains = False
    Engine.met.clear()


def _run(examples: int, steps: int, *, derandomize: bool) -> None:
    how = hypothesis_settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=(Phase.generate,),  # A run talks to a bank: it is not made smaller, it is read.
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Engine, settings=how)  # type: ignore[no-untyped-call]


def test_whatever_happens_the_money_is_where_the_model_says(quick: World) -> None:
    _run(8, 25, derandomize=True)
    assert Engine.met >= COMMON, COMMON - Engine.met


@pytest.mark.long
def test_whatever_happens_for_long_the_money_is_where_the_model_says(quick: World) -> None:
    """Thirty times the short run, other steps each time, and each ends with everything at rest."""
    Engine.drains = True
    _run(120, 60, derandomize=False)
    assert Engine.met == set(NEXT), set(NEXT) - Engine.met


def _time_out_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bank left open passes for refused, and is tried again under a new reference."""
    monkeypatch.setitem(evidence.ATTEMPT_MOVES["intent"], "unknown", "rejected")
    steps = evidence._steps

    def wrong(statement: Any, attempt: Any, case: Any) -> Any:
        if statement.kind == "unknown" and case.status == "processing":
            return [("failed", {"next_retry_at": evidence._in(0)})]
        return steps(statement, attempt, case)

    monkeypatch.setattr(evidence, "_steps", wrong)


def _refused_money_stays_held(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = funds._resolve

    def wrong(covers: Any, status: str) -> None:
        if status != "reversed":
            resolve(covers, status)

    monkeypatch.setattr(funds, "_resolve", wrong)


def _a_key_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    create = creation.create_payouts

    def wrong(requests: Any, **how: Any) -> Any:
        return create([replace(r, external_id=str(uuid4())) for r in requests], **how)

    monkeypatch.setattr(creation, "create_payouts", wrong)


@pytest.mark.parametrize(
    "plant", [_time_out_is_a_refusal, _refused_money_stays_held, _a_key_is_forgotten]
)
def test_the_model_sees_an_engine_that_is_wrong(
    quick: World, monkeypatch: pytest.MonkeyPatch, plant: Any
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, DatabaseError)) as found:
        _run(8, 25, derandomize=True)
    shown = "".join(traceback.format_exception(found.value))
    assert "money_model.py" in shown
