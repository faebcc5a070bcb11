"""Whatever is sent: no bytes, no field, no query and no address give a 500, and no amount changes on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from payouts import money
from payouts.api.requests import JsonNumber, read_json
from payouts.errors import PayoutError
from tests.api_client import merchant, operator, payout_body, snapshot
from tests.world import World

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "originModule", "originEntityType", "originEntityId", "beneficiaryType", "beneficiaryId", "beneficiaryAccountId",
    "amount", "currency", "payoutMethod", "priority", "description", "metadata", "scheduledAt", "other",
]  # fmt: skip
MANY = hypothesis_settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SOME = hypothesis_settings(MANY, max_examples=12)  # Each one is several requests.


def refused(read: Callable[[Any], Any], value: Any, *codes: str) -> bool:
    """Whether `value` is refused; with another code, or by another exception, the test fails."""
    try:
        read(value)
    except PayoutError as error:
        if error.code not in codes:
            raise
        return True
    return False


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_no_bytes_whatever_break_the_reader(raw: bytes) -> None:
    refused(read_json, raw, "malformed_json", "json_too_deep", "duplicate_json_key", "invalid_text")


@given(JSON_LIKE)
def test_what_the_reader_reads_is_what_json_says(value: Any) -> None:
    text = json.dumps(value)
    if not refused(read_json, text.encode(), "invalid_text", "malformed_json"):  # NUL, NaN
        assert read_json(text.encode()) == json.loads(text)


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,5})?", fullmatch=True)
)
def test_a_json_number_keeps_its_source(source: str) -> None:
    number = read_json(source.encode())
    kept = number.source if isinstance(number, JsonNumber) else str(number)
    assert Decimal(kept) == Decimal(source)


@given(st.decimals(min_value="0.001", max_value="999999999999999", places=3))
def test_an_amount_survives_exactly(amount: Decimal) -> None:
    text = format(amount, "f")
    assert money.parse_amount(text) == amount
    number = read_json(text.encode())
    assert money.parse_amount(number.source) == amount
    assert Decimal(money.display(amount, "TND")) == amount


@given(st.text() | st.from_regex(r"[-+]?[0-9_ ,.eE]{1,40}"))
def test_a_text_is_an_amount_or_it_is_refused(text: str) -> None:
    if refused(money.parse_amount, text, "amount_invalid", "amount_out_of_range"):
        return
    amount = money.parse_amount(text)
    assert re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]+)?", text, re.ASCII)
    assert format(amount, "f") == text
    assert amount > 0


@MANY
@given(changes=st.dictionaries(st.sampled_from(FIELDS), JSON_LIKE, min_size=1, max_size=3))
def test_no_field_whatever_gives_a_500(sandbox: World, changes: dict[str, Any]) -> None:
    body = json.dumps(payout_body(sandbox) | changes).encode()
    before = snapshot()
    headers = {"Idempotency-Key": str(uuid4())}
    answer = merchant(sandbox).send("POST", "/api/payouts", body, headers=headers)
    assert answer.status in (201, 400, 403, 404, 422)
    assert answer.status == 201 or snapshot() == before


@SOME
@given(
    changes=st.dictionaries(st.sampled_from([*FIELDS, "idempotencyKey"]), JSON_LIKE, max_size=3),
    whole=JSON_LIKE,
    lines=st.booleans(),
)
def test_no_item_whatever_gives_a_500_or_spoils_its_neighbours(
    sandbox: World, changes: dict[str, Any], whole: Any, lines: bool
) -> None:
    good = [payout_body(sandbox, amount="0.01") | {"idempotencyKey": str(uuid4())} for _ in "ab"]
    items = [good[0], good[0] | changes, whole, good[1]]
    raw = (
        b"\n".join(json.dumps(item).encode() for item in items)
        if lines
        else json.dumps(items).encode()
    )
    kind = "application/x-ndjson" if lines else "application/json"
    answer = merchant(sandbox).send("POST", "/api/payouts/bulk", raw, content_type=kind)
    if not lines and answer.status == 400:  # NaN: a list that is no JSON.
        return
    assert answer.status == 200
    statuses = [result["status"] for result in answer.body["results"]]
    assert set(statuses) <= {200, 201, 400, 403, 404, 422}
    assert (statuses[0], statuses[-1]) == (201, 201)


@SOME
@given(whole=JSON_LIKE, path=st.sampled_from(["/api/payouts/bulk", "/api/payouts/quote"]))
def test_no_document_whatever_gives_a_500(sandbox: World, whole: Any, path: str) -> None:
    before = snapshot()
    answer = merchant(sandbox).send("POST", path, json.dumps(whole).encode())
    assert answer.status in ((200, 400, 413, 422) if path.endswith("bulk") else (400, 422))
    assert snapshot() == before


@MANY
@given(
    name=st.sampled_from(
        [
            "limit",
            "offset",
            "cursor",
            "status",
            "currency",
            "created_after",
            "beneficiary_id",
            "priority",
            "resolved",
            "severity",
            "x",
        ]
    ),
    path=st.sampled_from(["/api/payouts", "/api/payouts/ops/alerts"]),
    value=st.text(max_size=40) | st.integers().map(str) | st.datetimes().map(str),
)
def test_no_query_whatever_gives_a_500(sandbox: World, name: str, path: str, value: str) -> None:
    quoted = quote(value.encode("utf-8", "surrogatepass"))
    answer = operator(sandbox).get(f"{path}?{name}={quoted}")
    assert answer.status in (200, 422)


@MANY
@given(path=st.text(max_size=30))
def test_no_address_whatever_gives_a_500(sandbox: World, path: str) -> None:
    answer = merchant(sandbox).get(
        "/api/payouts/" + quote(path.encode("utf-8", "surrogatepass"), safe="/")
    )
    assert answer.status in (200, 404, 405)
