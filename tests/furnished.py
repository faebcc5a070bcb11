"""The world of `world.build` again, in one statement instead of sixty: most tests begin with it.

The first test of a process builds it by the engine's own verbs and keeps the rows; each later one gets
them back under a merchant of its own. Rows go in past the triggers, which looked at them the first time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from django.db import connection

from ledger import book
from ledger.models import Account
from payouts import poller
from payouts.audit import Actor
from tests import world
from tests.world import Bank, World

# Tables that each test fills for itself.
OWN = ("bank_sequences", "sandbox_clock")


@dataclass(frozen=True)
class Kept:
    """The rows that building made, as SQL, and the world that they are.

    `accounts`: the merchant's ledger accounts, whose ids follow from its id.
    """

    sql: str
    world: World
    accounts: tuple[tuple[str, str], ...]

    def furnish(self, bank: Bank) -> World:
        """The same rows for a new merchant; numbers and the clock as a test needs them."""
        tenant_id, sql = uuid4(), self.sql
        old, new = str(self.world.tenant_id), str(tenant_id)
        for name, currency in self.accounts:
            was, now = (book.account_id(n, currency) for n in (name, name.replace(old, new)))
            sql = sql.replace(str(was), str(now))
        with connection.cursor() as cursor:
            cursor.execute(sql.replace(old, new))
        poller.follow_simulator_clock()
        world.use_fresh_numbers()
        return replace(
            self.world,
            bank=bank,
            tenant_id=tenant_id,
            merchant=Actor(id=str(uuid4()), role="merchant_admin", tenant_id=tenant_id),
            operator=Actor(id=str(uuid4()), role="finance_ops", tenant_id=tenant_id),
            accounts=dict(self.world.accounts),
            currencies=dict(self.world.currencies),
        )


_kept: list[Kept] = []


def furnished(bank: Bank) -> World:
    """A world in the test's transaction: built the first time, then put back."""
    if _kept:
        return _kept[0].furnish(bank)
    before = _rows()
    built = world.build(bank)
    made = {
        table: [row for row in rows if row not in before[table]] for table, rows in _rows().items()
    }
    inserts = (_insert(table, rows) for table, rows in made.items() if rows and table not in OWN)
    guarded = ["SET LOCAL session_replication_role = replica", *inserts]
    # They were written a while ago; whoever looks for what waits too long for its seal looks at the time.
    guarded.append("UPDATE payout_audit_log SET created_at = clock_timestamp()")
    guarded.append("SET LOCAL session_replication_role = origin")
    accounts = Account.objects.filter(tenant_id=built.tenant_id).values_list("name", "currency")
    _kept.append(Kept(";\n".join(guarded), built, tuple(accounts)))
    return built


def _rows() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace ORDER BY relname"
        )
        tables = [row[0] for row in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
            found[table] = [row[0] for row in cursor.fetchall()]
        return found


def _insert(table: str, rows: list[str]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
            [table],
        )
        (columns,) = cursor.fetchone()
    literal = "[" + ", ".join(rows) + "]"
    literal = literal.replace("'", "''")
    return (
        f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns}'
        f" FROM jsonb_populate_recordset(NULL::\"{table}\", '{literal}')"
    )
