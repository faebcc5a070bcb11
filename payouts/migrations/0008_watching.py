"""What alerts, reconciliation and invariants need."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0007_batches")]
    operations = []
