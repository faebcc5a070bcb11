"""Audit rows are sealed into a chain about every second, so that whoever changes them later is found out.

A seal commits to a set of rows: it holds the id and the SHA-256 of each, and the hash of the seal before it.
Sealing is nobody's hot path: no lock is taken that a writer waits for, and nothing is added to an audit row.
What is sealed:

* row: SHA-256 of the JSON array of all columns, in their order, times as microseconds since 1970.
* members: for each row by id, its id (8 bytes, big-endian) and its hash (32 bytes).
* seal: SHA-256 of previous hash, number, upto, time (8 bytes each) and the SHA-256 of the members. The first
  one's previous hash is 32 zero bytes.

Ids are drawn before transactions commit, so a lower id may appear after a higher one. Whoever has drawn an id
holds a lock on the table (every INSERT takes it before anything else): once all who held it when the highest
id was read have ended, no row up to that id can appear any more, and one that does was put there by hand.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

SEAL_ROWS = 10_000  # Rows in one seal.
PATIENCE_S = (
    0.1  # How long one turn waits for writers; later turns go on waiting for the same ones.
)
LOOK_AGAIN_S = 0.01
SEALS_AT_ONCE = 200  # Read together when the chain is checked.
RECORD = 40  # Bytes of one member.
LOWEST = -(2**63)
BEGINNING = f"CAST({LOWEST} AS bigint)"
FIRST = bytes(32)

ROW_HASH = (
    "sha256(convert_to(jsonb_build_array(l.id, l.payout_id, l.tenant_id, l.sequence, l.action, l.from_status,"
    " l.to_status, l.actor, l.actor_role, l.reason, l.data, l.request_id,"
    " (extract(epoch FROM l.created_at) * 1000000)::bigint)::text, 'UTF8'))"
)
MEMBERS = f"string_agg(int8send(l.id) || {ROW_HASH}, ''::bytea ORDER BY l.id)"
SEAL_HASH = (
    "sha256({0}.previous || int8send({0}.number) || int8send({0}.upto)"
    " || int8send((extract(epoch FROM {0}.sealed_at) * 1000000)::bigint) || sha256({0}.members))"
)


# --- sealing --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sealer:
    """Seals in turns. Writers that it waits for are remembered, so that a busy table is sealed all the same."""

    _upto: int | None = None
    _writers: set[str] = field(default_factory=set)

    def turn(self, *, limit: int = SEAL_ROWS, patience_s: float = PATIENCE_S) -> int:
        """Seal at most `limit` rows whose transactions have surely ended. Returns how many."""
        if self._upto is None:
            self._look()
        if self._upto is None or not self._all_ended(patience_s):
            return 0
        sealed = _append(self._upto, limit)
        if sealed < limit:
            self._upto = None
        return sealed

    def _look(self) -> None:
        """Note the highest id, and then who may still bring a lower one."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT max(id) FROM payout_audit_log"
                f" WHERE id > coalesce((SELECT max(upto) FROM audit_seals), {BEGINNING})"
            )
            self._upto = cursor.fetchone()[0]
        if self._upto is not None:
            self._writers = _writers()

    def _all_ended(self, patience_s: float) -> bool:
        until = time.monotonic() + patience_s
        while self._writers:
            self._writers &= _writers()
            if not self._writers or time.monotonic() > until:
                break
            time.sleep(LOOK_AGAIN_S)
        return not self._writers


def _writers() -> set[str]:
    """The transactions that write audit rows just now, but for our own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'"
            " AND granted AND relation = 'payout_audit_log'::regclass AND pid IS DISTINCT FROM pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return {row[0] for row in cursor.fetchall()}


def seal(*, limit: int = SEAL_ROWS, patience_s: float = PATIENCE_S) -> int:
    """Seal once what can be sealed now. Returns how many rows were."""
    return Sealer().turn(limit=limit, patience_s=patience_s)


def _append(upto: int, limit: int) -> int:
    """One more seal; nothing when another process is at it."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('audit_seals', 84))")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(  # Its own snapshot: it sees what the sealer before us has committed.
            "WITH last AS (SELECT number, upto, hash FROM audit_seals ORDER BY number DESC LIMIT 1),"
            f" l AS (SELECT * FROM payout_audit_log WHERE id > coalesce((SELECT upto FROM last), {BEGINNING})"
            "   AND id <= %(upto)s ORDER BY id LIMIT %(limit)s),"
            f" batch AS (SELECT max(l.id) AS upto, {MEMBERS} AS members FROM l),"
            " next AS (SELECT coalesce((SELECT number FROM last), 0) + 1 AS number, upto, members,"
            "   coalesce((SELECT hash FROM last), %(first)s) AS previous, clock_timestamp() AS sealed_at"
            "   FROM batch WHERE upto IS NOT NULL)"
            " INSERT INTO audit_seals (number, upto, members, previous, hash, sealed_at)"
            f" SELECT number, upto, members, previous, {SEAL_HASH.format('next')}, sealed_at FROM next"
            " RETURNING octet_length(members)",
            {"upto": upto, "limit": limit, "first": FIRST},
        )
        found = cursor.fetchone()
        return found[0] // RECORD if found else 0


# --- checking -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A seal as it is kept outside the database."""

    number: int
    upto: int
    rows: int
    hash: str
    sealed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """The first thing that is not as it was sealed."""

    what: str  # row | seal
    kind: str  # changed | removed | inserted
    id: int
    seal: int

    def __str__(self) -> str:
        if self.what == "row":
            return f"audit row {self.id} was {self.kind} after seal {self.seal} had been put on it"
        return f"seal {self.id} was {self.kind}"


@dataclass(slots=True)
class Verified:
    """What was checked, the first thing that is wrong (None: nothing is), and what has no seal yet."""

    seals: int = 0
    rows: int = 0
    bad: Bad | None = None
    unsealed: int = 0
    oldest_unsealed: datetime | None = None


@dataclass(slots=True)
class _Link:
    """The seal before the next one, as far as the check has come."""

    number: int = 0
    upto: int = LOWEST
    hash: bytes = FIRST


def verify(*, since: datetime | None = None, anchors: Sequence[Anchor] = ()) -> Verified:
    """Check the whole chain, or what was sealed `since`, against the rows and against copies kept outside."""
    *_, found = verify_in_steps(since=since, anchors=anchors)
    return found


def verify_in_steps(
    *, since: datetime | None = None, anchors: Sequence[Anchor] = ()
) -> Iterator[Verified]:
    """The same, telling how far it is. Sealed rows never change, so no snapshot is held over the steps."""
    found, link = Verified(), _start(since)
    while found.bad is None and (chunk := _chunk(link)):
        for row in chunk:
            found.bad = _check(row, link)
            if found.bad:
                break
            link = _Link(row["number"], row["upto"], row["hash"])
            found.seals += 1
            found.rows += row["rows"]
        yield found
    found.bad = found.bad or _check_anchors(anchors)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(created_at) FROM payout_audit_log"
            f" WHERE id > coalesce((SELECT max(upto) FROM audit_seals), {BEGINNING})"
        )
        found.unsealed, found.oldest_unsealed = cursor.fetchone()
    yield found


def sealed_rows(*, since: datetime | None = None) -> int:
    """How many rows a check will read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(octet_length(members)), 0) / %s FROM audit_seals"
            " WHERE %s::timestamptz IS NULL OR sealed_at >= %s",
            [RECORD, since, since],
        )
        return int(cursor.fetchone()[0])


def _start(since: datetime | None) -> _Link:
    """The seal before the first one to be checked."""
    if since is None:
        return _Link()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, upto, hash FROM audit_seals WHERE number < coalesce("
            " (SELECT min(number) FROM audit_seals WHERE sealed_at >= %s), 9223372036854775807)"
            " ORDER BY number DESC LIMIT 1",
            [since],
        )
        row = cursor.fetchone()
        return _Link(row[0], row[1], bytes(row[2])) if row else _Link()


CHUNK = f"""
SELECT s.number, s.upto, s.previous, s.hash, {SEAL_HASH.format("s")} AS due,
       octet_length(s.members) / {RECORD} AS rows,
       (SELECT {MEMBERS} FROM payout_audit_log l WHERE l.id > s.after AND l.id <= s.upto)
         IS NOT DISTINCT FROM s.members AS same
FROM (SELECT *, lag(upto, 1, CAST(%(after)s AS bigint)) OVER (ORDER BY number) AS after FROM audit_seals
      WHERE number > %(number)s AND number <= (
        SELECT max(number) FROM (SELECT number FROM audit_seals WHERE number > %(number)s
                                 ORDER BY number LIMIT %(seals)s) next)) s
ORDER BY s.number
"""


def _chunk(link: _Link) -> list[dict[str, Any]]:
    """The next seals after `link`, each with what it ought to be as the rows are now."""
    with connection.cursor() as cursor:
        cursor.execute(CHUNK, {"after": link.upto, "number": link.number, "seals": SEALS_AT_ONCE})
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        row |= {name: bytes(row[name]) for name in ("previous", "hash", "due")}
    return found


def _check(seal: Mapping[str, Any], before: _Link) -> Bad | None:
    """Whether a seal follows the one before, is as it was made, and its rows are as they were sealed."""
    number: int = seal["number"]
    if number != before.number + 1:
        return Bad(what="seal", kind="removed", id=before.number + 1, seal=number)
    if seal["previous"] != before.hash or seal["hash"] != seal["due"]:
        return Bad(what="seal", kind="changed", id=number, seal=number)
    return None if seal["same"] else _first_bad_row(number, before.upto, seal["upto"])


def _first_bad_row(number: int, after: int, upto: int) -> Bad:
    """Which of a seal's rows is not as it was sealed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT members FROM audit_seals WHERE number = %s", [number])
        sealed = dict(_members(bytes(cursor.fetchone()[0])))
        cursor.execute(
            f"SELECT l.id, {ROW_HASH} FROM payout_audit_log l WHERE l.id > CAST(%s AS bigint) AND l.id <= %s",
            [after, upto],
        )
        there = {row_id: bytes(row_hash) for row_id, row_hash in cursor.fetchall()}
    first = min(i for i in sealed.keys() | there.keys() if sealed.get(i) != there.get(i))
    kind = "removed" if first not in there else "changed" if first in sealed else "inserted"
    return Bad(what="row", kind=kind, id=first, seal=number)


def _members(members: bytes) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(members), RECORD):
        record = members[start : start + RECORD]
        yield int.from_bytes(record[:8], "big", signed=True), record[8:]


def _check_anchors(anchors: Sequence[Anchor]) -> Bad | None:
    """Whether every seal that was kept outside is still in the chain."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, encode(hash, 'hex') FROM audit_seals WHERE number = ANY(%s)",
            [[anchor.number for anchor in anchors]],
        )
        there = dict(cursor.fetchall())
    for anchor in sorted(anchors, key=lambda a: a.number):
        if there.get(anchor.number) != anchor.hash:
            kind = "changed" if anchor.number in there else "removed"
            return Bad(what="seal", kind=kind, id=anchor.number, seal=anchor.number)
    return None


def newest(how_many: int) -> list[Anchor]:
    """The newest seals, oldest first, as they are kept outside."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, upto, octet_length(members), encode(hash, 'hex'), sealed_at FROM audit_seals"
            " ORDER BY number DESC LIMIT %s",
            [how_many],
        )
        found = [
            Anchor(number=n, upto=upto, rows=size // RECORD, hash=h, sealed_at=at.isoformat())
            for n, upto, size, h, at in cursor.fetchall()
        ]
    return found[::-1]


# --- what is asked all the time ---------------------------------------------------------------------------

TAIL = 60  # Seals whose rows are read again each time, …
TAIL_ROWS = 20_000  # … from the newest on, until it is so many.
# For `invariants`: the whole chain by its links, its end by its rows.
BROKEN_CHAIN = f"""
SELECT 'seal ' || number || ' does not follow the one before' FROM (
  SELECT number, previous, lag(number, 1, 0::bigint) OVER w AS before,
         lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER w AS due
  FROM audit_seals WINDOW w AS (ORDER BY number)) s WHERE number <> before + 1 OR previous <> due
UNION ALL
SELECT 'seal ' || s.number || ': what was sealed is not what is there (verify_audit says which row)' FROM (
  SELECT *, lag(upto, 1, {BEGINNING}) OVER (ORDER BY number) AS after,
         sum(octet_length(members)) OVER (ORDER BY number DESC) - octet_length(members) AS newer
  FROM audit_seals WHERE number >= (SELECT max(number) FROM audit_seals) - {TAIL}) s
WHERE s.newer < {TAIL_ROWS * RECORD} AND (s.number = 1 OR s.number > (SELECT max(number) FROM audit_seals) - {TAIL})
  AND (s.hash <> {SEAL_HASH.format("s")} OR s.members IS DISTINCT FROM (
    SELECT {MEMBERS} FROM payout_audit_log l WHERE l.id > s.after AND l.id <= s.upto))
"""
UNSEALED = f"""
SELECT 'audit row ' || id FROM payout_audit_log
WHERE id > (SELECT coalesce(max(upto), {BEGINNING}) FROM audit_seals)
  AND created_at < clock_timestamp() - interval '5 minutes'
"""
