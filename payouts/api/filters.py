"""What a list of payouts can be narrowed by."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict

from payouts.errors import PayoutError
from payouts.models import Payout, Priority, Status


class PayoutFilter(django_filters.FilterSet):  # type: ignore[misc]  # no stubs
    """`status` takes several, separated by commas."""

    status = django_filters.BaseInFilter(field_name="status")
    currency = django_filters.CharFilter()
    rail = django_filters.CharFilter()
    priority = django_filters.ChoiceFilter(choices=Priority.choices)
    external_id = django_filters.CharFilter()
    beneficiary_id = django_filters.UUIDFilter()
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Payout
        fields: list[str] = []


PARAMETERS = frozenset(PayoutFilter.base_filters) | {"limit", "offset"}


def narrow(query: QueryDict, payouts: QuerySet[Payout]) -> QuerySet[Payout]:
    """Apply a query string. Raises PayoutError parameter_invalid."""
    for name, values in query.lists():
        if len(values) > 1 or not values[0] or "\x00" in values[0]:
            raise PayoutError("parameter_invalid", param=name)
    if "status" in query and not set(str(query["status"]).split(",")) <= set(Status.values):
        raise PayoutError("parameter_invalid", "An unknown status", param="status")
    filterset = PayoutFilter(query, queryset=payouts)
    if not filterset.is_valid():
        name = next(iter(filterset.errors))
        raise PayoutError("parameter_invalid", param=name)
    narrowed: QuerySet[Payout] = filterset.qs
    return narrowed


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
