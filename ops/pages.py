"""What the workbench's pages have in common: records are read, searched and never written here.

Django's permissions say who may look. Nobody may add, change or delete, superusers included: money is
moved by the engine's verbs, and a page that could write rows would be a way around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import BinaryField, Model, OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ops import looks
from ops.listing import WorkbenchAdmin
from payouts.models import BankConnector, PayoutSlaRule, Tenant

SECTION_ROWS = 200
MERCHANT = looks.link_column("tenant_id", "merchant", name="tenant_name")
CONNECTOR = looks.link_column("bank_connector_id", "connector", name="connector_name")
PAYOUT = looks.link_column("payout_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table on a record's page. It is shown to those who may look at `model`."""

    title: str
    model: type[Model]
    headers: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    empty: str = "None"
    right: tuple[str, ...] = ("amount",)
    note: str | SafeString = ""


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def leading(rows: Iterable[Any]) -> tuple[list[Any], str]:
    """The first rows of a section, and a word when there are more."""
    found = list(rows)
    more = len(found) > SECTION_ROWS
    return found[:SECTION_ROWS], f"The first {SECTION_ROWS}; there are more." if more else ""


def connector_name() -> Subquery:
    """`bank_connector_id` is no foreign key, so its name comes by a subquery."""
    return _name_of(BankConnector, "bank_connector_id")


def connector_key() -> Subquery:
    """Name and rail, as health and routing call it."""
    found = BankConnector.objects.filter(pk=OuterRef("bank_connector_id"))
    return Subquery(
        found.values(key=Concat("name", Value(":"), "rail", output_field=TextField()))[:1]
    )


def tenant_name() -> Subquery:
    return _name_of(Tenant, "tenant_id")


def sla_rule_name() -> Subquery:
    return _name_of(PayoutSlaRule, "sla_rule_id")


def _name_of(model: type[Model], column: str) -> Subquery:
    return Subquery(model._default_manager.filter(pk=OuterRef(column)).values("name")[:1])


class RecordAdmin(WorkbenchAdmin):
    """A table to be read: facts in groups, then sections with what belongs to the record."""

    change_form_template = "admin/record.html"
    # (title, columns). A method `fact_<name>` says more than a column. Empty: every column, in one group.
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """No form: the page shows `facts`."""
        return []

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        assert row is not None, "nothing is added here"
        context["headline"] = self.headline(row)
        context["offers"] = self.offers(request, row)
        context["repeated"] = self.repeated(row)
        context |= self.more(request, row)
        context["groups"] = list(self.groups(row))
        context["sections"] = [
            section for section in self.sections(row) if may_view(request, section.model)
        ]
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What a page of its own shows beside facts and sections."""
        return {}

    def repeated(self, row: Any) -> SafeString | None:
        """What an action's dialog says again, so that nobody acts on the wrong thing."""
        return None

    def offers(self, request: HttpRequest, row: Any) -> Sequence[object]:
        """What the reader may do to this record; see `acting`."""
        return ()

    def headline(self, row: Any) -> SafeString | None:
        """What a reader wants to know first."""
        return None

    def sections(self, row: Any) -> Iterable[Section]:
        """What belongs to this record."""
        return ()

    def groups(self, row: Any) -> Iterable[tuple[str, list[tuple[str, object]]]]:
        """Facts that there are: an empty column says nothing."""
        columns = tuple(f.name for f in row._meta.concrete_fields if not isinstance(f, BinaryField))
        for title, names in self.facts or (("", columns),):
            facts = [(name, self._fact(row, name)) for name in names]
            shown = [(_heading(name), value) for name, value in facts if value is not None]
            if shown:
                yield title, shown

    def _fact(self, row: Any, name: str) -> object:
        own = getattr(self, f"fact_{name}", None)
        if own is not None:
            return own(row)
        field = row._meta.get_field(name)
        if isinstance(field, BinaryField):
            raise AssertionError(f"{name} is not for reading")
        if field.is_relation:
            text = getattr(row, name) if name in self.follow else ""
            return looks.reference(field.attname, getattr(row, field.attname), text)
        return looks.fact(row, field)


class NamedAdmin(RecordAdmin):
    """Ids of merchants and connectors come with their names: subqueries, since they are no foreign keys."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        columns = {field.attname for field in self.model._meta.concrete_fields}
        if "tenant_id" in columns:
            rows = rows.annotate(tenant_name=tenant_name())
        if "bank_connector_id" in columns:
            rows = rows.annotate(connector_name=connector_key())
        return rows


# Where a column's own name is no English.
HEADINGS = {
    "tenant_id": "merchant",
    "bank_connector_id": "connector",
    "external_id": "merchant's key",
    "sla_rule_id": "service level",
    "sla_target_settlement_date": "promised for",
    "sla_target_at": "at the latest",
    "sla_violated": "late",
    "sla_violated_at": "late since",
    "sira_routing_score": "routing score",
    "fee_amount": "cost to us",
}


def _heading(name: str) -> str:
    return HEADINGS.get(name) or name.removesuffix("_id").removesuffix("_at").replace("_", " ")


def pair(first: object, second: object) -> SafeString:
    """Two lines in one cell: what it is, and more about it."""
    if not second:
        return format_html("{}", first)
    return format_html('{}<span class="ops-second">{}</span>', first, second)
