"""Processes under supervision: started, watched, restarted, and ended together.

One thread, no polling: SIGCHLD wakes the loop, so a process that is killed is replaced within
milliseconds. Everything here works on anything that can `launch`: our programs and our servers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from payouts_project import leash

ROOT = Path(__file__).resolve().parent.parent
LOG_LIMIT_BYTES = 20_000_000


class Stopped(Exception):
    """Somebody asked us to end: a signal, or the death of whoever started us."""


class Runnable(Protocol):
    """A program or a server. `stop_signals` are sent in turn, each with the seconds it gets."""

    name: str
    process: subprocess.Popen[bytes] | None
    stop_signals: tuple[tuple[int, float], ...]

    def launch(self, log: IO[bytes]) -> None: ...


@dataclass
class Program:
    """One of our own processes. It leads a process group, so that its children can be ended too."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float = 5.0
    process: subprocess.Popen[bytes] | None = None

    @property
    def stop_signals(self) -> tuple[tuple[int, float], ...]:
        return ((signal.SIGTERM, self.stop_seconds), (signal.SIGKILL, 2.0))

    @stop_signals.setter
    def stop_signals(self, value: tuple[tuple[int, float], ...]) -> None:
        self.stop_seconds = value[0][1]

    def launch(self, log: IO[bytes]) -> None:
        self.process = spawn(self.command, self.environment, stdout=log, stderr=log)


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        env=dict(environment),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=leash.die_with_parent(signal.SIGKILL),
    )


@dataclass(frozen=True)
class RestartPolicy:
    """At once for the first ten deaths of a minute, then after a growing pause."""

    deaths: tuple[float, ...] = ()
    free_deaths: int = 10
    window_seconds: float = 60.0
    first_pause: float = 1.0
    longest_pause: float = 30.0

    def after_death(self, now: float) -> tuple[RestartPolicy, float]:
        """The policy from now on, and how long to wait before the next start."""
        recent = (*(at for at in self.deaths if now - at < self.window_seconds), now)
        excess = len(recent) - self.free_deaths
        pause = 0.0 if excess <= 0 else min(self.first_pause * 2 ** (excess - 1), self.longest_pause)
        return (
            RestartPolicy(
                recent, self.free_deaths, self.window_seconds, self.first_pause, self.longest_pause
            ),
            pause,
        )


class Guard:
    """Our end of `guard.py`: told of every group, restarted when it is killed itself."""

    def __init__(self) -> None:
        self._groups: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.check()

    def check(self) -> None:
        if self._process is None or self._process.poll() is not None:
            # Isolated and without site-packages: it is up in a few milliseconds.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(ROOT / "payouts_project" / "guard.py")],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
            for group, with_signal in self._groups.items():
                self._tell(f"+ {group} {with_signal}\n")

    def add(self, group: int, with_signal: int) -> None:
        self._groups[group] = with_signal
        self._tell(f"+ {group} {with_signal}\n")

    def drop(self, group: int) -> None:
        if self._groups.pop(group, None) is not None:
            self._tell(f"- {group}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode("ascii"))
                self._process.stdin.flush()

    def close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait(timeout=10)


@dataclass
class _Member:
    runnable: Runnable
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    pid: int | None = None
    restart_at: float | None = None
    deaths: int = 0


class Fleet:
    """Everything that runs, and the file that says what runs where."""

    def __init__(self, state: Path, *, announce: Callable[[str], None]) -> None:
        self.state = state
        self.announce = announce
        self.logs = state / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.members: dict[str, _Member] = {}
        self.guard = Guard()
        self._asked_to_stop = 0
        self._parent = _watched_parent()
        self._wakeup = self._catch_signals()

    # -- being told to stop --

    def _catch_signals(self) -> int:
        reading, writing = os.pipe()
        for end in (reading, writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup has SIGHUP ignored; that wish is respected.
            if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, self._on_stop_signal)
        return reading

    def _on_stop_signal(self, *_: object) -> None:
        self._asked_to_stop += 1

    @property
    def hurried(self) -> bool:
        """Asked twice: nobody waits for the running work any more."""
        return self._asked_to_stop > 1

    def check_stop(self) -> None:
        if self._asked_to_stop:
            raise Stopped("stopping")
        if self._parent is not None and os.getppid() != self._parent:
            raise Stopped("whoever started this has ended: stopping (nohup keeps it running)")

    # -- running --

    def log(self, name: str) -> IO[bytes]:
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def adopt(self, runnable: Runnable) -> None:
        """Take over something that was started already."""
        member = self.members.setdefault(runnable.name, _Member(runnable))
        if runnable.process is not None:
            member.pid = runnable.process.pid
            self.guard.add(member.pid, runnable.stop_signals[0][0])
        self.write_file()

    def start(self, runnable: Runnable) -> None:
        self.members[runnable.name] = _Member(runnable)
        self._launch(self.members[runnable.name])
        self.write_file()

    def _launch(self, member: _Member) -> None:
        member.restart_at = None
        try:
            with self.log(member.runnable.name) as log:
                member.runnable.launch(log)
        except OSError as error:
            self.announce(f"{member.runnable.name} cannot be started: {error}")
            member.policy, pause = member.policy.after_death(time.monotonic())
            member.restart_at = time.monotonic() + max(pause, 1.0)
            return
        if member.runnable.process is not None:
            member.pid = member.runnable.process.pid
            self.guard.add(member.pid, signal.SIGKILL if self._is_program(member) else signal.SIGINT)

    @staticmethod
    def _is_program(member: _Member) -> bool:
        return isinstance(member.runnable, Program)

    def tick(self) -> None:
        """See who died, end what they left, start them again when it is time."""
        changed = False
        for member in self.members.values():
            if member.pid is not None and _has_ended(member.pid):
                self._bury(member)
                changed = True
            if member.restart_at is not None and time.monotonic() >= member.restart_at:
                self._launch(member)
                changed = True
        if changed:
            self.write_file()
        self.guard.check()

    def _bury(self, member: _Member) -> None:
        """The group goes first, while the dead leader's number cannot be given to anyone else."""
        process, pid = member.runnable.process, member.pid
        if process is None or pid is None:
            return
        leash.kill_group(pid)
        self.guard.drop(pid)
        how = process.wait()
        member.pid = None
        member.deaths += 1
        member.policy, pause = member.policy.after_death(time.monotonic())
        member.restart_at = time.monotonic() + pause
        reason = f"signal {-how}" if how < 0 else f"status {how}"
        later = f", again in {pause:.0f} s (see {self.logs / member.runnable.name}.log)"
        self.announce(f"{member.runnable.name} ended ({reason}): restarted" + (later if pause else ""))

    def wait(self, seconds: float) -> None:
        """Sleep until something happens, at most this long."""
        due = [m.restart_at - time.monotonic() for m in self.members.values() if m.restart_at]
        timeout = max(0.0, min([seconds, *due]))
        if select.select([self._wakeup], [], [], timeout)[0]:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._wakeup, 512):
                    pass

    def watch(self, until: Callable[[], bool], *, every: float = 0.5) -> None:
        """Look after everything until the condition holds; `Stopped` when asked to end."""
        while True:
            self.check_stop()
            self.tick()
            if until():
                return
            self.wait(every)

    def run(self, program: Program, *, output: IO[bytes] | None = None, quiet: bool = True) -> int:
        """Run a program to its end, looking after the others meanwhile."""
        with self.log(program.name) as log:
            program.process = spawn(
                program.command,
                program.environment,
                stdout=output or (log if quiet else None),
                stderr=log if quiet else None,
            )
        process = program.process
        self.guard.add(process.pid, signal.SIGKILL)
        try:
            self.watch(lambda: process.poll() is not None)
        finally:
            leash.kill_group(process.pid)
            self.guard.drop(process.pid)
            process.wait()
        return process.returncode

    # -- saying and ending --

    def pids(self) -> dict[str, int]:
        return {name: m.pid for name, m in self.members.items() if m.pid is not None}

    def write_file(self) -> None:
        leash.write_private(self.state / "processes.json", json.dumps(self.pids(), indent=2) + "\n")

    def stop_together(self, names: Sequence[str]) -> None:
        """End some at the same time, each within the seconds that it asks for."""
        members = [self.members[name] for name in names if name in self.members]
        for member in members:
            member.restart_at = None
        steps = max((len(m.runnable.stop_signals) for m in members), default=0)
        for step in range(steps):
            alive = [m for m in members if m.pid is not None and not _has_ended(m.pid)]
            seconds = 0.0
            for member in alive:
                stop_signal, patience = member.runnable.stop_signals[step]
                seconds = max(seconds, patience)
                os.kill(member.pid or 0, stop_signal)
            self._await_end(alive, seconds)
        for member in members:
            if member.pid is not None:
                leash.kill_group(member.pid)
                self.guard.drop(member.pid)
                if member.runnable.process is not None:
                    member.runnable.process.wait()
                member.pid = None
        self.write_file()

    def _await_end(self, members: list[_Member], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(_has_ended(m.pid or 0) for m in members):
            if self.hurried and deadline - time.monotonic() > 1:
                deadline = time.monotonic() + 1
            self.wait(0.1)

    def close(self) -> None:
        self.guard.close()
        (self.state / "processes.json").unlink(missing_ok=True)


def _has_ended(pid: int) -> bool:
    """Without reaping it, so that its number stays its own until its group is dealt with."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _watched_parent() -> int | None:
    """Whose death ends us. Nobody's, when it was started with nohup or is an orphan already."""
    if os.getppid() <= 1 or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return None
    return os.getppid()


def set_unblocking_output() -> None:
    """A terminal may have been left non-blocking by whoever used it before us; prints would fail."""
    with contextlib.suppress(OSError, ValueError):
        flags = fcntl.fcntl(sys.stdout.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(sys.stdout.fileno(), fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
