"""How every list of the workbench reads: views as tabs, search, filters as menus, dense rows, newest first.

Short pages, no counting of everything, exact search. Filters narrow by what they name and by nothing else,
so that nobody feels their way through a relation or a column that no page shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models import BinaryField, Field, Model, Q, QuerySet, UUIDField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

PAGES_COUNTED = 400
COMPARISONS = frozenset(
    {"exact", "isnull", "gte", "lt", "in"}
)  # A pattern could keep the database busy.


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A saved view: a link with its filter, and how many it holds where that is cheap to know."""

    title: str
    url: str
    count: int | None = None
    alarm: bool = False
    active: bool = False


class CountedToALimit(Paginator):  # type: ignore[type-arg]
    """Counts no further than anybody turns pages: a count of millions would read all of them."""

    @property
    def most(self) -> int:
        return self.per_page * PAGES_COUNTED

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows[: self.most].count()


class CountedList(ChangeList):  # type: ignore[misc]
    def get_results(self, request: HttpRequest) -> None:
        """No link to "show all": the bar of filters has its own way back."""
        with _readable():
            super().get_results(request)
        self.full_result_count = self.result_count

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        with _readable():
            rows: QuerySet[Any] = super().get_queryset(*args, **kwargs)
        return rows


@contextmanager
def _readable() -> Iterator[None]:
    """An address with a value that no column can have (a NUL, NaN, the year 10000) is a wrong address."""
    try:
        yield
    except (DataError, ValidationError, ValueError, OverflowError):
        raise IncorrectLookupParameters from None


class WorkbenchAdmin(ModelAdmin):  # type: ignore[misc]
    change_list_template = "admin/work_list.html"
    list_per_page = 25
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # A count for each choice of each filter.
    paginator = CountedToALimit
    list_fullwidth = True
    actions = None
    list_select_related = False
    follow: tuple[str, ...] = ()  # Foreign keys that the pages read.
    empty = "There is none yet."
    also_by: tuple[str, ...] = ()  # Narrowed by addresses that other pages link to.

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CountedList]:
        return CountedList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without what is encrypted or only compared: it is of no use here, and may be large."""
        followed = {name: self.model._meta.get_field(name).related_model for name in self.follow}
        hidden = [field.name for field in _binary(self.model)]
        for name, model in followed.items():
            hidden += [f"{name}__{field.name}" for field in _binary(model)]
        rows: QuerySet[Any] = super().get_queryset(request).defer(*hidden)
        # Without names, select_related would follow every key, and read what was left out.
        return rows.select_related(*self.follow) if self.follow else rows

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        named = [*self.also_by, *(one for one in self.list_filter if isinstance(one, str))]
        named += [str(getattr(one, "parameter_name", "")) for one in self.list_filter]
        named += [one[0] for f in self.list_filter for one in getattr(f, "inputs", ())]
        column, _, comparison = lookup.partition("__")
        return lookup in named or (column in named and comparison in COMPARISONS)

    # --- search ------------------------------------------------------------------------------------

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exactly what was typed: what people hold is an id or a reference, and indexes serve those."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        return queryset.filter(self.search_condition(term)), False

    def search_condition(self, term: str) -> Q:
        condition = Q(pk__in=[])
        for name in self.search_fields:
            field = _field_at(self.model, name)
            if not isinstance(field, UUIDField):
                condition |= Q(**{name: term})
            elif found := as_uuid(term):
                condition |= Q(**{name: found})
        return condition

    # --- the page ----------------------------------------------------------------------------------

    def tabs(self, request: HttpRequest) -> Sequence[Tab]:
        """Saved views above the list."""
        return ()

    def bulk(self, request: HttpRequest) -> Sequence[Any]:
        """What may be done to many rows at once; see `acting`."""
        return ()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        answer: Any = super().changelist_view(request, extra_context)
        shown = getattr(answer, "context_data", None)
        if shown and "cl" in shown:
            shown.update(self._shown(request, shown["cl"]))
        found: HttpResponse = answer
        return found

    def prepare(self, rows: Sequence[Any]) -> None:
        """Read what the cells of a whole page need, at once."""

    def _shown(self, request: HttpRequest, cl: Any) -> dict[str, Any]:
        self.prepare(cl.result_list)
        page = f"admin:{self.model._meta.app_label}_{self.model._meta.model_name}_change"
        last = cl.page_num >= cl.paginator.num_pages
        filters = [_described(s, cl) for s in cl.filter_specs if not getattr(s, "hidden", False)]
        return {
            "tabs": self.tabs(request),
            "bulk": self.bulk(request),
            "filters": filters,
            "narrowed": bool(cl.filter_params or cl.query),
            "kept": [(k, v[-1] if isinstance(v, list) else v) for k, v in cl.filter_params.items()],
            "matching": cl.get_query_string(remove=["p", "o"]).lstrip("?"),
            "columns": [(self._heading(c), _column_name(c)) for c in self.list_display],
            "rows": [
                {
                    "pk": row.pk,
                    "url": reverse(page, args=[row.pk]),
                    "cells": [self._cell(row, column) for column in self.list_display],
                }
                for row in cl.result_list
            ],
            "empty": self.empty,
            "previous": cl.get_query_string({"p": cl.page_num - 1}) if cl.page_num > 1 else "",
            "next": "" if last else cl.get_query_string({"p": cl.page_num + 1}),
        }

    def _heading(self, column: Any) -> str:
        if column == "__str__":
            return str(self.model._meta.verbose_name)
        told = column if callable(column) else getattr(self, column, None)
        return str(getattr(told, "short_description", "") or str(column).replace("_", " "))

    def _cell(self, row: Any, column: Any) -> object:
        if callable(column):
            return column(row)
        own = None if column == "__str__" else getattr(self, column, None)
        value = own(row) if own else str(row) if column == "__str__" else getattr(row, column)
        return (
            format_html('<span class="ops-muted">{}</span>', "–") if value in (None, "") else value
        )


def _described(spec: Any, cl: Any) -> dict[str, Any]:
    """A filter as a menu: its choices, or the form that it is filled in by."""
    choices = list(spec.choices(cl))
    if choices and "form" in choices[0]:
        return {"title": spec.title, "form": choices[0], "active": choices[0]["display"]}
    chosen = [str(c["display"]) for c in choices[1:] if c["selected"]]
    return {"title": spec.title, "choices": choices, "active": ", ".join(chosen)}


def _column_name(column: Any) -> str:
    return str(getattr(column, "__name__", column))


def _binary(model: type[Model]) -> list[BinaryField[Any, Any]]:
    return [field for field in model._meta.concrete_fields if isinstance(field, BinaryField)]


def _field_at(model: type[Model], path: str) -> Field[Any, Any]:
    *relations, name = path.split("__")
    for relation in relations:
        model = model._meta.get_field(relation).related_model  # type: ignore[assignment]
    found: Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]
    return found


def as_uuid(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None
