"""A TCP proxy that breaks connections on purpose: between the engine and its database, and its banks.

A fault is armed with a count ("the next two COMMITs") by whoever decides; the proxy carries it out on whatever
comes next. One event loop in a thread of its own serves both proxies.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

PIECE = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, no seconds: closing sends RST.


class Loop:
    """The event loop of all proxies, in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxies")
        self._thread.start()

    def run(self, job: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(10)

    def close(self) -> None:
        async def cancel() -> None:
            mine = asyncio.current_task()
            tasks = [task for task in asyncio.all_tasks() if task is not mine]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


class Link:
    """One connection of a client and the one made for it to the server."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.from_client, self.to_client = client
        self.from_server, self.to_server = server
        self.broken = False
        # Set where an answer must not arrive: is given it piece by piece, and says when it is whole.
        self.withheld: Callable[[bytes], bool] | None = None

    def reset(self) -> None:
        """Both sides see RST, and nothing that was still on its way."""
        self.broken = True
        for writer in (self.to_client, self.to_server):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, RESET
                )
            writer.transport.abort()

    def close(self) -> None:
        for writer in (self.to_client, self.to_server):
            writer.transport.abort() if self.broken else writer.close()


class Proxy:
    """One listening port in front of one server. Subclasses know what passes through.

    Faults of all: `first_byte` (the connection ends after the first byte of an answer), `delay`, `reset`, `down`.
    """

    def __init__(self, loop: Loop, *, port: int, target: int) -> None:
        self.loop, self.port, self.target = loop, port, target
        self.done: Counter[str] = Counter()  # Faults that were carried out.
        self._armed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._slow_s, self._slow_until = 0.0, 0.0

    # --- what the director may do, from any thread ---------------------------------------------------

    def open(self) -> None:
        self.loop.run(self._open())

    def down(self) -> None:
        """Refuse connections, and reset those that are there."""
        self.loop.run(self._down())

    def arm(self, fault: str, count: int = 1) -> None:
        with self._lock:
            self._armed[fault] += count

    def slow(self, seconds: float, *, during: float) -> None:
        """Hold back every piece that passes."""
        self.done["delay"] += 1
        self._slow_s, self._slow_until = seconds, time.monotonic() + during

    def reset_all(self) -> None:
        async def reset() -> None:
            for link in list(self._links):
                link.reset()

        self.done["reset"] += 1
        self.loop.run(reset())

    def heal(self) -> None:
        with self._lock:
            self._armed.clear()
        self._slow_until = 0.0
        self.open()

    # --- in the loop ------------------------------------------------------------------------------------

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, limit=1024 * 1024
            )

    async def _down(self) -> None:
        self.done["down"] += 1
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in list(self._links):
            link.reset()

    def _take(self, fault: str) -> bool:
        with self._lock:
            if self._armed[fault] <= 0:
                return False
            self._armed[fault] -= 1
            self.done[fault] += 1
            return True

    async def _pause(self) -> None:
        if time.monotonic() < self._slow_until:
            await asyncio.sleep(self._slow_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection("127.0.0.1", self.target, limit=1024 * 1024)
        except OSError:
            writer.transport.abort()
            return
        link = Link((reader, writer), server)
        self._links.add(link)
        ways = [
            asyncio.create_task(self._forth(link)),
            asyncio.create_task(self._back(link)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._links.discard(link)
            link.close()

    async def _forth(self, link: Link) -> None:
        """From the client to the server."""
        raise AssertionError("a subclass knows")

    async def _back(self, link: Link) -> None:
        """From the server to the client."""
        while data := await link.from_server.read(PIECE):
            await self._pause()
            if link.withheld is not None:
                if link.withheld(data):
                    link.reset()
                    return
                continue
            if self._take("first_byte"):
                link.to_client.write(data[:1])
                await link.to_client.drain()
                await asyncio.sleep(0.02)  # So that the byte arrives before the reset does.
                link.reset()
                return
            link.to_client.write(data)
            await link.to_client.drain()
