"""Groups of the workbench, one for each role of the specification, and the indexes of its search and counts.

What a role may is code (ops/roles.py), not rows: no permission needs to exist yet when this runs.
"""

import django.db.models
from django.db import migrations
from django.db.models import Q

ROLES = ("merchant_admin", "finance_ops", "treasury_ops", "billing_ops", "system")
UNFINISHED = [
    "requires_approval", "scheduled", "pending", "processing", "in_doubt", "sent", "failed", "dlq",
]  # fmt: skip


def make_groups(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.using(schema_editor.connection.alias).get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("payouts", "0010_metrics"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.AddIndex(
            model_name="payout",
            index=django.db.models.Index(
                fields=["sla_target_at"],
                condition=Q(sla_violated=True, status__in=UNFINISHED),
                name="payouts_late_open",
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=django.db.models.Index(
                fields=["beneficiary_account", "-id"], name="payouts_of_account"
            ),
        ),
        migrations.AddIndex(
            model_name="payoutattempt",
            index=django.db.models.Index(
                fields=["bank_reference"],
                condition=~Q(bank_reference=""),
                name="payout_retry_log_bank_ref",
            ),
        ),
        migrations.RemoveIndex(model_name="beneficiaryaccount", name="accounts_by_last4"),
        migrations.AddIndex(
            model_name="beneficiaryaccount",
            index=django.db.models.Index(fields=["last4", "tenant_id"], name="accounts_by_last4"),
        ),
        # The way back keeps the groups: people may be in them.
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
