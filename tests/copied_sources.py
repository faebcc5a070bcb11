"""The sources once more, with something cut away, to see that somebody notices."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.specification import Cut

ROOT = Path(__file__).resolve().parent.parent


def commit() -> str:
    """What a draw depends on: the commit, or nothing where the sources are no repository."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def copy_sources(place: Path) -> Path:
    """What the repository holds, as it lies here, and the environment that it runs in."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".state", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, place, ignore=ignored)
    (place / ".venv").symlink_to(Path(sys.prefix))
    return place


@contextlib.contextmanager
def made(cuts: Iterable[Cut], sources: Path) -> Iterator[None]:
    """The cuts, for as long as the block takes. Files are then as they were, their times too: bytecode goes by it."""
    with contextlib.ExitStack() as before:
        for cut in cuts:
            before.enter_context(_made(cut, sources))
        yield


@contextlib.contextmanager
def _made(cut: Cut, sources: Path) -> Iterator[None]:
    file = sources / cut.path
    before, times = file.read_text(), file.stat()
    assert before.count(cut.old) == 1, f"{cut.path} does not hold it once: {cut.old}"
    file.write_text(before.replace(cut.old, cut.new))
    try:
        yield
    finally:
        file.write_text(before)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def run_in(
    sources: Path, *module: str, timeout: float, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m module …` on the copy and not on what it was copied from. It compiles into the copy, too."""
    own = {
        "PYTHONPATH": str(sources),
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(sources / "bytecode")),
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        (sys.executable, "-m", *module),
        cwd=sources,
        env=env | own | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
