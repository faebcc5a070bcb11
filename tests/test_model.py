"""Every verb, every bank's mood and every crash in any order, against a model of the merchant's money."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from tests.money_model import LIMIT, NEXT, TABLES, Engine, past_all_walls
from tests.world import World

# Where even a short run comes by.
COMMON = {"requires_approval", "sent", "settled", "cancelled"}


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
    assert Engine.met == set(NEXT) - {"scheduled"}, set(NEXT) - Engine.met
