"""What arrives over a real socket, at a gunicorn started with the flags of `./dev up`: headers, lengths, chunks."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection

from payouts.models import Payout
from tests.api_client import payout_body, snapshot
from tests.bad_input import BODIES, rows
from tests.wire import IDENTITY, JSON, POST, Wire, chunks, problem, read, request, wire
from tests.world import IBAN, World

__all__ = ["wire"]  # a fixture


# --- Who is it? -------------------------------------------------------------------------------------


def test_a_caller_with_its_three_headers_is_let_in(wire: Wire) -> None:
    assert wire.status(request("GET", "/api/payouts")) == 200


def test_two_roles_are_nobodys_role(wire: Wire) -> None:
    """R05: a server joins repeated headers with a comma."""
    for roles in (["X-User-Role: finance_ops"], ["X-User-Role: merchant_admin"]):
        assert problem(wire.talk(request("GET", "/api/payouts", b"", *roles))) == (
            401,
            "unauthenticated",
        )


@pytest.mark.parametrize("header", ["X-Tenant-Id", "X-User-Id"])
def test_two_tenants_or_two_users_are_nobody(wire: Wire, header: str) -> None:
    said = wire.talk(request("GET", "/api/payouts", b"", f"{header}: {uuid4()}"))
    assert problem(said) == (401, "unauthenticated")


def test_a_header_with_underscores_is_no_header(wire: Wire) -> None:
    """R04."""
    forged = [f"{name.replace('-', '_')}: {value}" for name, value in IDENTITY.items()]
    assert problem(wire.talk(request("GET", "/api/payouts", b"", *forged, identity={}))) == (
        401,
        "unauthenticated",
    )
    path = f"/api/payouts/{uuid4()}/cancel"
    said = wire.talk(request("POST", path, b"", "X_User_Role: finance_ops"))
    assert problem(said) == (403, "forbidden")


def test_a_role_taken_away_on_the_way_is_no_role(wire: Wire) -> None:
    """R06."""
    without = {k: v for k, v in IDENTITY.items() if k != "X-User-Role"}
    said = wire.talk(
        request("GET", "/api/payouts", identity={**without, "Connection": "close, X-User-Role"})
    )
    assert problem(said) == (401, "unauthenticated")


# --- What does it say? ------------------------------------------------------------------------------

PERSON = json.dumps(
    {
        "name": "A",
        "beneficiaryType": "user",
        "country": "DE",
        "account": {"type": "iban", "currency": "EUR", "iban": IBAN},
    }
).encode()
# Bytes of a body, and header lines beside it, that a program in between would not let through as they are.
REFUSED_BYTES = {
    "B33": [(name, body, ()) for name, (body, _) in rows(BODIES, "B33").items()],
    "B37": [
        ("bomb", gzip.compress(b" " * 10_000_000), ("Content-Encoding: gzip",)),
        ("deflate", PERSON, ("Content-Encoding: deflate",)),
        ("as a transfer", PERSON, ("Transfer-Encoding: gzip",)),
    ],
    "B43": [
        (name, PERSON, (f"Idempotency-Key: {key}",))
        for name, key in {"nothing": "", "spaces": "   ", "256": "k" * 256, "Latin 1": "cl\u00e9", "UTF-8": "\xc3\xa9",
                          "tab": "a\tb", "delete": "a\x7f", "control": "a\x01b"}.items()
    ],
    "B44": [("open", PERSON, ('Idempotency-Key: "abc',)), ("close", PERSON, ('Idempotency-Key: abc"',))],
    "B45": [
        ("two", PERSON, ("Idempotency-Key: a", "Idempotency-Key: b")),
        ("one, twice", PERSON, ("Idempotency-Key: a", "idempotency-key: a")),
        ("one of them empty", PERSON, ("Idempotency-Key: a", "Idempotency-Key:")),
    ],
}  # fmt: skip
ANSWERS = {
    "B33": {(400, "malformed_json")},
    # "": the server's own word on a head that it takes for none.
    "B37": {(415, "unsupported_media_type"), (400, "")},
    "B43": {(400, "idempotency_key_invalid"), (400, "")},
    "B44": {(400, "idempotency_key_invalid")},
    "B45": {(400, "idempotency_key_invalid")},
}


@pytest.mark.parametrize("row", REFUSED_BYTES)
def test_bytes_that_are_no_request_change_nothing(db: None, wire: Wire, row: str) -> None:
    before = snapshot()
    for name, body, lines in REFUSED_BYTES[row]:
        for path in ("/api/payouts", "/api/beneficiaries"):
            length = {} if "Transfer" in "".join(lines) else {"Content-Length": str(len(body))}
            if not any("Key" in line for line in lines):
                length["Idempotency-Key"] = "k"
            said = wire.talk(request("POST", path, b"", *lines, **JSON, **length) + body)
            mine = b"application/problem+json" in said
            status = int(said.split(b" ", 2)[1])
            answer = problem(said) if mine else (status, "")
            assert answer in ANSWERS[row], (name, path, said)
    assert snapshot() == before


def test_a_key_in_quotes_is_the_same_key_on_the_wire(real_sandbox: World, wire: Wire) -> None:
    """B44."""
    identity = IDENTITY | {"X-Tenant-Id": str(real_sandbox.tenant_id)}
    body = json.dumps(payout_body(real_sandbox)).encode()
    for key, status in (("abc", 201), ('"abc"', 200), (" abc ", 200)):
        order = request(
            "POST", "/api/payouts", body, f"Idempotency-Key: {key}", identity=identity, **JSON
        )
        assert wire.status(order) == status
    assert Payout.objects.count() == 1


# --- Where does the body end? -----------------------------------------------------------------------


def test_a_body_in_chunks_is_read(wire: Wire) -> None:
    coded = {**JSON, "Transfer-Encoding": "chunked"}
    assert problem(wire.talk(request(*POST, chunks(b'{"colour": 1}'), **coded))) == (
        422,
        "unknown_field",
    )
    assert problem(wire.talk(request(*POST, chunks(b'{"a": 1'), **coded))) == (
        400,
        "malformed_json",
    )
    assert problem(wire.talk(request(*POST, chunks(b""), **coded))) == (400, "malformed_json")


def test_a_body_in_chunks_that_is_too_large_is_refused(wire: Wire) -> None:
    """B31."""
    coded = {**JSON, "Transfer-Encoding": "chunked"}
    said = wire.talk(request(*POST, chunks(b" " * 3_000_000, 100_000), **coded))
    assert problem(said) == (413, "payload_too_large")


def test_a_broken_chunk_is_refused(wire: Wire) -> None:
    coded = {**JSON, "Transfer-Encoding": "chunked"}
    for body in (b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n"):
        assert wire.status(request(*POST, body, **coded), end=True) == 400


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3_000_000, 12_000_000, 100_000_000])
def test_the_answer_to_a_body_that_is_too_large_arrives(wire: Wire, size: int) -> None:
    """B31: also for a client that sends all of it before it listens."""
    said = wire.talk(request(*POST, b" " * size, **JSON))
    assert problem(said) == (413, "payload_too_large")


def test_a_body_shorter_than_announced_is_not_guessed(wire: Wire) -> None:
    """B32."""
    said = wire.talk(request(*POST, b'{"colour": 1}', Content_Length="14", **JSON), end=True)
    assert problem(said) == (400, "bad_request")


def test_a_body_that_drips_is_not_waited_for(wire: Wire) -> None:
    """B32: a byte every while, from more clients than there are threads; the next one is served."""
    head = request(*POST, b"", Content_Length="1000", **JSON)

    def drip(_: int) -> tuple[int, str]:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(wire.path)
            line.sendall(head)
            for _second in range(30):
                with contextlib.suppress(BrokenPipeError):
                    line.sendall(b" ")
                if select.select([line], [], [], 0.2)[0]:
                    break
            return problem(read(line))

    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(drip, range(6))
        assert wire.status(request("GET", "/api/payouts"), wait=8) == 200
        assert set(answers) == {(400, "bad_request")}


def test_a_body_longer_than_announced_is_cut_off(wire: Wire) -> None:
    """B32: what follows is not part of the document."""
    said = wire.talk(request(*POST, b'{"colour": 1} {"x": 2}', Content_Length="13", **JSON))
    assert problem(said) == (422, "unknown_field")


@pytest.mark.parametrize(
    "lines",
    [
        ["Transfer-Encoding: chunked", "Content-Length: 5"], ["Content-Length: 2", "Content-Length: 3"],
        ["Content-Length: -1"],
        ["Content-Length: +2"], ["Content-Length: 2, 2"], ["Transfer-Encoding: gzip, chunked, chunked"],
        ["X-A: 1", " folded"],
        ["X-A : 1"], ["X-A\x00: 1"], ["X-A: \x00"], ["X A: 1"],
    ],
    ids=lambda lines: lines[-1],
)  # fmt: skip
def test_an_ambiguous_head_is_refused_and_the_line_closed(wire: Wire, lines: list[str]) -> None:
    """B54, B55: no second request may hide in the first."""
    hidden = b"0\r\n\r\nGET /api/payouts HTTP/1.1\r\nHost: x\r\n\r\n"
    head = request(*POST, b"", *lines, **JSON)
    said = wire.talk(head + hidden, end=True)
    assert re.match(rb"HTTP/1\.1 (400|501) ", said), said
    assert said.count(b"HTTP/1.1 ") == 1


def test_two_content_types_are_none(wire: Wire) -> None:
    assert wire.status(request(*POST, b"{}", "Content-Type: application/json", **JSON)) == 400


def test_two_requests_in_one_go_get_two_answers(wire: Wire) -> None:
    """B105."""
    first = request("GET", "/api/payouts").replace(b"Connection: close", b"Connection: keep-alive")
    said = wire.talk(first + request("GET", "/healthz"))
    assert said.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "lines", [["X-A: " + "a" * 100_000], [f"X-{n}: 1" for n in range(1000)]], ids=["long", "many"]
)
def test_a_head_that_is_too_large_is_refused(wire: Wire, lines: list[str]) -> None:
    """B53."""
    assert wire.status(request("GET", "/api/payouts", b"", *lines)) in (0, 400, 431)
    assert wire.status(request("GET", "/api/payouts")) == 200


def test_nothing_sent_reaches_an_answers_head(wire: Wire) -> None:
    """B52."""
    said = wire.talk(request("GET", "/api/payouts", b"", "X-Request-Id: a\rSet-Cookie: x=1"))
    assert b"Set-Cookie" not in said.partition(b"\r\n\r\n")[0]


def test_an_absolute_or_a_strange_host_changes_nothing(wire: Wire) -> None:
    """B105: no answer is built from Host."""
    said = wire.talk(request("GET", "/api/payouts", Host="evil.example"))
    assert b"evil" not in said


def test_a_payout_is_created_over_the_wire_and_in_chunks(real_sandbox: World, wire: Wire) -> None:
    identity = IDENTITY | {"X-Tenant-Id": str(real_sandbox.tenant_id)}
    body = json.dumps(payout_body(real_sandbox)).encode()
    coded = {**JSON, "Idempotency-Key": "k"}
    made = wire.talk(request("POST", "/api/payouts", body, identity=identity, **coded))
    assert made.startswith(b"HTTP/1.1 201 ")
    coded |= {"Transfer-Encoding": "chunked"}
    again = wire.talk(request("POST", "/api/payouts", chunks(body), identity=identity, **coded))
    assert again.startswith(b"HTTP/1.1 200 ")
    assert b"Idempotent-Replayed: true" in again
    assert Payout.objects.count() == 1


def test_a_server_whose_connections_were_cut_opens_new_ones(
    real_sandbox: World, wire: Wire
) -> None:
    """F38: whatever the first request says, the key then finds one payout or makes it."""
    identity = IDENTITY | {"X-Tenant-Id": str(real_sandbox.tenant_id)}
    body = json.dumps(payout_body(real_sandbox)).encode()
    order = request("POST", "/api/payouts", body, identity=identity, **JSON, Idempotency_Key="k")
    assert wire.status(request("GET", "/api/payouts")) == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] > 0
    assert wire.status(order) in (201, 503)
    assert wire.status(order) in (200, 201)
    assert Payout.objects.count() == 1
