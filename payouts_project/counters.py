"""Space for the files that processes count into, taken before they count.

The Prometheus client writes through a memory map into files with holes. On a full disk such a write is no error
but the end of the process (SIGBUS). Here the space is reserved first; where there is none, a process counts in
memory, is missing from a scrape, and lives.
"""

from __future__ import annotations

import logging
import os
from mmap import mmap
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger(__name__)
RESERVED = 256 * 1024


class ReservedCounts(MmapedDict):
    """One file of counts, with space of its own."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        super().__init__(filename if read_mode else _reserve(filename), read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + 64 > self._capacity:
            self._make_room()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _make_room(self) -> None:
        try:
            os.posix_fallocate(self._f.fileno(), 0, 2 * self._capacity)
        except OSError:
            log.warning("no space to count in: from here on this process counts in memory")
            in_memory: Any = open(_memory(), "r+b")  # noqa: SIM115  (open for as long as the process lives)
            in_memory.write(self._m[:])
            in_memory.flush()
            self._f, self._m = in_memory, mmap(in_memory.fileno(), self._capacity)


def _reserve(filename: str) -> str:
    """A file with space: the one that was asked for, or one in memory."""
    fd = os.open(filename, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.posix_fallocate(fd, 0, RESERVED)
    except OSError:
        log.warning("no space to count in: this process counts in memory")
        os.unlink(filename)  # Half a file would break who adds them up.
        return _memory()
    finally:
        os.close(fd)
    return filename


def _memory() -> str:
    return f"/proc/self/fd/{os.memfd_create('counts')}"


def install() -> None:
    """From here on the Prometheus client counts into reserved space."""
    values.MmapedDict = ReservedCounts  # type: ignore[attr-defined]
