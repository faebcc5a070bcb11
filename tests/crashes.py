"""A process of the engine that dies or stops at a named step: forked off the test, on the test's own database.

The process gets a connection of its own. What happens at a step is arranged before the fork's work begins,
in the forked process only: the engine's code knows nothing of it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from payouts import doorbell

Act = Callable[[], Any]
_inherited: list[
    Any
] = []  # The parent's connections: never closed here, never given to the collector.


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stops() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def before(module: ModuleType, name: str, act: Act = dies) -> None:
    """Let something happen just before a function of the engine is called."""
    known = getattr(module, name)

    def doing(*args: Any, **kwargs: Any) -> Any:
        act()
        return known(*args, **kwargs)

    setattr(module, name, doing)


def after(module: ModuleType, name: str, act: Act = dies) -> None:
    """Let something happen when a function of the engine has returned."""
    known = getattr(module, name)

    def doing(*args: Any, **kwargs: Any) -> Any:
        result = known(*args, **kwargs)
        act()
        return result

    setattr(module, name, doing)


def at_commit_of(module: ModuleType, name: str, *, committed: bool) -> None:
    """Die at the COMMIT of the transaction in which a function is called: before it, or once it is done."""
    armed: list[bool] = []
    commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def committing(wrapper: Any) -> None:
        if armed and not committed:
            dies()
        commit(wrapper)
        if armed:
            dies()

    BaseDatabaseWrapper._commit = committing  # type: ignore[attr-defined]
    before(module, name, lambda: armed.append(True))


@dataclass
class Victim:
    """The forked process."""

    pid: int
    ended: int | None = None  # As os.waitpid says it.

    def wait(self, *, seconds: float = 60, also_stopped: bool = False) -> int:
        """The wait status once the process ended, or stopped."""
        deadline = time.monotonic() + seconds
        while self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | (os.WUNTRACED if also_stopped else 0))
            if pid and os.WIFSTOPPED(status):
                return status
            if pid:
                self.ended = status
            assert time.monotonic() < deadline, "the process went on"
            time.sleep(0.01)
        return self.ended

    def was_killed(self) -> bool:
        return os.WIFSIGNALED(self.wait()) and os.WTERMSIG(self.wait()) == signal.SIGKILL

    def has_stopped(self) -> bool:
        return os.WIFSTOPPED(self.wait(also_stopped=True))

    def goes_on(self) -> int:
        """Let it go on; its exit code."""
        os.kill(self.pid, signal.SIGCONT)
        return os.waitstatus_to_exitcode(self.wait())

    def kill(self) -> None:
        if self.ended is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()


@contextmanager
def process(act: Act, *arranged: Act) -> Iterator[Victim]:
    """A process that does `act` with what is arranged for it; killed at the end of the block."""
    pid = os.fork()
    if pid == 0:
        _live(act, arranged)
    victim = Victim(pid)
    try:
        yield victim
    finally:
        victim.kill()


def _live(act: Act, arranged: tuple[Act, ...]) -> None:
    """The forked process: it never comes back into the test."""
    code = 1
    try:
        faulthandler.dump_traceback_later(50)  # Whoever hangs says where.
        _inherited.append(connections["default"])
        del connections["default"]
        doorbell._ringer[:] = []  # The broker's connection belongs to the parent.
        for arrange in arranged:
            arrange()
        act()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def blocked(count: int = 1) -> bool:
    """Whether as many sessions wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # A transaction sees one picture only.
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0] >= count)


def wait_until(true: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
