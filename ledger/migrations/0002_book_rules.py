"""What the book promises, held by the database: balanced transfers, one currency, nothing ever changed."""

from django.db import migrations

FORWARD = """
ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_account_in_its_currency
  FOREIGN KEY (account_id, currency) REFERENCES ledger_accounts (id, currency);

CREATE FUNCTION ledger_entries_are_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad uuid;
BEGIN
  -- All legs of a transfer arrive in one INSERT, so this statement alone must sum to zero.
  SELECT transfer_id INTO bad FROM written GROUP BY transfer_id, currency
  HAVING sum(amount) <> 0 OR count(*) < 2 LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'transfer % is not balanced within one statement', bad USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER balanced AFTER INSERT ON ledger_entries
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_are_balanced();

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: correct it with a new transfer', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfers
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_accounts
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

ALTER TABLE ledger_balances SET (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
"""

BACKWARD = """
DROP TRIGGER append_only ON ledger_accounts;
DROP TRIGGER append_only ON ledger_transfers;
DROP TRIGGER append_only ON ledger_entries;
DROP FUNCTION ledger_is_append_only();
DROP TRIGGER balanced ON ledger_entries;
DROP FUNCTION ledger_entries_are_balanced();
ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_account_in_its_currency;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
