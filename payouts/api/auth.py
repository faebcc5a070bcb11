"""Who asks, and whether their role may: deny by default, one table of route × method × role.

An `Authorization` header decides alone: a Bearer token of Molam ID, or nobody (`payouts.api.tokens`).
Identity headers are believed only when TRUST_GATEWAY_HEADERS is on; with GATEWAY_SECRET they must also be
signed: HMAC-SHA-256 over user, tenant, role and time, in `X-Gateway-Signature: t=<unix time>,v1=<hex>`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from payouts.api import tokens
from payouts.api.requests import request_id_of
from payouts.audit import Actor
from payouts.errors import PayoutError

if TYPE_CHECKING:  # DRF imports this module while it is itself being imported.
    from rest_framework.views import APIView

ROLE_NAMES = ("merchant_admin", "finance_ops", "treasury_ops", "billing_ops", "system")
CREATE = frozenset({"merchant_admin", "finance_ops", "treasury_ops"})
READ = CREATE | {"billing_ops"}
OPERATE = frozenset({"finance_ops", "treasury_ops"})
# What is not here is forbidden.
ROLES: dict[str, dict[str, frozenset[str]]] = {
    "payouts": {"GET": READ, "POST": CREATE},
    "payout": {"GET": READ},
    "payouts-bulk": {"POST": CREATE},
    "payouts-quote": {"POST": CREATE},
    "payout-timeline": {"GET": READ},
    "payout-cancel": {"POST": OPERATE},
    "payout-retry": {"POST": OPERATE},
    "payout-approve": {"POST": OPERATE},
    "payout-recall": {"POST": OPERATE},
    "payouts-stats": {"GET": READ},
    "payouts-alerts": {"GET": OPERATE | {"billing_ops"}},
    "payouts-alert-resolve": {"POST": OPERATE},
    "connectors-health": {"GET": OPERATE | {"system"}},
    "beneficiaries": {"POST": CREATE},
    "beneficiary": {"GET": READ},
    "beneficiary-verify": {"POST": CREATE},
    "beneficiary-accept": {"POST": OPERATE},
    "ledger-deposits": {"POST": frozenset({"treasury_ops"})},
    "ledger-balances": {"GET": READ},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Stands in for a user in DRF."""

    actor: Actor
    is_authenticated: bool = True


class MolamIdAuthentication(BaseAuthentication):
    """Identity from a Bearer token. What a token says, no header changes (but see `_tenant`)."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise PayoutError("unauthenticated")
        claims = tokens.claims_of(token.strip())
        role = claims.get(settings.MOLAM_ID_ROLE_CLAIM)
        if not isinstance(role, str) or role not in ROLE_NAMES:
            raise PayoutError("unauthenticated")
        user = tokens.text_claim(claims, settings.MOLAM_ID_USER_CLAIM)
        actor = Actor(
            id=str(tokens.uuid_of(user)),
            role=role,
            tenant_id=_tenant(claims, request.headers.get("X-Tenant-Id", "")),
            request_id=request_id_of(request),
        )
        if actor.is_merchant and not claims.get(settings.MOLAM_ID_TENANT_CLAIM):
            raise PayoutError("unauthenticated")
        return Caller(actor), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _tenant(claims: dict[str, Any], named: str) -> UUID | None:
    """The token's tenant. Where it has none, an operator chooses one merchant of all by X-Tenant-Id; where it
    has one, the header can only agree."""
    own = tokens.text_claim(claims, settings.MOLAM_ID_TENANT_CLAIM)
    chosen = tokens.uuid_of(own or named) if own or named else None
    if named and chosen != tokens.uuid_of(named):
        raise PayoutError("unauthenticated")
    return chosen


class GatewayAuthentication(BaseAuthentication):
    """Identity from the headers that a trusted gateway sets."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        if not settings.TRUST_GATEWAY_HEADERS:
            return None
        user, role = request.headers.get("X-User-Id", ""), request.headers.get("X-User-Role", "")
        tenant = request.headers.get("X-Tenant-Id", "")
        if not user and not role and not tenant:
            return None
        if settings.GATEWAY_SECRET:
            _check_signature(request.headers.get("X-Gateway-Signature", ""), user, tenant, role)
        # Exactly one role, as written: two headers arrive joined by a comma, and that is nobody's role.
        if role not in ROLE_NAMES or (role == "system" and not settings.GATEWAY_SECRET):
            raise PayoutError("unauthenticated", "X-User-Role must be exactly one known role")
        actor = Actor(
            id=str(_uuid(user, "X-User-Id")),
            role=role,
            tenant_id=_uuid(tenant, "X-Tenant-Id") if tenant else None,
            request_id=request_id_of(request),
        )
        if actor.is_merchant and actor.tenant_id is None:
            raise PayoutError("unauthenticated", "merchant_admin needs X-Tenant-Id")
        return Caller(actor), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _uuid(text: str, header: str) -> UUID:
    try:
        value = UUID(text)
    except ValueError:
        raise PayoutError("unauthenticated", f"{header} must be a UUID") from None
    if str(value) != text.lower():
        raise PayoutError("unauthenticated", f"{header} must be a UUID")
    return value


def signature(secret: str, *, at: int, user: str, tenant: str, role: str) -> str:
    """What a gateway signs, in hex."""
    message = f"{at}\n{user}\n{tenant}\n{role}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _check_signature(header: str, user: str, tenant: str, role: str) -> None:
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    stamp = parts.get("t", "")
    fresh = stamp.isascii() and stamp.isdecimal() and len(stamp) < 12
    if fresh:
        fresh = abs(time.time() - int(stamp)) <= settings.GATEWAY_SIGNATURE_MAX_AGE_S
    expected = signature(
        settings.GATEWAY_SECRET, at=int(stamp) if fresh else 0, user=user, tenant=tenant, role=role
    )
    if not fresh or not hmac.compare_digest(expected.encode(), parts.get("v1", "").encode()):
        raise PayoutError("unauthenticated", "X-Gateway-Signature does not fit")


class RolePermission(BasePermission):
    """The table above. A view without a row is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, Caller):
            raise PayoutError("unauthenticated")
        row = ROLES.get(getattr(view, "route", ""), {})
        method = "GET" if request.method == "HEAD" else str(request.method)
        if row and method not in row:
            raise MethodNotAllowed(method)
        return request.user.actor.role in row.get(method, frozenset())


class OpenInSandbox(BasePermission):
    """Documentation and metrics are open in the sandbox only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(settings.SANDBOX)


def actor_of(request: Request) -> Actor:
    caller: Any = request.user
    actor: Actor = caller.actor
    return actor


def writing_tenant(request: Request) -> UUID:
    """The tenant a write acts in. An operator must name one: a write outside a named tenant finds nothing."""
    tenant_id = actor_of(request).tenant_id
    if tenant_id is None:
        raise PayoutError("not_found", "Name the merchant with X-Tenant-Id")
    return tenant_id
