"""One run: start, chaos, heal, drain, check."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.chaos import checking, drain, quiet
from tests.chaos.checking import Violation
from tests.chaos.director import Director
from tests.chaos.journal import ClientsLog, Trace
from tests.chaos.load import Client, Town
from tests.chaos.people import settle_in
from tests.chaos.plan import DEADLY, chosen, draw
from tests.chaos.plan import LAST as NO_DEDUP
from tests.chaos.rig import Rig, started
from tests.chaos.simulator import Simulator

DRAIN_LIMIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Options:
    seed: int = 1
    seconds: float = 60.0
    clients: int = 6
    only: tuple[str, ...] = ()
    often: float = 1  # How many times as often as usual faults strike.
    stop_at_first: bool = False
    state: Path | None = None
    say: Callable[[str], None] = print


@dataclass
class Report:
    """What happened, and what was wrong with it."""

    seed: int
    seconds: float
    activity: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)  # That were carried out, by name.
    hits: dict[str, int] = field(default_factory=dict)  # Of the simulator's faults.
    statuses: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)  # Payouts in the dlq, by cause.
    answers: dict[str, int] = field(default_factory=dict)
    drain_s: float | None = None
    violations: list[Violation] = field(default_factory=list)

    @property
    def dlq_share(self) -> float:
        return sum(self.dead.values()) / max(1, self.activity.get("payouts", 0))


class Watch(threading.Thread):
    """Once a second: the always-rules, and what the simulator has counted."""

    def __init__(self, rig: Rig, simulator: Simulator, log: Path) -> None:
        super().__init__(daemon=True, name="watch")
        self.rig, self.simulator, self.log = rig, simulator, log
        self.found: dict[tuple[str, str], Violation] = {}
        self.checks = 0
        self.failure: BaseException | None = None
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(1.0):
            self.simulator.note_hits()
            try:
                self._check()
            except psycopg.OperationalError:
                continue  # The database is being restarted.
            except (
                Exception
            ) as error:  # A checker that breaks must not pass for one that finds nothing.
                self.failure = error
                return

    def _check(self) -> None:
        records = self.simulator.records()
        for one in checking.check(records=records, log=self.log, dsn=self.rig.dsn, drained=False):
            self.found.setdefault((one.invariant, one.subject), one)
        self.checks += 1

    def end(self) -> None:
        self._end.set()
        self.join(30)
        if self.failure is not None:
            raise self.failure


def chaos(options: Options) -> Report:
    """Start everything, break it, heal it, and say what is left. From the main thread only."""
    if options.state is not None:
        return _chaos(options, options.state)
    state = Path(tempfile.mkdtemp(prefix="payouts-chaos-"))
    keep = False
    try:
        report = _chaos(options, state)
        keep = bool(report.violations)
    finally:
        if not keep:
            shutil.rmtree(state, ignore_errors=True)
    if keep:
        options.say(f"logs, trace and clients' log are kept in {state}")
    return report


def _chaos(options: Options, state: Path) -> Report:
    report = Report(options.seed, options.seconds)
    plan = draw(seed=options.seed, seconds=options.seconds, only=options.only, often=options.often)
    began = time.monotonic()
    with started(state) as rig:
        options.say(f"started in {time.monotonic() - began:.1f} s, {rig.state}")
        simulator = Simulator(rig.engine.bank_port)
        log = ClientsLog(rig.state / "clients.jsonl")
        trace = Trace(rig.state / "trace.jsonl")
        town = Town(rig.engine.port, log, settle_in(rig.engine, rig.dsn))
        director = Director(rig, simulator, trace, seed=options.seed)
        clients = [
            Client(n, seed=options.seed, town=town, pause_s=0.3)
            for n in range(1, options.clients + 1)
        ]
        watch = Watch(rig, simulator, log.lines.path)
        for thread in (*clients, watch):
            thread.start()
        try:
            director.run(plan, seconds=options.seconds, tick=_tick(options, watch, rig, town))
            if options.stop_at_first and watch.found:  # What is broken is not waited for.
                report.violations = list(watch.found.values())
            else:
                _settle(options, report, rig, simulator, director, town, clients, watch)
        finally:
            town.stop.set()
            town.end.set()
            with contextlib.suppress(Exception):
                director.heal()
        _count(report, rig, simulator, director, log.lines.path)
    return report


def _tick(options: Options, watch: Watch, rig: Rig, town: Town) -> Callable[[], bool]:
    """Says how it goes every five seconds; whether it is time to end early."""
    began = last = time.monotonic()

    def tick() -> bool:
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            passed = last - began
            options.say(
                f"{passed:3.0f} s: {len(town.made)} payouts, {watch.checks} checks, {len(watch.found)} violations"
            )
        return watch.failure is not None or (options.stop_at_first and bool(watch.found))

    return tick


def _settle(
    options: Options, report: Report, rig: Rig, simulator: Simulator, director: Director,
    town: Town, clients: list[Client], watch: Watch,
) -> None:  # fmt: skip
    """Heal, drain, and the last check."""
    town.stop.set()
    director.heal()
    began = time.monotonic()
    drained = drain.drain(
        rig, simulator, town, clients, trace=director.trace, limit_s=DRAIN_LIMIT_S
    )
    report.drain_s = time.monotonic() - began
    options.say(
        f"drained in {report.drain_s:.1f} s" if drained else f"not drained in {DRAIN_LIMIT_S:.0f} s"
    )
    if drained and NO_DEDUP in chosen(options.only):
        quiet.forget_a_refusal(rig, simulator, town, clients[0])
    watch.end()
    records = simulator.records()
    final = checking.check(
        records=records, log=watch.log, dsn=rig.dsn, drained=drained,
        nobody_died=not chosen(DEADLY) & chosen(options.only),
    )  # fmt: skip
    found = {**watch.found, **{(one.invariant, one.subject): one for one in final}}
    report.violations = list(found.values())
    if not drained:
        open_ = drain.open_payouts(rig.dsn)
        report.violations.append(
            Violation("drain", "payouts", f"still open after {DRAIN_LIMIT_S:.0f} s: {open_}")
        )


def _count(report: Report, rig: Rig, simulator: Simulator, director: Director, log: Path) -> None:
    """What the run has been."""
    report.hits = dict(simulator.hits)
    report.faults = dict(+director.done)
    for name, proxy in (("database", rig.database), ("bank", rig.bank)):
        report.faults |= {f"{name}.{fault}": count for fault, count in proxy.done.items()}
    booked = [r for r in simulator.records() if r["state"] == "booked"]
    with psycopg.connect(rig.dsn) as connection:
        report.statuses = dict(
            connection.execute("SELECT status, count(*) FROM payouts GROUP BY 1")
        )
        report.dead = dict(
            connection.execute(
                "SELECT p.last_error_code || ' at ' || coalesce(a.connector, '') || ' ' || p.rail, count(*)"
                " FROM payouts p LEFT JOIN LATERAL (SELECT connector FROM payout_retry_log a"
                " WHERE a.payout_id = p.id ORDER BY attempt_number DESC LIMIT 1) a ON true"
                " WHERE p.status = 'dlq' GROUP BY 1"
            )
        )
        resends, attempts = connection.execute(
            "SELECT coalesce(sum(sends - 1) FILTER (WHERE sends > 1), 0)::int, count(*) FROM bank_transmissions"
        ).fetchone() or (0, 0)
    of = Counter[str]()
    for name, count in director.done.items():
        of[name.partition(".")[0]] += count
    report.answers = checking.answers(log)
    report.activity = {
        "payouts": sum(report.statuses.values()), "bookings": len(booked), "transmissions": attempts,
        "resends": resends, "kills": of["kill"], "stops": of["stop"], "restarts": of["postgres"],
        "cuts": sum(count for fault, count in report.faults.items()
                    if fault.startswith(("database.", "bank.")) and not fault.endswith("delay")),
        "requests": sum(report.answers.values()),
    }  # fmt: skip
