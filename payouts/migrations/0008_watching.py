"""An index for what no booking of a bank was matched with yet, and rules that raw SQL could get around."""

from django.db import migrations, models

WIDER = """
CREATE OR REPLACE FUNCTION payout_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.tenant_id, NEW.amount, NEW.currency, NEW.ledger_hold_id, NEW.beneficiary_account_id,
      NEW.beneficiary_id, NEW.external_id, NEW.request_fingerprint, NEW.created_by, NEW.fee_currency)
     IS DISTINCT FROM
     (OLD.id, OLD.tenant_id, OLD.amount, OLD.currency, OLD.ledger_hold_id, OLD.beneficiary_account_id,
      OLD.beneficiary_id, OLD.external_id, OLD.request_fingerprint, OLD.created_by, OLD.fee_currency)
  THEN
    RAISE EXCEPTION 'what a payout pays, to whom and for whom never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  -- The route, and what it costs us, may change only before a bank is told.
  IF (NEW.fee_amount, NEW.bank_connector_id, NEW.rail)
     IS DISTINCT FROM (OLD.fee_amount, OLD.bank_connector_id, OLD.rail)
     AND OLD.status NOT IN ('requires_approval', 'scheduled', 'pending', 'failed') THEN
    RAISE EXCEPTION 'payout % is %: its route stays', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.status = OLD.status THEN
    RETURN NEW;
  END IF;
  IF NOT transition_allowed(OLD.status, NEW.status) THEN
    RAISE EXCEPTION 'payout %: % -> % is not a transition', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status IN ('pending', 'cancelled', 'rejected') AND EXISTS (
       SELECT FROM payout_retry_log a WHERE a.payout_id = NEW.id
       AND a.state IN ('intent', 'unknown', 'accepted', 'settled')) THEN
    RAISE EXCEPTION 'payout %: % while an attempt may be at a bank', OLD.id, NEW.status
      USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.audit_sequence = OLD.audit_sequence THEN  -- No verb did this: say who did.
    NEW.audit_sequence := OLD.audit_sequence + 1;
    NEW.version := OLD.version + 1;
    INSERT INTO payout_audit_log (payout_id, tenant_id, sequence, action, from_status, to_status, actor, actor_role,
                                  reason, data, request_id)
    VALUES (NEW.id, NEW.tenant_id, NEW.audit_sequence, 'payout.' || NEW.status, OLD.status, NEW.status,
            'sql:' || session_user, 'sql', '', '{}', '');
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION attempt_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.payout_id, NEW.attempt_number, NEW.bank_connector_id, NEW.reference,
      NEW.tenant_id)
     IS DISTINCT FROM (OLD.id, OLD.payout_id, OLD.attempt_number, OLD.bank_connector_id, OLD.reference,
      OLD.tenant_id) THEN
    RAISE EXCEPTION 'the reference of an attempt never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT NEW.state = ANY (CASE OLD.state
       WHEN 'intent' THEN ARRAY['unknown', 'accepted', 'rejected', 'not_sent', 'settled']
       WHEN 'unknown' THEN ARRAY['accepted', 'rejected', 'settled']
       WHEN 'not_sent' THEN ARRAY['intent', 'accepted', 'settled']
       WHEN 'accepted' THEN ARRAY['rejected', 'settled']
       WHEN 'rejected' THEN ARRAY['accepted', 'settled']  -- a bank that paid after all
       ELSE ARRAY[]::text[] END) THEN
    RAISE EXCEPTION 'attempt %: % -> % takes back what is known', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
"""

NARROWER = """
-- A hold ends with its payout, whichever of the two was written first.
CREATE FUNCTION hold_payout_follows() RETURNS trigger LANGUAGE plpgsql AS $$
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
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payout_follows AFTER UPDATE OF status ON payout_holds DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION hold_payout_follows();

-- A life begins at its beginning. The condition is looked at without calling anything: it costs a create nothing.
CREATE FUNCTION payouts_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a payout does not begin as %', NEW.status USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER begins BEFORE INSERT ON payouts FOR EACH ROW
  WHEN (NEW.status IN ('processing', 'in_doubt', 'sent', 'failed', 'dlq', 'settled', 'rejected', 'cancelled', 'returned'))
  EXECUTE FUNCTION payouts_begin();
"""

BACKWARD = """
DROP TRIGGER begins ON payouts;
DROP FUNCTION payouts_begin();
DROP TRIGGER payout_follows ON payout_holds;
DROP FUNCTION hold_payout_follows();
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0007_batches")]
    operations = [
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                fields=["id"],
                condition=models.Q(
                    reconciliation_status="unreconciled",
                    status__in=["settled", "returned", "dlq", "cancelled", "rejected"],
                ),
                name="payouts_to_reconcile",
            ),
        ),
        # What payout_rules and attempt_rules guard beside what they did; going back leaves them strict.
        migrations.RunSQL(WIDER, migrations.RunSQL.noop),
        migrations.RunSQL(NARROWER, BACKWARD),
    ]
