"""Groups of the workbench: one for each role of the specification."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0010_metrics")]
    operations = []
