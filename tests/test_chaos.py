"""Chaos in its short form, and its tools: the plan is the seed's, a proxy cuts where it should."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from payouts_project import leash
from tests.chaos.between import DatabaseProxy
from tests.chaos.plan import NAMES, PER_MINUTE, UnknownFault, draw
from tests.chaos.proxy import Loop
from tests.chaos.run import Options, Report, chaos


def told(report: Report) -> str:
    return "\n".join(f"{v.invariant} {v.subject}: {v.says}" for v in report.violations)


@pytest.mark.processes
@pytest.mark.xdist_group("engine")
def test_nothing_is_paid_twice_or_lost_in_twenty_five_seconds_of_chaos() -> None:
    report = chaos(Options(seed=1, seconds=25))
    assert not report.violations, told(report)
    assert report.drain_s is not None
    assert report.activity["bookings"] >= 5
    assert report.activity["kills"] >= 3
    assert report.activity["restarts"] > 0


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.xdist_group("engine")
def test_nothing_is_paid_twice_or_lost_in_three_minutes_of_chaos() -> None:
    done: Counter[str] = Counter()
    hits: set[str] = set()
    dead = payouts = 0
    for seed in (1, 2, 3):
        report = chaos(Options(seed=seed, seconds=60))
        assert not report.violations, told(report)
        assert report.drain_s is not None
        assert report.drain_s < 60
        done.update(report.activity)
        hits |= set(report.hits)
        dead, payouts = dead + sum(report.dead.values()), payouts + report.activity["payouts"]
    least = {"bookings": 300, "kills": 36, "restarts": 6, "resends": 20}
    assert {name: done[name] for name in least if done[name] < least[name]} == {}
    assert hits == {n.removeprefix("simulator.") for n in NAMES if n.startswith("simulator.")}
    assert dead <= 0.05 * payouts


def test_the_seed_decides_which_fault_strikes_when() -> None:
    assert draw(seed=7, seconds=60) == draw(seed=7, seconds=60)
    assert draw(seed=7, seconds=60) != draw(seed=8, seconds=60)
    assert {strike.fault for strike in draw(seed=7, seconds=60)} == set(PER_MINUTE)
    assert {s.fault for s in draw(seed=7, seconds=60, only=["kill.web", "valkey"])} == {
        "kill.web", "valkey.kill", "valkey.flush",
    }  # fmt: skip
    with pytest.raises(UnknownFault):
        draw(seed=7, seconds=60, only=["earthquake"])


@pytest.fixture
def cut_off() -> Iterator[tuple[DatabaseProxy, str]]:
    """A proxy in front of the database, and how to reach the database through it."""
    url = urlsplit(os.environ["DATABASE_URL"])
    loop = Loop()
    proxy = DatabaseProxy(loop, port=leash.free_port(), target=url.port or 5432)
    proxy.open()
    yield (
        proxy,
        url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl(),
    )
    proxy.down()
    loop.close()


@pytest.mark.parametrize(("fault", "kept"), [("commit_before", False), ("commit_after", True)])
def test_a_commit_is_cut_before_the_server_has_it_or_after_it_is_done(
    cut_off: tuple[DatabaseProxy, str], fault: str, *, kept: bool
) -> None:
    proxy, dsn = cut_off
    table = f"chaos_{uuid4().hex}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as direct:
        direct.execute(f"CREATE TABLE {table} (n int)")
        try:
            proxy.arm(fault)
            through = psycopg.connect(dsn)
            through.execute(f"INSERT INTO {table} VALUES (1)")
            with pytest.raises(psycopg.OperationalError):
                through.commit()
            assert proxy.done[fault] == 1
            (count,) = direct.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
            assert bool(count) is kept
            with psycopg.connect(dsn) as again:  # The next one passes.
                again.execute(f"INSERT INTO {table} VALUES (2)")
        finally:
            direct.execute(f"DROP TABLE {table}")
