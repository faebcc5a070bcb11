"""Many creates in one request: each with its own key and its own result, none spoiling its neighbours."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from payouts import keycache
from payouts.models import Payout
from tests.api_client import Api, Reply, create, merchant, payout_body, snapshot
from tests.bad_input import AMOUNTS, BAD_KEYS, BODIES, TEXTS
from tests.test_api_input import raw_body
from tests.world import World

BULK = "/api/payouts/bulk"
NDJSON = "application/x-ndjson"


def item(world: World, key: str | None = None, **changes: Any) -> dict[str, Any]:
    return payout_body(world, **changes) | {"idempotencyKey": key or str(uuid4())}


def send_lines(world: World, *lines: bytes) -> Reply:
    return merchant(world).send("POST", BULK, b"\n".join(lines), content_type=NDJSON)


def results(answer: Reply) -> list[tuple[int, str]]:
    """(status, code or payout's status) of each item, whose numbers must be in order."""
    assert answer.status == 200, answer.body
    found = answer.body["results"]
    assert [one["index"] for one in found] == list(range(len(found)))
    assert answer.body["total"] == len(found)
    for one in found:
        assert ("payout" in one) == (one["status"] < 300)
        assert "error" not in one or one["error"]["status"] == one["status"]
    counts = [one["status"] for one in found]
    assert answer.body["created"] == counts.count(201)
    assert answer.body["replayed"] == counts.count(200)
    assert answer.body["refused"] == len([status for status in counts if status >= 400])
    return [
        (one["status"], one["payout"]["status"] if "payout" in one else one["error"]["code"])
        for one in found
    ]


def test_each_item_has_its_own_result_in_order(sandbox: World) -> None:
    create(sandbox, key="known", amount="5")
    wishes = [
        item(sandbox, "a", amount="1"),
        item(sandbox, "b", amount="0"),
        item(sandbox, "known", amount="5"),
        item(sandbox, "known", amount="6"),
        item(sandbox, "c", amount="20000"),  # More than there is.
        payout_body(sandbox),
        "nonsense",
        item(sandbox, "d", amount="2", colour="red"),
        item(sandbox, "a", amount="1"),  # The same again, in one list.
        item(sandbox, "e", amount="3"),
    ]
    expected = [
        (201, "pending"), (422, "amount_invalid"), (200, "pending"), (422, "idempotency_key_reused"),
        (422, "insufficient_funds"), (400, "idempotency_key_required"), (422, "validation_error"),
        (422, "unknown_field"), (200, "pending"), (201, "pending"),
    ]  # fmt: skip
    assert results(merchant(sandbox).post(BULK, {"payouts": wishes})) == expected
    assert sorted(Payout.objects.values_list("external_id", flat=True)) == ["a", "e", "known"]
    assert sandbox.balance() == (Decimal(9991), Decimal(9))


def test_a_list_is_bare_or_named_or_one_line_each_and_means_the_same(sandbox: World) -> None:
    wishes = [item(sandbox, f"k{n}", amount="1") for n in range(3)]
    assert results(merchant(sandbox).post(BULK, wishes)) == [(201, "pending")] * 3
    before = snapshot()
    assert results(merchant(sandbox).post(BULK, {"payouts": wishes})) == [(200, "pending")] * 3
    lines = [json.dumps(wish).encode() for wish in wishes]
    assert results(send_lines(sandbox, *lines, b"")) == [(200, "pending")] * 3
    assert results(send_lines(sandbox, lines[0] + b"\r", b"", lines[1])) == [(200, "pending")] * 2
    assert snapshot() == before


def test_one_key_through_both_doors_is_one_payout(sandbox: World) -> None:
    """In either order; quotes around a key and another way of writing an amount make no difference."""
    single = create(sandbox, key="first", amount="1.50")
    assert results(merchant(sandbox).post(BULK, [item(sandbox, '"first"', amount=1.5)])) == [
        (200, "pending")
    ]
    made = merchant(sandbox).post(BULK, [item(sandbox, "second", amount="2")])
    again = merchant(sandbox).post("/api/payouts", payout_body(sandbox, amount=2), key="second")
    assert (again.status, again.body["payout"]) == (200, made.body["results"][0]["payout"])
    other = merchant(sandbox).post("/api/payouts", payout_body(sandbox, amount="3"), key="second")
    assert other.code == "idempotency_key_reused"
    assert {str(p.id) for p in Payout.objects.all()} == {single, made.body["results"][0]["payout"]["id"]}  # fmt: skip


def test_a_broken_line_is_its_own_matter(sandbox: World) -> None:
    good = [json.dumps(item(sandbox, amount="1")).encode() for _ in range(2)]
    broken = [
        b"{", b"\xff", b'{"a": 1, "a": 2}', b'{"a": "\\u0000"}', b"[" * 5000, b"null", b"7", b'{"idempotencyKey": 7}',
        b"NaN", b"{} {}",
    ]  # fmt: skip
    answer = send_lines(sandbox, good[0], *broken, good[1])
    codes = [
        "malformed_json", "malformed_json", "duplicate_json_key", "invalid_text", "json_too_deep",
        "validation_error", "validation_error", "idempotency_key_invalid", "malformed_json", "malformed_json",
    ]  # fmt: skip
    assert [outcome for _, outcome in results(answer)] == ["pending", *codes, "pending"]
    assert Payout.objects.count() == 2


def test_every_bad_item_is_refused_as_a_create_of_its_own_is(sandbox: World) -> None:
    """Every row of bad amounts and texts, in one request of lines with a good one at its end."""
    rows = [
        raw_body(sandbox, amount=literal) for literal, _ in AMOUNTS.values() if len(literal) < 9000
    ]
    expected = [why for literal, why in AMOUNTS.values() if len(literal) < 9000]
    for literals, why in TEXTS.values():
        if sum(map(len, literals.values())) < 9000:
            rows.append(raw_body(sandbox, **literals))
            expected.append(why)
    lines = [b'{"idempotencyKey": "%d", ' % n + row[1:] for n, row in enumerate(rows)]
    good = json.dumps(item(sandbox, amount="1")).encode()
    assert results(send_lines(sandbox, *lines, good)) == [*expected, (201, "pending")]
    assert Payout.objects.count() == 1


def test_every_bad_key_is_refused(sandbox: World) -> None:
    before = snapshot()
    wishes = [item(sandbox) | {"idempotencyKey": key} for key in [*BAD_KEYS.values(), 7, [], True]]
    found = results(merchant(sandbox).post(BULK, wishes))
    assert found == [(400, "idempotency_key_invalid")] * len(wishes)
    assert snapshot() == before


@pytest.mark.parametrize("name", [n for n in BODIES if n not in ("B38 list",)])
def test_a_list_that_is_none_is_refused_as_a_whole(sandbox: World, name: str) -> None:
    body, (status, code) = BODIES[name]
    before = snapshot()
    answer = merchant(sandbox).send("POST", BULK, body)
    # An object that is no list of payouts is told by its first unknown name.
    allowed = {(status, code), (422, "unknown_field")} if body[:1] == b"{" else {(status, code)}
    assert (answer.status, answer.code) in allowed
    assert snapshot() == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 422, "validation_error"), ({}, 422, "validation_error"), ({"payouts": []}, 422, "validation_error"),
        ({"payouts": {}}, 422, "validation_error"), ({"payouts": [], "x": 1}, 422, "unknown_field"),
        ([{}] * 1001, 413, "too_many_items"),
    ],
)  # fmt: skip
def test_a_list_has_one_to_a_thousand_payouts(
    sandbox: World, body: Any, status: int, code: str
) -> None:
    before = snapshot()
    answer = merchant(sandbox).post(BULK, body)
    assert (answer.status, answer.code) == (status, code)
    if code == "too_many_items":
        assert "1000" in answer.body["detail"]
        lines = send_lines(sandbox, *[b"{}"] * 1001)
        assert (lines.status, lines.code) == (status, code)
    assert snapshot() == before


def test_lines_are_read_here_only_and_above_a_megabyte_nowhere(sandbox: World) -> None:
    before = snapshot()
    line = json.dumps(item(sandbox)).encode()
    elsewhere = merchant(sandbox).send("POST", "/api/beneficiaries", line, content_type=NDJSON)
    assert (elsewhere.status, elsewhere.code) == (415, "unsupported_media_type")
    large = send_lines(sandbox, line + b" " * 1024 * 1024)
    assert (large.status, large.code) == (413, "payload_too_large")
    empty = send_lines(sandbox, b"", b" ")
    assert (empty.status, empty.code) == (422, "validation_error")
    assert snapshot() == before


def test_a_list_acts_in_one_merchant(sandbox: World) -> None:
    before = snapshot()
    theirs = Api(uuid4()).post(BULK, [item(sandbox)])
    assert results(theirs) == [(403, "origin_forbidden")]
    assert Api(None, "finance_ops").post(BULK, [item(sandbox)]).code == "not_found"
    assert snapshot() == before


def test_a_key_that_only_the_cache_knows_is_used_after_all(sandbox: World) -> None:
    """A restored database has less than Redis remembers."""
    answer = merchant(sandbox).post(BULK, [item(sandbox, "a", amount="1")])
    lost = Payout.objects.get(external_id="a")
    wish = sandbox.request(external_id="b", fingerprint=bytes(lost.request_fingerprint))
    keycache.remember([(wish, uuid4())])
    assert results(merchant(sandbox).post(BULK, [item(sandbox, "b", amount="1")])) == [(201, "pending")]  # fmt: skip
    assert answer.body["created"] == 1


def test_a_thousand_payouts_are_one_request(sandbox: World) -> None:
    wishes = [item(sandbox, amount="1", metadata=...) for _ in range(1000)]
    assert results(merchant(sandbox).post(BULK, wishes)) == [(201, "pending")] * 1000
    assert sandbox.balance() == (Decimal(9000), Decimal(1000))
