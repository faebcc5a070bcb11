"""How the banks are: health, breaker and pause as they were last seen, cut-offs, and each bank's settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil

from ops import actions, looks
from ops.acting import ActingAdmin
from ops.pages import Section, pair
from payouts import banks, bankstate, clock, money, sla
from payouts.banks import BankHealth
from payouts.bankstate import FundsWanted
from payouts.models import BankConnector, BankConnectorState, PayoutSlaRule


def connector_badge(paused: bool, healthy: bool) -> SafeString:
    if paused:
        return looks.badge("paused")
    return looks.badge("healthy") if healthy else looks.badge("unhealthy")


def breaker_badge(bank: BankHealth) -> SafeString:
    """Only where it says something: a closed breaker is as it should be."""
    if bank.breaker == "closed":
        return looks.NOTHING
    until = f"{bank.open_until:%H:%M:%S}" if bank.open_until else ""
    words = f"open until {until}" if bank.breaker == "open" else "trying again"
    return looks.badge("unhealthy" if bank.breaker == "open" else "paused", words)


def funds_badges(wanted: Iterable[FundsWanted]) -> SafeString:
    """What one bank lacks money for; nothing when it does not."""
    return format_html_join(
        " ",
        "{}",
        (
            (looks.badge("unhealthy", f"needs {money.display(w.amount, w.currency)} {w.currency}"),)
            for w in wanted
        ),
    )


def _wanted() -> dict[Any, list[FundsWanted]]:
    found: dict[Any, list[FundsWanted]] = {}
    for wanted in bankstate.funds_wanted():
        found.setdefault(wanted.connector_id, []).append(wanted)
    return found


def told(bank: BankHealth) -> str:
    """Why it is as it is; that all is well needs no words."""
    if bank.paused:
        return f"Paused: {bank.paused_reason}"
    return "" if bank.healthy and bank.message in ("", "ok") else bank.message


def health_section() -> Section:
    """For the overview: one line for each bank."""
    wanted = _wanted()
    return Section(
        title="Banks",
        model=BankConnector,
        headers=("bank", "state", "in flight"),
        right=("in flight",),
        rows=[
            (
                pair(looks.reference("bank_connector_id", bank.connector_id, bank.key), told(bank)),
                format_html("{} {} {}", connector_badge(bank.paused, bank.healthy),
                            "" if bank.breaker == "closed" else breaker_badge(bank),
                            funds_badges(wanted.get(bank.connector_id, ()))),
                format_html('<span class="ops-money">{}</span>', bank.in_flight or "–"),
            )
            for bank in banks.health_report()
        ],
        empty="No bank is configured",
    )  # fmt: skip


def cut_offs(now: datetime) -> Section:
    """When each rail's next cut-off is, by the rules in force: what is asked for later takes a day more."""
    rules = [
        rule
        for rule in PayoutSlaRule.objects.filter(cutoff_time__isnull=False, rail__isnull=False)
        if (rule.effective_from is None or rule.effective_from <= now.date())
        and (rule.effective_until is None or now.date() < rule.effective_until)
    ]
    coming: dict[str, tuple[datetime, PayoutSlaRule]] = {}
    for rule in rules:
        moment, rail = sla.next_cutoff(rule, now), str(rule.rail)
        if rail not in coming or moment < coming[rail][0]:
            coming[rail] = (moment, rule)
    return Section(
        title="Next cut-offs",
        model=PayoutSlaRule,
        headers=("rail", "service level", "cut-off", "in"),
        rows=[
            (
                rail,
                looks.reference("sla_rule_id", rule.pk, str(rule)),
                pair(looks.when(moment), f"{rule.cutoff_time:%H:%M} {rule.time_zone}"),
                timeuntil(moment, now, depth=2),
            )
            for rail, (moment, rule) in sorted(coming.items(), key=lambda found: found[1][0])
        ],
        empty="No service level has a cut-off",
    )


@admin.register(BankConnector)
class BankConnectorAdmin(ActingAdmin):
    """Credentials are no fact of this page, and our own account numbers are cut."""

    acts = (actions.PAUSE, actions.RESUME)
    change_list_template = "admin/banks.html"
    ordering = ("rail", "preference", "name")
    list_display = ("name", "state", "breaker", "told", "in_flight", "checked", "order", "amounts")
    list_filter = ("rail", "enabled")
    search_fields = ("id", "name")
    search_help_text = "The id or name of a bank"
    empty = "No bank is configured: nothing can be sent."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        section = cut_offs(clock.now())
        return super().changelist_view(request, {**(extra_context or {}), "sections": [section]})

    def prepare(self, rows: Sequence[Any]) -> None:
        report = {bank.connector_id: bank for bank in banks.health_report()}
        wanted = _wanted()
        for row in rows:
            row.health = report.get(row.pk)
            row.wanted = wanted.get(row.pk, [])

    @admin.display(description="bank")
    def name(self, row: Any) -> SafeString:
        return format_html("{}", str(row))

    @admin.display(description="state")
    def state(self, row: Any) -> SafeString:
        if row.health is None:
            return looks.badge("disabled")
        badge = connector_badge(row.health.paused, row.health.healthy)
        return format_html("{} {}", badge, funds_badges(row.wanted)) if row.wanted else badge

    @admin.display(description="breaker")
    def breaker(self, row: Any) -> SafeString:
        return breaker_badge(row.health) if row.health else looks.NOTHING

    @admin.display(description="why")
    def told(self, row: Any) -> str:
        return told(row.health) if row.health else "Not in use"

    @admin.display(description="in flight")
    def in_flight(self, row: Any) -> SafeString:
        count = row.health.in_flight if row.health else 0
        return format_html('<span class="ops-money">{}</span>', count or "–")

    @admin.display(description="checked")
    def checked(self, row: Any) -> SafeString:
        return looks.when(row.health.checked_at if row.health else None)

    @admin.display(description="preference")
    def order(self, row: Any) -> SafeString:
        return format_html('<span class="ops-money">{}</span>', row.preference)

    @admin.display(description="amounts")
    def amounts(self, row: Any) -> str:
        low, high = row.min_amount, row.max_amount
        return "" if low is None and high is None else f"{low or 0:,f} to {high or '…'}"

    def fact_config(self, row: BankConnector) -> SafeString:
        return looks.structure(looks.without_account_numbers(row.config))

    def headline(self, row: Any) -> SafeString:
        found = next((b for b in banks.health_report() if b.connector_id == row.pk), None)
        if found is None:
            return format_html(
                '<p class="ops-head"><span class="ops-sum">{}</span> not in use</p>', row
            )
        return format_html(
            '<p class="ops-head"><span class="ops-sum">{}</span> {} {} {}</p><p class="ops-next">{}</p>',
            found.key,
            connector_badge(found.paused, found.healthy),
            "" if found.breaker == "closed" else breaker_badge(found),
            funds_badges(_wanted().get(row.pk, ())),
            told(found) or f"It answers. {found.in_flight} payouts are being told to it just now.",
        )

    def sections(self, row: Any) -> Iterable[Section]:
        states = BankConnectorState.objects.filter(pk=row.pk)
        yield Section(
            title="State",
            model=BankConnectorState,
            headers=(
                "state",
                "reason",
                "by",
                "checked",
                "answered in",
                "reports read",
                "report cursor",
            ),
            rows=[
                (
                    connector_badge(s.paused, s.healthy),
                    s.paused_reason or s.health_message or looks.NOTHING,
                    s.paused_by or looks.NOTHING,
                    looks.when(s.checked_at),
                    f"{s.latency_ms} ms" if s.latency_ms is not None else looks.NOTHING,
                    looks.when(s.reports_read_at),
                    looks.code(s.report_cursor) if s.report_cursor else looks.NOTHING,
                )
                for s in states
            ],
            empty="Never used",
        )
