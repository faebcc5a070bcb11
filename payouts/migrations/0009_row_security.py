"""The second wall between tenants: three database roles and row-level security.

`raise_walls()` builds it from the catalogue and may be called again: a migration that adds a table ends with
`SELECT raise_walls()`. What it gives:

* payouts_web: of a table with a tenant, the rows of `app.tenants`, everything where `app.scope` is `platform`,
  nothing when neither is set; rows without a tenant on the platform only, but for everybody's batch schedules.
* payouts_worker: all rows.
* Neither may update append-only tables (those with an append_only trigger), delete, or truncate.
* The owner, whom policies bind as well, keeps seeing everything: migrations and operators' commands run as it.
"""

import sys

from django.db import migrations

SCOPE = """
CREATE FUNCTION app_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT nullif(current_setting('app.tenants', true), '')::uuid[]
$$;
CREATE FUNCTION app_platform() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(current_setting('app.scope', true) = 'platform', false)
$$;
"""

ROLES = """
-- They belong to the cluster: another database of it may have made them, perhaps this very moment.
CREATE FUNCTION make_roles() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['payouts_web', 'payouts_worker'] LOOP
    IF to_regrole(role) IS NULL THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN RETURN false;
      END;
    END IF;
    IF NOT pg_has_role(current_user, role, 'MEMBER') THEN
      BEGIN  -- So that DATABASE_ROLE can choose it.
        EXECUTE format('GRANT %I TO %I', role, current_user);
      EXCEPTION WHEN insufficient_privilege THEN NULL;
      END;
    END IF;
  END LOOP;
  RETURN true;
END $$;
"""

WALLS = """
CREATE FUNCTION raise_walls() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  t record;
  mine text;
  rights text;
BEGIN
  IF NOT make_roles() THEN
    RETURN false;
  END IF;
  GRANT USAGE ON SCHEMA public TO payouts_web, payouts_worker;
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO payouts_web, payouts_worker;
  FOR t IN
    SELECT c.relname AS name, c.relkind AS kind, pg_get_userbyid(c.relowner) AS owner,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS of_tenant,
           EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'append_only') AS append_only
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
      AND pg_get_userbyid(c.relowner) = current_user AND c.relname !~ '^pg_'
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, payouts_web, payouts_worker', t.name);
    IF t.kind = 'v' THEN  -- Locking through a view asks for the right to update it.
      EXECUTE format('GRANT SELECT, UPDATE ON %I TO payouts_web, payouts_worker', t.name);
      CONTINUE;
    END IF;
    IF t.name IN ('django_migrations', 'django_content_type') THEN
      EXECUTE format('GRANT SELECT ON %I TO payouts_web, payouts_worker', t.name);
      CONTINUE;
    ELSIF t.name = 'django_admin_log' THEN
      EXECUTE format('GRANT SELECT, INSERT ON %I TO payouts_web', t.name);
      CONTINUE;
    ELSIF t.name ~ '^(auth|django)_' THEN
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO payouts_web', t.name);
      IF t.name ~ '^django_celery_beat_' THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO payouts_worker', t.name);
      END IF;
      CONTINUE;
    END IF;
    rights := CASE WHEN t.append_only THEN 'SELECT, INSERT' ELSE 'SELECT, INSERT, UPDATE' END;
    EXECUTE format('GRANT %s ON %I TO payouts_web, payouts_worker', rights, t.name);
    IF t.name = 'routing_statistics' THEN  -- Counted anew from the evidence.
      EXECUTE format('GRANT DELETE ON %I TO payouts_worker', t.name);
    END IF;
    mine := CASE
      WHEN t.of_tenant THEN 'tenant_id = ANY ((SELECT app_tenants())::uuid[])'
      WHEN t.name = 'tenants' THEN 'id = ANY ((SELECT app_tenants())::uuid[])'
      WHEN t.name = 'ledger_entries' THEN  -- through its transfer, and that one's policy
        'EXISTS (SELECT FROM ledger_transfers f WHERE f.id = transfer_id)'
    END;
    CONTINUE WHEN mine IS NULL;
    mine := format('((SELECT app_platform()) OR %s)', mine);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t.name);
    EXECUTE format('DROP POLICY IF EXISTS web ON %I', t.name);
    EXECUTE format('DROP POLICY IF EXISTS worker ON %I', t.name);
    EXECUTE format('DROP POLICY IF EXISTS owner ON %I', t.name);
    EXECUTE format('CREATE POLICY web ON %I TO payouts_web USING %s WITH CHECK %s', t.name, mine, mine);
    EXECUTE format('CREATE POLICY worker ON %I TO payouts_worker USING (true) WITH CHECK (true)', t.name);
    EXECUTE format('CREATE POLICY owner ON %I TO %I USING (true) WITH CHECK (true)', t.name, t.owner);
  END LOOP;
  -- A deposit names the platform's account on the other side; making sure that it exists shows nothing of it.
  DROP POLICY IF EXISTS web_opens ON ledger_accounts;
  CREATE POLICY web_opens ON ledger_accounts FOR INSERT TO payouts_web WITH CHECK (tenant_id IS NULL);
  -- A schedule without a merchant is everybody's: whoever creates a batch payout must see when it fires.
  DROP POLICY IF EXISTS web_reads ON batch_schedules;
  CREATE POLICY web_reads ON batch_schedules FOR SELECT TO payouts_web USING (tenant_id IS NULL);
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION make_roles(), raise_walls() FROM PUBLIC;
"""

SEE_ALL = """
-- What is true of a payout must not depend on who may see it: these triggers look with the owner's eyes.
ALTER FUNCTION payout_rules() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION payout_hold_follows() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION hold_payout_follows() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION holds_equal_payouts() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION batch_item_rules() SECURITY DEFINER SET search_path = public, pg_temp;
-- Nobody else hangs them on a table of their own, to look or to write an audit row with the owner's rights.
REVOKE ALL ON FUNCTION payout_rules(), payout_hold_follows(), hold_payout_follows(), holds_equal_payouts(),
  batch_item_rules() FROM PUBLIC;
"""

BACKWARD = """
ALTER FUNCTION payout_rules() SECURITY INVOKER RESET search_path;
ALTER FUNCTION payout_hold_follows() SECURITY INVOKER RESET search_path;
ALTER FUNCTION hold_payout_follows() SECURITY INVOKER RESET search_path;
ALTER FUNCTION holds_equal_payouts() SECURITY INVOKER RESET search_path;
ALTER FUNCTION batch_item_rules() SECURITY INVOKER RESET search_path;
DO $$
DECLARE
  p record;
BEGIN
  FOR p IN SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public' LOOP
    EXECUTE format('DROP POLICY %I ON %I', p.policyname, p.tablename);
    EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', p.tablename);
  END LOOP;
END $$;
DROP FUNCTION raise_walls();
DROP FUNCTION make_roles();
DROP FUNCTION app_platform();
DROP FUNCTION app_tenants();
"""

NOTICE = """
The second wall between tenants is NOT up: this login may not create roles. As an administrator run
    CREATE ROLE payouts_web NOLOGIN; CREATE ROLE payouts_worker NOLOGIN;
and then, as the owner of the tables, SELECT raise_walls();
"""


def raise_walls(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT raise_walls()")
        if not cursor.fetchone()[0]:
            sys.stderr.write(NOTICE)


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0008_watching"),
        # Whose tables the processes use, too.
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [
        migrations.RunSQL(SCOPE + ROLES + WALLS + SEE_ALL, BACKWARD),
        migrations.RunPython(raise_walls, migrations.RunPython.noop),
    ]
