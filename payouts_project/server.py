"""What our PostgreSQL and our Valkey share: one process, one home, one lock, a clean end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from payouts_project import leash

START_SECONDS = 60


class EmbeddedError(Exception):
    """A server cannot be had here; the message says what to do."""


def package_directory(name: str) -> Path | None:
    """Where a wheel lies, without importing it: importing may have effects."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


class Server(ABC):
    """One server process in one home directory, held by a lock for as long as we look after it."""

    name: str
    url_name: str
    stop_signals: tuple[tuple[int, float], ...]  # each with the seconds it gets

    def __init__(self, home: Path, *, password: str, port: int | None = None) -> None:
        self.home = home
        self.password = password
        self.port = port or leash.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that clients are given, password included."""

    @property
    @abstractmethod
    def data(self) -> Path:
        """Where the server keeps what it must not lose."""

    def acquire(self) -> None:
        """Take the home over; refuse while another owner is alive, wait for one that just ended."""
        if self._lock is not None:
            return
        self.home.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = leash.lock_file(self.home.parent / f"{self.home.name}.lock")
        except leash.Busy as busy:
            raise EmbeddedError(
                f"{self.name} in {self.home} is already run by process {busy}"
            ) from None

    @abstractmethod
    def launch(self, log: IO[bytes]) -> None:
        """Start the process and return at once; `wait_ready` says when it serves."""

    @abstractmethod
    def probe(self) -> bool:
        """Whether the server answers."""

    def wait_ready(self) -> None:
        def settled() -> bool:
            return self.process is None or self.process.poll() is not None or self.probe()

        if not leash.wait_until(settled, seconds=START_SECONDS):
            raise EmbeddedError(
                f"{self.name} did not answer within {START_SECONDS} s: see {self.log_path}"
            )
        if self.process is None or self.process.poll() is not None:
            raise EmbeddedError(f"{self.name} ended while starting: {self.log_tail()}")

    @property
    def log_path(self) -> Path:
        logs = self.home.parent / "logs"
        logs.mkdir(exist_ok=True)
        return logs / f"{self.name}.log"

    def log_tail(self, lines: int = 6) -> str:
        text = self.log_path.read_text(errors="replace").splitlines()
        return " / ".join(text[-lines:]) or f"nothing in {self.log_path}"

    @abstractmethod
    def prepare(self) -> None:
        """Whatever the first start needs. May take seconds."""

    def start(self) -> None:
        self.acquire()
        self.prepare()
        with self.log_path.open("ab") as log:
            self.launch(log)
        self.wait_ready()
        self.after_start()

    def after_start(self) -> None:  # noqa: B027  (most servers need nothing more)
        """What must exist in a server that answers."""

    def clear_leftovers(self, *, patience: float) -> None:
        """End what an earlier owner left in our data directory; first let it end by itself."""
        leash.wait_until(lambda: not leash.processes_in(self.data), seconds=patience)
        for pid in leash.processes_in(self.data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        leash.wait_until(lambda: not leash.processes_in(self.data), seconds=2, every=0.005)

    def stop(self) -> None:
        """Stop cleanly, insist if need be, and let the home go."""
        process, self.process = self.process, None
        if process is not None:
            for stop_signal, seconds in self.stop_signals:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(stop_signal)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=seconds)
                    break
        if self._lock is not None:
            self.clear_leftovers(patience=1)
            self._lock.close()
            self._lock = None
