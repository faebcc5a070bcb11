"""Who may do what at the workbench: the specification's five roles are groups, and what each may stands here.

Computed from the names of a person's groups, not stored as permissions: nobody widens a role by a click,
and an empty database needs no order of migrations.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q
from django.http import HttpRequest

from payouts.audit import Actor

ROLES = ("merchant_admin", "finance_ops", "treasury_ops", "billing_ops", "system")
LOOK = frozenset({"finance_ops", "treasury_ops", "billing_ops"})
ACT = frozenset({"finance_ops", "treasury_ops"})
CONFIGURE = frozenset({"treasury_ops"})
OUTSIDE = frozenset({"merchant_admin", "system"})  # Roles of the API: no workbench for them.
STRONGEST_FIRST = ("treasury_ops", "finance_ops", "billing_ops", "merchant_admin", "system")


def roles_of(user: Any) -> frozenset[str]:
    """The roles that a person holds; read once for each request, with the person."""
    names = getattr(user, "role_names", None)
    if names is None:
        names = list(user.groups.values_list("name", flat=True)) if user.pk else []
        user.role_names = names
    return frozenset(names) & frozenset(ROLES)


def may(request: HttpRequest, roles: frozenset[str]) -> bool:
    """Whether the person holds one of these roles. Being a superuser is no role."""
    return bool(request.user.is_active and roles_of(request.user) & roles)


def actor_of(request: HttpRequest) -> Actor:
    """The person at the workbench, as the audit log names them."""
    return actor_for(request.user, request_id=str(getattr(request, "request_id", "")))


def actor_for(user: Any, *, request_id: str = "") -> Actor:
    """A login as the audit log names it, whatever door it came through.

    A login whose name is a UUID is that Molam ID: the same person at the API and here, so that nobody
    approves at one door what they asked for at the other.
    """
    name, held = user.get_username(), roles_of(user)
    name = name.lower() if _is_uuid(name.lower()) else name  # As the API writes it.
    role = next((role for role in STRONGEST_FIRST if role in held), "")
    return Actor(
        id=name if _is_uuid(name) else f"user:{name}",
        role=role or ("administrator" if user.is_superuser else ""),
        request_id=request_id,
    )


def _is_uuid(name: str) -> bool:
    digits = name.replace("-", "")
    return len(name) == 36 and len(digits) == 32 and set(digits) <= set("0123456789abcdef")


def viewing() -> set[str]:
    """Permission to look at each table of the engine and its ledger."""
    models = [m for app in ("payouts", "ledger") for m in apps.get_app_config(app).get_models()]
    return {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in models}


class RoleBackend(ModelBackend):
    """Django's own, and beside it what the roles say."""

    def get_user(self, user_id: Any) -> Any:
        names = ArrayAgg("groups__name", filter=Q(groups__isnull=False), default=[])
        user = User.objects.annotate(role_names=names).filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and not roles_of(user) & OUTSIDE

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        found = set(super().get_group_permissions(user_obj, obj))
        if user_obj.is_active and obj is None and roles_of(user_obj) & LOOK:
            found |= viewing()
        if user_obj.is_active and obj is None and roles_of(user_obj) & CONFIGURE:
            found |= {"payouts.add_payoutslarule", "payouts.change_payoutslarule"}
        return found
