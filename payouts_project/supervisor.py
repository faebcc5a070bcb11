"""The commands behind `./dev`, which ends by becoming this process.

It knows nothing of Django: settings need the database's address first, and it is found here.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from payouts_project import checks, embedded, sandbox, startup
from payouts_project.engine import Engine, Failed, held, run_attached
from payouts_project.greeting import greeting
from payouts_project.interrupts import Stopped
from payouts_project.processes import Program
from payouts_project.progress import Progress


def up(arguments: list[str]) -> int:
    """Everything, until Ctrl-C; with --once until the demo scenario has been seen through."""
    if unknown := set(arguments) - {"--once"}:
        return _usage(f"up does not know {' '.join(sorted(unknown))}")
    once = "--once" in arguments
    progress = Progress()
    with held(startup.state_directory()) as state:
        progress.line("Payouts engine" + (", once" if once else ""), "bold")
        progress.seconds["install"] = float(os.environ.pop("SETUP_SECONDS", "0") or 0)
        engine = Engine(state, progress)
        try:
            engine.start()
            status = _scenario(engine) if once else _serve(engine)
        except Stopped as stopped:
            progress.line(f"\n{stopped}")
            status = 130
        except (Failed, startup.Refused, embedded.EmbeddedError) as failure:
            progress.line(f"✗ {failure}", "red")
            status = 1
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
    for line in greeting(engine.environment, engine.demo):
        engine.progress.line(line)
    try:
        if engine.run_shown("demo", "--first") != 0:
            engine.progress.line("✗ the first payouts did not arrive: see above", "red")
        engine.progress.line("\nRunning. Ctrl-C ends all of it.", "bold")
        engine.fleet.watch(lambda: False)
    except Stopped as stopped:  # as it should end
        engine.progress.line(f"\n{stopped}")
    return 0


def manage(arguments: list[str]) -> int:
    """manage.py on the engine that runs here; without one, on its servers, started for the while."""
    state, arguments = startup.state_directory(), arguments or ["help"]
    try:
        with held(state):
            secrets = sandbox.load_secrets(state)
            servers = embedded.pair(state, secrets)
            try:
                for server in servers:
                    server.start()
                environment = startup.own_environment(state, secrets, embedded.urls(servers))
                if arguments[0] in ("migrate", "flush") and (
                    stamp := startup.schema_stamp(servers)
                ):
                    stamp.unlink(missing_ok=True)
                return run_attached(startup.manage(environment, *arguments))
            finally:
                embedded.stop(servers)
    except startup.Refused:
        running = startup.read_environment(state)
        if not running:  # It is starting or ending.
            raise
        environment = startup.own_environment(state, sandbox.load_secrets(state), running)
        return run_attached(startup.manage(environment, *arguments))


def chaos(arguments: list[str]) -> int:
    """A whole engine of its own, its servers and networks failing under load: see tests/chaos."""
    given = {name: value for name, value in os.environ.items() if name != "SETUP_SECONDS"}
    return run_attached(Program("chaos", [sys.executable, "-m", "tests.chaos", *arguments], given))


def bench(arguments: list[str]) -> int:
    """A benchmark on servers of its own that keep every promise a real one keeps (fsync is on)."""
    if not arguments or arguments[0].startswith("-"):
        return _usage("which benchmark? ./dev bench create, or instant")
    if arguments[0] in ON_A_WHOLE_ENGINE:
        return _bench_running(arguments[0], arguments[1:])
    with embedded.temporary("payouts-bench-", durable=True, given={}) as (state, urls):
        given = {name: value for name, value in os.environ.items() if name not in urls}
        environment = startup.own_environment(state, sandbox.load_secrets(state), urls, given)
        status = run_attached(startup.manage(environment, "migrate", "-v", "0"))
        name, *options = arguments
        return status or run_attached(startup.manage(environment, f"bench_{name}", *options))


def _bench_running(name: str, options: list[str]) -> int:
    """A benchmark of everything together: an engine of its own, ended with it."""
    with tempfile.TemporaryDirectory(prefix="payouts-bench-") as place, held(Path(place)) as state:
        state.chmod(0o711)  # PostgreSQL's own account must be able to pass through.
        progress = Progress()
        progress.console.quiet = "--json" in options
        engine = Engine(state, progress)
        try:
            engine.start()
            return engine.run_shown(f"bench_{name}", *options)
        except (Failed, Stopped) as failure:
            print(f"✗ {failure}", file=sys.stderr)
            return 1
        finally:
            engine.stop()


def _usage(problem: str) -> int:
    print(
        f"{problem}\nusage: ./dev up [--once] | test | prove | chaos … | bench … | manage …",
        file=sys.stderr,
    )
    return 2


ON_A_WHOLE_ENGINE = ("instant",)
COMMANDS = {
    "up": up,
    "test": checks.test,
    "prove": checks.prove,
    "chaos": chaos,
    "bench": bench,
    "manage": manage,
}


def _on_sigterm(*_: object) -> None:
    """As an exception, so that servers and directories are put away. `up` has its own way."""
    raise SystemExit(128 + signal.SIGTERM)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        return _usage("which command?" if not arguments else f"unknown command {arguments[0]!r}")
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except (startup.Refused, embedded.EmbeddedError) as refusal:
        print(f"✗ {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
