"""The simulated bank over HTTP/1.1: the banks' own doors, and the control API under `/_sim/`.

A thread for each connection: a bank that answers late, never, or by dropping the connection must be
able to hold one connection without holding the others.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from connectors.bank_simulator import payees, recalls
from connectors.bank_simulator.control import Control
from connectors.bank_simulator.desk import Desk
from connectors.bank_simulator.faults import Fault
from connectors.bank_simulator.payments import (
    Order,
    RecallWish,
    Reply,
    Submission,
    UnreadableSubmission,
)
from connectors.bank_simulator.rail import Incoming, Rail, TakesRecalls, json_reply
from connectors.bank_simulator.rails import rail_of

log = logging.getLogger("bank_simulator")

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_REPORT_BYTES = 4 * 1024 * 1024
IDLE_SECONDS = 120.0
UNANSWERED_SECONDS = 30.0  # How long a magic account's request is left hanging at most.
GARBAGE = b"\x1f\x8b<html><body>Bad Gateway (proxy){]\xff\xfe"

# After the booking, which of these faults hits the answer: the first that fires.
_ANSWER_FAULTS = ("cut", "late_answer", "garbage")


class Hangup(Exception):
    """The connection ends here without an answer."""


class BankServer(ThreadingHTTPServer):
    """The listening socket, what it serves, and how it goes down."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], *, desk: Desk, api_key: str) -> None:
        self.desk = desk
        self.control = Control(desk)
        self.api_key = api_key
        self.stopping = threading.Event()
        self.running = 0
        self._running_lock = threading.Lock()
        super().__init__(address, Handler)

    def count(self, change: int) -> None:
        """Keep the number of requests being worked on."""
        with self._running_lock:
            self.running += change

    def drain(self, seconds: float) -> None:
        """Let running answers finish; those that a fault holds up give up at once."""
        self.stopping.set()
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.01)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is everyday business; anything else is worth a line."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("connection ended with an error")  # noqa: LOG004 - called while handling it


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "bank-simulator"
    disable_nagle_algorithm = True
    wbufsize = 65_536
    timeout = IDLE_SECONDS
    server: BankServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def version_string(self) -> str:
        """The Server header: no version of anything."""
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:
        """The base class's own lines are replaced by one line for each request."""

    def _serve(self) -> None:
        started = time.monotonic()
        self.server.count(+1)
        outcome = "cut"
        try:
            reply = self._reply()
            self._send(reply)
            outcome = str(reply.status)
        except Hangup:
            self._hang_up()
        except OSError:
            outcome = "gone"
            self.close_connection = True
        finally:
            self.server.count(-1)
            took = (time.monotonic() - started) * 1000
            log.info("%s %s %s %.1fms", self.command, _loggable(self.path), outcome, took)

    def _reply(self) -> Reply:
        """Find who is meant. The body is read first, so that the connection can be used again."""
        body = self._body()
        if isinstance(body, Reply):
            return body
        url = urlsplit(self.path)
        query = {
            name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()
        }
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        try:
            if parts[0] == "_sim":
                return self.server.control.reply(self.command, parts[1:], query, body)
            return self._bank_reply(parts, query, body)
        except (Hangup, OSError):
            raise
        except Exception:
            log.exception("internal error")
            return json_reply(500, {"code": "INTERNAL"})

    def _body(self) -> bytes | Reply:
        """The whole body, or the refusal of it. One that breaks off is not a request."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            self.close_connection = True
            return json_reply(411, {"code": "LENGTH_REQUIRED"})
        text = self.headers.get("Content-Length", "0")
        if not text.isdecimal():
            self.close_connection = True
            return json_reply(400, {"code": "BAD_REQUEST"})
        if int(text) > MAX_BODY_BYTES:
            self.close_connection = True
            return json_reply(413, {"code": "TOO_LARGE"})
        body = self.rfile.read(int(text))
        if len(body) != int(text):
            raise Hangup
        return body

    def _bank_reply(self, parts: list[str], query: dict[str, str], body: bytes) -> Reply:
        bank = "/".join(parts[:2])
        rail = rail_of(bank)
        if rail is None or len(parts) < 3:
            return json_reply(404, {"code": "NOT_FOUND"})
        request = Incoming(
            method=self.command,
            path="/".join(parts[2:]),
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            api_key=self.server.api_key,
        )
        return rail.side_door(request) or self._at_the_door(bank, rail, request)

    def _at_the_door(self, bank: str, rail: Rail, request: Incoming) -> Reply:
        if not rail.admits(request):
            return json_reply(401, {"code": "UNAUTHORIZED"})
        try:
            key = rail.asked_for(request)
        except UnreadableSubmission as unreadable:
            return json_reply(400, {"code": "BAD_REQUEST", "detail": str(unreadable)})
        if key is not None:
            return self.server.desk.inquire(bank, rail, key, request) or rail.unknown()
        told = payees.reply(rail.checks_payees, request)
        if told is payees.SILENCE:
            self._wait(UNANSWERED_SECONDS, unless_gone=True)
            raise Hangup
        if told is not None:
            return told
        if isinstance(rail, TakesRecalls):
            try:
                wish = rail.asks_back(request)
            except UnreadableSubmission as unreadable:
                return json_reply(400, {"code": "BAD_REQUEST", "detail": str(unreadable)})
            if wish is not None:
                return self._recall(bank, rail, wish)
        match (request.method, request.path):
            case ("POST", rail.resource):
                return self._submit(bank, rail, request)
            case ("GET", "reports"):
                return self._reports(bank, rail, request.query)
            case ("GET", "health"):
                return json_reply(200, {"status": "ok"})
        return json_reply(404, {"code": "NOT_FOUND"})

    def _submit(self, bank: str, rail: Rail, request: Incoming) -> Reply:
        """Take a submission; faults have their way with it before and after the booking."""
        desk, faults = self.server.desk, self.server.desk.faults
        busy = faults.take("busy", rail.name)
        if busy:
            return json_reply(503, {"code": "BUSY"}, Retry_After="1")
        try:
            submission = rail.read(request, desk.book.clock.forgiving_now())
        except UnreadableSubmission as unreadable:
            return json_reply(400, {"code": "BAD_REQUEST", "detail": str(unreadable)})
        late = faults.take("late_booking", rail.name)
        with desk.flights.of(bank, submission.key):
            if late:
                self._wait(late.seconds)
            receipt = desk.receive(bank, rail, self._on_its_way(rail, submission))
        early = faults.take("webhook_early", rail.name)
        if early:
            desk.tell_first(bank, min(early.seconds, 2.0))
        if late:
            raise Hangup
        if receipt.unanswered:
            self._wait(UNANSWERED_SECONDS, unless_gone=True)
            raise Hangup
        return self._spoil(receipt.reply, rail)

    def _recall(self, bank: str, rail: TakesRecalls, wish: RecallWish) -> Reply:
        """Take a recall; faults have their way with it as with an order."""
        desk = self.server.desk
        if desk.faults.take("busy", rail.name):
            return json_reply(503, {"code": "BUSY"}, Retry_After="1")
        reply = recalls.receive(desk.book, desk.faults, bank=bank, rail=rail, wish=wish)
        self.server.control.clock_moved.set()  # What can go back at once does so now.
        return self._spoil(reply, rail)

    def _on_its_way(self, rail: Rail, submission: Submission) -> Submission:
        """A receiver's bank takes its time; an instant scheme gives it no more than its clock."""
        slow = rail.clock_s and self.server.desk.faults.take("slow_receiver", rail.name)
        if not slow or rail.clock_s is None:
            return submission
        self._wait(min(slow.seconds, rail.clock_s))
        if slow.seconds <= rail.clock_s:
            return submission
        return replace(submission, orders=[_too_late(order, rail) for order in submission.orders])

    def _spoil(self, reply: Reply, rail: Rail) -> Reply:
        """What becomes of an answer when a fault hits it."""
        fault: Fault | None = None
        for name in _ANSWER_FAULTS:
            fault = fault or self.server.desk.faults.take(name, rail.name)
        if fault is None:
            return reply
        if fault.fault == "cut":
            raise Hangup
        if fault.fault == "garbage":
            return Reply(status=200, content_type=reply.content_type, body=GARBAGE)
        self._wait(fault.seconds)
        return reply

    def _wait(self, seconds: float, *, unless_gone: bool = False) -> None:
        """Sleep; a bank that shuts down meanwhile hangs up: what it has booked is written."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.server.stopping.wait(min(left, 0.25)):
                raise Hangup
            if unless_gone and self._client_is_gone():
                raise Hangup

    def _client_is_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _reports(self, bank: str, rail: Rail, query: Mapping[str, str]) -> Reply:
        """A page of the feed, no larger than a client can be asked to read at once."""
        after, limit = query.get("after", "0"), query.get("limit", "100")
        if not (
            after.isdecimal() and limit.isdecimal() and 1 <= int(limit) <= 1000 and len(after) < 10
        ):
            return json_reply(400, {"code": "BAD_REQUEST"})
        documents = self.server.desk.reports(bank, rail, int(after))
        page: list[dict[str, object]] = []
        size = 0
        for number, document in enumerate(documents[: int(limit)], start=int(after) + 1):
            content = base64.b64encode(document.content).decode("ascii")
            size += len(content)
            if page and size > MAX_REPORT_BYTES:
                break
            page.append({"id": number, "type": document.type, "content": content})
        more = len(documents) > len(page)
        return json_reply(200, {"documents": page, "last": int(after) + len(page), "more": more})

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.server.stopping.is_set():
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def _hang_up(self) -> None:
        """Drop the connection with no byte of an answer."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _too_late(order: Order, rail: Rail) -> Order:
    return replace(order, refusal=order.refusal or rail.too_late_code)


def _loggable(path: str) -> str:
    """The path of a request without what follows and without a wallet's number."""
    return re.sub(r"/msisdn/[^/]*", "/msisdn/…", urlsplit(path).path[:200])


def run_settlement(server: BankServer, tick: float) -> Callable[[], None]:
    """The loop that does what falls due. An error is logged and tried again."""

    def loop() -> None:
        wake = server.control.clock_moved
        while not server.stopping.is_set():
            wake.wait(tick)
            wake.clear()
            try:
                server.desk.run_due()
            except Exception:
                log.exception("settlement failed and will be tried again")

    return loop
