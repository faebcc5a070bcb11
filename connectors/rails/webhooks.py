"""How a bank proves that a message is its own: signatures, times and tokens, compared in constant time.

Three kinds are met. A clearing bank signs the body with its private key; Wave signs time and body with a
secret that both know; MTN and M-Pesa sign nothing. Those two are given another address for each
payment, with a token in it that only they were told: whoever calls it knows what we sent them. A token
that leaks, into somebody's log perhaps, speaks for one payment and for no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connectors.abilities import WebhookRefused
from connectors.base import ConnectorConfig, ConnectorMisconfigured

TOLERANCE = timedelta(minutes=5)  # Standard Webhooks' advice; Wave's documentation says the same.
TOKEN_LENGTH = 40
SECRET = "callback_secret"  # noqa: S105  (the credential's name; the bank never learns it)


def check_time(at: datetime, now: datetime) -> None:
    """Refuse what was signed long ago, or lies ahead of us. Raises WebhookRefused."""
    if now - at > TOLERANCE:
        raise WebhookRefused("timestamp_too_old")
    if at - now > TOLERANCE:
        raise WebhookRefused("timestamp_invalid")


def check_signature(config: ConnectorConfig, name: str, *, signature: str, signed: bytes) -> None:
    """Hold a base64 signature (RSA with SHA-256, or Ed25519) against the public key in a credential.

    Raises WebhookRefused, ConnectorMisconfigured when there is no such key.
    """
    if not signature:
        raise WebhookRefused("signature_missing")
    key = _public_key(config, name)
    try:
        given = base64.b64decode(signature, validate=True)
        if isinstance(key, RSAPublicKey):
            key.verify(given, signed, PKCS1v15(), SHA256())
        else:
            key.verify(given, signed)
    except (InvalidSignature, binascii.Error, ValueError):
        raise WebhookRefused("signature_invalid") from None


def _public_key(config: ConnectorConfig, name: str) -> RSAPublicKey | Ed25519PublicKey:
    pem = credential(config, name)
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ConnectorMisconfigured("credentials_invalid", name) from None
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise ConnectorMisconfigured("credentials_invalid", name)
    return key


def credential(config: ConnectorConfig, name: str) -> str:
    """A secret of a connection. Raises ConnectorMisconfigured."""
    value = config.credentials.get(name, "")
    if not value:
        raise ConnectorMisconfigured("credentials_missing", name)
    return value


def callback_url(config: ConnectorConfig, reference: str, what: str = "result") -> str:
    """The address that a bank is given for one payment and one purpose; "" where it cannot reach us,
    or where there is no secret to make a token of."""
    secret = config.credentials.get(SECRET, "")
    if not config.callback_url or not secret:
        return ""
    token = _token(secret, reference, what)
    return f"{config.callback_url}?{urlencode({'ref': reference, 'what': what, 'token': token})}"


def check_token(config: ConnectorConfig, query: Mapping[str, str]) -> tuple[str, str]:
    """The reference and the purpose that an address was made for, if its token is right.

    Raises WebhookRefused.
    """
    reference, what, given = query.get("ref", ""), query.get("what", ""), query.get("token", "")
    if not reference or not given:
        raise WebhookRefused("signature_missing")
    right = _token(credential(config, SECRET), reference, what)
    if not hmac.compare_digest(given.encode("utf-8", "replace"), right.encode()):
        raise WebhookRefused("signature_invalid")
    return reference, what


def _token(secret: str, reference: str, what: str) -> str:
    message = f"{what}\n{reference}".encode("utf-8", "replace")
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()[:TOKEN_LENGTH]
