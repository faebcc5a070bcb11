"""Schedules of batches and their runs."""

import uuid_utils.compat
from django.db import migrations, models
from django.db.models.functions import Now

RULES = """
CREATE FUNCTION batch_item_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM written i JOIN payouts p ON p.id = i.payout_id JOIN payout_batches b ON b.id = i.batch_id
             WHERE p.currency <> b.currency OR i.tenant_id <> p.tenant_id OR b.tenant_id <> p.tenant_id) THEN
    RAISE EXCEPTION 'a batch is in one currency, and its payouts are those of its merchant'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER one_currency AFTER INSERT ON payout_batch_items REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION batch_item_rules();

CREATE FUNCTION batch_item_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a payout stays in its batch' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER stays BEFORE UPDATE ON payout_batch_items FOR EACH ROW
  WHEN ((NEW.batch_id, NEW.payout_id, NEW.tenant_id) IS DISTINCT FROM (OLD.batch_id, OLD.payout_id, OLD.tenant_id))
  EXECUTE FUNCTION batch_item_stays();

CREATE FUNCTION batch_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a run keeps its fire time, currency and merchant' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER stays BEFORE UPDATE ON payout_batches FOR EACH ROW
  WHEN ((NEW.batch_name, NEW.currency, NEW.scheduled_at, NEW.tenant_id)
    IS DISTINCT FROM (OLD.batch_name, OLD.currency, OLD.scheduled_at, OLD.tenant_id))
  EXECUTE FUNCTION batch_stays();
"""
BACKWARD = """
DROP TRIGGER stays ON payout_batches;
DROP FUNCTION batch_stays();
DROP TRIGGER stays ON payout_batch_items;
DROP FUNCTION batch_item_stays();
DROP TRIGGER one_currency ON payout_batch_items;
DROP FUNCTION batch_item_rules();
"""
STATUSES = [
    ("open", "collecting"),
    ("running", "running"),
    ("completed", "all paid"),
    ("completed_with_failures", "ended, not all paid"),
]


class Migration(migrations.Migration):
    dependencies = [("payouts", "0006_routing")]
    operations = [
        migrations.CreateModel(
            name="BatchSchedule",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField()),
                ("batch_type", models.TextField()),
                ("tenant_id", models.UUIDField(null=True)),
                ("currency", models.TextField(null=True)),
                ("rail", models.TextField(null=True)),
                ("cron", models.TextField()),
                ("time_zone", models.TextField()),
                ("enabled", models.BooleanField(default=True)),
                ("active_from", models.DateTimeField()),
                ("last_fired_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "batch_schedules",
                "constraints": [
                    models.UniqueConstraint(fields=("name",), name="batch_schedules_name")
                ],
            },
        ),
        migrations.AlterField(
            "payoutbatch", "status", models.TextField(choices=STATUSES, default="open")
        ),
        migrations.AddConstraint(
            "payoutbatch",
            models.CheckConstraint(
                condition=models.Q(("status__in", [name for name, _ in STATUSES])),
                name="payout_batches_status_known",
            ),
        ),
        migrations.AddIndex(
            "payoutbatchitem",
            models.Index(
                condition=models.Q(
                    ("status__in", ["paid", "rejected", "cancelled", "returned"]), _negated=True
                ),
                fields=["batch"],
                name="payout_batch_items_unfinished",
            ),
        ),
        migrations.AddIndex(
            "payout",
            models.Index(
                condition=models.Q(("batch_id__isnull", False), ("status", "returned")),
                fields=["returned_at"],
                name="payouts_returned_of_batch",
            ),
        ),
        migrations.RunSQL(RULES, BACKWARD),
    ]
