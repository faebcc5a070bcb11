"""Lists by cursor: whole, in order, unmoved by what comes in meanwhile, and good for one merchant only."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from payouts.models import PayoutAlert
from tests.api_client import Api, create, merchant, operator, raise_alert
from tests.world import World

LISTS = {"payouts": "/api/payouts", "alerts": "/api/payouts/ops/alerts"}


def fill(world: World, name: str, count: int) -> list[str]:
    """So many rows of a list, oldest first."""
    if name == "payouts":
        return [create(world, amount=str(n + 1)) for n in range(count)]
    return [str(raise_alert(world.tenant_id).id) for _ in range(count)]


def walk(caller: Api, path: str, name: str, *, limit: int, between: Any = None) -> list[list[str]]:
    """Every page of a list, by its cursor."""
    pages, cursor = [], ""
    while True:
        page = caller.get(f"{path}?limit={limit}{cursor}")
        assert page.status == 200, page.body
        assert ("total" in page.body) == ("offset" in page.body) == (not cursor)
        pages.append([row["id"] for row in page.body[name]])
        if page.body["next_cursor"] is None:
            return pages
        cursor = f"&cursor={page.body['next_cursor']}"
        if between is not None:
            between()


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_shows_every_row_once_whatever_comes_in_meanwhile(
    sandbox: World, name: str
) -> None:
    there = fill(sandbox, name, 5)
    pages = walk(
        operator(sandbox), LISTS[name], name, limit=2, between=lambda: fill(sandbox, name, 1)
    )
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row for page in pages for row in page] == there[::-1]


def test_a_cursor_crosses_from_open_alerts_to_resolved_ones(sandbox: World) -> None:
    one, two, three, four = fill(sandbox, "alerts", 4)
    PayoutAlert.objects.filter(pk__in=[two, four]).update(resolved=True)
    pages = walk(operator(sandbox), LISTS["alerts"], "alerts", limit=1)
    assert pages == [[three], [one], [four], [two]]


def test_a_cursor_keeps_to_the_filters_that_it_is_used_with(sandbox: World) -> None:
    euros = fill(sandbox, "payouts", 3)
    create(sandbox, kind="us_bank")
    first = merchant(sandbox).get("/api/payouts?currency=EUR&limit=2").body
    rest = merchant(sandbox).get(f"/api/payouts?currency=EUR&cursor={first['next_cursor']}").body
    assert [p["id"] for p in first["payouts"] + rest["payouts"]] == euros[::-1]
    assert rest["next_cursor"] is None


def test_a_cursor_is_good_for_its_own_list_and_merchant(sandbox: World) -> None:
    fill(sandbox, "payouts", 3)
    fill(sandbox, "alerts", 3)
    cursor = merchant(sandbox).get("/api/payouts?limit=1").body["next_cursor"]
    for caller, path in [
        (Api(uuid4()), f"/api/payouts?cursor={cursor}"),
        (Api(None, "finance_ops"), f"/api/payouts?cursor={cursor}"),
        (operator(sandbox), f"/api/payouts/ops/alerts?cursor={cursor}"),
        (merchant(sandbox), f"/api/payouts?cursor={cursor}x"),
        (merchant(sandbox), f"/api/payouts?cursor={cursor[1:]}"),
        (merchant(sandbox), f"/api/payouts?cursor={cursor}&cursor={cursor}"),
        (merchant(sandbox), f"/api/payouts?cursor={cursor}&offset=0"),
        (merchant(sandbox), "/api/payouts?cursor="),
        (merchant(sandbox), "/api/payouts?cursor=%00"),
        (merchant(sandbox), "/api/payouts?cursor=WyIxIl0:x"),
    ]:
        answer = caller.get(path)
        assert (answer.status, answer.code) == (422, "parameter_invalid"), path
        assert answer.body["param"] == "cursor"
