"""`docs/specification.md`, made of the table: `python -m tests.specification.document` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.specification import Row

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "specification.md"
HEAD = """# What the specification says, where it lives, which test shows it

S1 to S128 are the statements of the Brique 84 specification in its own order. A row counts when its test ran
and passed in the run that is looked at: `./dev test` says how many did. Rows without a test are documents.
Where the engine differs from the specification, "Decisions" in [README.md](../README.md) says why.

| | the specification says | it lives in | shown by |
|---|---|---|---|
"""


def document(rows: Iterable[Row]) -> str:
    return HEAD + "".join(
        f"| {row.id} | {row.says} | {_code(row.lives)} | `{row.test}` |\n" for row in rows
    )


def _code(places: str) -> str:
    """Paths as code, words as words."""
    parts = [part.strip() for part in places.split(",")]
    return ", ".join(f"`{part}`" if "/" in part or "." in part else part for part in parts)


if __name__ == "__main__":
    from tests.specification.table import rows

    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(document(rows()))
