"""What the Brique 84 specification says, statement by statement: where it lives and which test shows it.

Each module beside this one holds `ROWS` of one subject. `test_specification` joins them: every statement
S1 to S128 has a row, the tests named ran and passed, and `docs/specification.md` is these rows. A row's
`cut` is how the behaviour is disabled; `./dev test` re-runs ten rows, drawn by the commit, with the cut
made in a copy of the sources, and the row's test must then fail.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Disables a behaviour: `old` stands exactly once in the file `path` and is replaced by `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Row:
    """One statement. `test` is a pytest node id ("tests/test_x.py::test_y"); for documents a path."""

    id: str
    says: str  # The statement, shortened, in our words.
    lives: str  # Where it lives: paths or names of modules.
    test: str
    cut: Cut | None = None  # None for documents (S1, S30, S84, S127, S128) only.
