"""Sample files that no one here wrote. They live beside the repository, not in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "fixtures"


def fixtures_dir() -> Path:
    """FIXTURES_DIR, or the folder beside the repository."""
    return Path(os.environ.get("FIXTURES_DIR") or _DEFAULT)


def fixture(path: str) -> bytes:
    """Read one sample file. Skips the test when the folder is absent, unless REQUIRE_FIXTURES=1."""
    return fixture_path(path).read_bytes()


def fixture_path(path: str) -> Path:
    """Where one sample file is. Skips or fails like `fixture`."""
    folder = fixtures_dir()
    if not folder.is_dir():
        if os.environ.get("REQUIRE_FIXTURES") == "1":
            pytest.fail(f"fixtures folder absent: {folder} (REQUIRE_FIXTURES=1)")
        pytest.skip(f"fixtures folder absent: {folder}")
    return folder / path


def assert_all_named(folder: str, names: set[str]) -> None:
    """Hold a hand-written table against what the folder holds, so that no sample is forgotten."""
    assert {path.name for path in fixture_path(folder).iterdir()} == names
