"""A gunicorn started with the flags of `./dev up`, spoken to in bytes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection


@dataclass(frozen=True)
class Wire:
    """A running server, spoken to in bytes."""

    path: str

    def talk(self, *pieces: bytes, end: bool = False, wait: float = 10) -> bytes:
        """Send pieces, then read until the server hangs up. `end` closes our side when all is said."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(wait)
            line.connect(self.path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    line.sendall(piece)
                if end:
                    line.shutdown(socket.SHUT_WR)
            return read(line)

    def status(self, *pieces: bytes, **options: Any) -> int:
        said = self.talk(*pieces, **options)
        return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


def read(line: socket.socket) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(65_536):
            said += piece
    return said


def _database_url() -> str:
    known = connection.settings_dict
    user, password = quote(known["USER"]), quote(known["PASSWORD"])
    name = quote(str(known["NAME"]))
    host = quote(known["HOST"], safe="")
    return f"postgresql://{user}:{password}@:{known['PORT']}/{name}?host={host}"


@pytest.fixture(scope="module")
def wire(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder: Path = tmp_path_factory.mktemp("wire")
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    path = str(folder / "web")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "gunicorn", "payouts_project.wsgi", "-k", "gthread", "-w", "1", "--threads", "4",
                "-c", "python:payouts_project.web_server", "--no-control-socket", "-b", f"unix:{path}",
            ],
            env={**os.environ, "DATABASE_URL": _database_url(), "DATABASE_ROLE": "web", "BODY_DEADLINE_S": "1"},
            stdout=log, stderr=log,
        )  # fmt: skip
    server = Wire(path)
    deadline = time.monotonic() + 60
    while not _answers(server):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)
    yield server
    process.terminate()
    process.wait(20)


def _answers(server: Wire) -> bool:
    with contextlib.suppress(OSError):
        return server.status(request("GET", "/healthz")) == 200
    return False


TENANT, USER = str(uuid4()), str(uuid4())
IDENTITY = {"X-User-Id": USER, "X-Tenant-Id": TENANT, "X-User-Role": "merchant_admin"}


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *lines: str,
    identity: dict[str, str] | None = None,
    **headers: str,
) -> bytes:
    """A request as bytes. `lines` are header lines as they stand; the connection is closed afterwards."""
    named = {"Host": "x", "Connection": "close", **(IDENTITY if identity is None else identity)}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body and "Transfer-Encoding" not in named:
        named.setdefault("Content-Length", str(len(body)))
    head = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in named.items() if v), *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def problem(said: bytes) -> tuple[int, str]:
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, said
    return int(head.split(b" ", 2)[1]), json.loads(body)["code"]


def chunks(body: bytes, size: int = 7) -> bytes:
    parts = [body[n : n + size] for n in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


JSON = {"Content_Type": "application/json"}
POST = ("POST", "/api/beneficiaries")
