"""What `./dev up` decides before anything runs: where state lies, which ports, which processes."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from payouts_project import leash, sandbox
from payouts_project.postgres import Postgres
from payouts_project.processes import ROOT, Program
from payouts_project.server import Server

DEFAULT_PORTS = {"PORT": 8000, "BANK_SIMULATOR_PORT": 9900}


class Refused(Exception):
    """We do not start; the message says why and what to do."""


def state_directory(given: Mapping[str, str] = os.environ) -> Path:
    return Path(given.get("STATE_DIR") or ROOT / ".state").expanduser().absolute()


def choose_port(
    name: str, given: Mapping[str, str] = os.environ, *, taken: frozenset[int] = frozenset()
) -> tuple[int, str]:
    """The port, and what to say about it. A named port is kept or refused, a default one may move."""
    if named := given.get(name):
        if not named.isascii() or not named.isdigit() or not 0 < int(named) < 65536:
            raise Refused(f"{name} must be a port number from 1 to 65535, not {named!r}")
        if int(named) in taken or not leash.port_is_free(int(named)):
            raise Refused(f"{name}={named} is taken on 127.0.0.1: free it or name another one")
        return int(named), ""
    wanted = DEFAULT_PORTS[name]
    for port in range(wanted, wanted + 100):
        if port not in taken and leash.port_is_free(port):
            moved = f"port {wanted} is taken, using {port} ({name} would choose another)"
            return port, moved if port != wanted else ""
    raise Refused(f"no free port from {wanted} to {wanted + 99}: set {name}")


def choose_ports(given: Mapping[str, str] = os.environ) -> tuple[dict[str, str], list[str]]:
    web, web_note = choose_port("PORT", given)
    bank, bank_note = choose_port("BANK_SIMULATOR_PORT", given, taken=frozenset({web}))
    chosen = {
        "PORT": str(web),
        "BANK_SIMULATOR_PORT": str(bank),
        "BANK_URL": f"http://127.0.0.1:{bank}",
        "BANK_EVENTS_URL": f"http://127.0.0.1:{web}/api/bank-events",
    }
    return chosen, [note for note in (web_note, bank_note) if note]


def own_environment(
    state: Path,
    secrets: Mapping[str, str],
    own: Mapping[str, str],
    given: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """For a child: the user's settings first, then ours. An empty value counts as not set."""
    kept = {name: value for name, value in given.items() if value or name not in own}
    kept["STATE_DIR"] = str(state)
    return sandbox.child_environment(secrets, own, kept)


def write_environment(state: Path, environment: Mapping[str, str]) -> None:
    """For people and tools in another terminal. The first two names are a promise."""
    names = ("DATABASE_URL", "REDIS_URL", "PORT", "BANK_SIMULATOR_PORT", "BANK_URL")
    lines = [f"{name}={environment[name]}\n" for name in names if name in environment]
    leash.write_private(state / "env", "".join(lines))


def read_environment(state: Path) -> dict[str, str]:
    try:
        lines = (state / "env").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def migrations_fingerprint() -> str:
    """Of every migration that can be applied: those in the tree, and the locked packages'."""
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    for path in sorted(ROOT.glob("*/migrations/*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def schema_stamp(servers: Sequence[Server]) -> Path | None:
    """Beside the data, so that it goes when they go. None for a database that is not ours alone."""
    return next((s.place / "migrated" for s in servers if isinstance(s, Postgres)), None)


def manage(environment: Mapping[str, str], *arguments: str, name: str = "") -> Program:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return Program(name or arguments[0], command, environment)


def bank_simulator(environment: Mapping[str, str]) -> Program:
    """It needs no database, so it can start while others still prepare one."""
    command = [sys.executable, "-m", "connectors.bank_simulator"]
    return Program("bank_simulator", command, environment, stop_seconds=3)


def _acting_as(role: str, environment: Mapping[str, str]) -> dict[str, str]:
    """In the database; whoever sets DATABASE_ROLE, even to nothing, decides himself."""
    return {"DATABASE_ROLE": role, **environment}


def programs(environment: Mapping[str, str]) -> list[Program]:
    """The processes that need the database. Each drains on SIGTERM; the seconds are what it may take for that."""
    web, worker = (_acting_as(role, environment) for role in ("web", "worker"))
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "payouts_project.celery"]
    concurrency = environment.get("WORKER_CONCURRENCY") or "5"
    return [
        Program(
            "worker",
            [
                *celery, "worker", "-c", concurrency, "-n", "worker@payouts", "-l", "INFO",
                # One worker on one machine has nobody to gossip with.
                "--without-gossip", "--without-mingle", "--without-heartbeat",
            ],
            worker,
            stop_seconds=25,
        ),
        Program(
            "beat",
            [
                *celery, "beat", "--pidfile=", "-l", "INFO",
                "--scheduler", "django_celery_beat.schedulers:DatabaseScheduler",
            ],
            worker,
        ),
        manage(worker, "run_poller", "--skip-checks", name="poller"),
        Program(
            "web",
            [
                python, "-m", "gunicorn", "payouts_project.wsgi", "-k", "gthread",
                "-c", "python:payouts_project.web_server",
                "-w", "2", "--threads", "4", "--graceful-timeout", "3", "--no-control-socket",
                "--preload",  # imports once instead of once per worker
                "-b", f"127.0.0.1:{environment['PORT']}",
            ],
            web,
        ),
    ]  # fmt: skip
