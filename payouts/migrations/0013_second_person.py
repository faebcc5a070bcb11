"""What a second person confirms: approvals bound to what was seen, payouts given up, letters of banks.

Beside it: crashes of a worker are counted with the attempt that it worked on, and the expiry of a hold ends
with the first attempt, whoever writes it.
"""

from importlib import import_module

from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

CONTENT = """
-- What an approval is bound to: the money, and the account with what it points at. The number itself is in it
-- by its blind index, so that sealing it anew under another key changes nothing.
CREATE FUNCTION approval_content(payout uuid) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT encode(sha256(convert_to(concat_ws(E'\\x1f', p.id, p.amount, p.currency, a.id, a.type, a.currency,
           a.country, a.institution, a.last4, encode(a.blind_index, 'hex'), b.id, b.name), 'UTF8')), 'hex')
  FROM payouts p JOIN beneficiary_accounts a ON a.id = p.beneficiary_account_id
    JOIN beneficiaries b ON b.id = a.beneficiary_id WHERE p.id = payout
$$;
"""

PAYOUT_RULES = """
CREATE OR REPLACE FUNCTION payout_rules() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.id, NEW.tenant_id, NEW.amount, NEW.currency, NEW.ledger_hold_id, NEW.beneficiary_account_id,
      NEW.beneficiary_id, NEW.external_id, NEW.request_fingerprint, NEW.created_by, NEW.fee_currency, NEW.above_limit)
     IS DISTINCT FROM
     (OLD.id, OLD.tenant_id, OLD.amount, OLD.currency, OLD.ledger_hold_id, OLD.beneficiary_account_id,
      OLD.beneficiary_id, OLD.external_id, OLD.request_fingerprint, OLD.created_by, OLD.fee_currency, OLD.above_limit)
  THEN
    RAISE EXCEPTION 'what a payout pays, to whom and for whom never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  -- The route, and what it costs us, may change only before a bank is told.
  IF (NEW.fee_amount, NEW.bank_connector_id, NEW.rail)
     IS DISTINCT FROM (OLD.fee_amount, OLD.bank_connector_id, OLD.rail)
     AND OLD.status NOT IN ('requires_approval', 'scheduled', 'pending', 'failed') THEN
    RAISE EXCEPTION 'payout % is %: its route stays', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
  END IF;
  -- An approval is given once, and anew only by whoever retries it.
  IF (NEW.approval_hash, NEW.approved_by) IS DISTINCT FROM (OLD.approval_hash, OLD.approved_by)
     AND OLD.above_limit AND OLD.status NOT IN ('requires_approval', 'dlq') THEN
    RAISE EXCEPTION 'payout % is %: its approval stays', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
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
  IF NEW.above_limit THEN
    IF OLD.status = 'requires_approval' AND NEW.status <> 'cancelled'
       AND (NEW.approved_by = '' OR NEW.approval_hash IS DISTINCT FROM approval_content(NEW.id)) THEN
      RAISE EXCEPTION 'payout %: nobody approved what it pays', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    -- One that was to be cancelled while a bank had it follows the bank's refusal: that is no giving up.
    IF OLD.status = 'dlq' AND NEW.status = 'cancelled' AND NEW.cancel_requested_at IS NULL
       AND (NEW.give_up_requested_by = '' OR NEW.given_up_by = '') THEN
      RAISE EXCEPTION 'payout %: a second person must give it up', OLD.id USING ERRCODE = 'check_violation';
    END IF;
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
"""

EXPIRY = """
CREATE OR REPLACE FUNCTION hold_rules() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF (NEW.id, NEW.payout_id, NEW.tenant_id, NEW.hold_amount, NEW.currency, NEW.ledger_transfer_id)
     IS DISTINCT FROM
     (OLD.id, OLD.payout_id, OLD.tenant_id, OLD.hold_amount, OLD.currency, OLD.ledger_transfer_id) THEN
    RAISE EXCEPTION 'what a hold holds never changes' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.status <> OLD.status AND OLD.status <> 'active' THEN
    RAISE EXCEPTION 'hold % was resolved before: %', OLD.id, OLD.status USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.expires_at IS NOT NULL AND NEW.expires_at IS DISTINCT FROM OLD.expires_at
     AND EXISTS (SELECT FROM payout_retry_log a WHERE a.payout_id = NEW.payout_id) THEN
    RAISE EXCEPTION 'hold %: once a bank may have been told, time does not end it', OLD.id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION attempt_ends_expiry() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE payout_holds h SET expires_at = NULL FROM written w
  WHERE h.payout_id = w.payout_id AND h.expires_at IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER ends_expiry AFTER INSERT ON payout_retry_log REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION attempt_ends_expiry();
REVOKE ALL ON FUNCTION hold_rules(), attempt_ends_expiry() FROM PUBLIC;
"""

LETTERS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_letters
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""

# payout_rules as it was, for it reads columns that go; hold_rules stays strict.
BACKWARD = f"""
DROP TRIGGER append_only ON bank_letters;
DROP TRIGGER ends_expiry ON payout_retry_log;
DROP FUNCTION attempt_ends_expiry();
{import_module("payouts.migrations.0008_watching").WIDER}
ALTER FUNCTION payout_rules() SECURITY DEFINER SET search_path = public, pg_temp;
DROP FUNCTION approval_content(uuid);
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0012_audit_seals")]
    operations = [
        migrations.AddField(
            model_name="payout", name="above_limit", field=models.BooleanField(db_default=False)
        ),
        migrations.AddField(
            model_name="payout",
            name="approval_hash",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddField(
            model_name="payout",
            name="give_up_requested_by",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddField(
            model_name="payout",
            name="give_up_requested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="payout",
            name="given_up_by",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=Q(given_up_by="") | ~Q(given_up_by=F("give_up_requested_by")),
                name="payouts_given_up_by_another",
            ),
        ),
        migrations.AddField(
            model_name="payoutattempt", name="crashes", field=models.IntegerField(db_default=0)
        ),
        migrations.CreateModel(
            name="BankLetter",
            fields=[
                ("id", models.UUIDField(default=uuid7, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("payout_id", models.UUIDField()),
                ("attempt_id", models.UUIDField()),
                ("says", models.TextField(choices=[("settled", "paid"), ("rejected", "not paid")])),
                ("document", models.TextField()),
                ("reason", models.TextField()),
                ("stated_by", models.TextField()),
                ("stated_by_role", models.TextField()),
                ("stated_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "bank_letters",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["attempt_id", "stated_by"], name="bank_letters_once_each"
                    ),
                    models.CheckConstraint(
                        condition=Q(says__in=["settled", "rejected"]), name="bank_letters_says"
                    ),
                    models.CheckConstraint(
                        condition=~Q(stated_by="") & ~Q(document=""),
                        name="bank_letters_by_somebody",
                    ),
                ],
            },
        ),
        # What waits for its approval or had one was above its limit.
        migrations.RunSQL(
            "UPDATE payouts SET above_limit = true WHERE status = 'requires_approval' OR approved_by <> ''",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(CONTENT + PAYOUT_RULES + EXPIRY + LETTERS, BACKWARD),
        migrations.RunSQL("SELECT raise_walls()", migrations.RunSQL.noop),  # for the new table
    ]
