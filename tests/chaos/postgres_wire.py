"""As much of PostgreSQL's wire protocol as is needed to know a COMMIT when it passes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

# What may come before the start message: requests for encryption, and the request to cancel.
_SPECIAL = {80877102, 80877103, 80877104}


@dataclass(slots=True)
class Messages:
    """Cuts one direction of a connection into whole messages. A client begins with messages without a type."""

    typed: bool
    _rest: bytes = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole by now."""
        self._rest += data
        found = []
        while (size := self._next_size()) and len(self._rest) >= size:
            message, self._rest = self._rest[:size], self._rest[size:]
            if not self.typed:
                (code,) = struct.unpack_from("!i", message, 4)
                self.typed = code not in _SPECIAL
            found.append(message)
        return found

    def _next_size(self) -> int:
        """Of the message at the head; 0 while its length has not arrived."""
        head = 1 if self.typed else 0
        if len(self._rest) < head + 4:
            return 0
        (length,) = struct.unpack_from("!i", self._rest, head)
        return int(length) + head


def is_commit(message: bytes) -> bool:
    """Whether a client asks for COMMIT: as a simple query, or by the message that parses a statement."""
    if message[:1] == b"Q":
        text = message[5:]
    elif message[:1] == b"P":
        text = message[5:].partition(b"\0")[2]
    else:
        return False
    return text.lstrip()[:6].upper() == b"COMMIT"


def is_committed(message: bytes) -> bool:
    """Whether a server says that it has committed."""
    return message[:1] == b"C" and message[5:11] == b"COMMIT"


def is_ready(message: bytes) -> bool:
    """Whether a server waits for the next question: what was asked has been answered."""
    return message[:1] == b"Z"
