"""What banks send on their own: filled in by what webhooks need."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0015_recall")]
    operations: list[object] = []
