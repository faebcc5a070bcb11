"""What holds even against raw SQL: transitions, one hold, append-only records; and the five views."""

from django.db import migrations

DRAW = """
-- Numbers that a bank must see rise, drawn in one statement: returns the first of `how_many`.
-- `start` is where a sequence begins that does not exist yet.
CREATE FUNCTION draw_numbers(connector uuid, sequence_name text, how_many integer, start bigint) RETURNS bigint
LANGUAGE sql AS $$
  INSERT INTO bank_sequences AS s (bank_connector_id, name, next_value)
  VALUES (connector, sequence_name, start + how_many)
  ON CONFLICT (bank_connector_id, name) DO UPDATE SET next_value = s.next_value + how_many
  RETURNING next_value - how_many
$$;
"""

PAYOUT_RULES = """
CREATE FUNCTION payout_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.tenant_id, NEW.external_id, NEW.amount, NEW.currency, NEW.ledger_hold_id, NEW.beneficiary_account_id)
     IS DISTINCT FROM
     (OLD.id, OLD.tenant_id, OLD.external_id, OLD.amount, OLD.currency, OLD.ledger_hold_id, OLD.beneficiary_account_id)
  THEN
    RAISE EXCEPTION 'what a payout pays, to whom and for whom never changes' USING ERRCODE = 'restrict_violation';
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
CREATE TRIGGER payout_rules BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_rules();

-- A payout that ended keeps a hold that ended the same way, whoever wrote the status. Deferred, because
-- payout and hold change one after the other within a transaction.
CREATE FUNCTION payout_hold_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  status_now text;
  hold_now text;
BEGIN
  SELECT p.status, h.status INTO status_now, hold_now
  FROM payouts p LEFT JOIN payout_holds h ON h.payout_id = p.id WHERE p.id = NEW.id;
  IF hold_now IS DISTINCT FROM (CASE WHEN status_now IN ('settled', 'returned') THEN 'released'
                                     WHEN status_now IN ('rejected', 'cancelled') THEN 'reversed'
                                     ELSE 'active' END) THEN
    RAISE EXCEPTION 'payout % is % but its hold is %', NEW.id, status_now, coalesce(hold_now, 'missing')
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold_follows AFTER UPDATE OF status ON payouts DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status IN
    ('settled', 'returned', 'rejected', 'cancelled')) EXECUTE FUNCTION payout_hold_follows();

CREATE FUNCTION never_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON payouts
  FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON payout_holds
  FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON payout_retry_log
  FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON bank_transmissions
  FOR EACH STATEMENT EXECUTE FUNCTION never_deleted();
"""

HOLD_RULES = """
CREATE FUNCTION hold_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.payout_id, NEW.tenant_id, NEW.hold_amount, NEW.currency, NEW.ledger_transfer_id)
     IS DISTINCT FROM
     (OLD.id, OLD.payout_id, OLD.tenant_id, OLD.hold_amount, OLD.currency, OLD.ledger_transfer_id) THEN
    RAISE EXCEPTION 'what a hold holds never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.status <> OLD.status AND OLD.status <> 'active' THEN
    RAISE EXCEPTION 'hold % was resolved before: %', OLD.id, OLD.status USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_rules BEFORE UPDATE ON payout_holds FOR EACH ROW EXECUTE FUNCTION hold_rules();

CREATE FUNCTION holds_equal_payouts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM written h JOIN payouts p ON p.id = h.payout_id
             WHERE h.hold_amount <> p.amount OR h.currency <> p.currency OR h.tenant_id <> p.tenant_id
                OR h.id <> p.ledger_hold_id OR h.status <> 'active') THEN
    RAISE EXCEPTION 'a hold equals its payout in money and merchant' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER equal_payouts AFTER INSERT ON payout_holds REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION holds_equal_payouts();
"""

ATTEMPT_RULES = """
CREATE FUNCTION attempt_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.payout_id, NEW.attempt_number, NEW.bank_connector_id, NEW.reference)
     IS DISTINCT FROM (OLD.id, OLD.payout_id, OLD.attempt_number, OLD.bank_connector_id, OLD.reference) THEN
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
CREATE TRIGGER attempt_rules BEFORE UPDATE ON payout_retry_log FOR EACH ROW EXECUTE FUNCTION attempt_rules();
"""

APPEND_ONLY = """
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_evidence
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON routing_decisions
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""

VIEWS = """
-- Queues. Simple enough that FOR UPDATE SKIP LOCKED reaches the rows below.
CREATE VIEW v_payouts_ready_for_processing WITH (security_invoker = true) AS
  SELECT * FROM payouts WHERE status = 'pending';
CREATE VIEW v_payouts_retry_queue WITH (security_invoker = true) AS
  SELECT * FROM payouts WHERE status = 'failed' AND next_retry_at <= clock_timestamp();

-- Unfinished payouts that were not yet marked late; the SLA sweep and the workbench read it by sla_target_at.
CREATE VIEW v_payouts_sla_at_risk WITH (security_invoker = true) AS
  SELECT id, tenant_id, external_id, rail, status, amount, currency, sla_target_at, sla_target_settlement_date
  FROM payouts WHERE NOT sla_violated AND status IN
    ('requires_approval', 'scheduled', 'pending', 'processing', 'in_doubt', 'sent', 'failed', 'dlq');

-- What waits for a person, with the last attempt's story; the workbench's first page.
CREATE VIEW v_payouts_needing_attention WITH (security_invoker = true) AS
  SELECT p.id, p.tenant_id, p.status, p.amount, p.currency, p.rail, p.last_error_code, p.last_error, p.updated_at,
         a.attempt_number, a.state AS attempt_state, a.reference
  FROM payouts p LEFT JOIN LATERAL (
    SELECT attempt_number, state, reference FROM payout_retry_log l WHERE l.payout_id = p.id
    ORDER BY attempt_number DESC LIMIT 1) a ON true
  WHERE p.status IN ('dlq', 'in_doubt', 'requires_approval');

-- Counts and sums for statistics and metrics.
CREATE VIEW v_payouts_by_status WITH (security_invoker = true) AS
  SELECT tenant_id, currency, status, count(*) AS payouts, sum(amount) AS amount,
         sum(extract(epoch FROM settled_at - created_at)) / 3600 AS settlement_hours
  FROM payouts GROUP BY tenant_id, currency, status;
"""

STORAGE = """
ALTER TABLE payouts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bank_transmissions SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE bank_connector_state SET (fillfactor = 40);
ALTER TABLE bank_sequences SET (fillfactor = 40);
"""

BACKWARD = """
DROP VIEW v_payouts_by_status, v_payouts_needing_attention, v_payouts_sla_at_risk, v_payouts_retry_queue,
  v_payouts_ready_for_processing;
DROP TRIGGER append_only ON routing_decisions;
DROP TRIGGER append_only ON bank_evidence;
DROP TRIGGER append_only ON payout_audit_log;
DROP FUNCTION append_only();
DROP TRIGGER attempt_rules ON payout_retry_log;
DROP FUNCTION attempt_rules();
DROP TRIGGER equal_payouts ON payout_holds;
DROP FUNCTION holds_equal_payouts();
DROP TRIGGER hold_rules ON payout_holds;
DROP FUNCTION hold_rules();
DROP TRIGGER never_deleted ON bank_transmissions;
DROP TRIGGER never_deleted ON payout_retry_log;
DROP TRIGGER never_deleted ON payout_holds;
DROP TRIGGER never_deleted ON payouts;
DROP FUNCTION never_deleted();
DROP TRIGGER hold_follows ON payouts;
DROP FUNCTION payout_hold_follows();
DROP TRIGGER payout_rules ON payouts;
DROP FUNCTION payout_rules();
DROP FUNCTION draw_numbers(uuid, text, integer, bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0002_tables"), ("ledger", "0002_book_rules")]
    operations = [
        migrations.RunSQL(
            DRAW + PAYOUT_RULES + HOLD_RULES + ATTEMPT_RULES + APPEND_ONLY + VIEWS + STORAGE,
            BACKWARD,
        )
    ]
