"""Until when money can be asked back: the rulebooks leave each reason its own time."""

from __future__ import annotations

from datetime import datetime

import pytest

from payouts import recalls
from payouts.models import Payout
from tests.test_recalls import ask
from tests.world import World


@pytest.mark.parametrize(
    ("settled", "reason", "asked", "answer"),
    [
        ("2026-03-02", "duplicate", "2026-03-16", 202),  # Ten TARGET days: weekends do not count.
        ("2026-03-02", "duplicate", "2026-03-17", 409),
        ("2026-03-02", "technical", "2026-03-17", 409),
        ("2026-03-02", "fraud", "2026-03-17", 202),
        ("2026-01-31", "fraud", "2027-02-28", 202),  # 13 months later, in a shorter month.
        ("2026-01-31", "wrong_account", "2027-03-01", 409),
    ],
)
def test_the_last_day_depends_on_the_reason(
    sandbox: World,
    monkeypatch: pytest.MonkeyPatch,
    settled: str,
    reason: str,
    asked: str,
    answer: int,
) -> None:
    payout = sandbox.settle(sandbox.create())
    at = datetime.fromisoformat(f"{settled}T10:00:00+00:00")
    Payout.objects.filter(pk=payout.pk).update(settled_at=at)
    then = datetime.fromisoformat(f"{asked}T10:00:00+00:00")
    monkeypatch.setattr(recalls.clock, "now", lambda: then)
    said = ask(sandbox, payout, reason=reason)
    assert said.status == answer
    if answer == 409:
        assert said.code == "recall_too_late"
