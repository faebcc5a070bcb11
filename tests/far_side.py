"""What the far side of each driver would refuse: checks by the schemas and parsers of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import achkit
import sepaxml
from achlens.server.tools import validate_ach_file
from lxml import etree

from tests.fixtures_folder import fixture_path

# Fixtures for a new driver: what its far side would refuse is told by these.
FAR_SIDE_CHECKS: dict[str, list[Callable[[bytes], None]]] = {}


def far_side(driver: str) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    def register(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
        FAR_SIDE_CHECKS.setdefault(driver, []).append(check)
        return check

    return register


@far_side("sepa_instant")
@far_side("sepa")
def valid_by_the_schema_of_a_package(body: bytes) -> None:
    schema = Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(body))


@far_side("sepa_instant")
@far_side("sepa")
def valid_by_the_official_schema(body: bytes) -> None:
    schema = fixture_path("xsd/pain.001.001.09.xsd")
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(body))


@far_side("wire")
@far_side("rtp")
def valid_by_the_official_interbank_schema(body: bytes) -> None:
    schema = fixture_path("xsd/pacs.008.001.08.xsd")
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(body))


@far_side("faster_payments")
@far_side("mtn")
@far_side("wave")
@far_side("orange")
@far_side("mpesa")
def is_json_in_ascii(body: bytes) -> None:
    assert not body or isinstance(json.loads(body.decode("ascii")), dict)


@far_side("ach")
def valid_by_achkit(body: bytes) -> None:
    verdict = achkit.validate(body.decode("ascii"))
    assert verdict["ok"], verdict


@far_side("ach")
def valid_by_achlens(body: bytes) -> None:
    told: Any = validate_ach_file(content=body.decode("ascii"))
    assert told["valid"], told
