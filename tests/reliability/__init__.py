"""The reliability list: faults F01 to F62 and bad inputs B01 to B70, each with the tests that show it.

Each module beside this one holds `ROWS` of one subject (`faults`, `inputs`). `test_reliability` joins them:
every id has a row, the tests named exist, ran and passed. A row that waits names what it waits for, and
fails once that exists.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What must exist before the row can be shown, and how one sees that it does.

    `path` is a file (or `file::text` in it) of the project; the row fails once it is there.
    """

    what: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One line of the list. `tests` are pytest node ids without parameters; all of them must pass."""

    id: str
    says: str  # The fault or input and its correct outcome, shortened, in our words.
    tests: tuple[str, ...] = ()
    waits: Waits | None = None
    only_long: bool = False  # Shown by `./dev prove` only (disk full, moved clocks).
