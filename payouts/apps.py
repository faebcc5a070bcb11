from django.apps import AppConfig


class PayoutsConfig(AppConfig):
    name = "payouts"
    verbose_name = "Payouts"

    def ready(self) -> None:
        from payouts import tasks  # noqa: PLC0415  (needs the models, so not before now)

        tasks.install_ringer()
