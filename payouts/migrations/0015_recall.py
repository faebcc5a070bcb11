"""Asking for money back: filled in by what recalls need."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0014_proof")]
    operations: list[object] = []
