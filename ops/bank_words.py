"""What codes mean, and what usually helps: for people who did not learn the schemes' tables by heart.

The words are those of the reason tables, as a code means them with this bank.
"""

from __future__ import annotations

from uuid import UUID

from payouts import reasons


def meaning(code: str, *, bank: UUID) -> str:
    """A code in words; nothing for one that nobody listed."""
    if not code:
        return ""
    row = reasons.find(code, bank=bank)
    return row.says if row.listed else ""


def remedy(code: str, *, bank: UUID) -> str:
    """What usually helps an operator."""
    return reasons.find(code, bank=bank).topic.remedy
