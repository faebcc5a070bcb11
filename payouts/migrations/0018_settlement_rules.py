"""What a refusal may lead to is a closed list in the database too; `fund_first` is new in it."""

from django.db import migrations, models

REACTIONS = ["", "retry", "retry_other_rail", "fund_first", "repair", "refuse"]


class Migration(migrations.Migration):
    dependencies = [("payouts", "0017_payees")]
    operations = [
        migrations.AddConstraint(
            model_name="bankevidence",
            constraint=models.CheckConstraint(
                condition=models.Q(("reaction__in", REACTIONS)), name="bank_evidence_reaction_known"
            ),
        ),
    ]
