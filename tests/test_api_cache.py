"""The key cache may be away, empty or wrong: creates go on, quickly and right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import override_settings

from payouts import doorbell, keycache
from payouts.models import Payout
from tests.api_client import create, merchant, payout_body
from tests.world import World


@pytest.fixture(autouse=True)
def _no_outages() -> Iterator[None]:
    """The key cache and the doorbell rest after a failure; the next test starts afresh."""
    yield
    keycache._quiet_until[0] = doorbell._quiet_until[0] = 0.0


SOMETHING = "01a222f1-0000-7000-8000-000000000000"
AWAY = {"default": settings.CACHES["default"] | {"LOCATION": "redis://:x@127.0.0.1:1/0"}}


def test_without_redis_payouts_are_created_quickly(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F08: neither the key cache nor the doorbell is needed."""

    def unheard(queue: str, delay_s: float) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(doorbell, "_ringer", [unheard])
    body = payout_body(real_sandbox, amount="1")
    with override_settings(CACHES=AWAY):
        start = time.perf_counter()
        ids = [create(real_sandbox, key=str(n), amount="1") for n in range(10)]
        assert time.perf_counter() - start < 5
        for n in range(10):
            again = merchant(real_sandbox).post("/api/payouts", body, key=str(n))
            assert (again.status, again.body["payout"]["id"]) == (200, ids[n])
    assert Payout.objects.count() == 10


def test_a_key_that_the_cache_forgot_is_known_to_the_database(real_sandbox: World) -> None:
    """B50, F09."""
    payout_id = create(real_sandbox, key="k")
    cache.clear()
    again = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key="k")
    assert (again.status, again.body["payout"]["id"]) == (200, payout_id)


def _cached(world: World, value: Any) -> str:
    """Let the cache say `value` about a new key."""
    key = str(uuid4())
    cache.set(keycache._name(world.request(external_id=key)), value)
    return key


def test_a_cached_key_without_a_payout_is_a_new_key(real_sandbox: World) -> None:
    """After a restored backup the cache may know payouts that the database does not have."""
    payout_id = create(real_sandbox, key="old")
    fingerprint = bytes(Payout.objects.get(pk=payout_id).request_fingerprint)
    key = _cached(real_sandbox, f"{uuid4()} {fingerprint.hex()}")
    made = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key=key)
    assert made.status == 201
    again = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key=key)
    assert (again.status, again.body["payout"]["id"]) == (200, made.body["payout"]["id"])


def test_a_cached_key_that_names_another_payout_is_a_new_key(real_sandbox: World) -> None:
    """Whoever can write to Redis lets nobody take one payout for another."""
    other = create(real_sandbox, key="other")
    fingerprint = bytes(Payout.objects.get(pk=other).request_fingerprint)
    key = _cached(real_sandbox, f"{other} {fingerprint.hex()}")
    made = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key=key)
    assert (made.status, made.body["payout"]["external_id"]) == (201, key)


@pytest.mark.parametrize(
    "value",
    [
        f"{SOMETHING} 00",
        f"{SOMETHING} no hex",
        (str(uuid4()), b"another meaning"),
        "nonsense",
        None,
        7,
        (1, 2, 3),
        ("no id", b"x"),
        {},
    ],
)
def test_a_cache_that_is_wrong_refuses_nothing(real_sandbox: World, value: Any) -> None:
    key = _cached(real_sandbox, value)
    assert (
        merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key=key).status
        == 201
    )
