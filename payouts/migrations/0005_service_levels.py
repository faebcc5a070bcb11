"""Weekend rules of service levels, and a level for every rail: instant ones in seconds, the others in days.

The specification's samples stay as they are (0004); those without a calendar are open on weekends. Each
rail has a level without a country too, so that no promise is made without a rule.
"""

from datetime import time
from decimal import Decimal

from django.db import migrations, models
from uuid_utils.compat import uuid7

NEW_YORK, BRUSSELS, LONDON = "America/New_York", "Europe/Brussels", "Europe/London"
DAYS = {"processing_days": 0, "weekend": "closed"}
ALWAYS = {"processing_days": 0, "settlement_days": 0, "weekend": "open"}
WALLETS = {  # XOF is the money of eight countries; KES that of Kenya.
    "BF": "Africa/Ouagadougou", "BJ": "Africa/Porto-Novo", "CI": "Africa/Abidjan", "GW": "Africa/Bissau",
    "KE": "Africa/Nairobi", "ML": "Africa/Bamako", "NE": "Africa/Niamey", "SN": "Africa/Dakar", "TG": "Africa/Lome",
}  # fmt: skip
RULES = [
    {**DAYS, "name": "ACH", "rail": "ach", "cutoff_time": time(17), "time_zone": NEW_YORK, "calendar": "XFED",
     "settlement_days": 2, "base_fee": Decimal("0.20")},
    {**ALWAYS, "name": "RTP", "rail": "rtp", "time_zone": NEW_YORK, "target_seconds": 60,
     "base_fee": Decimal("0.45")},
    {**DAYS, "name": "Wire, US", "rail": "wire", "country": "US", "cutoff_time": time(15), "time_zone": NEW_YORK,
     "calendar": "XFED", "settlement_days": 0, "base_fee": Decimal("15.00")},
    # Abroad a correspondent bank takes a day more on its side.
    {**DAYS, "name": "Wire, abroad", "rail": "wire", "cutoff_time": time(15), "time_zone": NEW_YORK,
     "calendar": "XFED", "settlement_days": 1, "base_fee": Decimal("25.00")},
    {**DAYS, "name": "SEPA", "rail": "sepa", "cutoff_time": time(18), "time_zone": BRUSSELS, "calendar": "XECB",
     "settlement_days": 1, "base_fee": Decimal("0.15")},
    {**ALWAYS, "name": "SEPA instant", "rail": "sepa_instant", "time_zone": BRUSSELS, "target_seconds": 10,
     "base_fee": Decimal("0.20")},
    {**ALWAYS, "name": "Faster Payments, GB", "rail": "faster_payments", "country": "GB", "time_zone": LONDON,
     "target_seconds": 60, "base_fee": Decimal("0.20")},
    {**ALWAYS, "name": "Faster Payments", "rail": "faster_payments", "time_zone": LONDON, "target_seconds": 60,
     "base_fee": Decimal("0.20")},
    *({**ALWAYS, "name": f"Mobile money, {country}", "rail": "mobile_money", "country": country, "time_zone": zone,
       "target_seconds": 300, "percentage_fee": Decimal("0.0100")} for country, zone in WALLETS.items()),
    {**ALWAYS, "name": "Mobile money", "rail": "mobile_money", "time_zone": "UTC", "target_seconds": 300,
     "percentage_fee": Decimal("0.0100")},
]  # fmt: skip

AT_RISK = """
CREATE OR REPLACE VIEW v_payouts_sla_at_risk WITH (security_invoker = true) AS
  SELECT id, tenant_id, external_id, rail, status, amount, currency, sla_target_at, sla_target_settlement_date{more}
  FROM payouts WHERE NOT sla_violated AND status IN
    ('requires_approval', 'scheduled', 'pending', 'processing', 'in_doubt', 'sent', 'failed', 'dlq');
"""


def add(apps, schema_editor):
    model = apps.get_model("payouts", "PayoutSlaRule")
    model.objects.filter(calendar="").update(weekend="open")
    # T+0 on a rail that ends within seconds: at 23:59 the end of the day would be no promise.
    model.objects.filter(name="RTP, US, instant", target_seconds=None).update(target_seconds=60)
    model.objects.bulk_create(model(id=uuid7(), **rule) for rule in RULES)


def remove(apps, schema_editor):
    model = apps.get_model("payouts", "PayoutSlaRule")
    model.objects.filter(name__in=[rule["name"] for rule in RULES]).delete()
    model.objects.filter(name="RTP, US, instant").update(target_seconds=None)


class Migration(migrations.Migration):
    dependencies = [("payouts", "0004_sample_service_levels")]
    operations = [
        migrations.AddField(
            "payoutslarule",
            "weekend",
            models.TextField(
                choices=[
                    ("closed", "Saturday and Sunday are closed"),
                    ("saturday", "only Saturday is closed"),
                    ("open", "open every day"),
                ],
                default="closed",
            ),
        ),
        # A table with pending row changes cannot be altered: the constraint comes before the rows.
        migrations.AddConstraint(
            "payoutslarule",
            models.CheckConstraint(
                condition=models.Q(("weekend__in", ["closed", "saturday", "open"])),
                name="payout_sla_rules_weekend",
            ),
        ),
        # By its rule a payout is seen to be promised within seconds, and watched more often.
        migrations.RunSQL(
            AT_RISK.format(more=", sla_rule_id"),
            "DROP VIEW v_payouts_sla_at_risk;" + AT_RISK.format(more=""),
        ),
        migrations.RunPython(add, remove),
    ]
