"""A Redis memory of (tenant, key) → payout and fingerprint. It may vanish at any time: the database knows.

Holds no answer, only ids: an answer is always read anew. Entries live IDEMPOTENCY_CACHE_TTL seconds.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
QUIET_AFTER_FAILURE_S = 5.0  # While Redis is away, requests do not each wait for its time-out.
_quiet_until = [0.0]


class PlainText:
    """Entries are text. Django's own serializer would run what somebody with access to Redis put there."""

    def dumps(self, value: object) -> bytes:
        return str(value).encode()

    def loads(self, data: bytes) -> str:
        return data.decode("utf-8", "replace")


class Keyed(Protocol):
    """A request with a key."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def external_id(self) -> str: ...
    @property
    def fingerprint(self) -> bytes: ...


def recall(requests: Sequence[Keyed]) -> dict[tuple[UUID, str], tuple[UUID, bytes]]:
    """What is remembered of these keys; nothing when Redis does not answer."""
    if not requests or not _usable():
        return {}
    names = {_name(r): (r.tenant_id, r.external_id) for r in requests}
    try:
        found = cache.get_many(list(names))
    except (RedisError, OSError) as error:
        _rest(error)
        return {}
    known = {}
    for name, value in found.items():
        with contextlib.suppress(
            AttributeError, TypeError, ValueError
        ):  # Not ours: as good as nothing.
            payout_id, _, fingerprint = value.partition(" ")
            known[names[name]] = (UUID(payout_id), bytes.fromhex(fingerprint))
    return known


def remember(created: Sequence[tuple[Keyed, UUID]]) -> None:
    """Remember payouts that are committed. Never raises."""
    if not created or not _usable():
        return
    try:
        cache.set_many(
            {_name(r): f"{payout_id} {r.fingerprint.hex()}" for r, payout_id in created},
            timeout=settings.IDEMPOTENCY_CACHE_TTL,
        )
    except (RedisError, OSError) as error:
        _rest(error)


def forget(request: Keyed) -> None:
    """Drop what is remembered of a key. Never raises."""
    try:
        cache.delete(_name(request))
    except (RedisError, OSError) as error:
        _rest(error)


def _name(request: Keyed) -> str:
    # Hashed, because a key of 255 characters is too long for the name of a cache entry.
    return f"payout-key:{request.tenant_id}:{sha256(request.external_id.encode()).hexdigest()}"


def _usable() -> bool:
    return settings.IDEMPOTENCY_CACHE_TTL > 0 and time.monotonic() >= _quiet_until[0]


def _rest(error: Exception) -> None:
    _quiet_until[0] = time.monotonic() + QUIET_AFTER_FAILURE_S
    log.warning("the key cache does not answer: %s", type(error).__name__)
