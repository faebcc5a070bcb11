"""Who an account belongs to: filled in by what payee checks need."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0016_bank_events")]
    operations: list[object] = []
