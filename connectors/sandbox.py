"""The clock of the bank simulator. Sandbox only: a live bank has no such thing."""

from __future__ import annotations

import json

from connectors.base import ConnectorError, UnreadableDocument
from connectors.http import HttpAnswer, HttpClient, HttpResult, failure_code
from connectors.rails.bank_api import read_json

_CLOCK = "/_sim/clock"


def fetch_clock_offset(base_url: str, deadline_s: float) -> float:
    """Ask how many seconds the simulator's clock is ahead of real time.

    `deadline_s` is the total time in seconds. Raises ConnectorError when it does not answer.
    """
    result = HttpClient(base_url, deadline_s=deadline_s).request("GET", _CLOCK)
    return _offset(result)


def move_clock(base_url: str, seconds: float, deadline_s: float = 2.0) -> float:
    """Move the simulator's clock forward by `seconds`; return the new offset in seconds.

    Raises ConnectorError when it does not answer.
    """
    body = json.dumps({"advance_seconds": seconds}).encode()
    headers = {"Content-Type": "application/json"}
    client = HttpClient(base_url, deadline_s=deadline_s)
    result = client.request("POST", _CLOCK, headers=headers, body=body)
    if isinstance(result, HttpAnswer) and result.status in (200, 201, 204):
        return fetch_clock_offset(base_url, deadline_s)
    return _offset(result)


def _offset(result: HttpResult) -> float:
    if not isinstance(result, HttpAnswer) or result.status != 200:
        raise ConnectorError(failure_code(result), "the simulator's clock does not answer")
    try:
        return float(read_json(result.body)["offset_seconds"])
    except (UnreadableDocument, KeyError, TypeError, ValueError):
        raise ConnectorError("answer_unreadable", "the simulator's clock is malformed") from None
