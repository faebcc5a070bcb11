"""What tests share: a real bank simulator, configured banks, a merchant with money, and a way to let time pass."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection

from payouts import backoff
from tests import world
from tests.furnished import furnished
from tests.migrated import django_db_modify_db_settings
from tests.molam_id import place, trusted
from tests.running_engine import Running, running
from tests.verdict import pytest_sessionfinish, pytest_terminal_summary
from tests.world import World

__all__ = [
    "django_db_modify_db_settings",
    "place",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "trusted",
]  # hooks and fixtures


@pytest.fixture(scope="session")
def bank_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The bank simulator, over real HTTP, one for each test process."""
    from connectors.bank_simulator.__main__ import build, serve

    state: Path = tmp_path_factory.mktemp("bank")
    server = build(port=0, state_dir=state, api_key=world.BANK_KEY)
    thread = threading.Thread(target=serve, args=(server,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(10)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole running engine, shared by every test that is marked `processes` and grouped as "engine"."""
    with running(tmp_path_factory.mktemp("engine"), WORKER_POLL_INTERVAL_MS="1000") as started:
        yield started
        assert started.ends_whole()


@pytest.fixture
def bank(bank_server: int, settings: Any) -> Iterator[world.Bank]:
    """The simulator's control API; faults are healed before and after."""
    settings.BANK_URL = f"http://127.0.0.1:{bank_server}"
    settings.BANK_URLS = {}
    settings.BANK_API_KEY = world.BANK_KEY
    control = world.Bank(bank_server)
    control.heal()
    yield control
    control.heal()


@pytest.fixture(scope="session", autouse=True)
def _passwords_cost_nothing() -> None:
    """Half a second for each login of a test would be a minute of the run; engines that are started hash as in life."""
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def whole_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process a retry waits as long as its policy allows: a test that looks at what failed finds it so.

    Engines that a test starts draw by chance, as in life.
    """
    monkeypatch.setattr(backoff, "random", lambda: 1.0)


@pytest.fixture
def sandbox(db: None, bank: world.Bank, whole_waits: None) -> World:
    """Banks, a merchant with money in two currencies and a beneficiary on each rail, in a test transaction."""
    return furnished(bank)


@pytest.fixture
def real_sandbox(transactional_db: None, bank: world.Bank, whole_waits: None) -> Iterator[World]:
    """The same with real commits, for races and for what happens on commit."""
    yield world.build(bank)
    cache.clear()


@pytest.fixture(autouse=True)
def _truncation_may_pass(request: pytest.FixtureRequest) -> Iterator[None]:
    """Append-only tables refuse TRUNCATE; only the clean-up after a test with real commits may do it."""
    if "transactional_db" not in request.fixturenames:
        yield
        return
    operations = connection.ops
    flush = operations.execute_sql_flush

    def execute_sql_flush(sql_list: list[str]) -> None:
        # A few rows in fifty tables are deleted far quicker than fifty tables are truncated.
        tables = re.findall(r'"\w+"', " ".join(sql_list))
        flush(
            [
                "SET session_replication_role = replica",
                *(f"DELETE FROM {table}" for table in tables),
                "SET session_replication_role = origin",
            ]
        )

    operations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]
    yield
    operations.execute_sql_flush = flush  # type: ignore[method-assign]
