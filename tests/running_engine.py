"""A whole engine for tests: the real supervisor, servers and processes, on ports and a state directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from ops.http_client import Client

ROOT = Path(__file__).resolve().parent.parent
TENANT = "11111111-1111-4111-8111-111111111111"
# What the tests' own plugin sets for this process; the engine under test makes its own.
NOT_HANDED_OVER = (
    "DATABASE_URL", "DATABASE_IS_TEMPORARY", "REDIS_URL", "STATE_DIR", "SECRET_KEY", "ENCRYPTION_KEYS",
    "BLIND_INDEX_KEY", "DEMO_PASSWORD",
    "BANK_SIMULATOR_API_KEY", "CALL_DEADLINE_S", "LEASE_S", "RETRY_BASE_S", "RETRY_CAP_S", "RETRY_FACTOR",
    "INQUIRY_FIRST_S", "REPORT_POLL_S", "FILE_WINDOW_SECONDS", "WORKER_POLL_INTERVAL_MS", "PYTEST_CURRENT_TEST",
    "BANK_URL", "PORT", "BANK_SIMULATOR_PORT",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Running:
    """A started engine and what a test needs to talk to it and to disturb it."""

    process: subprocess.Popen[bytes]
    state: Path
    port: int
    bank_port: int
    log: Path
    beneficiaries: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def merchant(self) -> Client:
        return Client(base_url=f"http://127.0.0.1:{self.port}", tenant_id=TENANT)

    @property
    def operator(self) -> Client:
        return Client(
            base_url=f"http://127.0.0.1:{self.port}", tenant_id=TENANT, role="finance_ops"
        )

    @property
    def bank(self) -> Client:
        return Client(base_url=f"http://127.0.0.1:{self.bank_port}")

    def pids(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.state / "processes.json").read_text())
        return found

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    def wait_replaced(self, name: str, old: int, *, seconds: float = 30) -> float:
        """Seconds until another process runs under this name."""
        started = time.monotonic()
        while self.pids().get(name, old) == old:
            assert time.monotonic() - started < seconds, f"{name} was not replaced"
            time.sleep(0.02)
        return time.monotonic() - started

    def wait_ready(self, *, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.1)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/readyz", timeout=2
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Read the database as any local psql could (STATE_DIR/env)."""
        lines = (self.state / "env").read_text().splitlines()
        url = next(line for line in lines if line.startswith("DATABASE_URL=")).partition("=")[2]
        with psycopg.connect(url) as connection:
            return connection.execute(sql, params).fetchall()

    def change(self, sql: str, *params: Any) -> None:
        """Change the database behind the engine's back."""
        lines = (self.state / "env").read_text().splitlines()
        url = next(line for line in lines if line.startswith("DATABASE_URL=")).partition("=")[2]
        with psycopg.connect(url) as connection:
            connection.execute(sql, params)

    def load_ids(self) -> None:
        """Ids of the demo beneficiaries of the first merchant."""
        rows = self.query(
            "SELECT a.type, b.id::text, a.id::text, a.currency FROM beneficiary_accounts a"
            " JOIN beneficiaries b ON b.id = a.beneficiary_id WHERE a.tenant_id = %s ORDER BY a.created_at DESC",
            TENANT,
        )
        self.beneficiaries = {
            kind: {"id": one, "account_id": account, "currency": currency}
            for kind, one, account, currency in rows
        }

    def ends_whole(self) -> bool:
        """Ctrl-C ends it within 40 seconds, with a status that says so, and leaves no process behind."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        started = time.monotonic()
        ended_well = self.stop() in (0, 130) and time.monotonic() - started < 40
        return ended_well and not [member for member in family if member.is_running()]

    def stop(self) -> int:
        """Ctrl-C, and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextmanager
def running(state: Path, **extra: str) -> Iterator[Running]:
    """`./dev up` without the set-up, until the block ends."""
    env = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_OVER}
    port, bank_port = free_port(), free_port()
    env |= {
        "STATE_DIR": str(state),
        "PORT": str(port),
        "BANK_SIMULATOR_PORT": str(bank_port),
        **extra,
    }
    state.mkdir(parents=True, exist_ok=True)
    log = state / "supervisor.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "payouts_project.supervisor", "up"],
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        engine = Running(process, state, port, bank_port, log)
        try:
            engine.wait_ready()
            engine.load_ids()
            yield engine
        finally:
            try:
                engine.stop()
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                # As root the data lies where PostgreSQL's own account can reach it, behind a link.
                for link in state.iterdir():
                    if link.is_symlink():
                        shutil.rmtree(link.resolve(), ignore_errors=True)
