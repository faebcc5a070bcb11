"""Carries the plan out: kills, stops, cuts and spoils, and writes down what it did."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from tests.chaos.journal import Trace
from tests.chaos.plan import Strike
from tests.chaos.proxy import Proxy
from tests.chaos.rig import Rig
from tests.chaos.simulator import Simulator

STOPPABLE_GROUPS = ("worker", "web", "beat", "poller", "bank_simulator")


class Director:
    """Strikes and undoes. Belongs to the main thread: PostgreSQL is a child of the thread that starts it."""

    def __init__(self, rig: Rig, simulator: Simulator, trace: Trace, *, seed: int) -> None:
        self.rig, self.simulator, self.trace = rig, simulator, trace
        self.rng = random.Random(f"director of {seed}")
        self.done: Counter[str] = Counter()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._stopped: set[int] = set()

    def run(self, plan: list[Strike], *, seconds: float, tick: Callable[[], bool]) -> None:
        """Until the time is over, or `tick` says that it is enough."""
        started, waiting = time.monotonic(), list(plan)
        while (now := time.monotonic() - started) < seconds and not tick():
            while waiting and waiting[0].at <= now:
                missed = self._strike(waiting.pop(0))
                if missed is not None:
                    waiting = sorted([*waiting, missed], key=lambda strike: strike.at)
            self._undo(time.monotonic())
            time.sleep(0.05)

    def heal(self) -> None:
        """Undo everything, whatever state it is in."""
        self._undo(float("inf"))
        self.rig.postgres.wait_ready()
        for proxy in (self.rig.database, self.rig.bank):
            proxy.heal()
        for pid in list(self._stopped):
            self._resume(pid)
        self.simulator.heal()
        self.trace.note("heal", "everything")

    def _undo(self, now: float) -> None:
        due = [undo for at, undo in self._later if at <= now]
        self._later = [(at, undo) for at, undo in self._later if at > now]
        for undo in due:
            undo()

    def _after(self, seconds: float, undo: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, undo))

    def _strike(self, strike: Strike) -> Strike | None:
        """Carry it out. What needs a simulator that is not there now is tried again a second later."""
        kind, _, what = strike.fault.partition(".")
        acts: dict[str, Callable[..., bool]] = {
            "kill": self._kill,
            "stop": self._stop,
            "postgres": self._restart_database,
            "valkey": self._valkey,
            "clock": self._clock,
            "database": partial(self._proxy, self.rig.database),
            "bank": partial(self._proxy, self.rig.bank),
            "simulator": self._simulator,
        }
        struck = acts[kind](what, **strike.more)
        self.done[strike.fault] += struck
        self.trace.note(strike.fault, what, struck=struck, **strike.more)
        again = not struck and (kind == "simulator" or strike.fault == "clock.scheme")
        return replace(strike, at=strike.at + 1.0) if again else None

    # --- processes --------------------------------------------------------------------------------------

    def _kill(self, name: str) -> bool:
        if name.endswith("_child"):
            children = self.rig.children(name.removesuffix("_child"))
            pid = self.rng.choice(children) if children else None
        else:
            pid = self.rig.pid(name)
        if name == "bank_simulator":
            self._keep_faults()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def _keep_faults(self) -> None:
        """What a simulator has counted dies with it, and so do its faults: the next one is given them again."""
        lost = self.simulator.note_hits()
        self._after(2.5, lambda: [self.simulator.set_again(fault) for fault in lost] and None)

    def _stop(self, name: str, *, seconds: float) -> bool:
        """The whole group, as a machine that is suspended; a second later the worker's lease may be over."""
        pid = self.rig.pid(name)
        if pid is None or pid in self._stopped:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGSTOP)
            self._stopped.add(pid)
            self._after(seconds, lambda: self._resume(pid))
            return True
        return False

    def _resume(self, pid: int) -> None:
        self._stopped.discard(pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)

    # --- servers, clocks -----------------------------------------------------------------------------------

    def _restart_database(self, _: str) -> bool:
        return self.rig.restart_database()

    def _valkey(self, what: str) -> bool:
        return self._kill("valkey") if what == "kill" else self.rig.flush_valkey()

    def _clock(self, what: str, *, seconds: int) -> bool:
        """The scheme's clock, or that of a worker, which is killed so that the next one starts in another day."""
        if what == "scheme":
            return self.simulator.advance(seconds)
        self.rig.move_clock(seconds)
        killed = self._kill("worker")
        self.done["kill.worker"] += killed

        def put_right() -> None:
            self.rig.move_clock(0)
            self.done["kill.worker"] += self._kill("worker")

        self._after(10, put_right)
        return killed

    # --- networks, banks -------------------------------------------------------------------------------------

    def _proxy(self, proxy: Proxy, what: str, **more: Any) -> bool:
        if what == "reset":
            proxy.reset_all()
        elif what == "down":
            proxy.down()
            self._after(more["seconds"], proxy.open)
        elif what == "delay":
            proxy.slow(more["seconds"], during=more["during"])
        else:
            proxy.arm(what, more["count"])
        return True

    def _simulator(self, fault: str, **more: Any) -> bool:
        return self.simulator.fault(fault, **more)
