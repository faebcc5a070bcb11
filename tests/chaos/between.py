"""The two proxies: between the engine and its database, and between the engine and its banks."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.chaos.postgres_wire import Messages, is_commit, is_committed, is_ready
from tests.chaos.proxy import PIECE, Link, Proxy

# A bank without protection against repetition. An order that does not arrive there is never sent again: it ends
# with a person, so that only processes and whole networks that fail may cause it.
UNPROTECTED = b"/mobile_money/default/"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class DatabaseProxy(Proxy):
    """Also: `commit_before` (a COMMIT never arrives), `commit_after` (it is done, but nobody hears of it)."""

    async def _forth(self, link: Link) -> None:
        asked = Messages(typed=False)
        while data := await link.from_client.read(PIECE):
            await self._pause()
            messages = asked.feed(data)
            if any(is_commit(message) for message in messages):
                if self._take("commit_before"):
                    link.reset()
                    return
                if self._take("commit_after"):
                    link.withheld = _until_committed()
            link.to_server.write(b"".join(messages))
            await link.to_server.drain()


def _until_committed() -> Any:
    answered = Messages(typed=True)

    def is_whole(data: bytes) -> bool:
        return any(is_committed(one) or is_ready(one) for one in answered.feed(data))

    return is_whole


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request that passes."""

    head: bytes
    body: bytes

    @property
    def path(self) -> bytes:
        return self.head.split(b" ", 2)[1]

    @property
    def is_order(self) -> bool:
        """Not an inquiry, and not the question for a token."""
        return self.head.startswith(b"POST ") and b"token" not in self.path

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class BankProxy(Proxy):
    """Also: `swallow` (an order never arrives), `half` (half of it does), `answer` (nobody hears the answer).

    What passed is kept, so that a network that delivers an old request again can be played.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.passed: deque[bytes] = deque(maxlen=4000)

    async def _forth(self, link: Link) -> None:
        buffered = b""
        while data := await link.from_client.read(PIECE):
            await self._pause()
            buffered += data
            while (request := _first_request(buffered)) is not None:
                buffered = buffered[len(request.raw) :]
                if not await self._pass_on(link, request):
                    link.reset()
                    return

    async def _pass_on(self, link: Link, request: Request) -> bool:
        """Whether the connection may go on."""
        if request.is_order and not request.path.startswith(UNPROTECTED):
            if self._take("swallow"):
                return False
            if self._take("half"):
                link.to_server.write(request.head + request.body[: len(request.body) // 2])
                await link.to_server.drain()
                return False
        if request.is_order:
            self.passed.append(request.raw)
            if self._take("answer"):
                link.withheld = bool
        link.to_server.write(request.raw)
        await link.to_server.drain()
        return True


def _first_request(data: bytes) -> Request | None:
    """The request at the head of what came, once it is whole."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    length = _LENGTH.search(head)
    size = int(length[1]) if length else 0
    if len(rest) < size:
        return None
    return Request(head + found, rest[:size])
