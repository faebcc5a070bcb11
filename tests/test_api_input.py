"""Bad input, row by row: refused with a stable code, understood the same way by everybody, never a 500.

Rows are named after the project's list of bad inputs (B01...). Every refusal leaves everything as it was.
"""

from __future__ import annotations

import gzip
import json
import time
from typing import Any
from uuid import uuid4

import pytest

from payouts import money
from payouts.api.requests import read_json
from payouts.errors import REFUSALS, PayoutError
from payouts.models import Payout
from tests.api_client import Api, Reply, create, merchant, payout_body, snapshot
from tests.bad_input import AMOUNTS, BAD_ACCOUNTS, BAD_KEYS, BODIES, TEXTS, ids, rows
from tests.world import IBAN, World


def raw_body(world: World, **literals: str) -> bytes:
    """The example with some values written as they stand here, JSON or not."""
    text = json.dumps(payout_body(world, **{name: f"<{name}>" for name in literals}))
    for name, literal in literals.items():
        text = text.replace(f'"<{name}>"', literal)
    return text.encode("utf-8", "surrogatepass")


def post(
    world: World, body: Any, *, content_type: str = "application/json", **headers: str
) -> Reply:
    sent = {"Idempotency-Key": str(uuid4())} | {n.replace("_", "-"): v for n, v in headers.items()}
    return merchant(world).send(
        "POST", "/api/payouts", body, content_type=content_type, headers=sent
    )


def assert_refused(answer: Reply, status: int, code: str, before: Any) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body
    assert REFUSALS[code][0] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    required = {"success", "type", "title", "status", "detail", "code", "request_id"}
    assert required <= set(answer.body) <= required | {"param"}
    assert (answer.body["success"], answer.body["status"]) == (False, status)
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    assert len(json.dumps(answer.body)) < 1000  # What was sent is not sent back.
    assert snapshot() == before


# --- Amounts, currencies and texts: JSON literals put into the example ------------------------------


@pytest.mark.parametrize("row", ids(AMOUNTS))
def test_every_bad_amount_is_refused_and_changes_nothing(sandbox: World, row: str) -> None:
    before = snapshot()
    for name, (literal, (status, code)) in rows(AMOUNTS, row).items():
        answer = post(sandbox, raw_body(sandbox, amount=literal))
        assert (answer.status, answer.code) == (status, code), name
        assert_refused(answer, status, code, before)


@pytest.mark.parametrize("row", ids(TEXTS))
def test_every_bad_text_is_refused_and_changes_nothing(sandbox: World, row: str) -> None:
    before = snapshot()
    for name, (literals, (status, code)) in rows(TEXTS, row).items():
        answer = post(sandbox, raw_body(sandbox, **literals))
        assert (answer.status, answer.code) == (status, code), (name, answer.body)
        assert_refused(answer, status, code, before)


@pytest.mark.parametrize(
    "field",
    [
        "originModule", "originEntityType", "originEntityId", "beneficiaryType", "beneficiaryId",
        "beneficiaryAccountId", "amount", "currency", "payoutMethod",
    ],
)  # fmt: skip
def test_a_missing_field_is_named(sandbox: World, field: str) -> None:
    """B18 and its like."""
    before = snapshot()
    answer = post(sandbox, payout_body(sandbox, **{field: ...}))
    assert_refused(answer, 422, "validation_error", before)
    assert answer.body["param"] == field


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("100.5", "XOF", "amount_precision"), ("100.00", "XOF", "amount_precision"),
        ("1.0", "JPY", "amount_precision"),
        ("100", "XOF", "currency_mismatch"), ("1.0005", "KWD", "amount_precision"),
        ("1.005", "KWD", "currency_mismatch"),
        ("1.0050", "TND", "amount_precision"), ("1.005", "TND", "currency_mismatch"),
    ],
)  # fmt: skip
def test_decimals_are_counted_as_written(
    sandbox: World, amount: str, currency: str, code: str
) -> None:
    """B08, B09: a good amount gets as far as the account, which is in another currency."""
    before = snapshot()
    for literal in (amount, f'"{amount}"'):
        answer = post(sandbox, raw_body(sandbox, amount=literal, currency=f'"{currency}"'))
        assert_refused(answer, 422, code, before)


@pytest.mark.parametrize("size", [5_000, 1_000_000])
def test_a_huge_number_costs_no_time(size: int) -> None:
    """B19."""
    start = time.perf_counter()
    number = read_json(b"9" * size)
    with pytest.raises(PayoutError):
        money.parse_amount(number.source)
    assert time.perf_counter() - start < 0.05


# --- Bodies as a whole ------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ids(BODIES))
def test_every_bad_body_is_refused_and_changes_nothing(sandbox: World, row: str) -> None:
    before = snapshot()
    for path in ("/api/payouts", "/api/beneficiaries", "/api/payouts/quote"):
        for name, (body, (status, code)) in rows(BODIES, row).items():
            answer = merchant(sandbox).send("POST", path, body, headers={"Idempotency-Key": "k"})
            assert (answer.status, answer.code) == (status, code), (name, path)
            assert_refused(answer, status, code, before)


def test_a_body_of_exactly_one_megabyte_is_read(sandbox: World) -> None:
    body = raw_body(sandbox)
    assert post(sandbox, body + b" " * (1024 * 1024 - len(body))).status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "", "text/json", "*/*",
        "application/*", "application/json,application/json", "application/xml", "json", "application/json-seq",
    ],
)  # fmt: skip
def test_only_application_json_is_read(db: None, content_type: str) -> None:
    """B34, B35."""
    before = snapshot()
    answer = Api(uuid4()).send(
        "POST", "/api/beneficiaries", {"colour": 1}, content_type=content_type
    )
    assert_refused(answer, 415, "unsupported_media_type", before)


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=bogus", "Application/JSON", "application/json;charset=utf-16"],
)
def test_json_is_utf_8_whatever_its_charset_says(sandbox: World, content_type: str) -> None:
    """B36."""
    body = raw_body(sandbox, description='"d\u00e9j\u00e0 vu"')
    made = post(sandbox, body, content_type=content_type)
    assert (made.status, made.body["payout"]["description"]) == (201, "d\u00e9j\u00e0 vu")


def test_a_compressed_body_is_not_read(sandbox: World) -> None:
    """B37."""
    before = snapshot()
    answer = post(sandbox, gzip.compress(raw_body(sandbox)), Content_Encoding="gzip")
    assert_refused(answer, 415, "unsupported_media_type", before)


def test_metadata_is_kept_as_given_and_does_nothing(sandbox: World) -> None:
    """B29, B30."""
    given_metadata = {
        "__proto__": {"x": 1}, "$where": "1", "a.b": "=HYPERLINK(1)", "<script>": "alert(1)",
        "n": [0.1, 2**63, None, True],
        "\u202e": "\U0001f4b8", "": "",
    }  # fmt: skip
    payout_id = create(sandbox, metadata=given_metadata)
    assert (
        merchant(sandbox).get(f"/api/payouts/{payout_id}").body["payout"]["metadata"]
        == given_metadata
    )


def test_nothing_written_at_great_length_is_still_nothing(sandbox: World) -> None:
    """B30: a zero with a hundred million decimals costs nothing, and means what a plain one means."""
    long, short = (
        raw_body(sandbox, metadata='{"a": [' + ",".join([zero] * 20) + "]}")
        for zero in ("0e-99999999", "0")
    )
    start = time.perf_counter()
    made = post(sandbox, long, Idempotency_Key="zero")
    assert made.status == 201
    assert time.perf_counter() - start < 1
    again = post(sandbox, short, Idempotency_Key="zero")
    assert (again.status, again.body["payout"]["id"]) == (200, made.body["payout"]["id"])


def test_metadata_of_fifty_keys_and_thirty_levels_is_kept(sandbox: World) -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    metadata = {str(n): n for n in range(49)} | {"deep": deep}
    assert Payout.objects.get(pk=create(sandbox, metadata=metadata)).metadata == metadata


def test_an_object_in_another_objects_place_is_named_with_its_path(sandbox: World) -> None:
    account: dict[str, Any] = {"type": "iban", "currency": "EUR", "iban": "x" * 30}
    good = {"name": "A", "beneficiaryType": "user", "country": "DE", "account": account}
    before = snapshot()
    for change, code, param in [
        ({"account": []}, "validation_error", "account"),
        ({"account": None}, "validation_error", "account"),
        ({"account": account | {"type": "cash"}}, "validation_error", "account.type"),
        ({"account": account | {"type": ["iban"]}}, "validation_error", "account.type"),
        ({"account": account | {"colour": 1}}, "unknown_field", "account.colour"),
        ({"account": account | {"iban": 7}}, "validation_error", "account.iban"),
        ({"account": account | {"iban": "a\tb"}}, "invalid_text", "account.iban"),
        ({"account": account | {"currency": "eur"}}, "currency_unsupported", "account.currency"),
        ({"account": account | {"accountNumber": "1"}}, "account_invalid", "account.iban"),
        ({"country": "de"}, "validation_error", "country"),
        ({"country": "D\u0415"}, "validation_error", "country"),
        ({"country": "DE\n"}, "validation_error", "country"),
        ({"name": " "}, "validation_error", "name"),
        ({"name": "x" * 141}, "validation_error", "name"),  # B68
        ({"name": "a\nb"}, "invalid_text", "name"),  # B68
        ({"beneficiaryType": "DE89370400440532013000"}, "validation_error", "beneficiaryType"),
    ]:
        answer = merchant(sandbox).post("/api/beneficiaries", good | change, key="k")
        assert (answer.status, answer.code, answer.body["param"]) == (422, code, param), answer.body
        assert "DE8937" not in json.dumps(answer.body)
    assert snapshot() == before


@pytest.mark.parametrize("row", ids(BAD_ACCOUNTS))
def test_every_bad_account_is_refused_without_repeating_it(sandbox: World, row: str) -> None:
    before = snapshot()
    for name, (account, param) in rows(BAD_ACCOUNTS, row).items():
        full = {"currency": "EUR", **account}
        if account["type"] == "us_bank":
            full |= {"accountNumber": "123456789012", "accountType": "checking"}
        body = {"name": "A", "beneficiaryType": "user", "country": "DE", "account": full}
        answer = merchant(sandbox).post("/api/beneficiaries", body)
        assert (answer.code, answer.body["param"]) == ("account_invalid", f"account.{param}"), name
        assert_refused(answer, 422, "account_invalid", before)
        said = json.dumps(answer.body)
        assert not any(v in said for k, v in account.items() if k not in ("type", "bic")), name


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1+cmd", "@SUM", "O'Brien <b>", "\u202eevil"])
def test_a_strange_name_is_only_a_name(sandbox: World, name: str) -> None:
    """B69: whoever exports it makes it harmless."""
    account = {"type": "iban", "currency": "EUR", "iban": "de89 3704 0044 0532 0130 00"}  # B61
    body = {"name": name, "beneficiaryType": "user", "country": "DE", "account": account}
    made = merchant(sandbox).post("/api/beneficiaries", body)
    assert (made.status, made.body["beneficiary"]["name"]) == (201, name)


# --- Idempotency-Key --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_malformed_key_is_refused(db: None, name: str) -> None:
    """B43, B44: on a create as on every other POST."""
    before = snapshot()
    account = {"type": "iban", "currency": "EUR", "iban": IBAN}
    person = {"name": "A", "beneficiaryType": "user", "country": "DE", "account": account}
    for path, body in (("/api/payouts", {}), ("/api/beneficiaries", person)):
        answer = Api(uuid4()).post(path, body, key=BAD_KEYS[name])
        assert_refused(answer, 400, "idempotency_key_invalid", before)


def test_a_create_without_a_key_is_refused(sandbox: World) -> None:
    """B42."""
    before = snapshot()
    answer = merchant(sandbox).post("/api/payouts", payout_body(sandbox))
    assert_refused(answer, 400, "idempotency_key_required", before)


def test_quotes_around_a_key_are_no_part_of_it(sandbox: World) -> None:
    """B44."""
    create(sandbox, key="abc")
    assert post(sandbox, raw_body(sandbox), Idempotency_Key='"abc"').status == 200
    assert post(sandbox, raw_body(sandbox), Idempotency_Key=" abc ").status == 200
    assert Payout.objects.count() == 1


def test_the_longest_and_the_strangest_key_are_keys(sandbox: World) -> None:
    for key in ("k" * 255, "a b", "!~{}%s\\'", "..", "x,y"):
        assert Payout.objects.get(pk=create(sandbox, key=key)).external_id == key
        assert post(sandbox, raw_body(sandbox), Idempotency_Key=key).status == 200
