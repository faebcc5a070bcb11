"""Addresses that machines use."""

from django.urls import path

from payouts.api import platform, scrape

urlpatterns = [
    path("healthz", platform.healthz, name="healthz"),
    path("readyz", platform.readyz, name="readyz"),
    path("metrics", scrape.metrics, name="metrics"),
]
