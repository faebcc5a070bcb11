"""How a request is read: one strict JSON document, a request id, a key; nothing is guessed."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from uuid_utils.compat import uuid7

from payouts import idempotency
from payouts.api import patience, problems
from payouts.errors import PayoutError

DEPTH_MAX = 32
NUMBER_MAX = 400  # Characters of a JSON number; nothing we store has as many.
DRAIN_BYTES_MAX = 16 * 1024 * 1024
REQUEST_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
PRINTABLE_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class JsonNumber(float):
    """A JSON number that remembers how it was written, so that no amount passes through a float."""

    source: str

    def __new__(cls, source: str) -> JsonNumber:
        number = super().__new__(cls, source if len(source) <= NUMBER_MAX else "nan")
        number.source = source[: NUMBER_MAX + 1]
        return number


def _whole(source: str) -> int | JsonNumber:
    return int(source) if len(source) <= 30 else JsonNumber(source)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PayoutError("duplicate_json_key")
    return found


def _not_json(literal: str) -> Any:
    raise PayoutError("malformed_json", f"{literal} is not JSON")


def read_json(body: bytes) -> Any:
    """One strict UTF-8 JSON document. Raises PayoutError; never anything else."""
    document = parse_json(body)
    check_tree(document)
    return document


def parse_json(body: bytes) -> Any:
    """The document alone: its texts and its depth are checked by `check_tree`, as a whole or in parts."""
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_float=JsonNumber,
            parse_int=_whole,
            parse_constant=_not_json,
            object_pairs_hook=_no_duplicates,
        )
    except RecursionError:
        raise PayoutError("json_too_deep") from None
    except ValueError:  # Not UTF-8, not JSON, a BOM, two documents.
        raise PayoutError("malformed_json") from None


def check_tree(document: Any) -> None:
    """No NUL, no lone surrogate, at most DEPTH_MAX levels; without recursion of our own."""
    level = [document]
    for _ in range(DEPTH_MAX + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, dict):
                for name in value:
                    _check_text(name)
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise PayoutError("json_too_deep")


def _check_text(text: str) -> None:
    with contextlib.suppress(UnicodeEncodeError):  # A lone surrogate.
        if b"\x00" not in text.encode():
            return
    raise PayoutError("invalid_text", "NUL and lone surrogates are not text")


class StrictJSONParser(BaseParser):
    """The only parser: application/json, at most MAX_BODY_BYTES."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return read_json(read_body(stream, parser_context))


def read_body(stream: IO[Any], parser_context: Mapping[str, Any] | None) -> bytes:
    """The whole body, at most MAX_BODY_BYTES. Raises PayoutError."""
    meta = (parser_context or {})["request"].META
    with patience.limited(meta):
        body: bytes = stream.read(settings.MAX_BODY_BYTES + 1)
    if len(body) > settings.MAX_BODY_BYTES:
        raise PayoutError("payload_too_large")
    announced = meta.get("CONTENT_LENGTH") or "0"
    if len(body) < int(announced):
        raise PayoutError("bad_request", "The body is shorter than its Content-Length")
    return body


class RequestMiddleware:
    """Gives every request an id, refuses bodies that are too large before reading, forbids caching answers.

    Under /api/ it also turns what Django itself refuses (a bad Host, say) into a problem.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(uuid7())
        request.META["payouts.request_id"] = request_id
        if not request.path.startswith("/api/"):
            response = self.get_response(request)
        else:
            response = self._api(request, request_id)
            response.setdefault("Cache-Control", "no-store")
        response["X-Request-Id"] = request_id
        return response

    def _api(self, request: HttpRequest, request_id: str) -> HttpResponse:
        try:
            _frame(request)
        except PayoutError as refusal:
            return problems.answer(refusal, request_id=request_id)
        response = self.get_response(request)
        if response.status_code >= 400 and response.headers.get("Content-Type") != problems.TYPE:
            return problems.stand_in(response, request_id=request_id)
        return response


def _frame(request: HttpRequest) -> None:
    """Where the body ends, before anybody reads it. Raises PayoutError."""
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in (
        "",
        "identity",
    ):
        raise PayoutError("unsupported_media_type", "Send the body without Content-Encoding")
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        _gather_chunks(request)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal() and len(length) <= 18):
        raise PayoutError("bad_request", "Content-Length is not a number")
    if int(length) > settings.MAX_BODY_BYTES:
        _drain(request)
        raise PayoutError("payload_too_large")


def _gather_chunks(request: HttpRequest) -> None:
    """A body in chunks becomes one with a length, where the server undoes the chunks (gunicorn does)."""
    if not request.META.get("wsgi.input_terminated"):
        raise PayoutError("bad_request", "Send a Content-Length instead of chunks")
    try:
        with patience.limited(request.META):
            body = request.META["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
    except Exception as error:  # noqa: BLE001  (each server has its own errors for chunks that are none)
        raise PayoutError("bad_request", "The chunks of the body cannot be read") from error
    if len(body) > settings.MAX_BODY_BYTES:
        raise PayoutError("payload_too_large")
    request.META["CONTENT_LENGTH"] = str(len(body))
    request._stream = io.BytesIO(body)  # What WSGIRequest reads from.


def _drain(request: HttpRequest) -> None:
    """Read a body that is refused, within reason: a client that is still sending would miss the answer."""
    left = DRAIN_BYTES_MAX
    with patience.limited(request.META):
        while left > 0 and (piece := request.read(65_536)):
            left -= len(piece)


def request_id_of(request: HttpRequest | Request) -> str:
    return str(request.META.get("payouts.request_id", ""))


def body_of(request: Request, *, optional: bool = False) -> Any:
    """The parsed body. Nothing at all stands for {} where a body is optional, and is not JSON where it is not."""
    if request.META.get("CONTENT_LENGTH") in (None, "", "0"):
        if not optional:
            raise PayoutError("malformed_json", "The body is empty")
        return {}
    return request.data


def idempotency_key(request: Request, *, required: bool) -> str:
    """The Idempotency-Key header, without quotes around it. "" when absent and not required."""
    raw: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if raw is None:
        if required:
            raise PayoutError("idempotency_key_required")
        return ""
    return checked_key(raw)


def checked_key(raw: str) -> str:
    """A key as it is kept, without quotes around it. Raises PayoutError idempotency_key_invalid."""
    key = raw.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not PRINTABLE_KEY.fullmatch(key) or not key.strip() or '"' in (key[:1], key[-1:]):
        raise PayoutError("idempotency_key_invalid")
    return key


def key_use(
    request: Request, *, tenant_id: UUID, route: str, values: dict[str, Any]
) -> idempotency.KeyUse | None:
    """The optional key of a POST other than create, with what it is used for."""
    key = idempotency_key(request, required=False)
    if not key:
        return None
    return idempotency.KeyUse(
        tenant_id=tenant_id,
        route=route,
        key=key,
        fingerprint=idempotency.fingerprint(route, values),
    )
