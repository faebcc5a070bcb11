"""Reading settings from the environment, loudly: a wrong value stops the start, with its name."""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(
            f"{name} must be set: `./dev up` and `./dev manage` do it for you"
        )
    return value


def flag(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "1" if default else "0").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off", ""):
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}")


def number(name: str, default: float, *, minimum: float = 0) -> float:
    raw = os.environ.get(name, str(default))
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {raw!r}") from None
    if not minimum <= value < float("inf"):
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {raw}")
    return value


def whole(name: str, default: int, *, minimum: int = 1) -> int:
    value = number(name, default, minimum=minimum)
    if value != int(value):
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value}")
    return int(value)


def amounts(name: str, default: str) -> dict[str, Decimal]:
    """Amounts per currency, e.g. "*:10000,XOF:5000000"; "*" stands for every other one."""
    raw = os.environ.get(name, default)
    found = {}
    for pair in raw.split(","):
        currency, _, amount = pair.strip().partition(":")
        try:
            found[currency] = Decimal(amount)
        except InvalidOperation:
            raise ImproperlyConfigured(f"{name} must look like {default}, not {raw!r}") from None
    return found


# Signatures by somebody who keeps a private key. With a shared secret (HS256) whoever can check could sign.
ASYMMETRIC = {family + bits for family in ("RS", "PS", "ES") for bits in ("256", "384", "512")} | {
    "EdDSA"
}


def algorithms(name: str, default: str) -> tuple[str, ...]:
    named = tuple(part.strip() for part in os.environ.get(name, default).split(","))
    if strange := sorted(set(named) - ASYMMETRIC):
        raise ImproperlyConfigured(f"{name} may name {sorted(ASYMMETRIC)}, not {strange}")
    return named


DATABASE_ROLES = {"": "", "web": "payouts_web", "worker": "payouts_worker"}


def database(url: str, *, role: str = "") -> dict[str, object]:
    """A Django DATABASES entry from a libpq URI (postgresql://user:password@host:port/name?options).

    `role` is what the process acts as in the database, whatever it logged in as: web or worker.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            "DATABASE_URL must look like postgresql://user:password@host:port/name"
        )
    if role not in DATABASE_ROLES:
        raise ImproperlyConfigured(f"DATABASE_ROLE must be web, worker or empty, not {role!r}")
    options = dict(parse_qsl(parts.query))
    if role:
        options["options"] = f"{options.get('options', '')} -c role={DATABASE_ROLES[role]}".strip()
    host = options.pop("host", parts.hostname or "")
    return {
        "ENGINE": "payouts_project.database",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # They take no scope along, nor do poolers like them.
        "OPTIONS": {"connect_timeout": 3, **options},
    }
