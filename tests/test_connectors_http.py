"""The HTTP client against a server that misbehaves on purpose, byte by byte."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from connectors.base import ConnectorMisconfigured, OutcomeKind
from connectors.http import (
    HttpAnswer,
    HttpClient,
    HttpResult,
    NetworkFailure,
    failure_code,
    outcome_kind,
    retry_after_s,
)

BUSY_BEFORE_BOOKING = frozenset({429, 503})
Script = Callable[[socket.socket], None]


@dataclass
class RawServer:
    """Accepts connections and lets a script do what it wants with each."""

    script: Script
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.requests.append(_read_request(connection))
                self.script(connection)


SMALL = 65536  # What is longer is left to whoever wants to see it unread.


def _read_request(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        received += piece
        if not piece or received.startswith(b"\x16"):  # The first byte of a TLS handshake.
            return received
    # Closing with a few bytes unread would reset the connection under the answer.
    told = re.search(rb"content-length: (\d+)", received.lower())
    wanted = received.index(b"\r\n\r\n") + 4 + (int(told[1]) if told else 0)
    while len(received) < wanted < SMALL:
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received


@contextlib.contextmanager
def raw_server(script: Script) -> Iterator[RawServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(script, port=listener.getsockname()[1])
    threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def says(*pieces: bytes, pause: float = 0.0) -> Script:
    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return script


def call(url: str, *, deadline_s: float = 1.0, body: bytes = b"<order/>") -> HttpResult:
    return HttpClient(url, deadline_s=deadline_s).request("POST", "/orders", body=body)


def failure(result: HttpResult) -> NetworkFailure:
    assert isinstance(result, NetworkFailure), result
    return result


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"


def test_an_answer_comes_back_whole() -> None:
    with raw_server(says(OK)) as server:
        result = call(server.url)
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.body, result.headers["content-type"]) == (
        200,
        b"hi",
        "text/plain",
    )
    assert outcome_kind(result, frozenset()) is OutcomeKind.ACCEPTED
    assert server.requests[0].startswith(b"POST /orders HTTP/1.1\r\n")
    assert b"Content-Length: 8\r\n" in server.requests[0]


def test_a_chunked_answer_comes_back_whole() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_server(says(head, b"2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n")) as server:
        result = call(server.url)
    assert isinstance(result, HttpAnswer)
    assert result.body == b"hello"


def test_a_refused_connection_is_certainly_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = failure(call(f"http://127.0.0.1:{port}"))
    assert (result.code, result.certain_not_sent) == ("connection_refused", True)
    assert outcome_kind(result, frozenset()) is OutcomeKind.NOT_SENT


def test_a_name_that_does_not_resolve_is_certainly_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_such_name(*_args: object, **_kwargs: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    result = failure(call("http://bank.invalid"))
    assert (result.code, result.certain_not_sent) == ("dns_failed", True)


def test_a_resolver_that_hangs_ends_with_the_connect_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: time.sleep(3) or [])
    started = time.monotonic()
    client = HttpClient("http://bank.invalid", deadline_s=5, connect_timeout_s=0.2)
    result = failure(client.request("GET", "/"))
    assert result.certain_not_sent
    assert time.monotonic() - started < 1


def test_a_connection_that_hangs_is_certainly_not_sent() -> None:
    # A full accept queue: the kernel drops further SYNs.
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = time.monotonic()
        client = HttpClient(url, deadline_s=5, connect_timeout_s=0.3)
        result = failure(client.request("POST", "/", body=b"x"))
    assert (result.code, result.certain_not_sent) == ("connect_timeout", True)
    assert time.monotonic() - started < 1.5


def test_no_tls_on_the_other_side_is_certainly_not_sent() -> None:
    with raw_server(says(OK)) as server:
        client = HttpClient(
            f"https://127.0.0.1:{server.port}",
            deadline_s=2,
            ssl_context=ssl.create_default_context(),
        )
        result = failure(client.request("POST", "/orders", body=b"secret order"))
    assert (result.code, result.certain_not_sent) == ("tls_failed", True)
    assert not any(b"secret order" in request for request in server.requests)


def test_a_tls_handshake_that_drips_ends_with_the_connect_time_out() -> None:
    with raw_server(says(*[b"\x16"] * 40, pause=0.1)) as server:
        client = HttpClient(
            f"https://127.0.0.1:{server.port}",
            deadline_s=3,
            connect_timeout_s=0.4,
            ssl_context=ssl.create_default_context(),
        )
        started = time.monotonic()
        result = failure(client.request("POST", "/orders", body=b"x"))
    assert result.certain_not_sent
    assert time.monotonic() - started < 1.5


UNKNOWN_SCRIPTS: dict[str, Script] = {
    "says nothing and hangs": says(b"", pause=3),
    "closes without a word": says(),
    "drips its headers": says(*[bytes([byte]) for byte in OK], pause=0.1),
    "drips its body": says(OK[:-2].replace(b": 2", b": 99"), *[b"x"] * 99, pause=0.1),
    "is cut inside the headers": says(OK[:20]),
    "is cut inside the body": says(OK.replace(b": 2", b": 99")),
    "is cut inside a chunk": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"ff\r\nabc"
    ),
    "answers garbage": says(b"\x00\xffthis is not HTTP\r\n\r\n"),
    "sends continue for ever": says(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 60, pause=0.05),
    "answers more than the cap": says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", b"x" * 3_000_000
    ),
    "answers endless headers": says(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 50_000),
}


@pytest.mark.parametrize("name", UNKNOWN_SCRIPTS)
def test_after_the_first_byte_nothing_is_certain(name: str) -> None:
    with raw_server(UNKNOWN_SCRIPTS[name]) as server:
        started = time.monotonic()
        result = failure(call(server.url))
    assert not result.certain_not_sent
    assert outcome_kind(result, BUSY_BEFORE_BOOKING) is OutcomeKind.UNKNOWN
    assert time.monotonic() - started < 1.6, "one total deadline"
    assert len(server.requests) == 1, "never a second try"


def test_a_bank_that_does_not_read_cannot_hold_us() -> None:
    with raw_server(says(b"", pause=3)) as server:
        started = time.monotonic()
        result = failure(call(server.url, body=b"x" * 50_000_000))
    assert (result.code, result.certain_not_sent) == ("deadline", False)
    assert time.monotonic() - started < 1.6


def test_an_answer_to_a_half_sent_body_is_read() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with raw_server(says(busy)) as server:
        result = call(server.url)
    assert isinstance(result, HttpAnswer)
    assert (result.status, retry_after_s(result)) == (503, 7.0)


def test_a_redirect_is_not_followed_and_proves_nothing() -> None:
    with raw_server(says(OK)) as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
        with raw_server(says(moved.encode())) as server:
            result = call(server.url)
    assert elsewhere.requests == []
    assert outcome_kind(result, BUSY_BEFORE_BOOKING) is OutcomeKind.UNKNOWN
    assert failure_code(result) == "http_307"


def test_proxy_settings_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with raw_server(says(OK)) as server:
        assert isinstance(call(server.url), HttpAnswer)


def test_each_call_is_a_connection_of_its_own() -> None:
    with raw_server(says(OK)) as server:
        client = HttpClient(server.url, deadline_s=1)
        client.request("GET", "/a")
        client.request("GET", "/b")
    assert len(server.requests) == 2


STATUSES = [
    (200, frozenset(), OutcomeKind.ACCEPTED),
    (202, frozenset(), OutcomeKind.ACCEPTED),
    (301, frozenset(), OutcomeKind.UNKNOWN),
    (400, frozenset(), OutcomeKind.UNKNOWN),
    (401, frozenset(), OutcomeKind.NOT_SENT),
    (403, frozenset(), OutcomeKind.NOT_SENT),
    (404, frozenset(), OutcomeKind.UNKNOWN),
    (409, frozenset(), OutcomeKind.UNKNOWN),
    (429, frozenset(), OutcomeKind.UNKNOWN),
    (429, BUSY_BEFORE_BOOKING, OutcomeKind.NOT_SENT),
    (500, BUSY_BEFORE_BOOKING, OutcomeKind.UNKNOWN),
    (502, BUSY_BEFORE_BOOKING, OutcomeKind.UNKNOWN),
    (503, frozenset(), OutcomeKind.UNKNOWN),
    (503, BUSY_BEFORE_BOOKING, OutcomeKind.NOT_SENT),
    (504, BUSY_BEFORE_BOOKING, OutcomeKind.UNKNOWN),
]


@pytest.mark.parametrize(("status", "declared", "expected"), STATUSES)
def test_what_a_status_proves(status: int, declared: frozenset[int], expected: OutcomeKind) -> None:
    answer = HttpAnswer(status=status, headers={}, body=b"", elapsed_s=0)
    assert outcome_kind(answer, declared) is expected


RETRY_AFTER = [("12", 12.0), ("", None), ("soon", None), ("-3", None), ("999999999", 86400.0)]


@pytest.mark.parametrize(("value", "expected"), RETRY_AFTER)
def test_retry_after_is_read_or_ignored(value: str, expected: float | None) -> None:
    answer = HttpAnswer(status=503, headers={"retry-after": value}, body=b"", elapsed_s=0)
    assert retry_after_s(answer) == expected


def test_retry_after_may_be_a_date_and_never_lies_in_the_past() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after_s(HttpAnswer(status=503, headers=headers, body=b"", elapsed_s=0)) == 0.0


@pytest.mark.parametrize(
    "url", ["ftp://bank", "bank:80", "http://", "http://user:pw@bank", "http://b\u00e4nk", ""]
)
def test_a_bad_base_url_is_a_misconfiguration(url: str) -> None:
    with pytest.raises(ConnectorMisconfigured):
        HttpClient(url, deadline_s=1)


def test_a_header_that_cannot_be_sent_is_a_misconfiguration_and_is_not_shown() -> None:
    client = HttpClient("http://127.0.0.1:1", deadline_s=1)
    with pytest.raises(ConnectorMisconfigured) as refusal:
        client.request("GET", "/", headers={"Authorization": "Bearer sec\r\nret"})
    assert "ret" not in str(refusal.value).replace("header", "")
