"""Asking for money back, and accounts that a receiving bank corrects."""

from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

STATES = [
    ("requested", "to be asked"), ("unknown", "perhaps asked"), ("sent", "asked"), ("accepted", "agreed"),
    ("refused", "refused"), ("returned", "came back"),
]  # fmt: skip
STATUSES = [
    ("none", "not recalled"), ("requested", "to be asked back"), ("asked", "the bank was asked"),
    ("accepted", "the bank agreed"), ("refused", "not given back"), ("returned", "came back"),
]  # fmt: skip

RULES = """
CREATE FUNCTION recall_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.tenant_id, NEW.payout_id, NEW.attempt_id, NEW.bank_connector_id, NEW.reference, NEW.reason,
      NEW.detail, NEW.requested_by, NEW.requested_at)
     IS DISTINCT FROM
     (OLD.id, OLD.tenant_id, OLD.payout_id, OLD.attempt_id, OLD.bank_connector_id, OLD.reference, OLD.reason,
      OLD.detail, OLD.requested_by, OLD.requested_at) THEN
    RAISE EXCEPTION 'what a bank is asked for never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT NEW.state = ANY (CASE OLD.state
       WHEN 'requested' THEN ARRAY['unknown', 'sent', 'accepted', 'refused', 'returned']
       WHEN 'unknown' THEN ARRAY['sent', 'accepted', 'refused', 'returned']
       WHEN 'sent' THEN ARRAY['accepted', 'refused', 'returned']
       WHEN 'accepted' THEN ARRAY['refused', 'returned']  -- refused: the order itself was, after all
       ELSE ARRAY[]::text[] END) THEN
    RAISE EXCEPTION 'recall %: % -> % takes back what is known', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER recall_rules BEFORE UPDATE ON bank_recalls FOR EACH ROW EXECUTE FUNCTION recall_rules();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON bank_recalls
  FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_corrections
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
REVOKE ALL ON FUNCTION recall_rules() FROM PUBLIC;
"""
BACKWARD = """
DROP TRIGGER append_only ON account_corrections;
DROP TRIGGER never_deleted ON bank_recalls;
DROP TRIGGER recall_rules ON bank_recalls;
DROP FUNCTION recall_rules();
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0014_proof")]
    operations = [
        migrations.AddField(
            model_name="payout",
            name="recall_status",
            field=models.TextField(choices=STATUSES, db_default="none"),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=Q(recall_status__in=["none", "requested", "asked", "accepted", "refused"])
                | Q(recall_status="returned", status="returned"),
                name="payouts_recall_status",
            ),
        ),
        migrations.CreateModel(
            name="BankRecall",
            fields=[
                ("id", models.UUIDField(default=uuid7, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("payout_id", models.UUIDField()),
                ("attempt_id", models.UUIDField()),
                ("bank_connector_id", models.UUIDField()),
                ("reference", models.TextField()),
                ("reason", models.TextField()),
                ("detail", models.TextField(blank=True, default="")),
                ("state", models.TextField(choices=STATES, default="requested")),
                ("code", models.TextField(blank=True, db_default="")),
                ("asks", models.IntegerField(db_default=0)),
                ("next_ask_at", models.DateTimeField(db_default=Now())),
                ("asked_at", models.DateTimeField(null=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("requested_by", models.TextField()),
                ("requested_by_role", models.TextField()),
                ("requested_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "bank_recalls",
                "constraints": [
                    models.UniqueConstraint(fields=["reference"], name="bank_recalls_reference"),
                    models.UniqueConstraint(
                        fields=["payout_id"],
                        condition=Q(state__in=["requested", "unknown", "sent", "accepted"]),
                        name="bank_recalls_one_open",
                    ),
                    models.CheckConstraint(
                        condition=Q(state__in=[state for state, _ in STATES]),
                        name="bank_recalls_state_known",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["payout_id", "-id"], name="bank_recalls_of_payout"),
                    models.Index(
                        fields=["next_ask_at"],
                        condition=Q(state__in=["requested", "unknown"]),
                        name="bank_recalls_to_ask",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountCorrection",
            fields=[
                ("id", models.UUIDField(default=uuid7, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("account_id", models.UUIDField()),
                ("corrected_account_id", models.UUIDField()),
                ("payout_id", models.UUIDField()),
                ("attempt_id", models.UUIDField()),
                ("code", models.TextField()),
                ("content", models.BinaryField()),
                ("corrected_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "account_corrections",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["account_id"], name="account_corrections_of_account"
                    ),
                    models.UniqueConstraint(
                        fields=["attempt_id", "content"], name="account_corrections_once"
                    ),
                ],
            },
        ),
        migrations.RunSQL(RULES, BACKWARD),
        migrations.RunSQL("SELECT raise_walls()", migrations.RunSQL.noop),  # for the new tables
    ]
