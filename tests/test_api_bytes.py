"""Every POST under changed bytes: no 500, no hang, and nothing changed by what was refused.

The addresses come from the resolver and the bodies of those that stand here by no name from the OpenAPI
document, so that a new one is among them the day it is there.
"""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from payouts.api import auth
from payouts.errors import REFUSALS
from tests.api_client import Api, create, payout_body, raise_alert, snapshot
from tests.byte_changes import changed
from tests.world import IBAN, World

SEED = 4
SHORT, LONG = 12, 2500  # Changed bodies for each address.
PATIENCE_S = 5.0  # For one answer, on a machine that does many things at once.
ROLES = ("merchant_admin", "finance_ops", "treasury_ops", "system")


def posts() -> dict[str, str]:
    """Every address that takes a POST, by its name: `/api/payouts/{payout_id}/cancel`."""
    return {
        pattern.name: "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        for pattern in get_resolver("payouts.api.urls").url_patterns
        if hasattr(getattr(pattern.callback, "cls", None), "post")
    }


def examples() -> dict[str, Any]:
    """The first example of each POST in the OpenAPI document, by its address."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    found = {}
    for address, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        shown = content.get("application/json", {}).get("examples", {})
        found[address] = next((example["value"] for example in shown.values()), {})
    return found


class Addresses:
    """Where to post to in a world, as whom, and what."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = {
            "payout_id": create(world, amount="1"),
            "alert_id": str(raise_alert(world.tenant_id).pk),
            "beneficiary_id": str(world.accounts["iban"][0]),
        }
        self._examples = examples()
        item = payout_body(world, amount="0.01")
        account = {"type": "iban", "currency": "EUR", "iban": IBAN, "bic": "COBADEFF"}
        self._known: dict[str, Any] = {
            "payouts": item,
            "payouts-quote": item,
            "payouts-bulk": [item | {"idempotencyKey": str(uuid4())} for _ in "ab"],
            "beneficiaries": {
                "name": "A", "beneficiaryType": "user", "country": "DE", "account": account,
            },
            "beneficiary-accept": {
                "accountId": str(world.accounts["iban"][1]), "reason": "Known to the merchant",
            },
            "ledger-deposits": {
                "tenantId": str(world.tenant_id), "amount": "1.00", "currency": "EUR", "reference": "r",
            },
        }  # fmt: skip

    def path(self, name: str) -> str:
        return posts()[name].format(**self._ids)

    def body(self, name: str) -> bytes:
        known = self._known.get(name, self._examples.get(posts()[name], {}))
        return json.dumps(known, ensure_ascii=False).encode()

    def caller(self, name: str) -> Api:
        role = next(role for role in ROLES if role in auth.ROLES[name]["POST"])
        return Api(self._world.tenant_id, role)


@contextmanager
def at_most(seconds: float, what: str) -> Iterator[None]:
    """A hang ends the test instead of the run."""

    def too_late(*_: Any) -> None:
        pytest.fail(f"no answer within {seconds} s: {what}")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def bombard(world: World, name: str, *, seed: int, times: int) -> Counter[int]:
    """Post changed bodies to one address. How it was answered, by status."""
    addresses = Addresses(world)
    path, good, api = addresses.path(name), addresses.body(name), addresses.caller(name)
    draw = random.Random(f"{name} {seed}")
    answers: Counter[int] = Counter()
    before = snapshot()
    for n in range(times):
        body = changed(draw, good)
        what = f"{name}, number {n} of seed {seed}: {body[:300]!r}"
        with at_most(PATIENCE_S, what):
            answer = api.send("POST", path, body, headers={"Idempotency-Key": f"{seed}-{n}"})
        answers[answer.status] += 1
        assert answer.status < 500, what
        if answer.status >= 400:
            assert answer.code in REFUSALS, what
            assert snapshot() == before, what
        else:
            before = snapshot()
    return answers


@pytest.mark.parametrize("name", posts())
def test_changed_bytes_are_read_or_refused(sandbox: World, name: str) -> None:
    answers = bombard(sandbox, name, seed=SEED, times=SHORT)
    assert sum(answers[status] for status in (400, 413, 422)) > SHORT / 4, answers


@pytest.mark.long
@pytest.mark.parametrize("name", posts())
def test_many_changed_bytes_are_read_or_refused(sandbox: World, name: str) -> None:
    answers = bombard(sandbox, name, seed=SEED + 1, times=LONG)
    assert sum(answers.values()) == LONG


def test_the_long_form_sends_as_many_as_it_should() -> None:
    assert LONG * len(posts()) >= 20_000


def test_every_address_is_open_to_somebody_and_takes_its_good_body(sandbox: World) -> None:
    """A body that was refused from the start would be changed in vain; a new address is among these."""
    addresses = Addresses(sandbox)
    for name in posts():
        answer = addresses.caller(name).send(
            "POST", addresses.path(name), addresses.body(name), headers={"Idempotency-Key": "k"}
        )
        assert answer.status < 300 or answer.code.startswith("not_"), (name, answer.body)


def test_the_same_seed_changes_the_same_bytes() -> None:
    good = json.dumps({"amount": "1", "metadata": {"a": [1, 2]}}).encode()
    once, twice = (
        [changed(draw, good) for _ in range(200)] for draw in (random.Random(1), random.Random(1))
    )
    assert once == twice
    assert len(set(once)) > 150
    assert good not in once[:20]


def test_an_answer_that_takes_too_long_is_seen() -> None:
    with pytest.raises(pytest.fail.Exception, match="no answer"), at_most(0.05, "it"):
        time.sleep(2)
