"""`POST /api/payouts/bulk`: many creates in one request, each with its own key, each with its own result.

The list is JSON (`[...]` or `{"payouts": [...]}`) or a line of JSON for each payout. What is wrong with one
of them is its own matter; a list that is no JSON is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, ClassVar
from uuid import UUID

from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from payouts import creation
from payouts.admission import PayoutRequest
from payouts.api import creating, problems, schema, serializers
from payouts.api.auth import actor_of, writing_tenant
from payouts.api.door import Door
from payouts.api.requests import (
    body_of,
    check_tree,
    checked_key,
    parse_json,
    read_body,
    request_id_of,
)
from payouts.errors import PayoutError

ITEMS_MAX = 1000


class ListParser(BaseParser):
    """A JSON document whose items are looked at one by one."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return _items(parse_json(read_body(stream, parser_context)))


class LinesParser(BaseParser):
    """One JSON document in each line; a line that is none becomes its item's refusal."""

    media_type = "application/x-ndjson"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        lines = read_body(stream, parser_context).split(b"\n")
        return _counted([_line(line) for line in lines if line.strip()])


def _line(line: bytes) -> Any:
    try:
        return parse_json(line)
    except PayoutError as refusal:
        return refusal


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict):
        if set(document) - {"payouts"}:
            raise PayoutError("unknown_field", "The object holds `payouts` and nothing else")
        document = document.get("payouts")
    if not isinstance(document, list):
        raise PayoutError("validation_error", "A list of payouts", param="payouts")
    return _counted(document)


def _counted(items: list[Any]) -> list[Any]:
    if not items:
        raise PayoutError("validation_error", "There is no payout in it", param="payouts")
    if len(items) > ITEMS_MAX:
        raise PayoutError("too_many_items", f"At most {ITEMS_MAX} payouts, and 1 MB")
    return items


class BulkView(Door):
    """`/api/payouts/bulk`."""

    route: ClassVar[str] = "payouts-bulk"
    parser_classes = (ListParser, LinesParser)

    @schema.creates_many
    def post(self, request: Request) -> Response:
        tenant_id, actor = writing_tenant(request), actor_of(request)
        shape = serializers.PayoutInput()  # One for all: making one costs more than using it.
        wishes = [_wish(item, tenant_id, shape) for item in body_of(request)]
        good = [wish for wish in wishes if isinstance(wish, PayoutRequest)]
        made = iter(creating.create(good, actor=actor))
        results: list[creating.Made] = [
            next(made) if isinstance(wish, PayoutRequest) else (creation.Refused(wish), None)
            for wish in wishes
        ]
        there = serializers.present_payouts((p for _, p in results if p is not None), actor)
        payouts = {payout["id"]: payout for payout in there}
        shown = [
            _shown(n, result, payouts, request_id=request_id_of(request))
            for n, (result, _) in enumerate(results)
        ]
        counts = [item["status"] for item in shown]
        return Response(
            {
                "success": True,
                "total": len(shown),
                "created": counts.count(201),
                "replayed": counts.count(200),
                "refused": sum(status >= 400 for status in counts),
                "results": shown,
            }
        )


def _wish(
    item: Any, tenant_id: UUID, shape: serializers.PayoutInput
) -> PayoutRequest | PayoutError:
    """One item as a request, or why it is none."""
    try:
        if isinstance(item, PayoutError):
            raise item
        check_tree(item)
        if not isinstance(item, dict):
            raise PayoutError("validation_error", "It must be a JSON object")
        key = _key(item)
        body = {name: value for name, value in item.items() if name != "idempotencyKey"}
        return creating.payout_request(tenant_id, key, shape.run_validation(body))
    except (PayoutError, ValidationError) as refusal:
        return problems.as_refusal(refusal) or PayoutError("validation_error")


def _key(item: dict[str, Any]) -> str:
    given = item.get("idempotencyKey")
    if given is None:
        raise PayoutError("idempotency_key_required", param="idempotencyKey")
    if not isinstance(given, str):
        raise PayoutError("idempotency_key_invalid", param="idempotencyKey")
    return checked_key(given)


def _shown(
    n: int, result: creation.Result, payouts: dict[str, Any], *, request_id: str
) -> dict[str, Any]:
    if isinstance(result, creation.Refused):
        problem = problems.describe(result.error, request_id=request_id)
        return {"index": n, "status": result.error.status, "error": problem}
    status = 201 if isinstance(result, creation.Created) else 200
    payout = creating.as_created(result, payouts[str(result.payout_id)])
    return {"index": n, "status": status, "payout": payout}
