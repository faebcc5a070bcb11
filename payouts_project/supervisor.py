"""Runs the whole engine on one machine, and the commands that need its servers.

`./dev` ends by becoming this process. It knows nothing of Django: settings need the database's
address first, and it is found here. What runs is one web server, one worker, beat, the poller, the
simulated bank, and PostgreSQL and Valkey unless DATABASE_URL and REDIS_URL are given.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from payouts_project import checks, embedded, leash, sandbox, startup
from payouts_project.interrupts import Stopped
from payouts_project.processes import Fleet, Program
from payouts_project.progress import Progress

READY_SECONDS = 120
# What is asked to end together, in this order: no new work first, then the work at hand, then what
# it needed. With each one's own seconds (5 + 25 + 3 + 4 ... ) it all ends within 40.
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
        self.environment: dict[str, str] = {}
        self.demo: dict[str, Any] = {}

    def start(self) -> None:
        ports, notes = startup.choose_ports()
        for note in notes:
            self.progress.line(f"  ! {note}", "yellow")
        with self.progress.step("servers"):
            self._start_servers()
        own = {**ports, **embedded.urls(self.servers)}
        self.environment = startup.own_environment(self.state, self.secrets, own)
        startup.write_environment(self.state, self.environment)
        with self.progress.step("migrate"):
            self._must("migrate", "--no-input", "-v", "1")
        with self.progress.step("demo data"):
            self.demo = _as_object(self._must("load_demo", "--json"))
        with self.progress.step("processes ready"):
            (self.state / "worker.alive").unlink(missing_ok=True)  # an earlier worker's
            for program in startup.programs(self.environment):
                self.fleet.start(program)
            self._await_ready()

    def _start_servers(self) -> None:
        self.servers = embedded.pair(
            self.state,
            database_password=self.secrets["DATABASE_PASSWORD"],
            valkey_password=self.secrets["VALKEY_PASSWORD"],
        )
        for server in self.servers:
            server.start()
            self.fleet.adopt(server)
            self.fleet.interrupts.check()

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
        started = leash.Deadline(READY_SECONDS)
        answer = ""

        def ready() -> bool:
            nonlocal answer
            status, answer = _get(int(self.environment["PORT"]), "/readyz")
            return status == 200 or started.passed

        self.fleet.watch(ready, every=0.1)
        if started.passed:
            dead = [name for name, member in self.fleet.members.items() if member.deaths]
            logs = "\n".join(f"--- {name}\n{self._log_tail(name)}" for name in dead)
            raise Failed(f"not ready after {READY_SECONDS} s; /readyz says {answer!r}\n{logs}")

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


# --- ./dev up -----------------------------------------------------------------


def up(arguments: list[str]) -> int:
    if unknown := set(arguments) - {"--once"}:
        return _usage(f"up does not know {' '.join(sorted(unknown))}")
    once = "--once" in arguments
    progress = Progress()
    with _held(startup.state_directory()) as state:
        progress.line("Payouts engine" + (", once" if once else ""), "bold")
        if (seconds := float(os.environ.pop("SETUP_SECONDS", "0") or 0)) >= 0.05:
            progress.done("install", seconds)
        engine = Engine(state, progress)
        status = 1
        try:
            engine.start()
            status = _scenario(engine) if once else _serve(engine)
        except Stopped as stopped:
            status = 0 if engine.demo and not once else 130
            progress.line(f"\n{stopped}")
        except (Failed, startup.Refused, embedded.EmbeddedError) as failure:
            progress.line(f"✗ {failure}", "red")
        finally:
            with progress.step("everything stopped"):
                engine.stop()
        if once:
            progress.line(progress.timings())
    return status


def _scenario(engine: Engine) -> int:
    with engine.progress.step("scenario"):
        status = engine.run_shown("demo", "--scenario")
    engine.progress.line("✓ the scenario held" if status == 0 else "✗ the scenario did not hold")
    return 0 if status == 0 else 1


def _serve(engine: Engine) -> int:
    greet(engine.progress, engine.environment, engine.demo)
    if engine.run_shown("demo", "--first") != 0:
        engine.progress.line("✗ the first payouts did not arrive: see above", "red")
    engine.progress.line("\nRunning. Ctrl-C ends all of it.", "bold")
    engine.fleet.watch(lambda: False)
    return 0


def greet(progress: Progress, environment: Mapping[str, str], demo: Mapping[str, Any]) -> None:
    base = f"http://127.0.0.1:{environment['PORT']}"
    bank = f"http://127.0.0.1:{environment['BANK_SIMULATOR_PORT']}"
    progress.line()
    for what, where in (
        ("Workbench", f"{base}/admin/"),
        ("API", f"{base}/api/docs/"),
        ("What the bank was told", f"{bank}/_sim/records"),
        ("State, logs, secrets", environment["STATE_DIR"]),
    ):
        progress.line(f"  {what:<24}{where}")
    for login in demo.get("logins", ()):
        name, password = login.get("username", ""), login.get("password", "")
        progress.line(f"  {'Login':<24}{name} / {password}  {login.get('role', '')}".rstrip())
    if command := curl(base, demo):
        progress.line("\n  Pay somebody:\n", "bold")
        progress.line(command)
    progress.line()


def curl(base: str, demo: Mapping[str, Any]) -> str:
    """One line to paste; a new key each second makes each paste a new payout."""
    example = demo.get("example")
    if not isinstance(example, dict):
        return ""
    headers = {"Content-Type": "application/json", **example.get("headers", {})}
    options = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    options.append('-H "Idempotency-Key: try-$(date +%s)"')
    options.append("-d " + shlex.quote(json.dumps(example.get("body", {}), separators=(",", ":"))))
    return f"curl -s {base}/api/payouts {' '.join(options)}"


@contextlib.contextmanager
def _held(state: Path) -> Iterator[Path]:
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


# --- ./dev manage, ./dev bench ---------------------------------------------------


def manage(arguments: list[str]) -> int:
    """manage.py on the engine that runs here; without one, on its servers, started for the while."""
    state = startup.state_directory()
    try:
        with _held(state):
            return _manage_alone(state, arguments)
    except startup.Refused:
        running = startup.read_environment(state)
        if not running:
            raise
        environment = startup.own_environment(state, sandbox.load_secrets(state), running)
        sys.stdout.flush()
        program = startup.manage(environment, *(arguments or ["help"]))
        os.execve(program.command[0], list(program.command), dict(environment))


def _manage_alone(state: Path, arguments: list[str]) -> int:
    engine = Engine(state, Progress())
    try:
        engine._start_servers()
        own = {**embedded.urls(engine.servers), "PORT": "8000", "BANK_SIMULATOR_PORT": "9900"}
        engine.environment = startup.own_environment(state, engine.secrets, own)
        return checks.run_attached(engine.fleet, startup.manage(engine.environment, *arguments))
    except Stopped:
        return 130
    finally:
        engine.stop()


def _usage(problem: str) -> int:
    print(f"{problem}\nusage: ./dev up [--once] | test | prove | bench … | manage …", file=sys.stderr)
    return 2


COMMANDS = {
    "up": up,
    "test": checks.test,
    "prove": checks.prove,
    "bench": checks.bench,
    "manage": manage,
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        return _usage("which command?" if not arguments else f"unknown command {arguments[0]!r}")
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except (startup.Refused, embedded.EmbeddedError) as refusal:
        print(f"✗ {refusal}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
