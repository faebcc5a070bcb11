"""What metrics count from."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0009_row_security")]
    operations = []
