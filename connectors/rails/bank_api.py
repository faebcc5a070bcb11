"""The part of a bank's HTTP interface that has nothing to do with a rail: auth, reports, health.

Every answer becomes an Outcome here unless it is a 2xx, whose body the rail must read. Two rules
hold for all rails: a submission may be `not_sent` only when that is certain, and an inquiry that
fails says nothing about the order (it is `unknown`, never `not_sent`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    SUBMIT_MAX_BYTES,
    HttpAnswer,
    HttpClient,
    HttpResult,
    NetworkFailure,
    failure_code,
    outcome_kind,
    retry_after_s,
)

REPORT_PAGE = 100
NO_ORDER = frozenset({"BAD_REQUEST"})
NEVER_HEARD = frozenset({"NOT_FOUND"})
TOKEN_MARGIN_S = 60

_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,3})?")
_BANK_NAME = re.compile(r"[a-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDoor:
    """Where a bank hands out tokens for a user and a key. `user` names a credential."""

    path: str
    user: str
    form: str = ""
    method: str = "POST"


# The only state there is: tokens by bank, with the moment (monotonic) until which they are used.
_TOKENS: dict[tuple[str, str, str], tuple[str, float]] = {}


class BankApi:
    """One bank on one rail: `{base_url}/{rail}/{bank}/...` with a bearer key."""

    def __init__(
        self,
        config: ConnectorConfig,
        *,
        rail: str,
        refuses_before_booking: frozenset[int],
        token: TokenDoor | None = None,
    ) -> None:
        """With `token`, the key buys tokens and these open the bank.

        Raises ConnectorMisconfigured when the bank's name is none (its URL and key: on use).
        """
        bank = str(config.options.get("bank", "default"))
        if not _BANK_NAME.fullmatch(bank):
            raise ConnectorMisconfigured("option_invalid", "bank")
        self._config = config
        self._root = f"/{rail}/{bank}"
        self._refuses_before_booking = refuses_before_booking
        self._token = token

    def submit(
        self,
        path: str,
        *,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        refusals: frozenset[str] = NO_ORDER,
    ) -> HttpAnswer | Outcome:
        """Post an order once. Returns the 2xx answer, or the Outcome when there is none.

        `refusals` are the codes with which this bank says, by 400, that it booked nothing.
        """
        sent = {"Content-Type": content_type, **(headers or {})}
        result = self._call("POST", self._root + path, headers=sent, body=body)
        kind = outcome_kind(result, self._refuses_before_booking)
        if kind is OutcomeKind.ACCEPTED and isinstance(result, HttpAnswer):
            return result
        code = _code_of(result, 400)
        if code in refusals:
            # The bank's listed word for "this is no order": nothing can have been booked.
            return _outcome(OutcomeKind.REJECTED, result, code=code)
        return _outcome(kind, result, code=failure_code(result))

    def inquire(
        self,
        path: str,
        reference: str,
        *,
        headers: Mapping[str, str] | None = None,
        not_found: frozenset[str] = NEVER_HEARD,
    ) -> HttpAnswer | Outcome:
        """Ask for an order by our reference. Returns the 2xx answer, or the Outcome."""
        question = f"{path}/{quote(reference, safe='')}"
        return self.ask(question, headers=headers, not_found=not_found)

    def ask(
        self,
        question: str,
        *,
        headers: Mapping[str, str] | None = None,
        not_found: frozenset[str] = NEVER_HEARD,
        message: bytes = b"",
    ) -> HttpAnswer | Outcome:
        """Put a question: a path with its query, or an XML message that is one.

        Returns the 2xx answer, or the Outcome.
        """
        sent = {**(headers or {}), **({"Content-Type": "application/xml"} if message else {})}
        method = "POST" if message else "GET"
        result = self._call(method, self._root + question, headers=sent, body=message)
        if isinstance(result, HttpAnswer) and 200 <= result.status < 300:
            return result
        # A 404 from a proxy or a wrong path says nothing: the bank's own word is needed.
        if _code_of(result, 404) in not_found:
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
        bearer = api_key if self._token is None else self._buy_token(client, api_key)
        if isinstance(bearer, NetworkFailure):
            return bearer
        sent = {"Authorization": f"Bearer {bearer}", **(headers or {})}
        most = SUBMIT_MAX_BYTES if max_bytes is None else max_bytes
        result = client.request(method, path, headers=sent, body=body, max_bytes=most)
        if isinstance(result, HttpAnswer) and result.status == 401:
            _TOKENS.pop(self._token_key(api_key), None)  # It has expired: the next call buys anew.
        return result

    def _token_key(self, api_key: str) -> tuple[str, str, str]:
        digest = hashlib.sha256(api_key.encode()).hexdigest()
        return self._config.base_url, self._root, digest

    def _buy_token(self, client: HttpClient, api_key: str) -> str | NetworkFailure:
        """A token that is good for a while longer. Whatever fails here, no order has been sent."""
        assert self._token is not None  # noqa: S101  (the caller asks only then)
        kept = _TOKENS.get(self._token_key(api_key))
        if kept is not None and kept[1] > time.monotonic():
            return kept[0]
        user = self._config.credentials.get(self._token.user, "")
        if not user:
            raise ConnectorMisconfigured("credentials_missing", self._token.user)
        pair = base64.b64encode(f"{user}:{api_key}".encode()).decode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        result = client.request(
            self._token.method,
            self._root + self._token.path,
            headers={
                "Authorization": f"Basic {pair}",
                **(form if self._token.method == "POST" else {}),
            },
            body=self._token.form.encode(),
        )
        if isinstance(result, NetworkFailure):
            return replace(result, certain_not_sent=True)
        try:
            told = read_json(result.body)
            token, seconds = json_text(told, "access_token"), told.get("expires_in")
        except UnreadableDocument:
            token, seconds = "", None
        if result.status != 200 or not token:
            return NetworkFailure(
                code="token_refused",
                certain_not_sent=True,
                detail=f"HTTP {result.status}",
                elapsed_s=result.elapsed_s,
            )
        text = str(seconds)  # A number, or a text at M-Pesa.
        lasts = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
        _TOKENS[self._token_key(api_key)] = (token, time.monotonic() + lasts - TOKEN_MARGIN_S)
        return token


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


def _code_of(result: HttpResult, status: int) -> str:
    """The `code` in an answer of this status; "" when there is none."""
    if isinstance(result, NetworkFailure) or result.status != status:
        return ""
    try:
        return json_text(read_json(result.body), "code")
    except UnreadableDocument:
        return ""


def read_json(body: bytes) -> dict[str, Any]:
    """Read one JSON object, numbers with a point as Decimal. Raises UnreadableDocument."""
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UnreadableDocument("json_malformed", "not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableDocument("json_malformed", "not a JSON object")
    return value


def json_text(item: Mapping[str, Any], name: str) -> str:
    """The text under a name, "" when it is not there. Raises UnreadableDocument for anything else."""
    value = item.get(name, "")
    if not isinstance(value, str):
        raise UnreadableDocument("json_incomplete", f"{name} is not a text")
    return value


def json_amount(item: Mapping[str, Any], name: str) -> Decimal | None:
    """The decimal string under a name, None when it is not there. Raises UnreadableDocument."""
    text = item.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise UnreadableDocument("json_incomplete", f"{name} is not a decimal string")
    return Decimal(text)


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
