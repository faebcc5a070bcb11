"""How a caller says who they are, as the document shows it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class GatewayScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers
    """The three identity headers, needed together."""

    target_class = "payouts.api.auth.GatewayAuthentication"
    name = ["userId", "tenantId", "userRole"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": header}
            for header in ("X-User-Id", "X-Tenant-Id", "X-User-Role")
        ]


class MolamIdScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers
    """A Bearer token of Molam ID."""

    target_class = "payouts.api.auth.MolamIdAuthentication"
    name = "molamId"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
