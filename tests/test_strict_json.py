"""Each rule of the JSON reader as one property, held against Python's own reader with hooks as the model."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from payouts.api.requests import DEPTH_MAX, JsonNumber, read_body, read_json
from payouts.errors import PayoutError

# A document as text is made from pairs, so that a name may stand twice; `Pairs` is an object.
Pairs = tuple[tuple[str, Any], ...]
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "amount", "\u00e9", ""])
PLAIN = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def trees(leaves: Any) -> Any:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(tuple)
        ),
        max_leaves=10,
    )


TREES = trees(PLAIN | NUMBERS.map(Number) | st.none() | st.booleans())


def written(tree: Any, *, escaped: bool = False) -> str:
    """A tree as JSON; `escaped` writes every character of a name as its number."""
    if isinstance(tree, Number):
        return str(tree)
    if isinstance(tree, tuple):
        pairs = (f"{_name(n, escaped)}: {written(v, escaped=escaped)}" for n, v in tree)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(written(item, escaped=escaped) for item in tree) + "]"
    return json.dumps(tree, ensure_ascii=False)


def _name(name: str, escaped: bool) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"' if escaped else json.dumps(name)


def verdict(text: str | bytes) -> str:
    """The code of the refusal, "" when it is read."""
    try:
        read_json(text if isinstance(text, bytes) else text.encode())
    except PayoutError as error:
        return error.code
    return ""


def repeats(tree: Any) -> bool:
    if isinstance(tree, tuple):
        names = [name for name, _ in tree]
        return len(set(names)) < len(names) or any(repeats(value) for _, value in tree)
    return isinstance(tree, list) and any(map(repeats, tree))


@given(TREES, st.booleans())
def test_a_name_stands_once_at_any_depth(tree: Any, escaped: bool) -> None:
    """However it is written: `\\u0061` is a."""
    expected = "duplicate_json_key" if repeats(tree) else ""
    assert verdict(written(tree, escaped=escaped)) == expected


def exact(value: Any) -> Any:
    """What was read, with every number as the decimal that its source says."""
    if isinstance(value, JsonNumber):
        return Decimal(value.source)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else value


@given(TREES)
def test_every_number_is_the_decimal_of_its_source(tree: Any) -> None:
    assume(not repeats(tree))
    text = written(tree)
    model = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert exact(read_json(text.encode())) == model


@given(st.integers(0, 3 * DEPTH_MAX), st.lists(st.booleans(), min_size=1, max_size=5), NAMES)
def test_a_document_has_at_most_so_many_levels(depth: int, kinds: list[bool], name: str) -> None:
    """Lists and objects mixed; a value on the last level is a level of its own kind no more."""
    tree: Any = 1
    for level in range(depth):
        tree = [tree] if kinds[level % len(kinds)] else {name: tree}
    expected = "json_too_deep" if depth > DEPTH_MAX else ""
    assert verdict(json.dumps(tree)) == expected


@given(st.integers(1000, 300_000), st.sampled_from(["[", '{"a":', '[{"a":']))
def test_no_depth_breaks_the_reader(depth: int, opening: str) -> None:
    assert verdict(opening * depth) in ("json_too_deep", "malformed_json")


ODD = st.sampled_from(
    ["\x00", "\ud800", "\udfff", "\ude00\ud83d", "\ud83d\ude00", "\U0001f600", "\x01", "\x7f"]
)


def is_text(text: str) -> bool:
    """No NUL, and no surrogate that is half of nothing once JSON has joined its pairs."""
    joined = json.loads(json.dumps(text))
    return "\x00" not in joined and not any("\ud800" <= char <= "\udfff" for char in joined)


@given(trees(st.text(max_size=3) | ODD), ODD | PLAIN)
def test_no_text_has_a_nul_or_half_a_character(tree: Any, name: str) -> None:
    """In a value or in a name, wherever it stands; a pair of surrogates is one character."""
    assume(not repeats(tree))
    document = json.loads(json.dumps(_as_objects(tree)))
    text = json.dumps({"in": document, name: 1})
    expected = "" if all(map(is_text, [*_texts(document), name])) else "invalid_text"
    assert verdict(text) == expected
    if not expected:
        assert read_json(text.encode()) == json.loads(text)


def _as_objects(tree: Any) -> Any:
    if isinstance(tree, tuple):
        return {name: _as_objects(value) for name, value in tree}
    return [_as_objects(item) for item in tree] if isinstance(tree, list) else tree


def _texts(document: Any) -> list[str]:
    if isinstance(document, str):
        return [document]
    inner = (
        [*document, *document.values()]
        if isinstance(document, dict)
        else document
        if isinstance(document, list)
        else []
    )
    return [text for item in inner for text in _texts(item)]


@given(TREES, st.sampled_from(["NaN", "Infinity", "-Infinity"]))
def test_what_only_python_takes_for_a_number_is_none(tree: Any, literal: str) -> None:
    assume(not repeats(tree))
    assert verdict(written([tree, Number(literal)])) == "malformed_json"


@given(TREES, st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"]))
def test_only_utf_8_without_a_mark_is_read(tree: Any, coding: str) -> None:
    text = written([tree])
    assert verdict(text.encode(coding)) == "malformed_json"


@given(TREES, TREES, st.sampled_from(["", " ", "\n", ",", "//", "\x00", "]"]))
def test_one_document_is_one_document(one: Any, other: Any, between: str) -> None:
    assume(not repeats(one) and not repeats(other))
    body = f"[{written(one)}]{between}{written([other])}"
    assert verdict(body) == "malformed_json"
    assert verdict(f" \n[{written(one)}]\t ") == ""


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 300), announced=st.integers(0, 300))
def test_a_body_is_as_long_as_it_may_be_and_as_it_says(
    settings: Any, size: int, announced: int
) -> None:
    settings.MAX_BODY_BYTES = 200
    request = SimpleNamespace(META={"CONTENT_LENGTH": str(announced)})
    stream = io.BytesIO(b" " * size)
    if size > 200 or size < announced:
        with pytest.raises(PayoutError) as refused:
            read_body(stream, {"request": request})
        code = "payload_too_large" if size > 200 else "bad_request"
        assert refused.value.code == code
    else:
        assert read_body(stream, {"request": request}) == b" " * size
