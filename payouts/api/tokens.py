"""Access tokens of Molam ID: which ones are believed, and what they say.

One answer for everything that is wrong with a token: whoever made it up learns nothing from us. Algorithms
and keys come from settings; a header that points at keys of its own is refused unread.
"""

from __future__ import annotations

import base64
import binascii
import math
import time
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from payouts.api import keyset
from payouts.api.requests import read_json
from payouts.errors import PayoutError

CHARACTERS_MAX = 8192
LEEWAY_S = 30
TYPES = ("at+jwt", "application/at+jwt")  # RFC 9068: an ID token or a refresh token is not one.
# Whoever signed it must not say how it is to be checked.
POINTERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})


class Untrusted(Exception):
    """The token is not believed; why stays between us."""


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token that is believed. Raises PayoutError: unauthenticated, whatever is wrong."""
    try:
        return _verified(token)
    except (Untrusted, jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise PayoutError("unauthenticated") from error


def _verified(token: str) -> dict[str, Any]:
    keys = keyset.configured()
    if keys is None or len(token) > CHARACTERS_MAX or not token.isascii():
        raise Untrusted
    header = _header(token)
    algorithm, key_id, kind = (header.get(name) for name in ("alg", "kid", "typ"))
    if algorithm not in settings.MOLAM_ID_ALGORITHMS or not isinstance(key_id, str):
        raise Untrusted
    if not isinstance(kind, str) or kind.lower() not in TYPES or POINTERS & header.keys():
        raise Untrusted
    key = keys.find(key_id, algorithm)
    if key is None:
        raise Untrusted
    signed = jwt.PyJWS().decode(token, key, algorithms=[algorithm])
    claims = _object(signed)
    _check_time(claims, now=time.time())
    _check_parties(claims)
    return claims


def _header(token: str) -> dict[str, Any]:
    """What the token says of itself, unverified: it only chooses among our own keys."""
    first, dots, _ = token.partition(".")
    if not dots:
        raise Untrusted
    try:
        raw = base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise Untrusted from None
    return _object(raw)


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object, read as strictly as a request: no name twice, no bottomless nesting."""
    try:
        found = read_json(raw)
    except PayoutError:
        raise Untrusted from None
    if not isinstance(found, dict):
        raise Untrusted
    return found


def _check_time(claims: dict[str, Any], *, now: float) -> None:
    issued, expires = _moment(claims.get("iat")), _moment(claims.get("exp"))
    begins = _moment(claims["nbf"]) if "nbf" in claims else issued
    if expires <= now - LEEWAY_S or max(issued, begins) > now + LEEWAY_S:
        raise Untrusted
    if not 0 < expires - issued <= settings.MOLAM_ID_MAX_LIFETIME_S:
        raise Untrusted


def _moment(value: Any) -> float:
    """Seconds since 1970. Text, true and what is no finite number are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Untrusted
    return value


def _check_parties(claims: dict[str, Any]) -> None:
    """From our issuer, for us and nobody else."""
    if claims.get("iss") != settings.MOLAM_ID_ISSUER:
        raise Untrusted
    ours = settings.MOLAM_ID_AUDIENCE
    if claims.get("aud") not in (ours, [ours]):
        raise Untrusted
    if not isinstance(claims.get("sub"), str):
        raise Untrusted


def text_claim(claims: dict[str, Any], name: str) -> str:
    """A claim that is text; "" when it is absent or null. Raises PayoutError."""
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PayoutError("unauthenticated")
    return value


def uuid_of(text: str) -> UUID:
    """A UUID in its usual form. Raises PayoutError unauthenticated."""
    try:
        value = UUID(text)
    except ValueError:
        raise PayoutError("unauthenticated") from None
    if str(value) != text.lower():
        raise PayoutError("unauthenticated")
    return value
