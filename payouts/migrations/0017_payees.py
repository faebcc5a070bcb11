"""Whose account it is: what banks said to that, and which accounts are still to be asked about."""

from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

VERDICTS = [
    ("match", "matches"), ("close_match", "similar"), ("no_match", "another name"), ("not_possible", "cannot be said"),
]  # fmt: skip
OCCASIONS = [
    ("creation", "the account was made"), ("first_use", "before it was first paid"),
    ("recheck", "a person asked again"), ("acceptance", "a person accepted it"),
]  # fmt: skip
RULES = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payee_verifications
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON payee_checks
  FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
"""
BACKWARD = """
DROP TRIGGER never_deleted ON payee_checks;
DROP TRIGGER append_only ON payee_verifications;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0016_bank_events")]
    operations = [
        migrations.CreateModel(
            name="PayeeVerification",
            fields=[
                ("id", models.UUIDField(default=uuid7, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("account_id", models.UUIDField()),
                ("bank_connector_id", models.UUIDField(null=True)),
                ("occasion", models.TextField(choices=OCCASIONS)),
                ("verdict", models.TextField(choices=VERDICTS)),
                ("code", models.TextField()),
                ("asked_name", models.BinaryField()),
                ("actor", models.TextField()),
                ("actor_role", models.TextField()),
                ("reason", models.TextField(blank=True, default="")),
                ("verified_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "payee_verifications",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(verdict__in=[value for value, _ in VERDICTS]),
                        name="payee_verifications_verdict",
                    ),
                    models.CheckConstraint(
                        condition=Q(occasion__in=[value for value, _ in OCCASIONS]),
                        name="payee_verifications_occasion",
                    ),
                    models.CheckConstraint(
                        condition=~Q(occasion="acceptance") | (~Q(actor="") & ~Q(reason="")),
                        name="payee_verifications_accepted_by_somebody",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["account_id", "-id"], name="payee_verifications_last")
                ],
            },
        ),
        migrations.CreateModel(
            name="PayeeCheck",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("open", models.BooleanField(db_default=True)),
                ("occasion", models.TextField(choices=OCCASIONS)),
                ("lease_until", models.DateTimeField(null=True)),
                ("name", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "payee_checks",
                "indexes": [
                    models.Index(
                        fields=["created_at"], condition=Q(open=True), name="payee_checks_open"
                    )
                ],
            },
        ),
        migrations.RunSQL(RULES, BACKWARD),
        migrations.RunSQL("SELECT raise_walls()", migrations.RunSQL.noop),  # for the new tables
    ]
