"""The command: options in, a report on the terminal or as JSON, an exit code."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TextIO

from payouts_project.progress import Progress
from payouts_project.server import EmbeddedError
from tests.chaos.plan import NAMES, UnknownFault, chosen
from tests.chaos.run import Options, chaos
from tests.chaos.show import missing, show, to_json


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="./dev chaos",
        description="The whole engine under load while processes, servers, networks and banks fail; then a check.",
        epilog=f"faults: {', '.join(NAMES)}",
    )
    found.add_argument("--seed", type=int, default=1, help="decides which fault strikes when")
    found.add_argument("--seconds", type=float, default=60, help="how long it goes on")
    found.add_argument("--clients", type=int, default=6, help="merchants at once")
    found.add_argument(
        "--only",
        default="",
        metavar="FAULT,…",
        help="these faults, or families of them (kill, bank)",
    )
    found.add_argument(
        "--often",
        type=float,
        default=1,
        metavar="TIMES",
        help="how many times as often as usual they strike",
    )
    found.add_argument(
        "--require",
        default="",
        metavar="NAME=N,…",
        help="fail below: bookings=100,kills=12,hits=12",
    )
    found.add_argument("--stop-at-first", action="store_true", help="end with the first violation")
    found.add_argument(
        "--state", type=Path, help="a directory for everything that it writes, kept afterwards"
    )
    found.add_argument(
        "--json", action="store_true", help="the report as JSON; progress goes to stderr"
    )
    return found


def _write(to: TextIO, line: str) -> None:
    to.write(line + "\n")
    to.flush()


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    progress = Progress()
    say = partial(_write, sys.stderr) if given.json else progress.line
    options = Options(
        seed=given.seed, seconds=given.seconds, clients=given.clients, stop_at_first=given.stop_at_first,
        only=tuple(name for name in given.only.split(",") if name), state=given.state, say=say, often=given.often,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        wanted = {
            name: int(count)
            for name, _, count in (part.partition("=") for part in given.require.split(",") if part)
        }
        chosen(options.only)
        report = chaos(options)
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except (UnknownFault, ValueError, EmbeddedError, AssertionError, OSError) as problem:
        say(f"could not run: {problem}")
        return 2
    short = missing(report, wanted)
    if given.json:
        _write(sys.stdout, json.dumps(to_json(report, short)))
    else:
        show(report, short, progress.console)
    return 1 if report.violations or short else 0
