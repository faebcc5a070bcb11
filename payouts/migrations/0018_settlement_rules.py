"""Deadlines, leads and reasons as data: filled in by what dates need."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0017_payees")]
    operations: list[object] = []
