"""`POST /api/bank-events/{name:rail}`: what banks send by themselves.

Nobody's identity counts here but the bank's own proof, a signature or a secret address; `inbound.receive`
asks for it. MTN calls back by PUT.
"""

from __future__ import annotations

from typing import IO, cast

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from payouts import inbound, tenancy
from payouts.api import problems
from payouts.api.requests import read_body, request_id_of
from payouts.errors import PayoutError

METHODS = ("POST", "PUT")


@csrf_exempt  # A bank has no cookie: there is no session that a page could borrow.
def bank_event(request: HttpRequest, connector: str) -> HttpResponseBase:
    """Take a bank's message; answered as that bank expects it, once it is kept."""
    try:
        return _take(request, connector)
    except SuspiciousOperation:  # Far too many parameters.
        refusal: Exception = PayoutError("bad_request")
    except Exception as error:  # noqa: BLE001  (a problem, as from every other address)
        refusal = error
    response = problems.to_response(refusal, {"request": request})
    assert response is not None
    return response


def _take(request: HttpRequest, connector: str) -> HttpResponseBase:
    if request.method not in METHODS:
        problem = PayoutError("method_not_allowed")
        answer = problems.answer(problem, request_id=request_id_of(request))
        answer["Allow"] = ", ".join(METHODS)
        return answer
    with tenancy.within(tenancy.NOBODY):
        message = inbound.receive(
            connector,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=request.GET.dict(),
            body=read_body(cast(IO[bytes], request), {"request": request}),
        )
    response = HttpResponse(message.answer, content_type=message.answer_content_type)
    for name, value in message.answer_headers.items():
        response[name] = value
    return response
