"""Documents from banks: fetched with a cursor, or sent by the bank; stored first, then read.

Replaying any of them changes nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from payouts import banks, breaker, clock, crypto, doorbell, evidence, metrics, outcomes
from payouts.audit import engine
from payouts.banks import BankLine, InboundDocument, StatusEvent, UnreadableDocument, WebhookMessage
from payouts.errors import PayoutError
from payouts.evidence import Statement

log = logging.getLogger(__name__)
ACTOR = engine("inbound")
READS_MAX = 5  # Whoever takes up a document as often and never ends is killed by it.
ADDRESS = re.compile(
    r"[A-Za-z0-9_.-]{1,64}:[a-z_]{1,32}", re.ASCII
)  # A connection's name and rail.


def poll_reports() -> int:
    """Fetch and read what banks have to say. Returns how many documents were new."""
    fresh = 0
    for bank in banks.lines():
        try:
            cursor = _lease(bank)
            if cursor is not None:
                fresh += _poll(bank, cursor)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # One bank that cannot be asked must not silence the others.
            log.exception("%s cannot be asked", bank.key)
            metrics.worker_failed("reports")
            banks.note_broken(bank.id, type(error).__name__)
    read_waiting()
    return fresh


def _lease(bank: BankLine) -> str | None:
    """Take the right to poll a bank for the length of a call; returns its cursor, None if somebody polls."""
    breaker.ensure_rows()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state SET report_lease_until ="
            " clock_timestamp() + make_interval(secs => %s) WHERE bank_connector_id = %s"
            " AND (report_lease_until IS NULL OR report_lease_until < clock_timestamp()) RETURNING report_cursor",
            [settings.CALL_DEADLINE_S + 1, bank.id],
        )
        row = cursor.fetchone()
        return row[0] if row else None


def _poll(bank: BankLine, cursor_text: str) -> int:
    """Fetch page after page; documents and the new cursor are committed together, then the lease is given back."""
    fresh, more = 0, True
    while more:
        try:
            page = banks.fetch_reports(bank, cursor_text)
        except banks.ConnectorError as error:
            _finish(bank, cursor_text, error=error.code)
            return fresh
        with transaction.atomic(durable=True):
            for document in page.documents:
                stored = outcomes.store_document(
                    bank,
                    document.body,
                    document_type=document.document_type,
                    remote_id=document.remote_id,
                )
                fresh += stored is not None
            _finish(bank, page.cursor)
        cursor_text, more = page.cursor, page.more
    return fresh


def _finish(bank: BankLine, cursor_text: str, *, error: str = "") -> None:
    """Give the lease back. A bank that does not hand out reports is not healthy until it does again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_connector_state SET report_cursor = %(cursor)s, report_lease_until = NULL,"
            " reports_error = %(error)s, reports_read_at = clock_timestamp(),"
            " healthy = healthy AND %(error)s = '', health_message = CASE WHEN healthy AND %(error)s <> ''"
            " THEN 'Reports: ' || %(error)s ELSE health_message END WHERE bank_connector_id = %(id)s",
            {"cursor": cursor_text, "error": error, "id": bank.id},
        )


def receive(
    key: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> WebhookMessage:
    """Keep what a bank sends by itself, and have it read at once. Returns what the bank expects to hear.

    `key` is the connection's `name:rail`. Nothing of what is not proved is kept. A message that was kept
    before is answered as it was then. Raises PayoutError.
    """
    bank = _sender(key)
    try:
        # Signatures are made in real time, whatever day it is at the bank.
        message = _reader(bank).read_webhook(
            headers=headers, query=query, body=body, now=clock.technical_now()
        )
    except banks.WebhookRefused as refused:
        log.warning("%s: a message that is not proved to be its own: %s", bank.key, refused.code)
        raise PayoutError(refused.code) from None
    except banks.ConnectorError as error:  # Our own secret is missing: the bank is to try again.
        log.error("%s: messages cannot be proved: %s", bank.key, error)
        raise PayoutError("service_unavailable", retry_after_s=60) from None
    document = message.document
    with transaction.atomic(durable=True):
        outcomes.store_document(
            bank,
            document.body,
            document_type=document.document_type,
            remote_id=evidence.clean(f"webhook {document.remote_id}"),
        )
        doorbell.ring("documents")
    return message


def _reader(bank: BankLine) -> banks.ReadsWebhooks:
    return cast(banks.ReadsWebhooks, bank.connector)  # Its capabilities say so.


def _sender(key: str) -> BankLine:
    """The connection that an address stands for, if its bank sends anything. Raises PayoutError."""
    try:
        bank = banks.line_of_key(key) if ADDRESS.fullmatch(key) else None
    except LookupError:
        bank = None
    if bank is None or not bank.capabilities.sends_webhooks:
        raise PayoutError("not_found")
    return bank


def read_waiting(*, limit: int = 500) -> int:
    """Read stored documents that nobody has read, oldest first, each in its own transaction."""
    done = 0
    while done < limit and (document_id := _next_unread()) is not None:
        _read_one(document_id)
        done += 1
    return done


def _next_unread() -> UUID | None:
    """The document to read next; the try is counted before it begins, so that one which kills us is seen."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, reads FROM bank_documents WHERE read_at IS NULL"
            " ORDER BY received_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        )
        row = cursor.fetchone()
        if row is None:
            return None
        cursor.execute("UPDATE bank_documents SET reads = reads + 1 WHERE id = %s", [row[0]])
        if row[1] >= READS_MAX:
            _note_read(row[0], error="reader_lost: nobody came back from reading it", events=0)
    document_id: UUID = row[0]
    return document_id


def _read_one(document_id: UUID) -> None:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT bank_connector_id, remote_id, document_type, body FROM bank_documents"
                # Not skipped when locked: two who have both counted their try must not leave it to each other.
                " WHERE id = %s AND read_at IS NULL FOR NO KEY UPDATE",
                [document_id],
            )
            row = cursor.fetchone()
        if row is None:
            return  # Somebody else has read it.
        connector_id, remote_id, document_type, sealed = row
        try:
            with transaction.atomic():
                body = crypto.open_sealed(
                    sealed, table="bank_documents", column="body", row=document_id
                )
                document = InboundDocument(
                    remote_id=remote_id, document_type=document_type, body=body
                )
                error, count = _read(banks.line(connector_id), document_id, document)
        except (OperationalError, InterfaceError):
            raise  # The database is away: nothing is wrong with the document.
        except Exception as broken:  # One document that breaks the reader must not stop all others.
            log.exception("reading document %s broke", document_id)
            metrics.worker_failed("reports")
            error, count = f"reader_broke: {type(broken).__name__}", 0
        _note_read(document_id, error=error, events=count)


def _note_read(document_id: UUID, *, error: str, events: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bank_documents SET read_at = clock_timestamp(), error = %s, event_count = %s"
            " WHERE id = %s",
            [error, events, document_id],
        )


def _read(bank: BankLine, document_id: UUID, document: InboundDocument) -> tuple[str, int]:
    """Turn a document into evidence. Returns why it could not be read ("" if it could), and how many events."""
    try:
        events = bank.connector.parse_report(document)
    except UnreadableDocument as unreadable:
        log.warning("%s sent a document that cannot be read: %s", bank.key, unreadable.code)
        return str(unreadable), 0
    statements = statements_of_events(bank, events, source_key=f"document:{document_id}")
    lost = outcomes.record_apart(statements, actor=ACTOR)
    error = f"not_all_applied: {lost} of {len(statements)} statements" if lost else ""
    return error, len(statements)


def statements_of_events(
    bank: BankLine, events: list[StatusEvent], *, source_key: str
) -> list[Statement]:
    """One statement per payment; an event about a whole file speaks for each of its attempts."""
    statements: list[Statement] = []
    for event in events:
        references = [event.reference] if event.reference else _references_of(bank, event)
        for reference in references:
            plain = event
            if not event.reference:  # What it names is the money of the whole file.
                plain = replace(event, reference=reference, amount=None, currency="")
            statements.append(
                outcomes.statement_of(
                    bank, plain, source="report", source_key=source_key, position=len(statements)
                )
            )
    return statements


def _references_of(bank: BankLine, event: StatusEvent) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.reference FROM payout_retry_log a JOIN bank_transmissions t ON t.id = a.transmission_id"
            " WHERE t.bank_connector_id = %s AND t.reference = %s"
            " AND a.state <> 'not_sent' ORDER BY a.id",
            [bank.id, event.transmission_reference],
        )
        return [row[0] for row in cursor.fetchall()]
