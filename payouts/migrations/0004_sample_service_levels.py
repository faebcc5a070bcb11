"""The specification's five sample service levels, and one for each rail's ordinary traffic.

"ACH instant" runs over `rtp` and "SEPA instant" over `sepa_instant`. Days count from submission: T+2 is
processing 0, settlement 2. Fees are what the route costs the platform.
"""

from datetime import time
from decimal import Decimal

from django.db import migrations
from uuid_utils.compat import uuid7

NEW_YORK, BRUSSELS = "America/New_York", "Europe/Brussels"
RULES = [
    {"name": "ACH, US, batch", "rail": "ach", "country": "US", "priority": "batch", "cutoff_time": time(17),
     "time_zone": NEW_YORK, "calendar": "XFED", "settlement_days": 2, "base_fee": Decimal("0.20")},
    {"name": "ACH, US", "rail": "ach", "country": "US", "cutoff_time": time(17), "time_zone": NEW_YORK,
     "calendar": "XFED", "settlement_days": 2, "base_fee": Decimal("0.20")},
    {"name": "RTP, US, instant", "rail": "rtp", "country": "US", "priority": "instant", "time_zone": NEW_YORK,
     "settlement_days": 0, "base_fee": Decimal("0.45")},
    {"name": "Wire, US, standard", "rail": "wire", "country": "US", "priority": "standard",
     "cutoff_time": time(15), "time_zone": NEW_YORK, "calendar": "XFED", "settlement_days": 0,
     "base_fee": Decimal("15.00")},
    {"name": "SEPA, EU, batch", "rail": "sepa", "country": "EU", "priority": "batch", "cutoff_time": time(18),
     "time_zone": BRUSSELS, "calendar": "XECB", "settlement_days": 1, "base_fee": Decimal("0.15")},
    {"name": "SEPA, EU", "rail": "sepa", "country": "EU", "cutoff_time": time(18), "time_zone": BRUSSELS,
     "calendar": "XECB", "settlement_days": 1, "base_fee": Decimal("0.15")},
    {"name": "SEPA instant, EU", "rail": "sepa_instant", "country": "EU", "priority": "instant",
     "time_zone": BRUSSELS, "settlement_days": 0, "target_seconds": 10, "base_fee": Decimal("0.20")},
]  # fmt: skip


def add(apps, schema_editor):
    model = apps.get_model("payouts", "PayoutSlaRule")
    model.objects.bulk_create(model(id=uuid7(), processing_days=0, **rule) for rule in RULES)


def remove(apps, schema_editor):
    apps.get_model("payouts", "PayoutSlaRule").objects.filter(
        name__in=[r["name"] for r in RULES]
    ).delete()


class Migration(migrations.Migration):
    dependencies = [("payouts", "0003_rules")]
    operations = [migrations.RunPython(add, remove)]
