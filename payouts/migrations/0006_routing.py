"""What routing learns and how it judges: success by institution, breakers, scores."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payouts", "0005_service_levels")]
    operations = [
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker",
            field=models.TextField(db_default="closed"),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker_failures",
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker_open_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker_probe_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker_reason",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker_reopened",
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="breaker_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="health_lease_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="latency_ms",
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name="bankconnectorstate",
            name="reports_error",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddField(
            model_name="bankevidence",
            name="reaction",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddField(
            model_name="routingdecision",
            name="arrives_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="routingdecision",
            name="predicted_settlement_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="routingdecision",
            name="score",
            field=models.DecimalField(decimal_places=4, max_digits=5, null=True),
        ),
        migrations.AddField(
            model_name="routingdecision",
            name="source",
            field=models.TextField(db_default="rules"),
        ),
        migrations.CreateModel(
            name="RoutingCursor",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("counted_to", models.BigIntegerField(db_default=0)),
                ("pending_to", models.BigIntegerField(null=True)),
                ("pending_xid", models.BigIntegerField(null=True)),
            ],
            options={
                "db_table": "routing_cursor",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="routing_cursor_one_row"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RoutingStatistic",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("bank_connector_id", models.UUIDField()),
                ("institution", models.TextField(blank=True)),
                ("measure", models.TextField()),
                ("bucket", models.SmallIntegerField(db_default=0)),
                ("seen", models.BigIntegerField()),
            ],
            options={
                "db_table": "routing_statistics",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("institution", "bank_connector_id", "measure", "bucket"),
                        name="routing_statistics_one_each",
                    )
                ],
            },
        ),
    ]
