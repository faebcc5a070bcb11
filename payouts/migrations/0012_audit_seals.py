"""The chain that audit rows are sealed into, and rules that catch what SQL by hand does beside the verbs.

Who may add to the chain, and that each seal follows the last one; an audit row for what a person changes
without a verb; a hold that ends only with the transfer that moves its money.
"""

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

BY_HAND = """
-- What a verb changes it records itself, and says so first (audit.by_verb). Names of columns, never values.
CREATE FUNCTION audit_by_hand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
  was jsonb := CASE TG_OP WHEN 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
  now jsonb := CASE TG_OP WHEN 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
  either jsonb := was || now;
BEGIN
  IF current_setting('app.verb', true) = 'on' THEN
    RETURN NULL;
  END IF;
  INSERT INTO payout_audit_log (tenant_id, sequence, action, from_status, to_status, actor, actor_role, reason, data,
                                request_id)
  VALUES (CASE TG_TABLE_NAME WHEN 'tenants' THEN either ->> 'id' ELSE either ->> 'tenant_id' END::uuid, 0,
          TG_ARGV[0], '', '', 'sql:' || session_user, 'sql', '',
          jsonb_build_object('table', TG_TABLE_NAME, 'did', lower(TG_OP),
            'id', coalesce(either ->> 'id', either ->> 'bank_connector_id'),
            'columns', (SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_object_keys(either) key
                        WHERE was -> key IS DISTINCT FROM now -> key)), '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit_by_hand() FROM PUBLIC;
CREATE TRIGGER by_hand AFTER UPDATE ON payout_alerts FOR EACH ROW
  WHEN (OLD.resolved IS DISTINCT FROM NEW.resolved) EXECUTE FUNCTION audit_by_hand('alert.changed');
CREATE TRIGGER by_hand AFTER UPDATE ON bank_connector_state FOR EACH ROW
  WHEN (OLD.paused IS DISTINCT FROM NEW.paused) EXECUTE FUNCTION audit_by_hand('connector.changed');
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON bank_connectors FOR EACH ROW
  EXECUTE FUNCTION audit_by_hand('connector.changed');
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON payout_sla_rules FOR EACH ROW
  EXECUTE FUNCTION audit_by_hand('sla_rule.changed');
CREATE TRIGGER by_hand AFTER UPDATE OR DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION audit_by_hand('tenant.changed');
"""
NOT_BY_HAND = """
DROP TRIGGER by_hand ON tenants;
DROP TRIGGER by_hand ON payout_sla_rules;
DROP TRIGGER by_hand ON bank_connectors;
DROP TRIGGER by_hand ON bank_connector_state;
DROP TRIGGER by_hand ON payout_alerts;
DROP FUNCTION audit_by_hand();
"""

HOLDS = """
-- A hold ends with its payout, whichever of the two was written first, and with the transfer of its money.
CREATE OR REPLACE FUNCTION hold_payout_follows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
  status_now text;
  hold_now text;
BEGIN
  SELECT p.status, h.status INTO status_now, hold_now
  FROM payout_holds h JOIN payouts p ON p.id = h.payout_id WHERE h.id = NEW.id;
  IF hold_now IS DISTINCT FROM (CASE WHEN status_now IN ('settled', 'returned') THEN 'released'
                                     WHEN status_now IN ('rejected', 'cancelled') THEN 'reversed'
                                     ELSE 'active' END) THEN
    RAISE EXCEPTION 'hold % is % but its payout is %', NEW.id, hold_now, status_now USING ERRCODE = 'check_violation';
  END IF;
  IF hold_now <> 'active' AND NOT EXISTS (
       SELECT FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id
       WHERE t.payout_id = NEW.payout_id AND t.kind = CASE hold_now WHEN 'released' THEN 'capture' ELSE 'reversal' END
         AND e.amount = NEW.hold_amount AND e.currency = NEW.currency) THEN
    RAISE EXCEPTION 'hold % is % but its money was not moved', NEW.id, hold_now USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
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
        migrations.RunSQL(BY_HAND, NOT_BY_HAND),
        migrations.RunSQL(HOLDS, migrations.RunSQL.noop),  # Going back leaves it strict.
        migrations.RunSQL(WALLS.replace(RIGHTS, SEALERS_ONLY + RIGHTS), WALLS),
        migrations.RunSQL("SELECT raise_walls()", migrations.RunSQL.noop),  # for the new table
    ]
