"""What gunicorn is told beside its flags (`-c python:payouts_project.web_server`)."""

from __future__ import annotations

from typing import Any

KEY = "IDEMPOTENCY-KEY"


def pre_request(worker: Any, request: Any) -> None:
    """A key that stands twice in a head is no key.

    gunicorn would join the two with a comma: a proxy that repeats a header on its second try would then
    make a second payout of one wish.
    """
    if sum(name == KEY for name, _ in request.headers) > 1:
        request.headers = [(n, v) for n, v in request.headers if n != KEY] + [(KEY, "")]
