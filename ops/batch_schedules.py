"""When batches run: each schedule, when it fires next, and what its last runs were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from ops import looks
from ops.pages import SECTION_ROWS, RecordAdmin, Section, leading
from payouts import clock, schedules
from payouts.models import BatchSchedule, PayoutBatch


@admin.register(BatchSchedule)
class BatchScheduleAdmin(RecordAdmin):
    """To look at: a schedule is changed by `schedules.configure`, which keeps beat's doorbell in step."""

    ordering = ("name",)
    list_display = (
        "name", "batch_type", "cron", "time_zone", "switched", looks.when_column("last_fired_at"), "fires_next",
    )  # fmt: skip
    list_filter = ("batch_type", "enabled")
    search_fields = ("id", "name")

    @admin.display(description="enabled", ordering="enabled")
    def switched(self, row: BatchSchedule) -> SafeString:
        return looks.badge("active", "enabled") if row.enabled else looks.badge("disabled")

    @admin.display(description="fires next")
    def fires_next(self, row: BatchSchedule) -> SafeString:
        return looks.when(schedules.next_fire(row, clock.now()) if row.enabled else None)

    def sections(self, row: Any) -> Iterable[Section]:
        runs = PayoutBatch.objects.filter(batch_name=row.name).order_by("-scheduled_at", "currency")
        shown, note = leading(runs[: SECTION_ROWS + 1])
        yield Section(
            title="Runs",
            model=PayoutBatch,
            headers=("run", "fire time", "payouts", "amount", "status"),
            rows=[
                (
                    looks.reference("batch_id", run.id),
                    looks.when(run.scheduled_at),
                    run.total_payouts,
                    looks.amount(run.total_amount, run.currency),
                    looks.badge(run.status),
                )
                for run in shown
            ],
            note=note,
        )
