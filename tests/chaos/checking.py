"""The door to the checker, and what the clients' log says at a glance."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tests.chaos.checker import Violation, check

__all__ = ["Violation", "answers", "check"]


def answers(log: Path) -> dict[str, int]:
    """How often which status was heard, and how often nothing."""
    found: Counter[str] = Counter()
    for line in log.read_bytes().splitlines():
        row = json.loads(line)
        if row["phase"] == "heard":
            found[str(row["status"] or "none")] += 1
    return dict(sorted(found.items()))
