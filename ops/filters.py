"""What lists are narrowed by. A filter is a menu of links, or a small form; both stand in the address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from ledger.models import Account
from ops.counts import ATTENTION, OPEN
from payouts.models import BankConnector, Status, Tenant


def _banks(request: HttpRequest) -> list[tuple[UUID, str, str]]:
    """The configured banks, read once for a page: a distinct over the payouts would read every one of them."""
    found: Any = getattr(request, "banks", None)
    if found is None:
        rows = BankConnector.objects.order_by("rail", "name").values_list("id", "name", "rail")
        found = request.banks = list(rows)  # type: ignore[attr-defined]
    banks: list[tuple[UUID, str, str]] = found
    return banks


class RailFilter(SimpleListFilter):
    title = "rail"
    parameter_name = "rail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(rail, rail) for rail in dict.fromkeys(rail for _, _, rail in _banks(request))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(rail=self.value()) if self.value() else queryset


class ConnectorFilter(SimpleListFilter):
    title = "connector"
    parameter_name = "connector"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(key), f"{name}:{rail}") for key, name, rail in _banks(request)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        if chosen not in dict(self.lookup_choices):
            raise IncorrectLookupParameters
        return queryset.filter(bank_connector_id=chosen)


class CurrencyFilter(SimpleListFilter):
    """Currencies that the platform itself has an account in: few rows, and every payout's is among them."""

    title = "currency"
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        ours = Account.objects.filter(tenant_id__isnull=True)
        currencies = ours.values_list("currency", flat=True).distinct().order_by("currency")
        return [(currency, currency) for currency in currencies]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(currency=self.value()) if self.value() else queryset


class StatusFilter(SimpleListFilter):
    """Several at once: each link adds its status or takes it away."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in Status]

    def chosen(self) -> list[str]:
        return [word for word in str(self.value() or "").split(",") if word]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.chosen()
        return queryset.filter(status__in=chosen) if chosen else queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        chosen = self.chosen()
        yield {
            "selected": not chosen,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "All",
        }
        for value, label in self.lookup_choices:
            rest = [v for v in chosen if v != value] if value in chosen else [*chosen, value]
            change: dict[str, Any] = {self.parameter_name: ",".join(rest) or None}
            yield {
                "selected": value in chosen,
                "query_string": changelist.get_query_string(change),
                "display": label,
                "many": True,
            }


class ViewFilter(SimpleListFilter):
    """What waits for a person, what is late: across statuses."""

    title = "attention"
    parameter_name = "attention"
    hidden = True  # The views above the list are its menu.

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("person", "waits for a person"), ("late", "late and open")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "person":
            return queryset.filter(status__in=ATTENTION)
        if self.value() == "late":
            return queryset.filter(sla_violated=True, status__in=OPEN)
        return queryset


class FormFilter(SimpleListFilter):
    """Filled in rather than chosen: `inputs` are (parameter, label, kind of input)."""

    inputs: tuple[tuple[str, str, str], ...] = ()

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.values = {name: _last(params.pop(name, "")).strip() for name, _, _ in self.inputs}
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("form", "form")]

    def expected_parameters(self) -> list[str | None]:
        return [name for name, _, _ in self.inputs]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "form": [(name, label, kind, self.values[name]) for name, label, kind in self.inputs],
            "selected": any(self.values.values()),
            "display": " – ".join(self.values.values()) if any(self.values.values()) else "",
            "query_string": changelist.get_query_string(remove=list(self.values)),
            "kept": [(k, v) for k, v in changelist.filter_params.items() if k not in self.values],
        }


def _last(value: Any) -> str:
    return str(value[-1] if isinstance(value, list) else value)


class AmountFilter(FormFilter):
    title = "amount"
    parameter_name = "amount_from"
    inputs = (("amount_from", "From", "text"), ("amount_to", "To", "text"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            low, high = (Decimal(v.replace(",", "")) if v else None for v in self.values.values())
        except InvalidOperation:
            raise IncorrectLookupParameters from None
        found = queryset if low is None else queryset.filter(amount__gte=low)
        return found if high is None else found.filter(amount__lte=high)


class CreatedFilter(FormFilter):
    """Days, in UTC. By the ids, which hold their time and are indexed, where the creation's time is not."""

    title = "created"
    parameter_name = "created_from"
    inputs = (("created_from", "From", "date"), ("created_to", "To", "date"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        begin, end = self.values.values()
        found = queryset.filter(pk__gte=first_id(_day(begin))) if begin else queryset
        return found.filter(pk__lt=first_id(_day(end) + timedelta(days=1))) if end else found


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise IncorrectLookupParameters from None


def first_id(moment: datetime) -> UUID:
    """The lowest UUIDv7 of a moment: ids begin with the milliseconds of their making."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


class MerchantFilter(FormFilter):
    title = "merchant"
    parameter_name = "merchant"
    inputs = (("merchant", "Name or id", "text"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        term = self.values["merchant"]
        if not term:
            return queryset
        condition = Q(name__icontains=term)
        with suppress(ValueError):
            condition |= Q(pk=UUID(term))
        return queryset.filter(tenant_id__in=Tenant.objects.filter(condition).values("pk"))


class ErrorFilter(FormFilter):
    title = "error"
    parameter_name = "error"
    inputs = (("error", "The last error's code", "text"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        code = self.values["error"]
        return queryset.filter(last_error_code="" if code == "none" else code) if code else queryset
