"""Rules of the database that the fault list asks for."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0013_second_person")]
    operations: list = []
