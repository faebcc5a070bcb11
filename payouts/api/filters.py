"""What a list of payouts can be narrowed by."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict

from payouts.errors import PayoutError
from payouts.models import Payout, Priority, Status

PAGING = ("limit", "offset")


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


def narrow(query: QueryDict, payouts: QuerySet[Payout]) -> QuerySet[Payout]:
    """Apply a query string. Raises PayoutError unknown_parameter or parameter_invalid."""
    known = set(PayoutFilter.base_filters) | set(PAGING)
    for name, values in query.lists():
        if name not in known:
            raise PayoutError("unknown_parameter", param=name[:100])
        if len(values) > 1 or "\x00" in values[0]:
            raise PayoutError("parameter_invalid", param=name)
    statuses = set(filter(None, query.get("status", "").split(",")))
    if "status" in query and (not statuses or not statuses <= set(Status.values)):
        raise PayoutError("parameter_invalid", "An unknown status", param="status")
    filterset = PayoutFilter(query, queryset=payouts)
    if not filterset.is_valid():
        name = next(iter(filterset.errors))
        raise PayoutError("parameter_invalid", param=name)
    narrowed: QuerySet[Payout] = filterset.qs
    return narrowed


def whole_number(query: QueryDict, name: str, *, default: int, low: int, high: int) -> int:
    """A limit or an offset: too large is capped, negative or unreadable is refused."""
    raw = query.get(name)
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdecimal()) or int(raw[:20]) < low:
        raise PayoutError("parameter_invalid", param=name)
    return min(int(raw[:20]), high)
