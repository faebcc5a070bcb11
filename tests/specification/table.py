"""All rows, and what is shown by a document rather than by a test."""

from __future__ import annotations

import importlib
import pkgutil

from tests import specification
from tests.specification import Row

# Title and claims of completeness, how to install, encryption by the host of the database, counts of
# lines, pointers for support.
DOCUMENTS = frozenset({"S1", "S30", "S84", "S127", "S128"})


def rows() -> list[Row]:
    """Every subject's rows, in the order of the specification."""
    names = [module.name for module in pkgutil.iter_modules(specification.__path__)]
    found: list[Row] = []
    for name in names:
        found += getattr(importlib.import_module(f"tests.specification.{name}"), "ROWS", [])
    return sorted(found, key=lambda row: int(row.id[1:]))
