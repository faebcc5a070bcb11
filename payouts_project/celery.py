"""The Celery application. Tasks live in `payouts.tasks`; their cadence in settings."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payouts_project.settings")

app = Celery("payouts")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["payouts"])


@worker_init.connect
@beat_init.connect
def stand_behind_the_wall(**_: Any) -> None:
    """Celery goes on when a signal's receiver fails; it does not when told to exit."""
    from django.conf import settings  # noqa: PLC0415  (not before they are needed)
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415

    from payouts import tenancy  # noqa: PLC0415

    if settings.SANDBOX:
        return
    try:
        tenancy.refuse_owner()
    except ImproperlyConfigured as refusal:
        raise SystemExit(str(refusal)) from None
