"""All rows of the reliability list, and which ids it must have."""

from __future__ import annotations

from tests.reliability import Proof, faults, inputs

FAULTS = (*(f"F{n:02d}" for n in range(1, 56)), "F57", "F58", "F61", "F62")
INPUTS = tuple(f"B{n:02d}" for n in range(1, 71))
# Faults first, as in the list.
IDS = (*FAULTS, *INPUTS)


def proofs() -> list[Proof]:
    """Every row, in the order of the list."""
    return sorted((*faults.ROWS, *inputs.ROWS), key=lambda row: (row.id[:1] != "F", row.id))
