"""The checker is not believed before each of its rules was seen to fail."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from payouts import lifecycle, seals
from payouts.audit import Actor
from payouts.models import Payout
from tests import world
from tests.chaos import book_rules, checker, clients_log
from tests.chaos.corruptions import CORRUPTIONS, Corruption


@dataclass
class Scene:
    """A small engine at rest: payouts that ended in each way, what clients heard, what the bank has."""

    payouts: dict[str, Payout]
    records: list[dict[str, Any]]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def id(self, name: str) -> str:
        return str(self.payouts[name].pk)

    def say(self, verb: str, status: int | None, answer: Any = None, **asked: Any) -> None:
        """A request and what was heard, as the clients' log has it."""
        n, at = len(self.lines), time.time() + len(self.lines)
        ask = {"user": "u", "role": "merchant_admin", "key": None, "payout_id": None, "body": None}
        ask |= {"tenant": self.tenant, "client": 1, "n": n, "verb": verb} | asked
        heard = {"status": status, "answer": answer, "error": None if status else "timeout"}
        self.lines.append(ask | {"at": at, "phase": "ask"})
        self.lines.append(ask | heard | {"at": at + 0.5, "phase": "heard"})

    def key(self, name: str) -> str:
        return str(self.payouts[name].external_id)

    @property
    def tenant(self) -> str:
        return str(next(iter(self.payouts.values())).tenant_id)

    def shown(self, name: str, **changed: Any) -> dict[str, Any]:
        payout = self.payouts[name]
        return {"id": str(payout.pk), "status": payout.status, "version": payout.version, **changed}

    def body(self, name: str, **changed: Any) -> dict[str, Any]:
        payout = self.payouts[name]
        account = str(payout.beneficiary_account_id)
        wish = {"amount": str(payout.amount), "currency": payout.currency}
        return {**wish, "beneficiaryAccountId": account, **changed}


def play(stage: world.World) -> Scene:
    """Let payouts end in every way, quickly."""
    first = len(stage.bank.call("GET", "/_sim/records"))
    quick = {"payout_method": "instant_transfer"}
    lifecycle.deposit(
        tenant_id=stage.tenant_id, currency="EUR", amount=world.Decimal(30_000), reference="more",
        actor=stage.operator,
    )  # fmt: skip
    made = {"settled": stage.create(**quick), "waiting": stage.create(amount="12000.00")}
    made["approved"] = stage.create(amount="11000.00")
    boss = Actor(id=str(uuid4()), role="finance_ops", tenant_id=stage.tenant_id)
    lifecycle.approve_payouts([made["approved"].pk], actor=boss, tenant_id=stage.tenant_id)
    made["cancelled"] = stage.create(amount="20.00")
    lifecycle.cancel_payouts(
        [made["cancelled"].pk], actor=stage.merchant, reason="no", tenant_id=stage.tenant_id
    )
    stage.reach(made["settled"], "settled")
    stage.bank.fault("reject", count=1, code="AC04")
    made["rejected"] = stage.create(amount="30.00", **quick)
    stage.reach(made["rejected"], "rejected")
    stage.bank.fault("return", count=1, code="AC04")
    made["returned"] = stage.create(amount="40.00")
    stage.reach(made["returned"], "sent", "settled", "returned")
    stage.bank.heal()
    stage.reach(made["approved"], "sent", "settled")
    stage.let_days_pass(made["returned"], until="returned")
    stage.bank.fault("silent", seconds=600)
    made["sent"] = stage.create(amount="50.00")
    stage.reach(made["sent"], "sent")
    assert seals.seal() > len(made)
    payouts = {name: Payout.objects.get(pk=payout.pk) for name, payout in made.items()}
    return tell(Scene(payouts, stage.bank.call("GET", f"/_sim/records?since={first}")))


def tell(scene: Scene) -> Scene:
    """What clients would have written down."""
    deposit = {"tenantId": scene.tenant, "amount": "30000", "currency": "EUR", "reference": "more"}
    scene.say("deposit", 201, {"success": True}, body=deposit)
    for name, payout in scene.payouts.items():
        asked = {"key": payout.external_id, "body": scene.body(name)}
        first = scene.shown(name, status="pending", version=1)
        if name == "waiting":
            first = scene.shown(name)
        scene.say("create", 201, {"payout": first}, **asked)
        scene.say("create", None, **asked)
        scene.say("create", 200, {"payout": scene.shown(name)}, **asked)
        scene.say("get", 200, {"payout": scene.shown(name)}, payout_id=str(payout.pk))
    cancelled = {"success": True, "status": "cancelled"}
    scene.say("cancel", 200, cancelled, payout_id=scene.id("cancelled"))
    scene.say("cancel", 409, {"code": "cancel_too_late"}, payout_id=scene.id("sent"))
    scene.say("create", 422, {"code": "insufficient_funds"}, key="too much", body={})
    return scene


def verdict(scene: Scene, place: Path) -> list[checker.Violation]:
    log = place / "clients.jsonl"
    half_a_line = '{"at": 1'
    log.write_text("".join(json.dumps(line) + "\n" for line in scene.lines) + half_a_line)
    calls = clients_log.read(log)
    return checker.judge(
        connection.connection,
        records=scene.records,
        before=calls,
        after=calls,
        drained=True,
        nobody_died=True,
    )


def spoilt(scene: Scene, corruption: Corruption, place: Path) -> list[checker.Violation]:
    """What the checker says of the scene with one thing spoilt; everything is as before afterwards."""
    copied = Scene(scene.payouts, copy.deepcopy(scene.records), copy.deepcopy(scene.lines))
    corruption.spoil(copied)
    with transaction.atomic(), connection.cursor() as cursor:
        if corruption.sql:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET LOCAL session_replication_role = replica")
            ids = {name: scene.id(name) for name in scene.payouts}
            cursor.execute(corruption.sql.format(**ids))
        found = verdict(copied, place)
        transaction.set_rollback(True)
    return found


@pytest.mark.long
def test_each_rule_is_seen_to_fail(
    sandbox: world.World, subtests: pytest.Subtests, tmp_path: Path
) -> None:
    scene = play(sandbox)
    assert {name: payout.status for name, payout in scene.payouts.items()} == {
        "settled": "settled", "waiting": "requires_approval", "approved": "settled", "cancelled": "cancelled",
        "rejected": "rejected", "returned": "returned", "sent": "sent",
    }  # fmt: skip
    assert [str(found) for found in verdict(scene, tmp_path)] == []
    for name, corruption in CORRUPTIONS.items():
        with subtests.test(name):
            found = spoilt(scene, corruption, tmp_path)
            assert corruption.breaks in {violation.invariant for violation in found}
    assert [str(found) for found in verdict(scene, tmp_path)] == []


def test_each_rule_has_a_corruption() -> None:
    rules = {rule.invariant for rule in (*book_rules.ALWAYS, *book_rules.DRAINED)}
    others = {"I18", "I22", "I23", "I24", "I26", "I27", "I31", "I32", "answers"}
    assert {corruption.breaks for corruption in CORRUPTIONS.values()} == rules | others


@pytest.mark.django_db
def test_it_reads_a_database_by_itself(tmp_path: Path) -> None:
    """On its own connection, in a snapshot that may only read; here of a database in which nothing happened."""
    dsn = connection.get_connection_params()
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**dsn)
    nowhere = {"payout_id": str(uuid4()), "state": "booked", "reference": "r", "amount": "1.00"}
    record = nowhere | {"currency": "EUR", "account_last4": "3000", "seq": 1, "rail": "sepa"}
    log = tmp_path / "none.jsonl"
    assert checker.check(records=[], log=log, dsn=url, drained=True) == []
    (found,) = checker.check(records=[record], log=log, dsn=url, drained=False)
    assert (found.invariant, found.subject) == ("I22", nowhere["payout_id"])
