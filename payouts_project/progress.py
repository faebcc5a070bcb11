"""What a person sees while things start: one line per step, with its seconds.

Plain lines where the output is no terminal; silence, not an error, where nobody reads any more.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console


class Progress:
    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        self.console = Console(highlight=False, soft_wrap=True)
        self.seconds: dict[str, float] = {}

    def line(self, text: str = "", style: str | None = None) -> None:
        """Text as it is: brackets in it are not markup, and long lines are not broken."""
        with contextlib.suppress(OSError, ValueError):
            self.console.print(text, style=style, markup=False)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        if self.console.is_terminal:
            with contextlib.suppress(OSError):
                self.console.print(f"  … {name}", style="dim", end="\r")
        try:
            yield
        except BaseException:
            self.done(name, time.monotonic() - started, mark="✗", style="red")
            raise
        self.done(name, time.monotonic() - started)

    def done(self, name: str, seconds: float, *, mark: str = "✓", style: str = "green") -> None:
        self.seconds[name] = seconds
        self.line(f"  {mark} {name:<22}{seconds:6.1f} s", style=style)

    def timings(self) -> str:
        parts = [f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items()]
        return " · ".join([*parts, f"together {sum(self.seconds.values()):.1f} s"])
