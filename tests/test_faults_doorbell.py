"""Celery and Valkey are a doorbell: away, wiped, doubled or killed, they cost time and nothing else."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as configured

from payouts import doorbell, tasks
from payouts.models import BankTransmission
from payouts_project.celery import app
from tests.code_reading import PACKAGES, called, calls, read_tree
from tests.test_api_races import _and_close
from tests.test_dispatch import booked
from tests.test_reliability import ROOT
from tests.world import World


def test_F17_a_ring_that_is_heard_twice_at_once_tells_a_bank_once(
    real_sandbox: World, settings: Any
) -> None:
    settings.WORKER_BATCH_SIZE = 1
    payouts = [real_sandbox.create() for _ in range(4)]
    real_sandbox.bank.fault("late_answer", rail="sepa", count=4, seconds=0.2)
    with ThreadPoolExecutor(3) as pool:
        told = [pool.submit(_and_close, tasks.dispatch_due) for _ in range(3)]
        assert sum(future.result(30) for future in told) == len(payouts)
    assert BankTransmission.objects.count() == len(payouts)
    assert [len(booked(real_sandbox, payout)) for payout in payouts] == [1] * len(payouts)


# --- How Celery is told to behave -----------------------------------------------------------------------


def test_F15_F16_F17_a_ring_comes_back_and_nothing_but_json_is_heard() -> None:
    conf = app.conf
    assert conf.task_acks_late is True
    assert conf.task_reject_on_worker_lost is True
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_ignore_result is True
    assert conf.result_backend is None
    assert (conf.task_serializer, list(conf.accept_content)) == ("json", ["json"])
    assert conf.task_publish_retry is False
    # A task that outlives the broker's patience would run twice.
    visible_s = conf.broker_transport_options["visibility_timeout"]
    assert conf.task_time_limit < visible_s
    longest_turn = tasks.dispatch.TURN_S + 2 * configured.CALL_DEADLINE_S
    assert longest_turn < conf.task_time_limit
    assert doorbell.LONGEST_DELAY_S <= 60 < visible_s


def test_F47_nothing_is_kept_by_the_broker_for_longer_than_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[tuple[str, float]] = []
    monkeypatch.setattr(doorbell, "_ringer", [lambda queue, delay_s: rung.append((queue, delay_s))])
    monkeypatch.setattr(doorbell, "_quiet_until", [0.0])
    assert doorbell.ring_now("dispatch", delay_s=60)
    assert not doorbell.ring_now("dispatch", delay_s=61)
    assert rung == [("dispatch", 60)]


def test_F47_only_the_doorbell_publishes_and_tasks_carry_nothing() -> None:
    publishing = {"send_task", "apply_async", "delay"}  # `apply` runs a task in place.
    found = [
        f"{path}: {ast.unparse(node)}"
        for path, text in read_tree(ROOT, *PACKAGES).items()
        if any(f"{name}(" in text for name in publishing)
        for node in calls(text)
        if called(node) in publishing
    ]
    assert len(found) == 1
    assert found[0].startswith("payouts/tasks.py: current_app.send_task(QUEUES[queue]")
    assert "args" not in found[0]
    tree = ast.parse((ROOT / "payouts/tasks.py").read_text())
    jobs = [n for n in tree.body if isinstance(n, ast.FunctionDef) and _is_task(n)]
    assert len(jobs) >= 8
    assert all(ast.unparse(job.args) == "" for job in jobs)
    assert all(not entry.get("args") for entry in app.conf.beat_schedule.values())


def _is_task(node: ast.FunctionDef) -> bool:
    return any("shared_task" in ast.unparse(mark) for mark in node.decorator_list)
