"""What routing learns and how it judges: success by institution, breakers, scores."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0005_service_levels")]
    operations = []
