"""What the fault list asks of the database: documents that kill their reader, promises broken between two looks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payouts", "0013_second_person")]
    operations = [
        migrations.AddField(
            model_name="bankdocument", name="reads", field=models.IntegerField(db_default=0)
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(
                    ("settled_at__gt", models.F("sla_target_at")), ("sla_violated", False)
                ),
                fields=["settled_at"],
                name="payouts_settled_late",
            ),
        ),
    ]
