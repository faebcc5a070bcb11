"""The statuses of a payout and what may follow each, written by hand from the design."""

from __future__ import annotations

# What may come next (DESIGN, "Statuses and holds"), written by hand.
NEXT: dict[str, str] = {
    "requires_approval": "pending scheduled cancelled",
    "scheduled": "pending cancelled",
    "pending": "processing cancelled",
    "processing": "sent settled in_doubt failed dlq rejected returned",
    "in_doubt": "sent settled failed rejected returned processing dlq",
    "sent": "settled returned rejected failed dlq",
    "failed": "processing dlq cancelled",
    "dlq": "pending cancelled sent settled rejected returned",
    "settled": "returned",
    "rejected": "", "cancelled": "", "returned": "",
}  # fmt: skip
OPEN = {"requires_approval", "scheduled", "pending", "processing", "in_doubt", "sent", "failed", "dlq"}  # fmt: skip
GIVEN_BACK = {"rejected", "cancelled", "returned"}


def _reach() -> dict[str, set[str]]:
    """Every status that can follow one, by however many steps."""
    reach = {status: {status} for status in NEXT}
    for _ in NEXT:
        for status, following in NEXT.items():
            for other in following.split():
                reach[status] |= reach[other]
    return reach


REACH = _reach()
