"""One error body for every refusal: application/problem+json with a stable `code`."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from rest_framework import exceptions

from payouts.errors import REFUSALS, PayoutError

log = logging.getLogger(__name__)
TYPE = "application/problem+json"
FROM_DRF: dict[type[Exception], str] = {
    exceptions.NotAuthenticated: "unauthenticated",
    exceptions.AuthenticationFailed: "unauthenticated",
    exceptions.PermissionDenied: "forbidden",
    PermissionDenied: "forbidden",
    exceptions.NotFound: "not_found",
    Http404: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "rate_limited",
    exceptions.ParseError: "malformed_json",
    UnreadablePostError: "bad_request",  # The client went away in the middle of its body.
}

FROM_STATUS = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "service_unavailable",
}


def describe(error: PayoutError, *, request_id: str) -> dict[str, Any]:
    """The body of a refusal."""
    body: dict[str, Any] = {
        "success": False,
        "type": f"urn:payouts:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.param:
        body["param"] = error.param
    return body


def answer(error: PayoutError, *, request_id: str) -> JsonResponse:
    """A refusal as an answer."""
    response = JsonResponse(
        describe(error, request_id=request_id), status=error.status, content_type=TYPE
    )
    response["Content-Length"] = str(len(response.content))
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def to_response(exception: Exception, context: dict[str, Any]) -> JsonResponse | None:
    """DRF's exception handler: everything that is foreseen becomes a problem; the rest is a bug, logged."""
    request = context["request"]
    request_id = str(request.META.get("payouts.request_id", ""))
    error = as_refusal(exception)
    if error is None:
        log.error("request %s failed", request_id, exc_info=exception)
        error = PayoutError("internal_error")
    response = answer(error, request_id=request_id)
    if isinstance(exception, exceptions.MethodNotAllowed):
        view = context.get("view")
        response["Allow"] = ", ".join(sorted(getattr(view, "allowed_methods", [])))
    return response


def as_refusal(exception: Exception) -> PayoutError | None:
    """What a caller is told about an exception that is foreseen; None for a bug."""
    if isinstance(exception, PayoutError):
        return exception
    if isinstance(exception, exceptions.ValidationError):
        return _from_validation(exception.get_full_details())
    for kind, code in FROM_DRF.items():
        if isinstance(exception, kind):
            return PayoutError(code)
    if isinstance(exception, OperationalError | InterfaceError):
        return PayoutError("service_unavailable", retry_after_s=2)
    return None


def _from_validation(details: Any, path: str = "") -> PayoutError:
    """The first complaint of a serializer, with the name of its field."""
    if isinstance(details, dict) and "message" in details and "code" in details:
        code = str(details["code"])
        known = code if code in REFUSALS else "validation_error"
        return PayoutError(known, str(details["message"]), param=path)
    if isinstance(details, list):
        return _from_validation(next(item for item in details if item), path)
    name, inner = next(iter(details.items()))
    inner_path = path if name == "non_field_errors" else f"{path}.{name}".lstrip(".")
    return _from_validation(inner, inner_path)


def stand_in(response: HttpResponseBase, *, request_id: str) -> JsonResponse:
    """The problem for a refusal of Django's own, whose page would be HTML."""
    problem = answer(
        PayoutError(FROM_STATUS.get(response.status_code, "bad_request")), request_id=request_id
    )
    if "Allow" in response.headers:
        problem["Allow"] = response.headers["Allow"]
    return problem


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Django's 404 page, for addresses that no view knows."""
    return answer(
        PayoutError("not_found"), request_id=str(request.META.get("payouts.request_id", ""))
    )


def server_error(request: HttpRequest) -> JsonResponse:
    """Django's 500 page."""
    return answer(
        PayoutError("internal_error"), request_id=str(request.META.get("payouts.request_id", ""))
    )
