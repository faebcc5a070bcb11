"""Three SQL functions that the tables, triggers and code below them share."""

from django.db import migrations

FORWARD = """
-- Order of service, lowest first. A generated column of payouts uses it: rank and priority cannot disagree.
CREATE FUNCTION priority_rank(priority text) RETURNS smallint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE priority WHEN 'priority' THEN 0 WHEN 'instant' THEN 1 WHEN 'standard' THEN 2 ELSE 3 END::smallint
$$;

-- The table of transitions, as the database knows it; payouts/states.py has the same one for people.
CREATE FUNCTION transition_allowed(came_from text, goes_to text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT goes_to = ANY (CASE came_from
    WHEN 'requires_approval' THEN ARRAY['pending', 'scheduled', 'cancelled']
    WHEN 'scheduled' THEN ARRAY['pending', 'cancelled']
    WHEN 'pending' THEN ARRAY['processing', 'cancelled']
    WHEN 'processing' THEN ARRAY['sent', 'settled', 'in_doubt', 'failed', 'dlq', 'rejected', 'returned']
    WHEN 'in_doubt' THEN ARRAY['sent', 'settled', 'failed', 'rejected', 'returned', 'processing', 'dlq']
    WHEN 'sent' THEN ARRAY['settled', 'returned', 'rejected', 'failed', 'dlq']
    WHEN 'failed' THEN ARRAY['processing', 'dlq', 'cancelled']
    WHEN 'dlq' THEN ARRAY['pending', 'cancelled', 'sent', 'settled', 'rejected', 'returned']
    WHEN 'settled' THEN ARRAY['returned']
    ELSE ARRAY[]::text[] END)
$$;
"""

BACKWARD = """
DROP FUNCTION transition_allowed(text, text);
DROP FUNCTION priority_rank(text);
"""


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
