"""Attacks on access and input that once got through."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.urls import reverse

from tests.api_client import acting_as, create, merchant, operator
from tests.database import run
from tests.test_row_security import DENIED, WEB, WORKER, refused
from tests.workbench import PAYOUTS, browsers
from tests.world import IBAN, World

# Written as ISO 8601 has it; PostgreSQL knows offsets below 16 hours, Python years from 1 to 9999.
MOMENTS = ("2026-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59")


def test_a_moment_with_any_offset_narrows_a_list_or_is_refused(sandbox: World) -> None:
    create(sandbox)
    lists = (
        (merchant(sandbox), "/api/payouts"),
        (operator(sandbox, "treasury_ops"), "/api/payouts/ops/alerts"),
    )
    for moment, status in zip(MOMENTS, (200, 422, 422), strict=True):
        for who, path in lists:
            for name in ("created_after", "created_before"):
                answer = who.get(f"{path}?{urlencode({name: moment})}")
                assert answer.status == status, (path, name, moment, answer.body)
    early = {"created_after": MOMENTS[0]}
    assert merchant(sandbox).get(f"/api/payouts?{urlencode(early)}").body["total"] == 1


UNREADABLE = (
    ("amount_from", "NaN"), ("amount_to", "-Infinity"), ("amount_from", "1e999999999"), ("created_to", "9999-12-31"),
    ("merchant", "\x00"), ("error", "\x00"), ("rail", "\x00"), ("status", "\x00"), ("priority__exact", "\x00"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "value"), UNREADABLE)
def test_a_list_of_the_workbench_does_not_break_on_what_no_column_can_hold(
    sandbox: World, name: str, value: str
) -> None:
    finance = browsers()["finance"]
    query = urlencode({name: value})
    act = reverse("admin:payouts_payout_act", args=["retry"])
    for url, status in (
        (f"{reverse(PAYOUTS)}?{query}", (302,)),
        (f"{act}?{urlencode({'matching': query})}", (404,)),
    ):
        with transaction.atomic():  # What the database refused must not stop the test.
            assert finance.get(url).status_code in status, url
            transaction.set_rollback(True)


def test_every_input_of_a_filter_narrows(sandbox: World) -> None:
    boss = browsers()["admin"]
    create(sandbox, amount="12.34")
    for query, found in (
        ({"amount_from": "1", "amount_to": "12"}, False), ({"amount_to": "13"}, True),
        ({"created_from": "", "created_to": "2000-01-01"}, False), ({"created_to": "9000-01-01"}, True),
    ):  # fmt: skip
        answer = boss.get(f"{reverse(PAYOUTS)}?{urlencode(query)}")
        assert answer.status_code == 200, query
        assert ("12.34" in answer.content.decode()) == found, query


def test_a_list_of_the_workbench_is_narrowed_by_values_never_by_patterns(sandbox: World) -> None:
    boss = browsers()["admin"]
    for query in ("status__regex=(a%2B)%2B$", "priority__iregex=x", "status__startswith=p"):
        assert boss.get(f"{reverse(PAYOUTS)}?{query}").status_code == 400, query


@pytest.mark.django_db
@pytest.mark.parametrize("role", [WEB, WORKER])
def test_nobody_borrows_the_owners_eyes_for_a_table_of_their_own(role: str) -> None:
    definers = run(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    assert len(definers) == 8
    with acting_as(role):
        run("CREATE TEMP TABLE bait (id uuid)")
        for (name,) in definers:
            sql = f"CREATE TRIGGER t AFTER INSERT ON bait FOR EACH ROW EXECUTE FUNCTION {name}()"
            assert refused(sql) == DENIED, name


def test_R42_how_a_route_was_chosen_is_not_told_to_merchants(sandbox: World) -> None:
    path = f"/api/payouts/{create(sandbox)}"
    theirs = merchant(sandbox).get(path).body["payout"]
    ours = operator(sandbox, "finance_ops").get(path).body["payout"]
    for name in ("sira_routing_score", "routing_decision_id"):
        assert theirs[name] is None
        assert ours[name] is not None


def test_an_account_number_in_the_reason_of_a_cancel_is_kept_nowhere(sandbox: World) -> None:
    path = f"/api/payouts/{create(sandbox)}"
    reason = {"reason": f"wrong account {IBAN}"}
    answer = operator(sandbox, "finance_ops").post(f"{path}/cancel", reason)
    assert answer.status == 200, answer.body
    assert merchant(sandbox).get(path).body["payout"]["cancel_reason"] == "wrong account [left out]"
