"""What the checker must see: each entry spoils one thing in a healthy scene and names the rule that must break.

The SQL runs with the database's own triggers lifted. `{name}` stands for the id of that payout in the scene.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Rows = list[dict[str, Any]]


class Spoilt(Protocol):
    """The scene as a corruption sees it: copies that it may change."""

    records: Rows
    lines: Rows

    def id(self, name: str) -> str: ...
    def say(self, verb: str, status: int | None, answer: Any = None, **asked: Any) -> None: ...
    def shown(self, name: str, **changed: Any) -> dict[str, Any]: ...
    def body(self, name: str, **changed: Any) -> dict[str, Any]: ...
    def key(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Corruption:
    breaks: str
    sql: str = ""
    spoil: Callable[[Spoilt], Any] = lambda scene: None


def _of(records: Rows, payout_id: str, state: str = "booked") -> dict[str, Any]:
    return next(r for r in records if r["payout_id"] == payout_id and r["state"] == state)


def again(name: str, state: str = "booked", **changed: Any) -> Callable[[Spoilt], None]:
    def spoil(scene: Spoilt) -> None:
        scene.records.append(_of(scene.records, scene.id(name), state) | changed)

    return spoil


def booked_as(name: str, state: str = "booked", **changed: Any) -> Callable[[Spoilt], None]:
    def spoil(scene: Spoilt) -> None:
        _of(scene.records, scene.id(name), state).update(changed)

    return spoil


def unbooked(name: str, state: str = "booked") -> Callable[[Spoilt], None]:
    def spoil(scene: Spoilt) -> None:
        scene.records.remove(_of(scene.records, scene.id(name), state))

    return spoil


def heard(verb: str, code: int | None, of: str, **shown: Any) -> Callable[[Spoilt], None]:
    """A further answer about a payout: shown whole, or for a decision its status alone."""

    def spoil(scene: Spoilt) -> None:
        answer = {"payout": scene.shown(of, **shown)} if verb in ("create", "get") else shown
        asked = {"key": scene.key(of), "body": scene.body(of)} if verb == "create" else {}
        scene.say(verb, code, answer if code != 404 else None, payout_id=scene.id(of), **asked)

    return spoil


def _asked_otherwise(scene: Spoilt) -> None:
    body = scene.body("settled", amount="99.99")
    scene.say(
        "create", 200, {"payout": scene.shown("settled")}, key=scene.key("settled"), body=body
    )


def _another_in_a_list(scene: Spoilt) -> None:
    items = [{"idempotencyKey": scene.key("sent"), **scene.body("sent")}]
    results = [{"index": 0, "status": 200, "payout": scene.shown("settled")}]
    scene.say("bulk", 200, {"results": results}, body={"payouts": items})


def _paid_in(scene: Spoilt) -> None:
    body = {"tenantId": scene.lines[0]["tenant"], "amount": "1", "currency": "EUR"}
    scene.say("deposit", 201, {}, body=body | {"reference": "another"})


ATTEMPT = """INSERT INTO payout_retry_log (id, payout_id, tenant_id, attempt_number, connector, bank_connector_id, rail,
 reference, transmission_id, state, sends, error_class, error_code, error_message, bank_reference, actor)
 SELECT gen_random_uuid(), payout_id, tenant_id, 2, connector, bank_connector_id, rail, 'another', transmission_id,
 state, 1, '', '', '', '', 'x' FROM payout_retry_log WHERE payout_id = '{sent}'"""
EVIDENCE = """INSERT INTO bank_evidence (source, source_key, position, bank_connector_id, attempt_id, payout_id,
 tenant_id, reference, kind, code, detail, currency, bank_reference, reaction, effect) SELECT source, source_key, 999,
 bank_connector_id, attempt_id, payout_id, tenant_id, reference, 'rejected', '', '', '', '', '', 'moved'
 FROM bank_evidence WHERE payout_id = '{settled}' AND kind = 'settled'"""
DOUBLED = """UPDATE ledger_entries SET amount = amount * 2 WHERE transfer_id IN (SELECT id FROM ledger_transfers
 WHERE kind = 'deposit' AND reference = 'more'); UPDATE ledger_balances SET available = available + 30000
 WHERE currency = 'EUR'"""
MOVED = """INSERT INTO ledger_transfers (id, kind, tenant_id, payout_id, reference)
 SELECT gen_random_uuid(), 'reversal', tenant_id, id, '' FROM payouts WHERE id = '{settled}'"""
SAME_KEY = """ALTER TABLE payouts DROP CONSTRAINT payouts_idempotency_key;
 UPDATE payouts SET external_id = (SELECT external_id FROM payouts WHERE id = '{settled}') WHERE id = '{sent}'"""

CORRUPTIONS: dict[str, Corruption] = {
    # --- the book
    "an entry is turned round": Corruption(
        "I01", "UPDATE ledger_entries SET amount = -amount WHERE id = (SELECT max(id) FROM ledger_entries)"
    ),
    "an entry is deleted": Corruption(
        "I02", "DELETE FROM ledger_entries WHERE id = (SELECT max(id) FROM ledger_entries)"
    ),
    "a transfer has lost both legs": Corruption(
        "I02", "DELETE FROM ledger_entries e USING ledger_transfers t WHERE t.id = e.transfer_id AND t.kind = 'return'"
    ),
    "a balance has one more": Corruption(
        "I03", "UPDATE ledger_balances SET available = available + 1 WHERE currency = 'EUR'"
    ),
    "a balance is gone": Corruption("I03", "DELETE FROM ledger_balances WHERE currency = 'EUR'"),
    "a fee is doubled": Corruption(
        "I05", "UPDATE ledger_entries e SET amount = e.amount * 2 FROM ledger_transfers t"
        " WHERE t.id = e.transfer_id AND t.kind = 'fee'"
    ),
    "what a route cost was forgotten": Corruption(
        "I05", "UPDATE payouts SET fee_amount = fee_amount + 1 WHERE id = '{settled}'"
    ),
    "an open payout is called settled": Corruption(
        "I04", "UPDATE payouts SET status = 'settled', settled_at = now() WHERE id = '{sent}'"
    ),
    "a hold is given back while its payout is sent": Corruption(
        "I05", "UPDATE payout_holds SET status = 'reversed', resolved_at = now() WHERE payout_id = '{sent}'"
    ),
    "a hold is gone": Corruption("I05", "DELETE FROM payout_holds WHERE payout_id = '{settled}'"),
    "what was captured is given back as well": Corruption(
        "I05", "DROP INDEX ledger_transfers_hold_resolved_once;" + MOVED
    ),
    "two attempts may be at a bank": Corruption(
        "I06", "DROP INDEX payout_retry_log_one_live_attempt;" + ATTEMPT
    ),
    "two attempts carry one reference": Corruption(
        "I06", "ALTER TABLE payout_retry_log DROP CONSTRAINT payout_retry_log_reference;"
        " UPDATE payout_retry_log SET reference = 'one', bank_connector_id = '{sent}'"
    ),
    "settled and refused": Corruption("I07", EVIDENCE),
    "refused, and its attempt lives": Corruption(
        "I08", "UPDATE payout_retry_log SET state = 'unknown' WHERE payout_id = '{rejected}'"
    ),
    "a bank's word is gone": Corruption("I09", "DELETE FROM bank_evidence WHERE payout_id = '{sent}'"),
    "settled on the word that it was accepted": Corruption(
        "I09", "UPDATE bank_evidence SET kind = 'accepted' WHERE payout_id = '{settled}'"
    ),
    "a transfer is somebody else's": Corruption(
        "I11", "UPDATE ledger_transfers SET tenant_id = gen_random_uuid() WHERE payout_id = '{settled}'"
    ),
    "an attempt is somebody else's": Corruption(
        "I11", "UPDATE payout_retry_log SET tenant_id = gen_random_uuid() WHERE payout_id = '{sent}'"
    ),
    "a hold is of another sum": Corruption(
        "I12", "UPDATE payout_holds SET hold_amount = 1 WHERE payout_id = '{sent}'"
    ),
    "a payout is of another sum than what moved": Corruption(
        "I12", "UPDATE payouts SET amount = 1 WHERE id = '{settled}'"
    ),
    "an audit row about no payout is deleted": Corruption(
        "I13", "DELETE FROM payout_audit_log WHERE action = 'ledger.deposit' AND data->>'amount' = '30000'"
    ),
    "a seal follows none": Corruption("I13", "UPDATE audit_seals SET previous = hash"),
    "an audit row is deleted": Corruption(
        "I14", "DELETE FROM payout_audit_log WHERE payout_id = '{settled}' AND sequence = 2"
    ),
    "the last audit row is edited": Corruption(
        "I14", "UPDATE payout_audit_log SET to_status = 'dlq' WHERE payout_id = '{sent}' AND to_status = 'sent'"
    ),
    "a change was made past the verbs": Corruption(
        "I14", "UPDATE payout_audit_log SET actor = 'sql:root' WHERE payout_id = '{sent}' AND sequence = 3"
    ),
    "a large payout went without approval": Corruption(
        "I15", "UPDATE payouts SET approved_by = '' WHERE id = '{approved}'"
    ),
    "whoever asked for it let it go": Corruption(
        "I15", "UPDATE payout_audit_log l SET actor = c.actor FROM payout_audit_log c WHERE c.payout_id = l.payout_id"
        " AND c.sequence = 1 AND l.payout_id = '{approved}' AND l.from_status = 'requires_approval'"
    ),
    "two payouts have one key": Corruption("I25", SAME_KEY),
    "a payout has vanished": Corruption("I26", "DELETE FROM payouts WHERE id = '{returned}'"),
    "what was refused exists": Corruption(
        "I27", "UPDATE payouts SET external_id = 'too much' WHERE id = '{sent}'"
    ),
    "a cancelled payout was sent before it was cancelled": Corruption(
        "I28", "UPDATE payout_audit_log SET from_status = 'sent' WHERE payout_id = '{cancelled}' AND sequence = 2"
    ),
    "an end was left": Corruption(
        "I28", "UPDATE payout_audit_log SET to_status = 'pending', from_status = 'cancelled'"
        " WHERE payout_id = '{settled}' AND sequence = 2"
    ),
    "a payout is forgotten in doubt": Corruption(
        "I10", "UPDATE payouts SET status = 'in_doubt' WHERE id = '{sent}'"
    ),
    "a payment in is doubled": Corruption("I24", DOUBLED),
    "what a bank answered was not written down": Corruption(
        "I18",
        "UPDATE bank_evidence SET source = 'report' WHERE payout_id = '{settled}' AND source = 'answer'",
    ),
    # --- the bank
    "booked again under another reference": Corruption("I22", spoil=again("settled", reference="other")),
    "booked again under its own reference": Corruption("I22", spoil=again("settled")),
    "another sum is booked": Corruption("I22", spoil=booked_as("sent", amount="50.01")),
    "another currency is booked": Corruption("I22", spoil=booked_as("sent", currency="USD")),
    "another account is paid": Corruption("I22", spoil=booked_as("sent", account_last4="3001")),
    "an unknown reference is booked": Corruption("I22", spoil=booked_as("sent", reference="other")),
    "a payment for nobody": Corruption("I22", spoil=again("settled", payout_id="")),
    "it came back twice": Corruption("I22", spoil=again("returned", "returned")),
    "what was cancelled is paid": Corruption(
        "I23", spoil=lambda s: booked_as("settled", payout_id=s.id("cancelled"))(s)
    ),
    "what was refused is paid": Corruption(
        "I23", spoil=lambda s: booked_as("sent", payout_id=s.id("rejected"))(s)
    ),
    "the bank knows nothing of what is settled": Corruption("I23", spoil=unbooked("settled")),
    "the bank knows nothing of what is sent": Corruption("I23", spoil=unbooked("sent")),
    "the bank kept what is called returned": Corruption("I23", spoil=unbooked("returned", "returned")),
    "what came back is called settled": Corruption(
        "I23", spoil=lambda s: booked_as("returned", "returned", payout_id=s.id("approved"))(s)
    ),
    "in the dlq, and the bank has booked it": Corruption(
        "I23", "UPDATE payouts SET status = 'dlq' WHERE id = '{sent}'"
    ),
    # --- the clients
    "a second id for a key": Corruption(
        "I25", spoil=lambda s: heard("create", 200, "sent", id=s.id("settled"))(s)
    ),
    "a second id for a key, within a list": Corruption("I25", spoil=_another_in_a_list),
    "new a second time": Corruption("I25", spoil=heard("create", 201, "sent")),
    "another body is answered with it": Corruption("I25", spoil=_asked_otherwise),
    "told of a payout that is not there": Corruption(
        "I26", spoil=heard("get", 200, "sent", id="00000000-0000-4000-8000-000000000000")
    ),
    "a promise to cancel is forgotten": Corruption("I26", spoil=heard("cancel", 202, "sent")),
    "told that it is cancelled, and it was paid": Corruption(
        "I23", spoil=heard("cancel", 200, "settled", status="cancelled")
    ),
    "told that it is cancelled, and it goes on": Corruption(
        "I28", spoil=heard("cancel", 200, "waiting", status="cancelled")
    ),
    "answered with 500": Corruption("answers", spoil=heard("get", 500, "sent")),
    "created, and not found": Corruption("I31", spoil=heard("get", 404, "sent")),
    "read an older state": Corruption("I32", spoil=heard("get", 200, "sent", status="pending", version=1)),
    "read what cannot follow": Corruption(
        "I32", spoil=heard("get", 200, "settled", status="sent", version=999)
    ),
    "paid in, and not there": Corruption("I24", spoil=_paid_in),
}  # fmt: skip
