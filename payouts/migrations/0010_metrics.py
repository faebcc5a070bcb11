"""What metrics count from: sums over audit rows, and the payouts whose promise was broken."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payouts", "0009_row_security")]
    operations = [
        migrations.CreateModel(
            name="MetricCursor",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("audit_id", models.BigIntegerField(default=0)),
                ("seen_id", models.BigIntegerField(default=0)),
                ("seen_xid", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "metric_cursor",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="metric_cursor_one_row"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MetricTotal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("metric", models.TextField()),
                ("label", models.TextField()),
                ("bucket", models.IntegerField()),
                ("observations", models.BigIntegerField()),
                ("total", models.DecimalField(decimal_places=6, max_digits=24)),
            ],
            options={
                "db_table": "metric_totals",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("metric", "label", "bucket"), name="metric_totals_one_each"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("sla_violated", True)),
                fields=["rail"],
                name="payouts_late",
            ),
        ),
        migrations.RunSQL("SELECT raise_walls()", migrations.RunSQL.noop),  # for the new tables
    ]
