"""What clients wrote down: each request before it was sent, each answer after it was heard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DONE = (200, 201)  # What a verb answers that took effect, now or before.
# The request may have had an effect, or a twin of it may: as good as no answer at all.
PERHAPS = (408, 409, 425, 429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, with its answer if one was heard. `status` None: perhaps it took effect, perhaps not."""

    client: int
    n: int
    verb: str
    asked_at: float
    tenant: str
    role: str
    key: str | None
    payout_id: str | None
    body: Any
    heard_at: float | None = None
    status: int | None = None
    answer: Any = None

    @property
    def done(self) -> bool:
        return self.status in DONE

    @property
    def refused(self) -> bool:
        """Said to have had no effect, and not because somebody else was at it."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in PERHAPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """One payout that was asked for, alone or within a list."""

    call: Call
    tenant: str
    key: str
    body: Mapping[str, Any]
    status: int | None
    shown: Mapping[str, Any]  # The payout as the answer showed it; empty where it showed none.

    @property
    def payout_id(self) -> str | None:
        return self.shown.get("id") if self.status in DONE else None

    @property
    def refused(self) -> bool:
        return self.status is not None and 400 <= self.status < 500 and self.status not in PERHAPS


def read(path: Path) -> list[Call]:
    """Every request so far, in the order of asking. A line that is still being written is left for next time."""
    if not path.exists():
        return []
    asked: dict[tuple[int, int], dict[str, Any]] = {}
    heard: dict[tuple[int, int], dict[str, Any]] = {}
    whole, _, _ = path.read_text().rpartition("\n")
    for line in whole.splitlines():
        said = json.loads(line)
        (asked if said["phase"] == "ask" else heard)[said["client"], said["n"]] = said
    return [_call(ask, heard.get(name)) for name, ask in asked.items()]


def _call(ask: Mapping[str, Any], heard: Mapping[str, Any] | None) -> Call:
    spoke = heard is not None and heard.get("status") is not None
    return Call(
        client=ask["client"],
        n=ask["n"],
        verb=ask["verb"],
        asked_at=ask["at"],
        tenant=str(ask["tenant"]),
        role=ask.get("role") or "",
        key=ask.get("key"),
        payout_id=ask.get("payout_id"),
        body=ask.get("body"),
        heard_at=heard["at"] if heard else None,
        status=heard["status"] if heard and spoke else None,
        answer=heard.get("answer") if heard and spoke else None,
    )


def creations(calls: Sequence[Call]) -> Iterator[Creation]:
    """Every payout that was asked for."""
    for call in calls:
        if call.verb == "create" and call.key is not None:
            yield _creation(call, call.key, call.body or {}, call.status, call.answer)
        elif call.verb == "bulk":
            yield from _items(call)


def _items(call: Call) -> Iterator[Creation]:
    """A list's items by their place; a list that was refused as a whole was refused for each of them."""
    items = call.body["payouts"] if isinstance(call.body, dict) else call.body or []
    results = {}
    if call.status == 200 and isinstance(call.answer, dict):
        results = {result["index"]: result for result in call.answer["results"]}
    for n, item in enumerate(items):
        key = item.get("idempotencyKey")
        if key is None:
            continue
        result = results.get(n)
        status = result["status"] if result else None if call.status == 200 else call.status
        yield _creation(call, key, item, status, result)


def _creation(
    call: Call, key: str, body: Mapping[str, Any], status: int | None, answer: Any
) -> Creation:
    shown = answer.get("payout") if isinstance(answer, dict) else None
    return Creation(
        call=call, tenant=call.tenant, key=key, body=body, status=status, shown=shown or {}
    )


def shown_payouts(calls: Sequence[Call]) -> Iterator[tuple[Call, Mapping[str, Any]]]:
    """Every payout that an answer showed whole, with the request that it answered."""
    for call in calls:
        if not isinstance(call.answer, dict) or call.status not in DONE:
            continue
        if isinstance(call.answer.get("payout"), dict):
            yield call, call.answer["payout"]
        for shown in call.answer.get("payouts") or ():
            yield call, shown
        for result in call.answer.get("results") or ():
            if result.get("payout"):
                yield call, result["payout"]
