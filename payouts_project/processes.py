"""Processes under supervision: started, watched, restarted, and ended together.

One thread, no polling: SIGCHLD wakes the loop, so a process that is killed is replaced within
milliseconds. Everything here works on anything that can `launch`: our programs and our servers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from payouts_project import leash
from payouts_project.interrupts import Interrupts

ROOT = Path(__file__).resolve().parent.parent
LOG_LIMIT_BYTES = 20_000_000


class Runnable(Protocol):
    """A program or a server. `stop_signals` are sent in turn, each with the seconds it gets."""

    name: str
    process: subprocess.Popen[bytes] | None

    @property
    def stop_signals(self) -> tuple[tuple[int, float], ...]: ...

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
        pause = (
            0.0 if excess <= 0 else min(self.first_pause * 2 ** (excess - 1), self.longest_pause)
        )
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
        self.interrupts = Interrupts()
        self.guard = Guard()

    # -- running --

    def log(self, name: str) -> IO[bytes]:
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def adopt(self, runnable: Runnable) -> None:
        """Look after something that was started already."""
        self.members[runnable.name] = _Member(runnable)
        self._note_start(self.members[runnable.name])
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
        self._note_start(member)

    def _note_start(self, member: _Member) -> None:
        process = member.runnable.process
        if process is not None:
            # Without us a program is of no use; a server should still put its data in order.
            of_ours = isinstance(member.runnable, Program)
            member.pid = process.pid
            self.guard.add(
                process.pid, signal.SIGKILL if of_ours else member.runnable.stop_signals[0][0]
            )

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
        # Its orphans still hold the port until they are really gone.
        leash.wait_until(lambda: not leash.group_alive(pid), seconds=0.2, every=0.002)
        member.pid = None
        member.deaths += 1
        member.policy, pause = member.policy.after_death(time.monotonic())
        member.restart_at = time.monotonic() + pause
        reason = f"signal {-how}" if how < 0 else f"status {how}"
        later = f", again in {pause:.0f} s (see {self.logs / member.runnable.name}.log)"
        self.announce(
            f"{member.runnable.name} ended ({reason}): restarted" + (later if pause else "")
        )

    def _pause(self, longest: float) -> float:
        """How long to sleep: no longer than until the next restart that is due."""
        due = [m.restart_at for m in self.members.values() if m.restart_at is not None]
        return min([longest, *(at - time.monotonic() for at in due)])

    def watch(self, until: Callable[[], bool], *, every: float = 0.5) -> None:
        """Look after everything until the condition holds; `Stopped` when asked to end."""
        while True:
            self.interrupts.check()
            self.tick()
            if until():
                return
            self.interrupts.wait(self._pause(every))

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
        for step in range(max((len(m.runnable.stop_signals) for m in members), default=0)):
            patience = 0.0
            for member, pid in _alive(members):
                stop_signal, seconds = member.runnable.stop_signals[step]
                patience = max(patience, seconds)
                os.kill(pid, stop_signal)
            self._await_end(members, patience)
        for member in members:
            if member.pid is not None and member.runnable.process is not None:
                leash.kill_group(member.pid)
                self.guard.drop(member.pid)
                member.runnable.process.wait()
                member.pid = None
        self.write_file()

    def _await_end(self, members: list[_Member], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while _alive(members) and time.monotonic() < deadline:
            if self.interrupts.hurried:
                deadline = min(deadline, time.monotonic() + 1)
            self.interrupts.wait(0.1)

    def close(self) -> None:
        self.guard.close()
        (self.state / "processes.json").unlink(missing_ok=True)


def _has_ended(pid: int) -> bool:
    """Without reaping it, so that its number stays its own until its group is dealt with."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _alive(members: Sequence[_Member]) -> list[tuple[_Member, int]]:
    return [(m, m.pid) for m in members if m.pid is not None and not _has_ended(m.pid)]
