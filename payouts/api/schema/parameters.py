"""Headers and query parameters, as the document shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from payouts.models import Priority


def key(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="1 to 255 printable ASCII characters, unique for ever within the merchant.",
    )


def _query(name: str, kind: Any = OpenApiTypes.STR, about: str = "", **more: Any) -> Any:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=about, **more)


PAGES = [
    _query("limit", OpenApiTypes.INT, "50 unless told; at most 200."),
    _query("offset", OpenApiTypes.INT, "At most 1000000; not together with a cursor."),
    _query(
        "cursor",
        about="The `next_cursor` of the page before, with the same filters. Costs the same however deep.",
    ),
]
MOMENTS = [
    _query("created_after", OpenApiTypes.DATETIME, "From this moment on."),
    _query("created_before", OpenApiTypes.DATETIME, "Before this moment."),
]
PAYOUTS = [
    _query("status", about="One status or several, separated by commas."),
    _query("currency"),
    _query("rail"),
    _query("priority", enum=Priority.values),
    _query("external_id", about="The Idempotency-Key that it was created with."),
    _query("beneficiary_id", OpenApiTypes.UUID),
    *MOMENTS,
    *PAGES,
]
ALERTS = [
    _query("resolved", OpenApiTypes.BOOL, "All unless told, with those that are open first."),
    _query("alert_type"),
    _query("severity", enum=["low", "medium", "high", "critical"]),
    _query("payout_id", OpenApiTypes.UUID),
    *MOMENTS,
    *PAGES,
]
