"""Lists in pages: by limit and offset as the specification has it, and by a cursor that stays put.

A cursor names the last row that was seen. It costs the same however deep it points, and rows that come in
meanwhile neither repeat nor hide others. It is signed for the list and the merchant that it was made for:
from anywhere else it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db.models import Model, QuerySet
from django.http import QueryDict

from payouts.errors import PayoutError

Row = TypeVar("Row", bound=Model)
OFFSET_MAX = 1_000_000  # Further down, a cursor costs less.
PARAMETERS = frozenset({"limit", "offset", "cursor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Generic[Row]):
    """How a list is sorted, and what stands behind a row in it."""

    name: str
    by: tuple[str, ...]
    place: Callable[[Row], list[Any]]
    after: Callable[[QuerySet[Row], list[Any]], QuerySet[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """Rows, and the fields that say where in the list they stand."""

    rows: Sequence[Row]
    fields: dict[str, Any]


def read(
    found: QuerySet[Row], query: QueryDict, *, order: Order[Row], tenant_id: UUID | None
) -> Page[Row]:
    """The page that a query asks for. Raises PayoutError parameter_invalid.

    The first answers of a list are counted; those behind a cursor are not, which is what makes it cheap.
    """
    most = settings.LIST_LIMIT_MAX
    limit = whole_number(query, "limit", default=50, low=1, high=most, cap=True)
    offset = whole_number(query, "offset", default=0, low=0, high=OFFSET_MAX, cap=False)
    signer = signing.Signer(salt=f"cursor:{order.name}:{tenant_id or ''}")
    fields: dict[str, Any] = {"limit": limit}
    ordered = found.order_by(*order.by)
    if "cursor" in query:
        if "offset" in query:
            raise PayoutError("parameter_invalid", "Either an offset or a cursor", param="cursor")
        ordered = order.after(ordered, _place(signer, str(query["cursor"])))
    else:
        fields |= {"total": found.count(), "offset": offset}
    rows = list(ordered[offset : offset + limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    fields["next_cursor"] = signer.sign_object(order.place(rows[-1])) if more else None
    return Page(rows=rows, fields=fields)


def _place(signer: signing.Signer, cursor: str) -> list[Any]:
    try:
        place: list[Any] = signer.unsign_object(cursor)
    except signing.BadSignature:
        detail = "A cursor is the next_cursor of this list, for this merchant"
        raise PayoutError("parameter_invalid", detail, param="cursor") from None
    return place


def whole_number(
    query: QueryDict, name: str, *, default: int, low: int, high: int, cap: bool
) -> int:
    """A limit or an offset: unreadable or too small is refused; above `high` is capped if `cap`, else refused."""
    raw = query.get(name)
    if raw is None:
        return default
    readable = raw.isascii() and raw.isdecimal()
    number = int(raw[:20]) if readable else -1
    if number < low or (number > high and not cap):
        raise PayoutError("parameter_invalid", f"A whole number from {low} to {high}", param=name)
    return min(number, high)
