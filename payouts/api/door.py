"""What every view under /api/ has in common: JSON in and out, known methods, known query parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from payouts import tenancy
from payouts.api.auth import actor_of
from payouts.errors import PayoutError


class JsonOnly(BaseContentNegotiation):
    """Answers are JSON whatever `Accept` says; a body is read only when it says that it is JSON."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        named = str(request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == named), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class Door(APIView):
    """A view with a row in `auth.ROLES`. `parameters` are the query parameters that its GET knows."""

    route: ClassVar[str]
    parameters: ClassVar[frozenset[str]] = frozenset()
    http_method_names = ["get", "head", "post"]  # OPTIONS would describe what the schema describes.
    content_negotiation_class = JsonOnly

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with tenancy.within(tenancy.NOBODY):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        tenancy.narrow_to(tenancy.of(actor_of(request).tenant_id))
        known = self.parameters if request.method in ("GET", "HEAD") else frozenset()
        for name in request.query_params:
            if name not in known:
                raise PayoutError("unknown_parameter", param=name[:100])


def fresh_or_replayed(body: dict[str, Any], *, fresh: bool) -> Response:
    """201 for what is new, 200 for what was there."""
    response = Response(body, status=201 if fresh else 200)
    response["Idempotent-Replayed"] = "false" if fresh else "true"
    return response
