"""The chain that audit rows are sealed into: who may add to it, and that each seal follows the last one."""

from importlib import import_module

from django.db import migrations, models
from django.db.models.functions import Now

RULES = """
-- Hashes do not compress.
ALTER TABLE audit_seals ALTER COLUMN members SET STORAGE EXTERNAL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE FUNCTION seal_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last record;
BEGIN
  SELECT number, upto, hash INTO last FROM audit_seals ORDER BY number DESC LIMIT 1;
  IF NEW.number <> coalesce(last.number, 0) + 1 OR NEW.upto <= last.upto
     OR NEW.previous <> coalesce(last.hash, decode(repeat('00', 32), 'hex')) THEN
    RAISE EXCEPTION 'seal % does not follow the last one', NEW.number USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON audit_seals FOR EACH ROW EXECUTE FUNCTION seal_follows();
"""
BACKWARD = """
DROP TRIGGER follows ON audit_seals;
DROP FUNCTION seal_follows();
DROP TRIGGER append_only ON audit_seals;
"""

walls = import_module("payouts.migrations.0009_row_security").WALLS
WALLS = walls.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
RIGHTS = "    IF t.name = 'routing_statistics' THEN"
SEALERS_ONLY = """    IF t.name = 'audit_seals' THEN  -- The web writes audit rows; it does not put seals on them.
      REVOKE INSERT ON audit_seals FROM payouts_web;
    END IF;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0011_roles")]
    operations = [
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("upto", models.BigIntegerField()),
                ("members", models.BinaryField()),
                ("previous", models.BinaryField()),
                ("hash", models.BinaryField()),
                ("sealed_at", models.DateTimeField(db_default=Now())),
            ],
            options={"db_table": "audit_seals"},
        ),
        migrations.RunSQL(RULES, BACKWARD),
        migrations.RunSQL(WALLS.replace(RIGHTS, SEALERS_ONLY + RIGHTS), WALLS),
        migrations.RunSQL("SELECT raise_walls()", migrations.RunSQL.noop),  # for the new table
    ]
