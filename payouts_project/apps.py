"""Makes the Celery application the current one in every Django process, so that doorbells ring."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "payouts_project"

    def ready(self) -> None:
        from payouts_project import celery  # noqa: F401, PLC0415  (needs settings, so not before now)
