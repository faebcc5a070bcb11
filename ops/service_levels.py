"""Service levels are configuration: people change them here, and each change leaves an audit row."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ops import looks
from ops.listing import WorkbenchAdmin
from ops.pages import connector_name
from ops.roles import CONFIGURE, actor_of, may
from payouts import audit
from payouts.models import BankConnector, PayoutSlaRule, Priority, Weekend
from payouts.routing import METHODS

RAILS = sorted(frozenset().union(*METHODS.values()))
CALENDARS = (
    ("", "no holidays"),
    ("XFED", "Federal Reserve"),
    ("XECB", "TARGET"),
    ("GB-ENG", "England"),
)
ANY = ("", "any")
FIELDS = (
    "name", "bank_connector_id", "rail", "country", "priority", "cutoff_time", "time_zone", "calendar", "weekend",
    "processing_days", "settlement_days", "target_seconds", "base_fee", "percentage_fee",
    "effective_from", "effective_until",
)  # fmt: skip


def _choice(
    choices: Any, *, label: str = "", coerce: Any = str, required: bool = False
) -> forms.TypedChoiceField:
    """A list to choose from. Nothing chosen is NULL, which means "any"; an empty text would match nothing."""
    return forms.TypedChoiceField(
        choices=choices, label=label or None, coerce=coerce, required=required, empty_value=None,
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip


def _connectors() -> list[tuple[str, str]]:
    rows = BankConnector.objects.order_by("name", "rail").values_list("id", "name", "rail")
    return [ANY, *((str(key), f"{name}:{rail}") for key, name, rail in rows)]


class SlaRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    name = forms.CharField(required=False, max_length=100, widget=UnfoldAdminTextInputWidget)
    bank_connector_id = _choice(_connectors, label="Connector", coerce=UUID)
    rail = _choice([ANY, *((rail, rail) for rail in RAILS)])
    country = forms.CharField(
        required=False, empty_value=None, max_length=2, widget=UnfoldAdminTextInputWidget,
        help_text="Two letters, or EU; empty means any.",
    )  # fmt: skip
    priority = _choice([ANY, *Priority.choices])
    time_zone = _choice([(zone, zone) for zone in sorted(available_timezones())], required=True)
    calendar = forms.ChoiceField(
        choices=CALENDARS, required=False, widget=UnfoldAdminSelectWidget,
        help_text="Whose holidays are no banking days.",
    )  # fmt: skip
    weekend = forms.ChoiceField(
        choices=Weekend.choices, required=False, widget=UnfoldAdminSelectWidget,
        help_text="Closed days of the week count like holidays: nothing is processed or settled. "
        "Open is for rails that run at all hours; seconds, where given, count through any weekend.",
    )  # fmt: skip

    class Meta:
        model = PayoutSlaRule
        fields = FIELDS

    def clean_country(self) -> str | None:
        country: str | None = self.cleaned_data["country"]
        if country and not (country.isascii() and country.isalpha() and len(country) == 2):
            raise forms.ValidationError("Two letters, for example DE, or EU.")
        return country.upper() if country else None

    def clean_weekend(self) -> str:
        return self.cleaned_data["weekend"] or Weekend.CLOSED.value

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        begin, end = values.get("effective_from"), values.get("effective_until")
        if begin and end and end <= begin:
            self.add_error("effective_until", "It ends before it begins.")
        for name in (
            "processing_days",
            "settlement_days",
            "target_seconds",
            "base_fee",
            "percentage_fee",
        ):
            if (number := values.get(name)) is not None and number < 0:
                self.add_error(name, "It cannot be below zero.")
        return values


@admin.register(PayoutSlaRule)
class PayoutSlaRuleAdmin(WorkbenchAdmin):
    """Nothing is deleted here: payouts name the rule of their promise. A rule ends by its date."""

    form = SlaRuleForm
    compressed_fields = False  # Labels above: three fields fit beside each other.
    ordering = ("rail", "country", "priority", "id")
    list_display = (
        "rule", "rail", "country", "priority", "cutoff", "promise", "fee", "effective",
    )  # fmt: skip
    list_filter = ("rail", "priority")
    search_fields = ("id", "name", "rail", "country")
    fieldsets = (
        ("For which payouts", {"fields": (("name", "bank_connector_id"), ("rail", "country", "priority"))}),
        ("Promise", {
            "fields": (
                ("cutoff_time", "time_zone"),
                ("calendar", "weekend"),
                ("processing_days", "settlement_days", "target_seconds"),
            ),
            "description": "Days are banking days of the calendar. Seconds, where given, replace them.",
        }),
        ("What the route costs us", {"fields": (("base_fee", "percentage_fee"),)}),
        ("In force", {"fields": (("effective_from", "effective_until"),)}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(connector=connector_name())
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request, CONFIGURE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, CONFIGURE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The row and what it was before, in one transaction."""
        with transaction.atomic():
            before = PayoutSlaRule.objects.select_for_update().filter(pk=obj.pk).first()
            was = _values(before) if before else {}
            audit.by_verb()
            super().save_model(request, obj, form, change)
            now = _values(obj)
            changed = {k: [was.get(k), v] for k, v in now.items() if was.get(k) != v}
            if not changed:
                return
            action = "sla_rule.changed" if before else "sla_rule.created"
            data = {"sla_rule_id": str(obj.pk), "changed": changed}
            audit.record([audit.AuditRow(action=action, data=data)], actor=actor_of(request))

    @admin.display(description="rule", ordering="name")
    def rule(self, row: Any) -> str:
        connector = f" · {row.connector}" if row.connector else ""
        return f"{row}{connector}"

    @admin.display(description="cut-off", ordering="cutoff_time")
    def cutoff(self, row: PayoutSlaRule) -> str:
        return f"{row.cutoff_time:%H:%M} {row.time_zone}" if row.cutoff_time else "none"

    @admin.display(description="promise")
    def promise(self, row: PayoutSlaRule) -> str:
        if row.target_seconds is not None:
            return f"{row.target_seconds} s"
        calendar = row.calendar or {"open": "every day", "closed": "weekdays"}.get(row.weekend, "")
        return f"T+{row.processing_days + row.settlement_days} ({calendar})"

    @admin.display(description="cost to us")
    def fee(self, row: PayoutSlaRule) -> str:
        share = f" + {row.percentage_fee * 100:f} %" if row.percentage_fee else ""
        return f"{looks.digits(row.base_fee, '')}{share}"

    @admin.display(description="in force")
    def effective(self, row: PayoutSlaRule) -> SafeString:
        return format_html(
            "{} to {}", looks.when(row.effective_from), looks.when(row.effective_until)
        )


def _values(rule: PayoutSlaRule) -> dict[str, Any]:
    """As they stand in the audit log: a decimal is itself whatever its trailing zeros."""
    return {name: _plain(getattr(rule, name)) for name in FIELDS}


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value) if isinstance(value, UUID | date | time) else value
