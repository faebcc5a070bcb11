"""Schedules of batches and their runs."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0006_routing")]
    operations = []
