"""What banks send by themselves comes in through the web, which keeps a document and never changes one.

A later migration that replaces `raise_walls()` starts from `WALLS` here.
"""

from importlib import import_module

from django.db import migrations

seals = import_module("payouts.migrations.0012_audit_seals")
BEFORE = seals.WALLS.replace(seals.RIGHTS, seals.SEALERS_ONLY + seals.RIGHTS)
KEEPS_ONLY = """    IF t.name = 'bank_documents' THEN  -- What came of a document is the worker's to note.
      REVOKE UPDATE ON bank_documents FROM payouts_web;
    END IF;
    IF t.name = 'account_corrections' THEN  -- Banks lead payments to another account, never a request.
      REVOKE INSERT ON account_corrections FROM payouts_web;
    END IF;
"""
WALLS = BEFORE.replace(seals.RIGHTS, KEEPS_ONLY + seals.RIGHTS)
RAISE = "SELECT raise_walls()"


class Migration(migrations.Migration):
    dependencies = [("payouts", "0015_recall")]
    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, RAISE),
        migrations.RunSQL(WALLS, BEFORE),
        migrations.RunSQL(RAISE, migrations.RunSQL.noop),
    ]
