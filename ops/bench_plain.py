"""What an ordinary Django service would do for a create: a ModelSerializer and the ORM, row by row.

The benchmark's baseline, on tables of its own (`plain_*`). It does what anybody would write first, and less
than the engine does: a look-up of the key, payout, hold, one audit row and a conditional update of the
balance, in one transaction. No route, no service level, no double-entry book, no fingerprint.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import connection, models, transaction
from django.db.models import F
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class PlainBalance(models.Model):
    tenant_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    available = models.DecimalField(max_digits=18, decimal_places=3)
    held = models.DecimalField(max_digits=18, decimal_places=3)

    class Meta:
        app_label = "ops"
        db_table = "plain_balances"
        unique_together = [("tenant_id", "currency")]

    def __str__(self) -> str:
        return f"{self.available} {self.currency}"


class PlainPayout(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tenant_id = models.UUIDField()
    external_id = models.TextField()
    beneficiary_id = models.UUIDField()
    beneficiary_account_id = models.UUIDField()
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    payout_method = models.TextField()
    priority = models.TextField(default="standard")
    description = models.TextField(default="", blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    status = models.TextField(default="pending", db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "ops"
        db_table = "plain_payouts"
        unique_together = [("tenant_id", "external_id")]
        indexes = [models.Index(fields=["tenant_id", "created_at"], name="plain_payouts_of_tenant")]

    def __str__(self) -> str:
        return str(self.id)


class PlainHold(models.Model):
    payout = models.OneToOneField(PlainPayout, on_delete=models.CASCADE)
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    state = models.TextField(default="active")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "ops"
        db_table = "plain_holds"

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class PlainAudit(models.Model):
    payout = models.ForeignKey(PlainPayout, on_delete=models.CASCADE)
    action = models.TextField()
    actor = models.TextField()
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "ops"
        db_table = "plain_audit"

    def __str__(self) -> str:
        return self.action


class PlainSerializer(serializers.ModelSerializer[PlainPayout]):
    class Meta:
        model = PlainPayout
        fields = "__all__"
        validators: list[Any] = []


class PlainView(APIView):
    authentication_classes = []
    permission_classes = []
    parser_classes = [JSONParser]

    def post(self, request: Request) -> Response:
        tenant_id, key = request.headers["X-Tenant-Id"], request.headers["Idempotency-Key"]
        known = PlainPayout._default_manager.filter(tenant_id=tenant_id, external_id=key).first()
        if known is not None:
            return Response({"payout": PlainSerializer(known).data})
        wish = PlainSerializer(data=dict(request.data, tenant_id=tenant_id, external_id=key))
        wish.is_valid(raise_exception=True)
        with transaction.atomic():
            payout = wish.save()
            paid = PlainBalance._default_manager.filter(
                tenant_id=tenant_id, currency=payout.currency, available__gte=payout.amount
            ).update(available=F("available") - payout.amount, held=F("held") + payout.amount)
            if not paid:
                raise serializers.ValidationError({"amount": "insufficient funds"})
            PlainHold._default_manager.create(
                payout=payout, amount=payout.amount, currency=payout.currency
            )
            PlainAudit._default_manager.create(
                payout=payout,
                action="payout.created",
                actor=request.headers["X-User-Id"],
                data={"amount": str(payout.amount), "currency": payout.currency},
            )
        return Response({"payout": PlainSerializer(payout).data}, status=201)


MODELS = (PlainBalance, PlainPayout, PlainHold, PlainAudit)
urlpatterns = [path("api/payouts", PlainView.as_view())]


def make_tables() -> None:
    """Anew, with the indexes and foreign keys that Django gives them."""
    with connection.schema_editor() as editor:
        for model in reversed(MODELS):
            if model._meta.db_table in connection.introspection.table_names():
                editor.delete_model(model)
        for model in MODELS:
            editor.create_model(model)
