"""The OpenAPI document: an example of every answer and refusal, each of the shape that it is an example of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

from payouts.errors import REFUSALS

# Codes of verbs that are no part of the API (commands, the workbench, what banks send), or of no operation.
ELSEWHERE = (
    "batch_",
    "connector_",
    "reconciliation_",
    "rate_limited",
    "letter_",
    "not_attestable",
    "signature_",
    "timestamp_",
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def complaints(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Where a value is not of a shape."""
    whole = {**schema, "components": document["components"]}
    found = Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in found]


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every body of the document: operation, status or "asked", media type, and what is said about it."""
    for path in document["paths"].values():
        for operation in path.values():
            name = operation["operationId"]
            for media_type, said in operation.get("requestBody", {}).get("content", {}).items():
                yield name, "asked", media_type, said
            for status, answer in operation["responses"].items():
                for media_type, said in answer["content"].items():
                    yield name, status, media_type, said


def test_every_body_has_an_example_of_its_shape(document: dict[str, Any]) -> None:
    seen = 0
    for name, status, media_type, said in bodies(document):
        what = (name, status, media_type)
        assert said.get("examples"), what
        for title, example in said["examples"].items():
            assert complaints(document, said["schema"], example["value"]) == [], (what, title)
            seen += 1
    assert seen > 100


def test_a_refusals_example_is_what_is_answered(document: dict[str, Any]) -> None:
    shown = set()
    for _, status, media_type, said in bodies(document):
        if media_type != "application/problem+json":
            continue
        for example in said["examples"].values():
            code = example["value"]["code"]
            assert (str(REFUSALS[code][0]), REFUSALS[code][1]) == (
                status,
                example["value"]["title"],
            )
            shown.add(code)
    # The rest no address of the document answers: unknown addresses and methods, our own faults, commands.
    rest = {code for code in set(REFUSALS) - shown if not code.startswith(ELSEWHERE)}
    assert rest == {"method_not_allowed", "internal_error"}


def test_an_example_that_is_of_another_shape_would_be_seen(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["OnePayout"]
    good = next(
        said["examples"]["201"]["value"]
        for name, status, _, said in bodies(document)
        if (name, status) == ("create_payout", "201")
    )
    assert complaints(document, schema, good) == []
    for wrong in ({"id": 1}, {"status": "lost"}, {"created_at": 7}):
        assert complaints(document, schema, {**good, "payout": good["payout"] | wrong}) != []
    left_out = {name: value for name, value in good["payout"].items() if name != "ledger_hold_id"}
    assert complaints(document, schema, {**good, "payout": left_out}) != []
