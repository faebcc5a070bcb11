"""What a second person confirms: approvals bound to what was seen, and payouts given up."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payouts", "0012_audit_seals")]
    operations: list = []
