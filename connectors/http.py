"""One HTTP client for every bank: one call, one connection, one total deadline, no second try.

What matters here is not speed but certainty. A caller must be able to tell "not one byte of the
order left this machine" from "we cannot know". So the client never retries, never follows a
redirect, never reads proxy settings from the environment, and holds every single socket operation
to what is left of one monotonic deadline: a bank that sends one byte a second cannot hold a worker.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
import time
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore

from connectors.base import ConnectorMisconfigured, OutcomeKind

SUBMIT_MAX_BYTES = 2 * 1024 * 1024
REPORT_MAX_BYTES = 32 * 1024 * 1024
DEFAULT_CONNECT_TIMEOUT_S = 2.0

_WRITE_PIECE = 64 * 1024
_BASE_URL = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?"
)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_MAX_RETRY_AFTER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A whole answer. Header names are lower case; `elapsed_s` is seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFailure:
    """No whole answer. `certain_not_sent` is true only when not one request byte left us.

    `code` is one of: dns_failed, connection_refused, connect_failed, connect_timeout, tls_failed,
    deadline_before_send, request_invalid (all certain); deadline, cut, answer_too_large,
    protocol_error (all unknown).
    """

    code: str
    certain_not_sent: bool
    detail: str
    elapsed_s: float


HttpResult = HttpAnswer | NetworkFailure


def outcome_kind(result: HttpResult, refuses_before_booking: frozenset[int]) -> OutcomeKind:
    """Say what the transport alone proves about an order that was posted.

    A 2xx is ACCEPTED only in the sense that the bank answered: its body decides. 401 and 403 are
    NOT_SENT: a bank refuses the caller before it reads the order. A status that the connector
    declares in `refuses_before_booking` is NOT_SENT. Everything else, 3xx included, is UNKNOWN.
    """
    if isinstance(result, NetworkFailure):
        return OutcomeKind.NOT_SENT if result.certain_not_sent else OutcomeKind.UNKNOWN
    if 200 <= result.status < 300:
        return OutcomeKind.ACCEPTED
    if result.status in (401, 403) or result.status in refuses_before_booking:
        return OutcomeKind.NOT_SENT
    return OutcomeKind.UNKNOWN


def failure_code(result: HttpResult) -> str:
    """Name a result that is not a 2xx, for logs and for the attempt's error code."""
    if isinstance(result, NetworkFailure):
        return result.code
    if result.status in (401, 403):
        return "bank_auth"
    if result.status in (429, 503):
        return "bank_busy"
    return f"http_{result.status}"


def retry_after_s(answer: HttpAnswer) -> float | None:
    """Read Retry-After (RFC 9110 10.2.3, seconds or a date) as seconds from now, at most a day."""
    text = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), _MAX_RETRY_AFTER_S)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
        return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)
    return None


class HttpClient:
    """Speaks to one base URL. Keeps no connection and no state between calls."""

    def __init__(
        self,
        base_url: str,
        *,
        deadline_s: float,
        connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """`deadline_s` is the total time of one call, in seconds. Raises ConnectorMisconfigured."""
        if not _BASE_URL.fullmatch(base_url):
            raise ConnectorMisconfigured("base_url_invalid", "must be http(s)://host[:port][/path]")
        if deadline_s <= 0 or connect_timeout_s <= 0:
            raise ConnectorMisconfigured("deadline_invalid", "time limits must be above zero")
        self._base_url = base_url.rstrip("/")
        self._host = urlsplit(base_url).netloc
        self._deadline_s = deadline_s
        self._connect_timeout_s = connect_timeout_s
        self._ssl_context = ssl_context

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        max_bytes: int = SUBMIT_MAX_BYTES,
    ) -> HttpResult:
        """Make one call. Never raises for what a network or a bank does.

        Raises ConnectorMisconfigured when a header cannot be sent (an API key with a line break).
        """
        clock = _Deadline(self._deadline_s)
        backend = _DeadlineBackend(clock, self._connect_timeout_s)
        request = self._build(method, path, headers or {}, body)
        connection = httpcore.HTTPConnection(
            origin=request.url.origin, ssl_context=self._ssl_context, network_backend=backend
        )
        try:
            response = connection.handle_request(request)
            return _read_answer(response, max_bytes, clock)
        except Exception as error:
            # Whatever it was, the order may be out: only the backend knows whether a byte left us.
            return _failure(error, backend.sent_anything, clock)
        finally:
            with contextlib.suppress(Exception):
                connection.close()

    def _build(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> httpcore.Request:
        url = httpcore.URL(self._base_url + path)
        sent = {
            "Host": self._host,
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "molam-payouts",
            **headers,
        }
        if body or method == "POST":
            sent["Content-Length"] = str(len(body))
        for name, value in sent.items():
            if not _HEADER_VALUE.fullmatch(value):
                raise ConnectorMisconfigured("header_invalid", f"{name} cannot be sent")
        return httpcore.Request(method, url, headers=list(sent.items()), content=body)


def _read_answer(response: httpcore.Response, max_bytes: int, clock: _Deadline) -> HttpResult:
    pieces: list[bytes] = []
    size = 0
    for piece in typing.cast(Iterable[bytes], response.stream):
        size += len(piece)
        if size > max_bytes:
            return NetworkFailure(
                code="answer_too_large",
                certain_not_sent=False,
                detail=f"more than {max_bytes} bytes",
                elapsed_s=clock.elapsed(),
            )
        pieces.append(piece)
    return HttpAnswer(
        status=response.status,
        headers={
            name.decode("ascii").lower(): value.decode("latin-1")
            for name, value in response.headers
        },
        body=b"".join(pieces),
        elapsed_s=clock.elapsed(),
    )


def _failure(error: Exception, sent_anything: bool, clock: _Deadline) -> NetworkFailure:
    if sent_anything:
        code = _CODES_AFTER_SENDING.get(type(error), "protocol_error")
    else:
        code = "deadline_before_send"
        if isinstance(error, _NotConnected):
            code = error.code
        elif not isinstance(error, httpcore.WriteTimeout):
            code = "request_invalid"
    return NetworkFailure(
        code=code,
        certain_not_sent=not sent_anything,
        detail=type(error).__name__,
        elapsed_s=clock.elapsed(),
    )


_CODES_AFTER_SENDING: Mapping[type[Exception], str] = {
    httpcore.ReadTimeout: "deadline",
    httpcore.WriteTimeout: "deadline",
    httpcore.ReadError: "cut",
    httpcore.WriteError: "cut",
    # h11 raises this for an answer that ends before its announced length, and for no HTTP at all.
    httpcore.RemoteProtocolError: "cut",
}


class _NotConnected(Exception):
    """Connecting failed before any request byte."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Deadline:
    """The time a call may still take, in seconds, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._ends = self._started + seconds

    def remaining(self) -> float:
        return self._ends - time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._started


class _DeadlineBackend(httpcore.NetworkBackend):
    """Connects within the deadline and remembers whether a request byte was ever handed over."""

    def __init__(self, clock: _Deadline, connect_timeout_s: float) -> None:
        self._clock = clock
        self._connect_ends = time.monotonic() + connect_timeout_s
        self.sent_anything = False

    def connect_time_left(self) -> float:
        left = min(self._clock.remaining(), self._connect_ends - time.monotonic())
        if left <= 0:
            raise _NotConnected("connect_timeout")
        return left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        refusal = _NotConnected("dns_failed")
        for address in _resolve(host, port, self.connect_time_left()):
            try:
                connected = socket.create_connection((address, port), self.connect_time_left())
            except ConnectionRefusedError:
                refusal = _NotConnected("connection_refused")
            except TimeoutError:
                refusal = _NotConnected("connect_timeout")
            except OSError:
                refusal = _NotConnected("connect_failed")
            else:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _DeadlineStream(connected, self, self._clock)
        raise refusal

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        raise _NotConnected("connect_failed")


def _resolve(host: str, port: int, time_left: float) -> list[str]:
    """Look the host up, in a thread: getaddrinfo has no time-out of its own."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    found: list[str] = []

    def look_up() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(str(answer[4][0]) for answer in answers)

    thread = threading.Thread(target=look_up, daemon=True, name="resolve-bank")
    thread.start()
    thread.join(time_left)
    return list(dict.fromkeys(found))


class _DeadlineStream(httpcore.NetworkStream):
    """A socket whose every operation gets at most what is left of the call's deadline."""

    def __init__(
        self, connected: socket.socket, backend: _DeadlineBackend, clock: _Deadline
    ) -> None:
        self._socket = connected
        self._backend = backend
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._arm(httpcore.ReadTimeout)
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        while view:
            self._arm(httpcore.WriteTimeout)
            # Set before the call: a send that fails half way through TLS may still have sent.
            self._backend.sent_anything = True
            try:
                view = view[self._socket.send(view[:_WRITE_PIECE]) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout from error
            except OSError as error:
                raise httpcore.WriteError from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            # Python holds a handshake as a whole, not each of its reads, to the socket's time-out.
            self._socket.settimeout(self._backend.connect_time_left())
            wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise _NotConnected("connect_timeout") from error
        except OSError as error:  # ssl.SSLError is one.
            self.close()
            raise _NotConnected("tls_failed") from error
        return _DeadlineStream(wrapped, self._backend, self._clock)

    def get_extra_info(self, info: str) -> typing.Any:
        return None

    def _arm(self, too_late: type[Exception]) -> None:
        left = self._clock.remaining()
        if left <= 0:
            raise too_late
        self._socket.settimeout(left)
