"""All rows of the reliability list, and which ids it must have."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from tests.reliability import Proof, Waits, faults

FAULTS = (*(f"F{n:02d}" for n in range(1, 56)), "F61", "F62")
INPUTS = tuple(f"B{n:02d}" for n in range(1, 71))
IDS = (*FAULTS, *INPUTS)
# Until the rows of bad inputs are there, each of them waits for the module; from then on it counts.
INPUT_ROWS = "tests/reliability/inputs.py"


def proofs() -> list[Proof]:
    """Every row, in the order of the list."""
    return sorted((*faults.ROWS, *_inputs()), key=lambda row: row.id.replace("F", "A"))


def _inputs() -> tuple[Proof, ...]:
    if find_spec("tests.reliability.inputs") is None:
        waits = Waits(what="the rows of bad inputs", path=INPUT_ROWS)
        return tuple(Proof(id=name, says="", waits=waits) for name in INPUTS)
    found: tuple[Proof, ...] = tuple(importlib.import_module("tests.reliability.inputs").ROWS)
    return found
