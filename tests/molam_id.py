"""Molam ID as tests play it: keys of its own, tokens of every kind, and a key set over real HTTP."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from payouts.api import keyset
from tests.api_client import Reply, send

ISSUER, AUDIENCE = "https://id.molam.example", "payouts"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: Any, key_id: str, **more: Any) -> dict[str, Any]:
    """A key as a key set shows it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    jwk: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": key_id, "use": "sig", **more}


def pem(key: Any) -> bytes:
    """The public key as text: what HS256 is tricked into taking for a secret."""
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def claims(**changes: Any) -> dict[str, Any]:
    """A good token's claims. A change to `...` leaves one out."""
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": str(uuid4()), "iat": now, "exp": now + 300,
        "role": "finance_ops", **changes,
    }  # fmt: skip
    return {name: value for name, value in good.items() if value is not ...}


def token(
    payload: dict[str, Any] | None = None,
    *,
    key: Any = None,
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
) -> str:
    named = {"kid": "one", "typ": "at+jwt", **(header or {})}
    return jwt.encode(
        claims() if payload is None else payload,
        rsa_key("one") if key is None else key,
        algorithm=algorithm,
        headers={name: value for name, value in named.items() if value is not ...},
    )


def raw_signed(payload: Any) -> str:
    """A payload signed as it is: the library would refuse to write some of them."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    header = {"kid": "one", "typ": "at+jwt"}
    return jwt.PyJWS().encode(body, rsa_key("one"), algorithm="RS256", headers=header)


def raw(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand, as a library would refuse to."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def ask(credentials: str, path: str = "/api/payouts", **headers: str) -> Reply:
    """A request with a Bearer token, and perhaps headers beside it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Authorization": f"Bearer {credentials}", **named}
    return send("GET", path, content_type="", headers=sent)


def nobody(credentials: str, **headers: str) -> None:
    answer = ask(credentials, **headers)
    assert (answer.status, answer.code) == (401, "unauthenticated"), answer.body
    assert answer.body["detail"] == "Who are you?"  # The same for everything that is wrong.
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@dataclass
class Place:
    """Where the key set is published. `asked` counts how often it was fetched."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    delay_s: float = 0
    asked: int = 0


@contextmanager
def published() -> Iterator[Place]:
    place = Place()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked += 1
            time.sleep(place.delay_s)
            body = json.dumps({"keys": place.keys}).encode()
            with suppress(OSError):  # Whoever asked may have gone away.
                self.send_response(place.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    place.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def trusted(settings: Any) -> Iterator[Any]:
    """Molam ID is configured with two keys; gateway headers are believed as well."""
    keyset.forget()
    settings.MOLAM_ID_ISSUER, settings.MOLAM_ID_AUDIENCE = ISSUER, AUDIENCE
    keys = [public(rsa_key("one"), "one"), public(ec_key("two"), "two")]
    settings.MOLAM_ID_JWKS = json.dumps({"keys": keys})
    yield settings
    keyset.forget()


@pytest.fixture
def place(trusted: Any) -> Iterator[Place]:
    """The same key set, fetched over HTTP."""
    with published() as found:
        trusted.MOLAM_ID_JWKS, trusted.MOLAM_ID_JWKS_URL = "", found.url
        found.keys = [public(rsa_key("one"), "one")]
        trusted.MOLAM_ID_DEADLINE_S = 30  # The machine may be busy.
        yield found
