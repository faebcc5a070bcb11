"""The part of a bank's HTTP interface that has nothing to do with a rail: auth, reports, health.

Every answer becomes an Outcome here unless it is a 2xx, whose body the rail must read. Two rules
hold for all rails: a submission may be `not_sent` only when that is certain, and an inquiry that
fails says nothing about the order (it is `unknown`, never `not_sent`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from connectors.base import (
    ConnectorConfig,
    ConnectorError,
    ConnectorMisconfigured,
    Health,
    InboundDocument,
    Outcome,
    OutcomeKind,
    ReportPage,
    UnreadableDocument,
)
from connectors.http import (
    DEFAULT_CONNECT_TIMEOUT_S,
    REPORT_MAX_BYTES,
    HttpAnswer,
    HttpClient,
    HttpResult,
    NetworkFailure,
    failure_code,
    outcome_kind,
    retry_after_s,
)

REPORT_PAGE = 100

_BANK_NAME = re.compile(r"[a-z0-9_-]{1,40}")


class BankApi:
    """One bank on one rail: `{base_url}/{rail}/{bank}/...` with a bearer key."""

    def __init__(
        self, config: ConnectorConfig, *, rail: str, refuses_before_booking: frozenset[int]
    ) -> None:
        """Raises ConnectorMisconfigured when the bank's name is none (its URL and key: on use)."""
        bank = str(config.options.get("bank", "default"))
        if not _BANK_NAME.fullmatch(bank):
            raise ConnectorMisconfigured("option_invalid", "bank")
        self._config = config
        self._root = f"/{rail}/{bank}"
        self._refuses_before_booking = refuses_before_booking

    def submit(self, path: str, *, body: bytes, content_type: str) -> HttpAnswer | Outcome:
        """Post an order once. Returns the 2xx answer, or the Outcome when there is none."""
        headers = {"Content-Type": content_type}
        result = self._call("POST", self._root + path, headers=headers, body=body)
        kind = outcome_kind(result, self._refuses_before_booking)
        if kind is OutcomeKind.ACCEPTED and isinstance(result, HttpAnswer):
            return result
        if isinstance(result, HttpAnswer) and _says(result, 400, "BAD_REQUEST"):
            # The bank's listed word for "this is no order": nothing can have been booked.
            return _outcome(OutcomeKind.REJECTED, result, code="BAD_REQUEST")
        return _outcome(kind, result, code=failure_code(result))

    def inquire(self, path: str, reference: str) -> HttpAnswer | Outcome:
        """Ask for an order by our reference. Returns the 2xx answer, or the Outcome."""
        result = self._call("GET", f"{self._root}{path}/{quote(reference, safe='')}")
        if isinstance(result, HttpAnswer):
            if 200 <= result.status < 300:
                return result
            # A 404 from a proxy or a wrong path says nothing: the bank's own word is needed.
            if _says(result, 404, "NOT_FOUND"):
                return _outcome(OutcomeKind.NOT_FOUND, result, code="not_found")
        return _outcome(OutcomeKind.UNKNOWN, result, code=failure_code(result))

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch a page of documents after `cursor` (a decimal number, "" for the beginning).

        Raises ConnectorError when the bank does not answer, or answers what is not a page.
        """
        if not re.fullmatch(r"[0-9]{0,18}", cursor):
            raise ConnectorError("cursor_invalid", "not a cursor of this bank")
        after = int(cursor or "0")
        query = urlencode({"after": after, "limit": REPORT_PAGE})
        result = self._call("GET", f"{self._root}/reports?{query}", max_bytes=REPORT_MAX_BYTES)
        if not isinstance(result, HttpAnswer) or result.status != 200:
            raise ConnectorError(failure_code(result), "reports could not be fetched")
        return _read_page(result.body, after)

    def check_health(self) -> Health:
        """Ask the bank how it is; a misconfiguration is ill health too. Latency is in seconds."""
        try:
            result = self._call("GET", f"{self._root}/health")
        except ConnectorMisconfigured as error:
            return Health(healthy=False, message=error.code)
        if isinstance(result, NetworkFailure) or result.status != 200:
            return Health(healthy=False, message=failure_code(result), latency_s=result.elapsed_s)
        try:
            status = read_json(result.body).get("status")
        except UnreadableDocument:
            status = None
        if status != "ok":
            return Health(healthy=False, message="answer_unreadable", latency_s=result.elapsed_s)
        return Health(healthy=True, message="ok", latency_s=result.elapsed_s)

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        max_bytes: int | None = None,
    ) -> HttpResult:
        api_key = self._config.credentials.get("api_key", "")
        if not api_key:
            raise ConnectorMisconfigured("credentials_missing", "api_key")
        deadline_s = self._config.call_deadline_s
        client = HttpClient(
            self._config.base_url,
            deadline_s=deadline_s,
            connect_timeout_s=min(DEFAULT_CONNECT_TIMEOUT_S, deadline_s),
        )
        sent = {"Authorization": f"Bearer {api_key}", **(headers or {})}
        if max_bytes is None:
            return client.request(method, path, headers=sent, body=body)
        return client.request(method, path, headers=sent, body=body, max_bytes=max_bytes)


def _outcome(kind: OutcomeKind, result: HttpResult, *, code: str) -> Outcome:
    if isinstance(result, NetworkFailure):
        return Outcome(kind=kind, code=code, detail=result.detail)
    return Outcome(
        kind=kind,
        code=code,
        detail=f"HTTP {result.status}",
        document=result.body,
        content_type=result.headers.get("content-type", ""),
        retry_after_s=retry_after_s(result),
    )


def unreadable_answer(answer: HttpAnswer, code: str, detail: str = "") -> Outcome:
    """The Outcome of a 2xx whose body we cannot believe: unknown, kept as evidence."""
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        code=code,
        detail=detail,
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def _says(answer: HttpAnswer, status: int, code: str) -> bool:
    if answer.status != status:
        return False
    try:
        return bool(read_json(answer.body).get("code") == code)
    except UnreadableDocument:
        return False


def read_json(body: bytes) -> dict[str, Any]:
    """Read one JSON object, numbers with a point as Decimal. Raises UnreadableDocument."""
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UnreadableDocument("json_malformed", "not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableDocument("json_malformed", "not a JSON object")
    return value


def _refuse_constant(_name: str) -> None:
    raise ValueError


def _read_page(body: bytes, after: int) -> ReportPage:
    try:
        page = read_json(body)
        documents = [_read_inbound(item) for item in page["documents"]]
        last, more = page["last"], page["more"]
        # An order by id is not asked for: a bank may hand its documents out in any order.
        if not isinstance(last, int) or isinstance(last, bool) or last < after:
            raise ValueError
        # More documents but no step forward would be asked for without end.
        if not isinstance(more, bool) or (more and last == after):
            raise ValueError
    except (UnreadableDocument, KeyError, TypeError, ValueError, binascii.Error):
        raise ConnectorError("answer_unreadable", "the page of reports is malformed") from None
    return ReportPage(documents=documents, cursor=str(last), more=more)


def _read_inbound(item: Mapping[str, Any]) -> InboundDocument:
    content, kind = item["content"], item["type"]
    if not isinstance(content, str) or not isinstance(kind, str):
        raise ValueError
    return InboundDocument(
        remote_id=str(item["id"]),
        document_type=kind,
        body=base64.b64decode(content, validate=True),
    )
