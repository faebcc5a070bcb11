"""What a list can be narrowed by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import QueryDict

from payouts.api import paging
from payouts.errors import PayoutError
from payouts.models import Payout, PayoutAlert, Priority, Status

Row = TypeVar("Row", bound=Model)


class MomentField(django_filters.fields.IsoDateTimeField):  # type: ignore[misc]  # no stubs
    """In UTC: not every offset that ISO 8601 can write is one for the database."""

    def to_python(self, value: str | None) -> datetime | None:
        read: datetime | None = super().to_python(value)
        try:
            return read and read.astimezone(UTC)
        except OverflowError:
            raise ValidationError("Before the first or after the last year") from None


class MomentFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    field_class = MomentField


class PayoutFilter(django_filters.FilterSet):  # type: ignore[misc]  # no stubs
    """`status` takes several, separated by commas."""

    status = django_filters.BaseInFilter(field_name="status")
    currency = django_filters.CharFilter()
    rail = django_filters.CharFilter()
    priority = django_filters.ChoiceFilter(choices=Priority.choices)
    external_id = django_filters.CharFilter()
    beneficiary_id = django_filters.UUIDFilter()
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Payout
        fields: list[str] = []


class AlertFilter(django_filters.FilterSet):  # type: ignore[misc]
    """`resolved` is true or false, as JSON writes them."""

    resolved = django_filters.TypedChoiceFilter(
        choices=[("true", "true"), ("false", "false")], coerce=lambda value: value == "true"
    )
    alert_type = django_filters.CharFilter()
    severity = django_filters.ChoiceFilter(
        choices=[(name, name) for name in ("low", "medium", "high", "critical")]
    )
    payout_id = django_filters.UUIDFilter()
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = PayoutAlert
        fields: list[str] = []


PARAMETERS = frozenset(PayoutFilter.base_filters) | paging.PARAMETERS
ALERT_PARAMETERS = frozenset(AlertFilter.base_filters) | paging.PARAMETERS


def narrow(
    query: QueryDict, rows: QuerySet[Row], *, by: type[django_filters.FilterSet]
) -> QuerySet[Row]:
    """Apply a query string. Raises PayoutError parameter_invalid."""
    for name, values in query.lists():
        if len(values) > 1 or not values[0] or "\x00" in values[0]:
            raise PayoutError("parameter_invalid", param=name)
    if by is PayoutFilter and not set(str(query.get("status", "sent")).split(",")) <= set(
        Status.values
    ):
        raise PayoutError("parameter_invalid", "An unknown status", param="status")
    filterset = by(query, queryset=rows)
    if not filterset.is_valid():
        name = next(iter(filterset.errors))
        raise PayoutError("parameter_invalid", param=name)
    narrowed: QuerySet[Row] = filterset.qs
    return narrowed
