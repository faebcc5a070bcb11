"""SQL by hand that changes whom money goes to, or when and how a payout goes on, leaves a row that says so;
and what a bank was told never changes.
"""

from django.db import migrations

WHOM = """
-- Columns are named, never values. A correction is only ever added, and leads every later payout elsewhere.
CREATE TRIGGER by_hand AFTER UPDATE OR DELETE ON beneficiaries FOR EACH ROW
  EXECUTE FUNCTION audit_by_hand('beneficiary.changed');
CREATE TRIGGER by_hand AFTER UPDATE OR DELETE ON beneficiary_accounts FOR EACH ROW
  EXECUTE FUNCTION audit_by_hand('beneficiary.changed');
CREATE TRIGGER by_hand AFTER INSERT ON account_corrections FOR EACH ROW
  EXECUTE FUNCTION audit_by_hand('beneficiary.changed');
"""

PAYOUT = """
-- A changed status is told by payout_rules, which raises the sequence. Beside it a verb says audit.by_verb.
CREATE TRIGGER by_hand AFTER UPDATE ON payouts FOR EACH ROW
  WHEN (OLD.status = NEW.status AND OLD.audit_sequence = NEW.audit_sequence AND
    (OLD.priority, OLD.scheduled_at, OLD.next_retry_at, OLD.retry_count, OLD.max_retries, OLD.cancel_requested_at,
     OLD.approved_by, OLD.approval_hash, OLD.give_up_requested_by, OLD.given_up_by, OLD.bank_connector_id, OLD.rail,
     OLD.fee_amount, OLD.last_error_code, OLD.recall_status, OLD.reconciliation_status)
    IS DISTINCT FROM
    (NEW.priority, NEW.scheduled_at, NEW.next_retry_at, NEW.retry_count, NEW.max_retries, NEW.cancel_requested_at,
     NEW.approved_by, NEW.approval_hash, NEW.give_up_requested_by, NEW.given_up_by, NEW.bank_connector_id, NEW.rail,
     NEW.fee_amount, NEW.last_error_code, NEW.recall_status, NEW.reconciliation_status))
  EXECUTE FUNCTION audit_by_hand('payout.changed');
"""

TOLD = """
-- `body` is sealed anew when keys change, so it may change; its digest says that it is still the same.
CREATE FUNCTION transmission_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.bank_connector_id, NEW.rail) IS DISTINCT FROM (OLD.id, OLD.bank_connector_id, OLD.rail)
     OR (OLD.reference IS NOT NULL AND NEW.reference IS DISTINCT FROM OLD.reference)
     OR (OLD.body IS NOT NULL AND NEW.body IS NULL)
     OR (OLD.sha256 IS NOT NULL AND (NEW.sha256, NEW.reference, NEW.content_type)
         IS DISTINCT FROM (OLD.sha256, OLD.reference, OLD.content_type)) THEN
    RAISE EXCEPTION 'what a bank was told never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER transmission_rules BEFORE UPDATE ON bank_transmissions FOR EACH ROW
  EXECUTE FUNCTION transmission_rules();
REVOKE ALL ON FUNCTION transmission_rules() FROM PUBLIC;
"""

BACKWARD = """
DROP TRIGGER transmission_rules ON bank_transmissions;
DROP FUNCTION transmission_rules();
DROP TRIGGER by_hand ON payouts;
DROP TRIGGER by_hand ON account_corrections;
DROP TRIGGER by_hand ON beneficiary_accounts;
DROP TRIGGER by_hand ON beneficiaries;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0018_settlement_rules")]
    operations = [migrations.RunSQL(WHOM + PAYOUT + TOLD, BACKWARD)]
