"""Keeping processes on a leash: what we start must end with us, and be found again if it did not.

Only the standard library: the supervisor and the test plugin use this before Django can be set up.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
# Loaded here, not after the fork: between fork and exec almost nothing is safe to do.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
# Below the range the kernel hands out to outgoing connections: a server that is restarted on its
# old port must not find that port lent to somebody's client meanwhile.
_PORTS = range(15_000, 30_000)


class Busy(Exception):
    """Somebody else holds the lock."""


def die_with_parent(death_signal: int) -> Callable[[], None]:
    """A `preexec_fn` that asks the kernel to send a signal when the thread that started us ends.

    So servers and processes are started from the main thread only. Elsewhere than on Linux it
    does nothing, and the guard (see `guard.py`) is the only net.
    """
    parent = os.getpid()

    def arrange() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:  # It ended between the fork and the call above.
                os._exit(1)

    return arrange


def kill_group(group: int, with_signal: int = signal.SIGKILL) -> None:
    """Signal every process of a group; a group that is gone is what we wanted."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, with_signal)


def group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def processes_in(directory: Path) -> list[int]:
    """Who works in a directory. Both servers change into their data, so this finds their orphans.

    PostgreSQL's backends lead sessions of their own, which is why a group does not hold them all.
    Empty where there is no /proc.
    """
    wanted = os.path.realpath(directory)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd") == wanted:
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.02) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def lock_file(path: Path) -> IO[str]:
    """Hold `path` until the file is closed or the process ends; `Busy` names the holder."""
    handle = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip()
        handle.close()
        raise Busy(holder or "unknown") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections still linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    for _ in range(200):
        port = random.choice(_PORTS)  # noqa: S311  (no secret: spreads parallel runs apart)
        if port_is_free(port):
            return port
    raise OSError("no free TCP port found on 127.0.0.1")


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only from its first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    draft.replace(path)
