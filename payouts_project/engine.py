"""One whole engine on one machine: brought up in order, looked after, and ended in order."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from payouts_project import embedded, leash, sandbox, startup
from payouts_project.processes import ROOT, Fleet, Program
from payouts_project.progress import Progress

READY_SECONDS = 120
# What is asked to end together, in this order: no new work first, then the work at hand, then what
# it needed. The seconds that each may take (5, 25, 3, 2, 4) add up to less than 40.
STOP_ORDER = (("web", "poller", "beat"), ("worker",), ("bank_simulator",), ("valkey",))


class Failed(Exception):
    """A phase did not succeed; the message says where to look."""


class Engine:
    """Everything that one `./dev up` holds: its directory, its servers, its processes."""

    def __init__(self, state: Path, progress: Progress) -> None:
        self.state = state
        self.progress = progress
        self.servers: list[embedded.Server] = []
        self.secrets = sandbox.load_secrets(state)
        self.fleet = Fleet(state, announce=lambda text: progress.line(f"  ! {text}", "yellow"))
        for left_by_a_killed_one in ("env", "processes.json", "worker.pid"):
            (state / left_by_a_killed_one).unlink(missing_ok=True)
        # Counters begin with the engine, not with each process: emptied here, and only here.
        self.counters = state / "metrics"
        shutil.rmtree(self.counters, ignore_errors=True)
        self.counters.mkdir()
        self.environment: dict[str, str] = {}
        self.demo: dict[str, Any] = {}

    def start(self) -> None:
        ports, notes = startup.choose_ports()
        for note in notes:
            self.progress.line(f"  ! {note}", "yellow")
        with self.progress.step("servers"):
            self._start_servers()
        own = {
            **ports,
            **embedded.urls(self.servers),
            "PROMETHEUS_MULTIPROC_DIR": str(self.counters),
        }
        self.environment = startup.own_environment(self.state, self.secrets, own)
        startup.write_environment(self.state, self.environment)
        self.fleet.start(startup.bank_simulator(self.environment))
        with self.progress.step("migrate"):
            self._migrate(unless_current=True)
        # The processes load their modules while the demo data is loaded: half the waiting is
        # imports. None of them minds an engine without merchants.
        for program in startup.programs(self.environment):
            self.fleet.start(program)
        with self.progress.step("demo data"):
            self.demo = self._load_demo()
        with self.progress.step("processes ready"):
            self._await_ready()

    def _start_servers(self) -> None:
        self.servers = embedded.pair(self.state, self.secrets)
        for server in self.servers:
            server.start()
            self.fleet.adopt(server)
            if isinstance(server, embedded.Postgres) and server.place != server.home:
                self.progress.line(
                    f"  ! {server.account.name} cannot enter {self.state}: the database is in "
                    f"{server.place}",
                    "yellow",
                )
            self.fleet.interrupts.check()

    def _migrate(self, *, unless_current: bool) -> None:
        """Our own database remembers which migrations it has seen: asking Django takes 2 s."""
        stamp = startup.schema_stamp(self.servers)
        wanted = startup.migrations_fingerprint()
        if unless_current and stamp and stamp.exists() and stamp.read_text() == wanted:
            return
        self._must("migrate", "--no-input", "-v", "1", "--skip-checks")
        if stamp:
            stamp.write_text(wanted)

    def _load_demo(self) -> dict[str, Any]:
        command = ("load_demo", "--json", "--skip-checks")
        try:
            return _as_object(self._must(*command))
        except Failed:  # Somebody may have changed the schema behind our back.
            self._migrate(unless_current=False)
            return _as_object(self._must(*command))

    def _must(self, *arguments: str) -> str:
        """Run a manage.py command; its output, or `Failed` with the end of its log."""
        with tempfile.TemporaryFile() as output:
            status = self.fleet.run(startup.manage(self.environment, *arguments), output=output)
            output.seek(0)
            text = output.read().decode(errors="replace")
        if status != 0:
            said = f"{text}\n{self._log_tail(arguments[0])}".strip()
            raise Failed(f"manage.py {arguments[0]} ended with status {status}:\n{said}")
        return text

    def _log_tail(self, name: str, lines: int = 12) -> str:
        path = self.fleet.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        status, answer = 0, ""

        def ready() -> bool:
            nonlocal status, answer
            status, answer = _get(int(self.environment["PORT"]), "/readyz")
            hopeless = any(m.deaths > m.policy.free_deaths for m in self.fleet.members.values())
            return status == 200 or hopeless or time.monotonic() > deadline

        self.fleet.watch(ready, every=0.1)
        if status != 200:
            dead = [name for name, member in self.fleet.members.items() if member.deaths]
            logs = "\n".join(f"--- {name}\n{self._log_tail(name)}" for name in dead)
            raise Failed(f"the engine does not get ready; /readyz says {answer!r}\n{logs}")

    def run_shown(self, *arguments: str) -> int:
        """Run a manage.py command whose output is for whoever looks at the terminal."""
        sys.stdout.flush()
        program = startup.manage(self.environment, *arguments)
        return self.fleet.run(program, quiet=False)

    def stop(self) -> None:
        for names in STOP_ORDER:
            self.fleet.stop_together(names)
        self.fleet.stop_together(list(self.fleet.members))
        embedded.stop(self.servers)
        self.fleet.close()
        (self.state / "env").unlink(missing_ok=True)


def _as_object(text: str) -> dict[str, Any]:
    """The JSON object that a command printed, after whatever else it said."""
    start = text.find("{")
    try:
        found = json.loads(text[start:]) if start >= 0 else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


@contextlib.contextmanager
def held(state: Path) -> Iterator[Path]:
    """The state directory, for one supervisor at a time."""
    state.mkdir(parents=True, exist_ok=True)
    try:
        lock = leash.lock_file(state / "supervisor.lock")
    except leash.Busy as busy:
        raise startup.Refused(
            f"./dev up already runs on {state} (process {busy}): end it, or set another STATE_DIR"
        ) from None
    try:
        yield state
    finally:
        lock.close()


def run_attached(program: Program) -> int:
    """Run a program at our terminal: it reads from it, and Ctrl-C is its own business."""
    signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(
        list(program.command),
        env=dict(program.environment),
        cwd=ROOT,
        preexec_fn=leash.die_with_parent(signal.SIGTERM),
    )
    try:
        return process.wait()
    finally:
        process.terminate()
        process.wait()
