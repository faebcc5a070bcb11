"""What operators watch over HTTP: alerts and the banks' health."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from payouts import alerts, bankstate
from payouts.api import filters, paging, schema, serializers
from payouts.api.auth import actor_of
from payouts.api.door import Door
from payouts.api.requests import body_of, key_use
from payouts.errors import PayoutError
from payouts.models import PayoutAlert

NOBODYS = UUID(int=0)  # Stands for the merchant where a key is used on what belongs to none.


def _behind(rows: QuerySet[PayoutAlert], place: list[Any]) -> QuerySet[PayoutAlert]:
    resolved, alert_id = place
    same = Q(resolved=resolved, id__lt=alert_id)
    return rows.filter(same if resolved else same | Q(resolved=True))


# What waits for somebody comes first, newest before oldest (ids are time-ordered).
OPEN_FIRST: paging.Order[PayoutAlert] = paging.Order(
    name="alerts",
    by=("resolved", "-id"),
    place=lambda alert: [alert.resolved, str(alert.id)],
    after=_behind,
)


class AlertsView(Door):
    """`/api/payouts/ops/alerts`: all of a merchant, or of everybody for an operator who names none."""

    route: ClassVar[str] = "payouts-alerts"
    parameters = filters.ALERT_PARAMETERS

    @schema.lists_alerts
    def get(self, request: Request) -> Response:
        tenant_id = actor_of(request).tenant_id
        rows = PayoutAlert.objects.all()
        rows = rows if tenant_id is None else rows.filter(tenant_id=tenant_id)
        found = filters.narrow(request.query_params, rows, by=filters.AlertFilter)
        page = paging.read(found, request.query_params, order=OPEN_FIRST, tenant_id=tenant_id)
        shown = serializers.AlertOutput(page.rows, many=True).data
        return Response({"success": True, "alerts": shown, **page.fields})


class ResolveAlertView(Door):
    """`/api/payouts/ops/alerts/{id}/resolve`, with a reason that the audit keeps.

    An operator who names no merchant resolves what belongs to none, such as a bank that is down.
    """

    route: ClassVar[str] = "payouts-alert-resolve"

    @schema.resolves_an_alert
    def post(self, request: Request, alert_id: UUID) -> Response:
        actor = actor_of(request)
        values = serializers.ReasonInput(data=body_of(request, optional=True)).checked()
        use = key_use(
            request,
            tenant_id=actor.tenant_id or NOBODYS,
            route="POST /api/payouts/ops/alerts/{id}/resolve",
            values={"alert_id": str(alert_id), **values},
        )
        if not PayoutAlert.objects.filter(pk=alert_id, tenant_id=actor.tenant_id).exists():
            raise PayoutError("not_found")
        result = alerts.resolve_alerts(
            [alert_id], actor=actor, reason=values["reason"], tenant_id=actor.tenant_id, key=use
        )[0]
        if isinstance(result, alerts.Refused):
            raise result.error
        alert = serializers.AlertOutput(PayoutAlert.objects.get(pk=alert_id)).data
        response = Response({"success": True, "message": "Alert resolved", "alert": alert})
        response["Idempotent-Replayed"] = "true" if result.replayed else "false"
        return response


class ConnectorsHealthView(Door):
    """`/api/payouts/connectors/health`: each connection under `name:rail`, as last seen by the engine."""

    route: ClassVar[str] = "connectors-health"

    @schema.shows_health
    def get(self, request: Request) -> Response:
        found = {bank.key: _health(bank) for bank in bankstate.health_report()}
        return Response({"success": True, "connectors": found})


def _health(bank: bankstate.BankHealth) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "healthy": bank.healthy,
        "paused": bank.paused,
        "breaker": bank.breaker,
        "in_flight": bank.in_flight,
        "checked_at": bank.checked_at,
    }
    if not bank.healthy:
        shown["message"] = bank.message or "Does not answer as it should"
    elif bank.paused:
        shown["message"] = f"Paused: {bank.paused_reason}" if bank.paused_reason else "Paused"
    if bank.open_until is not None:
        shown["open_until"] = bank.open_until
    return shown
