"""Changes to a valid body, byte by byte and value by value, as a drawing by a seed: the same seed, the same bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Change = Callable[[random.Random, bytes], bytes]
WILD = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "null", "true", "[]", "{}", '""', "0", "-0", "-1", "1e3", "1e400", "1e-400", "1E999999999999", "NaN",
        "-Infinity", "9" * 400, "9" * 20_000, "0." + "9" * 20_000, '"' + "9" * 20_000 + '"', '"\\u0000"',
        '"\\ud800"', '"\\udfff\\ud800"', '"\\ud83d\\ude00"', "'x'", '"\u0661"', '"\u202e"', '"\ud800"',
        '{"a": 1, "a": 2}', '{"\\u0000": 1}', '"x" "y"', '{"$ref": "#"}', "[[[[[[[[1]]]]]]]]",
        '"' + "x" * 5000 + '"', "18446744073709551616", "-9223372036854775809",
    )
)  # fmt: skip
TOKENS = tuple(bytes([char]) for char in b'{}[]:,"\\ \n\x00/e-.')
NOT_UTF8 = (b"\xff", b"\xfe\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80")


def _place(draw: random.Random, body: bytes) -> int:
    return draw.randrange(len(body) + 1)


def _span(draw: random.Random, body: bytes) -> tuple[int, int]:
    start = _place(draw, body)
    return start, min(len(body), start + draw.choice((1, 2, 8, 64)))


def _flip(draw: random.Random, body: bytes) -> bytes:
    if not body:
        return b"\x01"
    n = draw.randrange(len(body))
    return body[:n] + bytes([body[n] ^ (1 << draw.randrange(8))]) + body[n + 1 :]


def _insert(draw: random.Random, body: bytes) -> bytes:
    n = _place(draw, body)
    what = draw.choice((*TOKENS, *NOT_UTF8, bytes([draw.randrange(256)])))
    return body[:n] + what + body[n:]


def _delete(draw: random.Random, body: bytes) -> bytes:
    start, end = _span(draw, body)
    return body[:start] + body[end:]


def _repeat(draw: random.Random, body: bytes) -> bytes:
    start, end = _span(draw, body)
    return body[:end] + body[start:end] * draw.choice((1, 2, 300)) + body[end:]


def _truncate(draw: random.Random, body: bytes) -> bytes:
    return body[: _place(draw, body)]


def _nest(draw: random.Random, body: bytes) -> bytes:
    levels = draw.choice((2, 30, 33, 500, 5000, 100_000))
    opening, closing = draw.choice(((b"[", b"]"), (b'{"a":', b"}")))
    n = _place(draw, body)
    return body[:n] + opening * levels + closing * draw.choice((levels, levels - 1, 0)) + body[n:]


def _front(draw: random.Random, body: bytes) -> bytes:
    return draw.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"  ", b"{}", b")]}',\n")) + body


def _recode(draw: random.Random, body: bytes) -> bytes:
    return body.decode("latin-1").encode(draw.choice(("utf-16", "utf-16-le", "utf-32", "utf-7")))


def _value(draw: random.Random, body: bytes) -> bytes:
    """Another value in one place of the document, or the same name twice."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return _insert(draw, body)
    mark = "\u2603" * 3
    places = list(_places(document))
    if not places:
        return draw.choice(WILD)
    holder, name = draw.choice(places)
    if isinstance(holder, dict) and draw.random() < 0.25:
        holder[mark] = holder[name]
        said = json.dumps(name).encode()
    else:
        holder[name] = mark
        said = draw.choice(WILD)
    return json.dumps(document).encode().replace(json.dumps(mark).encode(), said)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every (holder, name) of a document."""
    found: list[tuple[Any, Any]] = []
    names = (
        list(document)
        if isinstance(document, dict)
        else range(len(document))
        if isinstance(document, list)
        else ()
    )
    for name in names:
        found += [(document, name), *_places(document[name])]
    return found


CHANGES: tuple[Change, ...] = (
    _flip, _flip, _insert, _insert, _delete, _repeat, _truncate, _nest, _front, _recode, _value, _value, _value, _value,
)  # fmt: skip


def changed(draw: random.Random, body: bytes) -> bytes:
    """The body after one to three changes."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        body = draw.choice(CHANGES)(draw, body)
    return body
