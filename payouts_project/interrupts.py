"""When to end, and sleeping until something happens: signals and the life of our parent."""

from __future__ import annotations

import contextlib
import os
import select
import signal


class Stopped(Exception):
    """Somebody asked us to end: a signal, or the death of whoever started us."""


class Interrupts:
    """Turns signals into a flag and a wake-up, so that nothing is ever torn in the middle."""

    def __init__(self) -> None:
        self._asked = 0
        # nohup has SIGHUP ignored: that wish to outlive the terminal is respected.
        outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._parent = None if outlives or os.getppid() <= 1 else os.getppid()
        self._reading, writing = os.pipe()
        for end in (self._reading, writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)
        if not outlives:
            signal.signal(signal.SIGHUP, self._ask)

    def _ask(self, *_: object) -> None:
        self._asked += 1

    @property
    def hurried(self) -> bool:
        """Asked twice: nobody waits for running work any more."""
        return self._asked > 1

    def check(self) -> None:
        if self._asked:
            raise Stopped("stopping")
        # Compared, not told by the kernel: its signal comes when a *thread* of the parent ends.
        if self._parent is not None and os.getppid() != self._parent:
            raise Stopped("whoever started this has ended: stopping (nohup keeps it running)")

    def wait(self, seconds: float) -> None:
        """Sleep until a signal arrives (a child's death is one), at most this long."""
        if select.select([self._reading], [], [], max(0.0, seconds))[0]:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._reading, 512):
                    pass
