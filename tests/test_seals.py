"""The chain over the audit rows: it takes every row once, in time, and finds what was done to one later."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from payouts import invariants, poller, seals
from payouts.models import AuditSeal, PayoutAuditLog
from payouts.seals import Bad
from tests.database import one, run

COLUMNS = "sequence, action, from_status, to_status, actor, actor_role, reason, data, request_id"
ROW = "0, 'x', '', '', 'test', 'x', '', '{{\"b\": 1, \"a\": \"é\\\"\"}}', ''"


def write(how_many: int = 1, *, row_id: int | None = None) -> list[int]:
    """Audit rows, as a verb writes them; or one put under an id of choice."""
    columns, values = ("id, ", f"{row_id}, ") if row_id is not None else ("", "")
    return [
        row[0]
        for row in run(
            f"INSERT INTO payout_audit_log ({columns}{COLUMNS}) SELECT {values}{ROW.format()}"
            f" FROM generate_series(1, {how_many}) RETURNING id"
        )
    ]


def by_hand(sql: str) -> None:
    """With the rules off, as only the owner can."""
    run(f"SET session_replication_role = replica; {sql}; SET session_replication_role = origin")


def bad() -> tuple[str, str, int] | None:
    found = seals.verify().bad
    return (found.what, found.kind, found.id) if found else None


@pytest.fixture
def sealed(db: None) -> list[int]:
    """Three seals of two rows each."""
    ids = []
    for _ in range(3):
        ids += write(2)
        assert seals.seal() >= 2
    return ids


def test_a_seal_commits_to_every_column_of_its_rows(sealed: list[int]) -> None:
    """Counted anew by hand: what docs/operations.md says is what is in the table."""
    previous = bytes(32)
    for seal in AuditSeal.objects.order_by("number"):
        members = b""
        after = AuditSeal.objects.filter(number=seal.number - 1).values_list("upto", flat=True)
        for row in PayoutAuditLog.objects.filter(
            id__gt=after.first() or 0, id__lte=seal.upto
        ).order_by("id"):
            members += row.id.to_bytes(8, "big") + hashlib.sha256(_as_sealed(row)).digest()
        assert bytes(seal.members) == members
        assert bytes(seal.previous) == previous
        head = [seal.number, seal.upto, _microseconds(seal.sealed_at)]
        hashed = previous + b"".join(n.to_bytes(8, "big") for n in head)
        previous = hashlib.sha256(hashed + hashlib.sha256(members).digest()).digest()
        assert bytes(seal.hash) == previous
    columns = {field.attname for field in PayoutAuditLog._meta.concrete_fields}
    assert set(re.findall(r"l\.(\w+)", seals.ROW_HASH)) == columns


def _as_sealed(row: PayoutAuditLog) -> bytes:
    values = [
        row.id, row.payout_id and str(row.payout_id), row.tenant_id and str(row.tenant_id), row.sequence, row.action,
        row.from_status, row.to_status, row.actor, row.actor_role, row.reason,
        dict(sorted(row.data.items())), row.request_id, _microseconds(row.created_at),
    ]  # fmt: skip
    return json.dumps(values, ensure_ascii=False).encode()


def _microseconds(moment: Any) -> int:
    return round(moment.timestamp() * 1_000_000)


# --- what was done to a row later ---------------------------------------------------------------------


def test_an_untouched_chain_is_as_it_was_sealed(sealed: list[int]) -> None:
    found = seals.verify()
    assert (found.bad, found.unsealed) == (None, 0)
    assert found.rows >= 6
    write()
    assert seals.verify().unsealed == 1
    assert broken() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "'another'"), ("reason", "' '"), ("data", "'{}'"), ("sequence", "1"), ("tenant_id", "gen_random_uuid()"),
     ("payout_id", "gen_random_uuid()"), ("created_at", "created_at + interval '1 microsecond'")],
)  # fmt: skip
def test_a_changed_row_is_found_and_named(sealed: list[int], column: str, value: str) -> None:
    by_hand(f"UPDATE payout_audit_log SET {column} = {value} WHERE id = {sealed[3]}")
    assert bad() == ("row", "changed", sealed[3])
    assert broken() == ["audit_chain_unbroken"]


def test_a_removed_row_is_found_and_named(sealed: list[int]) -> None:
    by_hand(f"DELETE FROM payout_audit_log WHERE id IN ({sealed[2]}, {sealed[4]})")
    assert bad() == ("row", "removed", sealed[2])
    assert broken() == ["audit_chain_unbroken"]


def test_a_row_put_below_the_sealed_mark_is_found_and_named(db: None) -> None:
    (first,) = write()
    one("SELECT nextval(pg_get_serial_sequence('payout_audit_log', 'id'))")  # A gap is nothing bad.
    write()
    seals.seal()
    assert bad() is None
    write(row_id=first + 1)
    assert bad() == ("row", "inserted", first + 1)
    assert broken() == ["audit_chain_unbroken"]


def test_the_first_of_two_bad_rows_is_named(sealed: list[int]) -> None:
    by_hand(f"UPDATE payout_audit_log SET reason = 'x' WHERE id = {sealed[5]}")
    by_hand(f"DELETE FROM payout_audit_log WHERE id = {sealed[1]}")
    assert bad() == ("row", "removed", sealed[1])


# --- what was done to the chain itself ----------------------------------------------------------------


def test_a_removed_and_a_changed_seal_are_found(sealed: list[int]) -> None:
    last = one("SELECT max(number) FROM audit_seals")
    for sql, kind, number in (
        (f"DELETE FROM audit_seals WHERE number = {last - 1}", "removed", last - 1),
        (f"UPDATE audit_seals SET sealed_at = now() WHERE number = {last - 1}", "changed", last - 1),
        # A row changed together with its seal: the next one tells.
        (f"UPDATE audit_seals SET hash = sha256('x') WHERE number = {last - 1}", "changed", last - 1),
        (f"UPDATE audit_seals SET previous = hash WHERE number = {last}", "changed", last),
    ):  # fmt: skip
        run("SAVEPOINT before")
        by_hand(sql)
        assert bad() == ("seal", kind, number), sql
        assert broken() == ["audit_chain_unbroken"], sql
        run("ROLLBACK TO before")


def test_a_chain_cut_short_or_made_anew_is_found_by_what_is_kept_outside(
    sealed: list[int],
) -> None:
    kept = seals.newest(3)
    last = kept[-1].number
    assert [anchor.number for anchor in kept] == [last - 2, last - 1, last]
    run("SAVEPOINT before")
    by_hand(f"DELETE FROM audit_seals WHERE number = {last}")
    by_hand(f"DELETE FROM payout_audit_log WHERE id >= {sealed[4]}")
    assert bad() is None
    found = seals.verify(anchors=kept).bad
    assert found == Bad(what="seal", kind="removed", id=last, seal=last)
    run("ROLLBACK TO before")
    by_hand(f"UPDATE payout_audit_log SET reason = 'x' WHERE id = {sealed[4]}")
    by_hand(f"DELETE FROM audit_seals WHERE number = {last}")
    assert seals.seal() == 2
    assert bad() is None
    found = seals.verify(anchors=kept).bad
    assert found == Bad(what="seal", kind="changed", id=last, seal=last)


def broken() -> list[str]:
    names = ["audit_chain_unbroken", "audit_is_sealed"]
    return [verdict.name for verdict in invariants.ask(names) if verdict.broken]


# --- every row once, however transactions end ---------------------------------------------------------


@pytest.fixture
def other(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A second connection, with transactions of its own."""
    settings = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{k: settings[k] for k in names if k in settings}) as opened:
        yield opened
        opened.rollback()


def sealed_ids() -> list[int]:
    found = run("SELECT members FROM audit_seals ORDER BY number")
    return [row_id for (members,) in found for row_id, _ in seals._members(bytes(members))]


WRITE = f"INSERT INTO payout_audit_log ({COLUMNS}) VALUES ({ROW.format()}) RETURNING id"


def test_a_row_that_commits_after_a_higher_one_is_sealed_like_any_other(
    other: psycopg.Connection[Any],
) -> None:
    (lower,) = other.execute(WRITE).fetchone() or ()
    (higher,) = write()
    assert lower < higher
    sealer = seals.Sealer()
    assert sealer.turn(patience_s=0) == 0  # Nobody knows yet whether the lower one will come.
    (later,) = write()
    assert sealer.turn(patience_s=0) == 0
    other.commit()
    assert sealer.turn() == 2
    assert sealer.turn() == 1
    assert sealed_ids() == [lower, higher, later]
    assert seals.verify().bad is None


def test_an_id_that_was_drawn_and_not_yet_used_is_waited_for(
    other: psycopg.Connection[Any],
) -> None:
    """As when a writer is stopped between drawing its id and writing: it has no transaction id yet."""
    other.execute("LOCK TABLE payout_audit_log IN ROW EXCLUSIVE MODE")  # What INSERT takes first.
    (drawn,) = other.execute(
        "SELECT nextval(pg_get_serial_sequence('payout_audit_log', 'id'))"
    ).fetchone() or (0,)
    (higher,) = write()
    assert seals.seal(patience_s=0) == 0
    other.execute(f"INSERT INTO payout_audit_log (id, {COLUMNS}) VALUES ({drawn}, {ROW.format()})")
    other.commit()
    assert seals.seal() == 2
    assert sealed_ids() == [drawn, higher]


def test_what_was_rolled_back_leaves_a_gap_and_nothing_else(
    other: psycopg.Connection[Any],
) -> None:
    other.execute(WRITE)
    (higher,) = write()
    assert seals.seal(patience_s=0) == 0
    other.rollback()
    assert seals.seal() == 1
    assert sealed_ids() == [higher]
    assert seals.verify().bad is None


def test_writers_that_never_pause_do_not_keep_it_from_sealing(
    other: psycopg.Connection[Any],
) -> None:
    """At every moment somebody writes; those who wrote at the first turn have ended at the second."""
    other.execute(WRITE)
    (row_id,) = write()
    sealer = seals.Sealer()
    assert sealer.turn(patience_s=0) == 0
    other.commit()
    other.execute(WRITE)
    assert sealer.turn(patience_s=0) == 2
    assert sealed_ids()[-1] == row_id


def test_one_sealer_at_a_time(other: psycopg.Connection[Any]) -> None:
    write()
    other.execute("SELECT pg_advisory_xact_lock(hashtextextended('audit_seals', 84))")
    assert seals.seal() == 0
    other.rollback()
    assert seals.seal() == 1


def test_many_rows_are_sealed_some_at_a_time(db: None) -> None:
    seals.seal()
    write(5)
    sealer = seals.Sealer()
    assert [sealer.turn(limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_the_poller_seals_about_every_second(db: None) -> None:
    (duty,) = (duty for duty in poller.duties() if duty.name == "seals")
    assert duty.interval_s == 1
    write()
    duty.act()
    assert seals.verify().unsealed == 0


def test_rows_that_nobody_seals_are_told_of_after_five_minutes(sealed: list[int]) -> None:
    (row_id,) = write()
    assert broken() == []
    by_hand(
        f"UPDATE payout_audit_log SET created_at = now() - interval '301 s' WHERE id = {row_id}"
    )
    assert broken() == ["audit_is_sealed"]


# --- commands -------------------------------------------------------------------------------------------


def told(command: str, *options: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command(command, *options, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    except CommandError as refused:
        return refused.returncode, str(refused)
    return 0, out.getvalue()


def test_the_commands_say_what_is_wrong_and_end_accordingly(
    sealed: list[int], tmp_path: Path
) -> None:
    anchors = tmp_path / "anchors.jsonl"
    for _ in range(2):
        write()
        assert told("seal_audit", "--now", "--output", str(anchors)) == (0, "")
    assert [json.loads(line)["rows"] for line in anchors.read_text().splitlines()] == [1, 1]
    assert told("verify_audit", "--anchor", str(anchors))[0] == 0
    code, said = told("verify_audit", "--json", "--since", "2026-01-01T00:00:00+00:00")
    assert (code, json.loads(said)["ok"], json.loads(said)["unsealed"]) == (0, True, 0)
    by_hand(f"DELETE FROM payout_audit_log WHERE id = {sealed[0]}")
    code, said = told("verify_audit", "--json")
    seal = one("SELECT min(number) FROM audit_seals WHERE upto >= %(id)s", {"id": sealed[0]})
    named = json.loads(said)["bad"]
    assert (code, named["kind"], named["id"]) == (1, "removed", sealed[0])
    code, said = told("verify_audit")
    assert (code, f"audit row {sealed[0]} was removed after seal {seal}" in said) == (1, True)
    after = one("SELECT sealed_at FROM audit_seals WHERE number = %(n)s", {"n": seal + 1})
    assert told("verify_audit", "--since", after.isoformat())[0] == 0


def test_the_commands_refuse_what_they_cannot_understand(db: None, tmp_path: Path) -> None:
    broken_file = tmp_path / "broken"
    for content in ("", "no json", '{"number": 1}', "[]"):
        broken_file.write_text(content)
        assert told("verify_audit", "--anchor", str(broken_file))[0] == 2, content
    assert told("verify_audit", "--anchor", str(tmp_path / "absent"))[0] == 2
    assert told("verify_audit", "--since", "yesterday")[0] == 2
    assert told("verify_audit", "--since", "2026-01-01T00:00:00")[0] == 2
    assert told("seal_audit", "--last", "0")[0] == 2
    assert told("seal_audit", "--now", "--output", str(tmp_path / "no" / "folder"))[0] in (1, 2)
