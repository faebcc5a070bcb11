"""What the engine may rely on, held against every connector there is."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from holidays import financial_holidays

from connectors.abilities import Recalls
from connectors.base import (
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorMisconfigured,
    Dedup,
    InboundDocument,
    OutcomeKind,
    Prepared,
    Reaction,
    TransmissionStyle,
    UnreadableDocument,
)
from connectors.registry import CONNECTORS, build
from tests.bank_stub import (
    ASKS_BY_POST,
    NUMBERS,
    RAIL_OF,
    Canned,
    account,
    bank_stub,
    canned_json,
    config,
    instruction,
    transmission,
)
from tests.far_side import FAR_SIDE_CHECKS

pytestmark = pytest.mark.parametrize("driver", sorted(CONNECTORS))

BUSY = canned_json({"code": "BUSY"}, 503, **{"Retry-After": "3"})


def connector_of(driver: str, base_url: str = "http://127.0.0.1:1", **options: Any) -> Connector:
    return build(driver, config(driver, base_url, **options))


def prepare(driver: str, count: int = 3) -> Prepared:
    payouts = [instruction(driver, number) for number in range(1, at_most(driver, count) + 1)]
    return connector_of(driver).prepare(payouts, NUMBERS)


def at_most(driver: str, count: int) -> int:
    """As many instructions as a message of this driver holds."""
    return min(count, connector_of(driver).capabilities().max_instructions)


def test_capabilities_are_sane(driver: str) -> None:
    can = connector_of(driver).capabilities()
    assert can.rail == config(driver).rail
    assert can.account_types
    assert all(len(currency) == 3 and currency.isupper() for currency in can.currencies)
    assert Decimal(0) < can.min_amount < can.max_amount
    assert can.max_instructions >= 1
    assert can.transmissions_per_day is None or can.transmissions_per_day > 0
    assert can.reference.kind in ("random", "uuid4", "sequence")
    assert (can.dedup is Dedup.WINDOW) == (can.dedup_window is not None)
    assert can.dedup_window is None or can.dedup_window > timedelta(0)
    assert not can.refuses_before_booking - {429, 503}
    assert not can.calendar or financial_holidays(can.calendar, years=2026)
    assert can.style in TransmissionStyle
    assert can.can_recall == isinstance(connector_of(driver), Recalls)
    assert can.can_recall == (can.recall_days > 0)
    assert can.answers_within is None or can.answers_within > timedelta(0)


def test_preparing_twice_gives_the_same_bytes(driver: str) -> None:
    first, second = prepare(driver), prepare(driver)
    assert first == second
    assert first.body
    assert first.errors == {}


def test_another_number_or_day_gives_another_transmission_reference(driver: str) -> None:
    payouts = [instruction(driver)]
    numbers = [
        NUMBERS,
        dataclasses.replace(NUMBERS, file_number=1),
        dataclasses.replace(NUMBERS, file_number=36),
        dataclasses.replace(NUMBERS, created_at=NUMBERS.created_at + timedelta(days=1)),
    ]
    references = {connector_of(driver).prepare(payouts, n).reference for n in numbers}
    assert len(references) == len(numbers)


def test_what_is_written_is_accepted_by_tools_of_others(driver: str) -> None:
    odd = account(driver, holder_name="Ré & Sœurs «Ñandú» GmbH/ /", holder_type="merchant")
    payouts = [
        *(instruction(driver, number) for number in range(1, 40)),
        instruction(driver, 40, account=odd, description="Übergröße // 12,50 €" * 20),
        instruction(driver, 41, execution_date=NUMBERS.created_at.date()),
    ]
    size = at_most(driver, len(payouts))
    for start in range(0, len(payouts), size):
        body = connector_of(driver).prepare(payouts[start : start + size], NUMBERS)
        assert body.errors == {}
        for check in FAR_SIDE_CHECKS[driver]:
            check(body.body)


BAD = {
    "a name with a line break": ({"account": {"holder_name": "Awa\nNdiaye"}}, "invalid_name"),
    "a name with no letter": ({"account": {"holder_name": "\U0001f600 !"}}, "invalid_name"),
    "an empty name": ({"account": {"holder_name": " "}}, "invalid_name"),
    "a fraction of a cent": ({"amount": Decimal("1.001")}, "amount_precision"),
    "nothing": ({"amount": Decimal("0.00")}, "amount_out_of_range"),
    "too much": ({"amount": Decimal("1e12")}, "amount_out_of_range"),
    "not a number": ({"amount": Decimal("NaN")}, "amount_precision"),
    "another currency": ({"currency": "GHS"}, "currency_mismatch"),
    "another kind of account": (
        {"account": {"type": "pigeon", "details": {"loft": "7"}}},
        "account_type_unsupported",
    ),
    "a reference that does not fit": ({"reference": "x" * 36}, "invalid_reference"),
    "a reference with markup": ({"reference": "<a>&"}, "invalid_reference"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_instruction_fails_alone(driver: str, what: str) -> None:
    changes, code = BAD[what]
    changes = dict(changes)
    if "account" in changes:
        changes["account"] = account(driver, **changes["account"])
    bad = instruction(driver, 2, **changes)
    if at_most(driver, 3) < 3:
        alone = connector_of(driver).prepare([bad], NUMBERS)
        assert (alone.body, alone.errors[bad.reference].code) == (b"", code)
        return
    good = [instruction(driver, 1), instruction(driver, 3)]
    mixed = connector_of(driver).prepare([good[0], bad, good[1]], NUMBERS)
    assert {reference: error.code for reference, error in mixed.errors.items()} == {
        bad.reference: code
    }
    assert good[0].reference.encode() in mixed.body
    assert good[1].reference.encode() in mixed.body
    assert bad.payout_id.hex.encode() not in mixed.body
    assert str(bad.payout_id).encode() not in mixed.body
    for check in FAR_SIDE_CHECKS[driver]:
        check(mixed.body)


def test_when_nothing_is_good_there_are_no_bytes(driver: str) -> None:
    bad = instruction(driver, account=account(driver, holder_name=""))
    prepared = connector_of(driver).prepare([bad], NUMBERS)
    assert prepared.body == b""
    assert set(prepared.errors) == {bad.reference}


def test_a_list_that_could_pay_twice_is_refused_whole(driver: str) -> None:
    one, two = instruction(driver, 1), instruction(driver, 2)
    same_reference = dataclasses.replace(two, reference=one.reference)
    same_payout = dataclasses.replace(two, payout_id=one.payout_id)
    for second in (same_reference, same_payout):
        with pytest.raises(ConnectorError):
            connector_of(driver).prepare([one, second], NUMBERS)


def test_a_list_that_is_too_long_is_refused(driver: str) -> None:
    limit = connector_of(driver).capabilities().max_instructions
    payouts = [instruction(driver, number) for number in range(1, limit + 2)]
    with pytest.raises(ConnectorError, match="too_many_instructions"):
        connector_of(driver).prepare(payouts, NUMBERS)
    assert connector_of(driver).prepare(payouts[:-1], NUMBERS).errors == {}


def test_no_account_number_shows_in_a_repr(driver: str) -> None:
    payout = instruction(driver)
    prepared = connector_of(driver).prepare([payout], NUMBERS)
    details = payout.account.details
    number = (
        details.get("iban") or details.get("account_number") or details["msisdn"].removeprefix("+")
    )
    told = repr(payout) + repr(prepared) + repr(transmission(prepared, payout.reference))
    assert number.encode() in prepared.body
    assert number not in told
    assert "sandbox-bank-key" not in repr(config(driver))


def test_what_is_sent_is_exactly_what_was_stored(driver: str) -> None:
    prepared = prepare(driver)
    sent = transmission(prepared, instruction(driver).reference)
    with bank_stub(BUSY) as bank:
        connector_of(driver, bank.url).submit(sent)
    (asked,) = bank.asked
    assert (asked.method, asked.body) == ("POST", prepared.body)
    assert asked.headers["Content-Type"] == prepared.content_type
    assert asked.headers["Authorization"] == "Bearer sandbox-bank-key"


SUBMITTED = [
    ("busy before booking", BUSY, OutcomeKind.NOT_SENT, "bank_busy"),
    ("slow down", Canned(429), OutcomeKind.NOT_SENT, "bank_busy"),
    ("bad key", canned_json({"code": "UNAUTHORIZED"}, 401), OutcomeKind.NOT_SENT, "bank_auth"),
    ("forbidden", Canned(403), OutcomeKind.NOT_SENT, "bank_auth"),
    ("no order", canned_json({"code": "BAD_REQUEST"}, 400), OutcomeKind.REJECTED, "BAD_REQUEST"),
    ("a proxy's 400", Canned(400, b"<html>"), OutcomeKind.UNKNOWN, "http_400"),
    ("not found", canned_json({"code": "NOT_FOUND"}, 404), OutcomeKind.UNKNOWN, "http_404"),
    ("server error", Canned(500), OutcomeKind.UNKNOWN, "http_500"),
    ("bad gateway", Canned(502), OutcomeKind.UNKNOWN, "http_502"),
    ("redirect", Canned(302, headers={"Location": "/"}), OutcomeKind.UNKNOWN, "http_302"),
    ("garbage", Canned(200, b"\x00garbage<>{"), OutcomeKind.UNKNOWN, "answer_unreadable"),
    ("an empty 200", Canned(200), OutcomeKind.UNKNOWN, "answer_unreadable"),
    ("no content", Canned(204), OutcomeKind.UNKNOWN, "answer_unreadable"),
    ("nested", Canned(200, b"[" * 100_000), OutcomeKind.UNKNOWN, "answer_unreadable"),
]


@pytest.mark.parametrize(("what", "answer", "kind", "code"), SUBMITTED)
def test_what_an_answer_to_a_submission_proves(
    driver: str, what: str, answer: Canned, kind: OutcomeKind, code: str
) -> None:
    sent = transmission(prepare(driver), instruction(driver).reference)
    with bank_stub(answer) as bank:
        outcome = connector_of(driver, bank.url).submit(sent)
    assert (outcome.kind, outcome.code) == (kind, code), what
    assert outcome.document == answer.body
    assert outcome.events == ()
    assert outcome.retry_after_s == (3.0 if answer is BUSY else None)
    assert len(bank.asked) == 1


def test_a_bank_that_is_away_got_nothing(driver: str) -> None:
    outcome = connector_of(driver).submit(
        transmission(prepare(driver), instruction(driver).reference)
    )
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_SENT, "connection_refused")


@pytest.mark.parametrize(("what", "answer", "kind", "code"), SUBMITTED)
def test_an_inquiry_that_fails_says_nothing_about_the_order(
    driver: str, what: str, answer: Canned, kind: OutcomeKind, code: str
) -> None:
    sent = transmission(prepare(driver), instruction(driver).reference)
    with bank_stub(answer) as bank:
        outcome = connector_of(driver, bank.url).inquire(sent)
    if driver in ASKS_BY_POST:
        assert outcome.kind is OutcomeKind.UNKNOWN
        assert bank.asked[0].method == "POST"
        assert sent.instruction_references[0] in bank.asked[0].body.decode()
        return
    expected = OutcomeKind.NOT_FOUND if what == "not found" else OutcomeKind.UNKNOWN
    assert outcome.kind is expected
    if driver in ("rtp", "wire"):  # By pacs.028.
        assert bank.asked[0].path == f"/{driver}/default/status-requests"
        assert f"<OrgnlMsgId>{sent.reference}<".encode() in bank.asked[0].body
        return
    assert bank.asked[0].method == "GET"
    reference = sent.reference if RAIL_OF.get(driver) is None else sent.instruction_references[0]
    assert bank.asked[0].path.endswith(("/" + reference, "reference=" + reference))


def test_an_inquiry_of_a_bank_that_is_away_is_unknown(driver: str) -> None:
    outcome = connector_of(driver).inquire(
        transmission(prepare(driver), instruction(driver).reference)
    )
    assert outcome.kind is OutcomeKind.UNKNOWN


def test_a_404_without_the_banks_own_word_is_not_not_found(driver: str) -> None:
    with bank_stub(canned_json({"detail": "Not Found"}, 404)) as bank:
        outcome = connector_of(driver, bank.url).inquire(
            transmission(prepare(driver), instruction(driver).reference)
        )
    assert outcome.kind is OutcomeKind.UNKNOWN


def test_reports_come_page_by_page(driver: str) -> None:
    page = {
        "documents": [
            {"id": 8, "type": "b", "content": "Yg=="},
            {"id": 7, "type": "a", "content": ""},
        ],
        "last": 8,
        "more": True,
    }
    with bank_stub(canned_json(page)) as bank:
        fetched = connector_of(driver, bank.url).fetch_reports("6")
    assert bank.asked[0].path.endswith("/reports?after=6&limit=100")
    assert (fetched.cursor, fetched.more) == ("8", True)
    assert [(d.remote_id, d.document_type, d.body) for d in fetched.documents] == [
        ("8", "b", b"b"),
        ("7", "a", b""),
    ]


BAD_PAGES: list[Canned] = [
    canned_json({"documents": [], "last": 3, "more": False}),  # Would go backwards.
    canned_json({"documents": [], "last": 6, "more": True}),  # Would never end.
    canned_json({"documents": [], "last": "6", "more": False}),
    canned_json({"documents": [], "last": 6}),
    canned_json({"documents": [{"id": 7, "type": "a", "content": "%"}], "last": 7, "more": False}),
    canned_json({"documents": 5, "last": 7, "more": False}),
    canned_json([]),
    Canned(200, b"NaN"),
    Canned(503),
    Canned(401),
]


@pytest.mark.parametrize("answer", BAD_PAGES)
def test_a_page_that_is_none_raises(driver: str, answer: Canned) -> None:
    with bank_stub(answer) as bank, pytest.raises(ConnectorError):
        connector_of(driver, bank.url).fetch_reports("6")


def test_reports_of_a_bank_that_is_away_raise(driver: str) -> None:
    with pytest.raises(ConnectorError, match="connection_refused"):
        connector_of(driver).fetch_reports("")


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"{}", b"[]", b"<a/>", b"101", b"1" * 94, b"\xff" * 99]
)
def test_an_unreadable_document_is_said_to_be_unreadable(driver: str, body: bytes) -> None:
    for kind in (
        "pain.002.001.10",
        "pacs.002.001.10",
        "camt.054.001.08",
        "ach.ack",
        "ach.settlement",
        "ach.return",
        "x",
    ):
        document = InboundDocument(remote_id="1", document_type=kind, body=body)
        with pytest.raises(UnreadableDocument):
            connector_of(driver).parse_report(document)


def test_health(driver: str) -> None:
    with bank_stub(canned_json({"status": "ok"})) as bank:
        assert connector_of(driver, bank.url).check_health().healthy
    for answer in (Canned(503), Canned(200, b"?"), canned_json({"status": "down"})):
        with bank_stub(answer) as bank:
            assert not connector_of(driver, bank.url).check_health().healthy
    away = connector_of(driver).check_health()
    assert (away.healthy, away.message) == (False, "connection_refused")
    assert not build(driver, no_credentials(driver)).check_health().healthy


def no_credentials(driver: str) -> ConnectorConfig:
    return dataclasses.replace(config(driver), credentials={})


def test_a_missing_key_is_a_misconfiguration(driver: str) -> None:
    with pytest.raises(ConnectorMisconfigured):
        build(driver, no_credentials(driver)).submit(
            transmission(prepare(driver), instruction(driver).reference)
        )


def test_a_missing_or_senseless_option_is_a_misconfiguration(driver: str) -> None:
    optional = {"bank", "origin_count", "countries"}
    for name in set(config(driver).options) - optional:
        with pytest.raises(ConnectorMisconfigured, match=name):
            connector_of(driver, **{name: None}).prepare([instruction(driver)], NUMBERS)
    with pytest.raises(ConnectorMisconfigured):
        connector_of(driver, bank="../admin")


def test_an_unknown_driver_is_a_misconfiguration(driver: str) -> None:
    with pytest.raises(ConnectorMisconfigured):
        build(driver + "x", config(driver))


def test_an_unlisted_code_needs_a_person(driver: str) -> None:
    assert connector_of(driver).reaction("ZZ99") is Reaction.REPAIR
    assert connector_of(driver).reaction("") is Reaction.REPAIR


def test_an_ordinary_account_has_nothing_against_it(driver: str) -> None:
    assert connector_of(driver).check_beneficiary(account(driver)) == []


def test_a_bad_account_is_named_by_field(driver: str) -> None:
    bad = account(driver, holder_name="\u202e", currency="GHS", details={"iban": "x"})
    codes = {error.code for error in connector_of(driver).check_beneficiary(bad)}
    assert {"invalid_name", "currency_unsupported"} <= codes
    assert len(codes) >= 3
