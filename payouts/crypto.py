"""Encryption of account details, bank credentials and bank documents: AES-256-GCM with a key ring.

A sealed value is: version (1 byte) · length of the key id · key id · nonce (12 bytes) · ciphertext and tag.
The associated data is table, column and row, so that a value copied to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

VERSION = 1
NONCE_BYTES = 12


class CannotOpen(Exception):
    """A sealed value does not open: wrong row, unknown key id or changed bytes."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id; the first one seals, all of them open."""

    primary: str
    keys: dict[str, bytes]

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read "kid:base64,kid:base64". Raises ImproperlyConfigured."""
        keys: dict[str, bytes] = {}
        for part in text.split(","):
            kid, separator, encoded = part.strip().partition(":")
            key = _decode_key(encoded)
            if (
                not separator
                or not 1 <= len(kid) <= 32
                or not kid.isascii()
                or key is None
                or kid in keys
            ):
                raise ImproperlyConfigured(
                    "ENCRYPTION_KEYS must be kid:base64-of-32-bytes, comma separated"
                )
            keys[kid] = key
        return cls(next(iter(keys)), keys)


def _decode_key(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == 32 else None


@lru_cache(maxsize=4)
def _ring_of(text: str) -> KeyRing:
    return KeyRing.parse(text)


def ring() -> KeyRing:
    return _ring_of(settings.ENCRYPTION_KEYS)


def seal(plain: bytes, *, table: str, column: str, row: object) -> bytes:
    """Encrypt under the primary key, bound to its place."""
    keys = ring()
    nonce = os.urandom(NONCE_BYTES)
    kid = keys.primary.encode()
    sealed = AESGCM(keys.keys[keys.primary]).encrypt(nonce, plain, _place(table, column, row))
    return bytes([VERSION, len(kid)]) + kid + nonce + sealed


def open_sealed(sealed: bytes | memoryview, *, table: str, column: str, row: object) -> bytes:
    """Decrypt a value at its place. Raises CannotOpen."""
    raw = bytes(sealed)
    kid, rest = _split(raw)
    key = ring().keys.get(kid)
    if key is None:
        raise CannotOpen(f"no key {kid!r} in the ring")
    try:
        return AESGCM(key).decrypt(
            rest[:NONCE_BYTES], rest[NONCE_BYTES:], _place(table, column, row)
        )
    except InvalidTag:
        raise CannotOpen(f"{table}.{column} of {row} does not open") from None


def key_id(sealed: bytes | memoryview) -> str:
    """Which key a value is sealed under."""
    return _split(bytes(sealed))[0]


def blind_index(value: str) -> bytes:
    """A keyed hash: equal values are found without opening any."""
    key = _decode_key(settings.BLIND_INDEX_KEY)
    if key is None:
        raise ImproperlyConfigured("BLIND_INDEX_KEY must be base64 of 32 bytes")
    return hmac.new(key, value.encode(), hashlib.sha256).digest()


def _split(raw: bytes) -> tuple[str, bytes]:
    if len(raw) < 2 + NONCE_BYTES or raw[0] != VERSION:
        raise CannotOpen("not a sealed value")
    end = 2 + raw[1]
    return raw[2:end].decode("ascii", "replace"), raw[end:]


def _place(table: str, column: str, row: object) -> bytes:
    return f"{table}:{column}:{row}".encode()
