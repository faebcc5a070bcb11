"""The chain that audit rows are sealed into."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0011_roles")]
    operations: list = []
