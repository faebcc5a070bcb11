"""The public keys of Molam ID: fetched with a deadline, kept, and asked for again when one is unknown.

A key set comes from one configured place only; what a token says about keys is never followed. While
the place does not answer, keys that were seen before hold on for a while, so that a short outage of
Molam ID stops nobody; keys that were withdrawn are forgotten with the next answer.
"""

from __future__ import annotations

import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from django.conf import settings
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from payouts.api.requests import read_json
from payouts.errors import PayoutError

log = logging.getLogger(__name__)
BYTES_MAX = 256 * 1024
RSA_BITS_MIN = 2048
KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}  # by how an algorithm's name begins

Keys = Mapping[tuple[str, str], PyJWK]  # (key id, algorithm)


class Unreadable(Exception):
    """The key set did not come, or is none."""


class KeySet:
    """Keys by id and algorithm. One thread fetches; others go on with what is there."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._keys: Keys = {}
        self._read_at: float | None = None  # of the last good answer
        self._asked_at: float | None = None
        self._lock = threading.Lock()

    def find(self, key_id: str, algorithm: str) -> PyJWK | None:
        """The key, or None when nobody has it. Raises PayoutError when no key set is to be had."""
        found = self._keys.get((key_id, algorithm))
        if self._older_than(settings.MOLAM_ID_CACHE_S) or found is None:
            self._refresh()
            found = self._keys.get((key_id, algorithm))
        if self._older_than(settings.MOLAM_ID_STALE_S):
            raise PayoutError("service_unavailable", retry_after_s=2)
        return found

    def _older_than(self, seconds: float) -> bool:
        return self._read_at is None or time.monotonic() - self._read_at > seconds

    def _refresh(self) -> None:
        """Ask again, at most once in MOLAM_ID_REFETCH_S: made-up key ids must not become requests."""
        with self._lock:
            now = time.monotonic()
            if self._asked_at is not None and now - self._asked_at < settings.MOLAM_ID_REFETCH_S:
                return
            self._asked_at = now
            try:
                self._keys = read_keys(self._fetch(), settings.MOLAM_ID_ALGORITHMS)
            except (Unreadable, OSError, HTTPException, PayoutError) as error:
                log.warning("the keys of Molam ID cannot be read (%s)", type(error).__name__)
                return
            self._read_at = time.monotonic()


def read_keys(document: bytes, algorithms: tuple[str, ...]) -> Keys:
    """The usable keys of a JWKS: public, asymmetric, long enough, with an id. Others are left out."""
    content = read_json(document)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise Unreadable("a key set has a list of keys")
    found: dict[tuple[str, str], PyJWK] = {}
    for item in listed:
        for algorithm in algorithms:
            if isinstance(item, dict) and _fits(item, algorithm):
                try:
                    key = PyJWK(item, algorithm)
                except (PyJWTError, ValueError, TypeError, KeyError):
                    continue
                if (
                    getattr(key.key, "key_size", RSA_BITS_MIN) >= RSA_BITS_MIN
                    or item["kty"] != "RSA"
                ):
                    found[item["kid"], algorithm] = key
    return found


def _fits(item: dict[str, Any], algorithm: str) -> bool:
    return (
        isinstance(item.get("kid"), str)
        and item.get("kty") == KEY_TYPES[algorithm[:2]]
        and item.get("alg", algorithm) == algorithm
        and item.get("use", "sig") == "sig"
        and "d" not in item  # A private key has no business in a set that everybody may read.
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _download(url: str) -> bytes:
    """The whole answer within MOLAM_ID_DEADLINE_S, or an error."""
    deadline = time.monotonic() + settings.MOLAM_ID_DEADLINE_S
    with _opener.open(url, timeout=settings.MOLAM_ID_DEADLINE_S) as answer:
        body = b""
        while piece := answer.read1(65_536):
            body += piece
            if len(body) > BYTES_MAX or time.monotonic() > deadline:
                raise Unreadable("the key set is too large or too slow")
        return body


def configured() -> KeySet | None:
    """The key set that settings name; None when there is none."""
    place: str = settings.MOLAM_ID_JWKS_URL
    if place:
        return _known(place, lambda: _download(place))
    given: str = settings.MOLAM_ID_JWKS
    if given.lstrip().startswith("{"):
        return _known(given, given.encode)
    return _known(given, Path(given).read_bytes) if given else None


_sets: dict[str, KeySet] = {}


def _known(place: str, fetch: Callable[[], bytes]) -> KeySet:
    return _sets.setdefault(place, KeySet(fetch))


def forget() -> None:
    """Start anew, as after a restart."""
    _sets.clear()
