"""Everything that runs: a PostgreSQL of our own, the two proxies, and a whole engine under its real supervisor."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import psutil

from payouts_project import leash
from payouts_project.postgres import Postgres
from tests.chaos.between import BankProxy, DatabaseProxy
from tests.chaos.proxy import Loop
from tests.running_engine import Running, free_port, running

MOVED_CLOCK = Path(__file__).resolve().parent / "moved_clock"
# Shorter than the sandbox's: in a minute each must run out many times.
TIMINGS = {
    "CALL_DEADLINE_S": "2",
    "LEASE_S": "4",
    # Long enough for a bank that was left alone meanwhile, short enough to end within a drain.
    "INQUIRY_HORIZON_S": "40",
    "RETRY_CAP_S": "4",
    "BREAKER_PAUSE_MAX_S": "4",
    "WORKER_POLL_INTERVAL_MS": "1000",
    "WORKER_CONCURRENCY": "4",
    "WORKER_BATCH_SIZE": "4",  # More messages to break.
    "FILE_WINDOW_SECONDS": "1",
}


@dataclass
class Rig:
    """A started engine with everything that can be broken about it."""

    engine: Running
    postgres: Postgres
    database: DatabaseProxy
    bank: BankProxy
    state: Path

    @property
    def dsn(self) -> str:
        """The database itself, past the proxy."""
        return self.postgres.url

    def pid(self, name: str) -> int | None:
        """A process as the supervisor lists it; None while it is being replaced."""
        with contextlib.suppress(OSError, ValueError):
            return self.engine.pids().get(name)
        return None

    def children(self, name: str) -> list[int]:
        """The processes that one of ours has forked: a worker's pool, the web's workers."""
        pid = self.pid(name)
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()] if pid else []
        return []

    def restart_database(self) -> bool:
        """As after a power cut: no transaction is ended in order. From the main thread only.

        Does not wait: how long the engine is without a database is part of it.
        """
        process = self.postgres.process
        if process is None or not self.postgres.probe():
            return False  # It is still coming back from the last time.
        process.send_signal(signal.SIGQUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
        if process.poll() is None:
            process.kill()
            process.wait()
        with self.postgres.log_path.open("ab") as log:
            self.postgres.launch(log)
        return True

    def flush_valkey(self) -> bool:
        """Forget everything that Valkey holds: rings on their way, remembered keys."""
        lines = (self.state / "engine" / "env").read_text().splitlines()
        url = urlsplit(next(line for line in lines if line.startswith("REDIS_URL="))[10:])
        with contextlib.suppress(OSError):
            address = ("127.0.0.1", url.port or 0)
            with socket.create_connection(address, timeout=1) as line:
                line.sendall(f"AUTH {url.password}\r\nFLUSHALL\r\n".encode())
                return b"+OK" in line.recv(100)
        return False

    def move_clock(self, seconds: int) -> None:
        """The next worker that starts has its own clock moved by so much; 0 is right again."""
        (self.state / "moved-clock").write_text(str(seconds))


@contextlib.contextmanager
def started(state: Path) -> Iterator[Rig]:
    """Start all of it, and leave no process behind. From the main thread only."""
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o711)  # PostgreSQL's account must be able to pass through.
    # What a process wrote outlives it without fsync: only a machine that dies loses it, and recovery is quick.
    settings = ("fsync=off",)
    postgres = Postgres(state / "postgres", password=token_hex(16), settings=settings)
    loop = Loop()
    database = DatabaseProxy(loop, port=leash.free_port(), target=postgres.port)
    bank_port = free_port()
    bank = BankProxy(loop, port=leash.free_port(), target=bank_port)
    url = urlsplit(postgres.url)
    (state / "moved-clock").write_text("0")
    path = [str(MOVED_CLOCK), os.environ.get("PYTHONPATH", "")]
    try:
        postgres.start()
        for proxy in (database, bank):
            proxy.open()
        with running(
            state / "engine",
            DATABASE_URL=postgres.url.replace(f":{url.port}/", f":{database.port}/"),
            BANK_URL=f"http://127.0.0.1:{bank.port}",
            BANK_SIMULATOR_PORT=str(bank_port),
            MOVED_CLOCK_FILE=str(state / "moved-clock"),
            PYTHONPATH=os.pathsep.join(part for part in path if part),
            **TIMINGS,
        ) as engine:
            engine.bank_port = bank_port
            _await_first_payouts(engine)
            yield Rig(engine, postgres, database, bank, state)
    finally:
        with contextlib.suppress(Exception):
            loop.close()
        postgres.stop()
        if (state / "postgres").is_symlink():
            shutil.rmtree((state / "postgres").resolve(), ignore_errors=True)


def _await_first_payouts(engine: Running) -> None:
    """The supervisor shows a newcomer two payouts before it only watches."""
    seen = leash.wait_until(lambda: "Running." in engine.log.read_text(), seconds=60, every=0.1)
    assert seen, engine.log.read_text()[-2000:]
