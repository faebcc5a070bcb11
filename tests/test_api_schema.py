"""Requests made from the API's own OpenAPI document, good and bad ones: every answer is one that it describes.

Schemathesis writes the requests; they go through the whole WSGI application, with the rights of the web.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api_client import acting_as, create, payout_body, raise_alert, snapshot
from tests.world import World

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
ROLES = ("merchant_admin", "finance_ops", "treasury_ops", "billing_ops")
SHORT, LONG = 2, 70  # Requests for each operation, good and bad.


def web(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application as gunicorn would call it, with the rights of the web."""
    # The test's transaction is the connection: nobody closes it between two requests.
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    try:
        with acting_as("payouts_web"):
            answer = WSGIHandler()(environ, start_response)
            said = b"".join(answer)
            answer.close()
        return [said]
    finally:
        signals.request_started.connect(close_old_connections)
        signals.request_finished.connect(close_old_connections)


class Asked:
    """Sends what is drawn and holds each answer against the document."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: Counter[int] = Counter()
        self.ids = {
            "payout_id": create(world, amount="1"),
            "alert_id": str(raise_alert(world.tenant_id).pk),
            "beneficiary_id": str(world.accounts["iban"][0]),
        }
        self.good = payout_body(world, amount="1.00")

    def send(self, case: schemathesis.Case, *, role: str, known: bool) -> None:
        """`known` puts ids in that exist here: otherwise most would end at "not found"."""
        if known:
            self._fill(case)
        headers = {
            "X-User-Id": str(uuid4()), "X-User-Role": role, "X-Tenant-Id": str(self.world.tenant_id),
        }  # fmt: skip
        before = snapshot()
        answer = case.call(headers=headers)
        self.answers[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)
        assert answer.elapsed < 5
        if answer.status_code >= 400 or case.method == "GET":
            assert snapshot() == before

    def _fill(self, case: schemathesis.Case) -> None:
        for name in case.path_parameters or ():
            case.path_parameters[name] = self.ids.get(name, case.path_parameters[name])
        if isinstance(case.body, dict):
            for name, value in self.good.items():
                if name in case.body and name != "metadata":
                    case.body[name] = value


def ask_all(world: World, *, times: int) -> Counter[int]:
    """Every operation of the document, `times` good and `times` bad requests each."""
    asked = Asked(world)
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", web)
    how = hypothesis_settings(
        max_examples=times, deadline=None, database=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:

            @seed(4)
            @how
            @given(
                case=operation.as_strategy(generation_mode=mode),
                role=st.sampled_from(ROLES),
                known=st.booleans(),
            )
            def ask(case: schemathesis.Case, role: str, known: bool) -> None:
                asked.send(case, role=role, known=known)

            ask()
    return asked.answers


def test_every_answer_is_one_that_the_document_describes(sandbox: World) -> None:
    answers = ask_all(sandbox, times=SHORT)
    assert {200, 201, 403, 404, 422} <= set(answers), answers


@pytest.mark.long
def test_every_answer_of_many_is_one_that_the_document_describes(sandbox: World) -> None:
    answers = ask_all(sandbox, times=LONG)
    assert sum(answers.values()) >= 2000, answers
