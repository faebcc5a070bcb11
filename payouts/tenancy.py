"""Whose rows a process of the web may see: one merchant's, some merchants', or all, and nobody's unless said.

The database keeps the second wall between tenants (migration 0009): as `payouts_web` a statement sees the rows
of the tenants in `app.tenants`, everything where `app.scope` is `platform`, and nothing otherwise. Here is what
says so. The API's door opens a scope for each request, the workbench's for its staff; workers see everything by
their role. The connection (`payouts_project.database`) sends the scope with the first statement of every
transaction, by SET LOCAL: it ends with the transaction, so nothing stays on a connection that is used again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse


@dataclass(frozen=True, slots=True)
class Scope:
    """Some tenants, or the whole platform."""

    tenants: frozenset[UUID] = frozenset()
    platform: bool = False


NOBODY = Scope()
PLATFORM = Scope(platform=True)
_current: ContextVar[Scope] = ContextVar("payouts.scope", default=NOBODY)


def current() -> Scope:
    return _current.get()


def of(tenant_id: UUID | None) -> Scope:
    """A caller's: its tenant's rows, or everybody's for an operator who names none."""
    return PLATFORM if tenant_id is None else Scope(frozenset({tenant_id}))


@contextlib.contextmanager
def within(scope: Scope) -> Iterator[None]:
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)


def narrow_to(scope: Scope) -> None:
    """For the rest of a `within`: whoever opened it closes this too."""
    _current.set(scope)


class StaffScope:
    """Middleware, behind authentication: the workbench's staff see the whole platform, on its pages only."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/admin/") or not request.user.is_staff:
            return self.get_response(request)
        with within(PLATFORM):
            response = self.get_response(request)
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            # Read after we have left.
            response.streaming_content = _each_within(PLATFORM, iter(response))
        return response


def _each_within(scope: Scope, pieces: Iterable[bytes]) -> Iterator[bytes]:
    source = iter(pieces)
    while True:
        with within(scope):
            piece = next(source, None)
        if piece is None:
            return
        yield piece


# --- At the start of a process ------------------------------------------------------------------------

VOID = """
SELECT pg_has_role(session_user, c.relowner, 'MEMBER'), r.rolsuper OR r.rolbypassrls,
       c.relrowsecurity AND c.relforcerowsecurity
FROM pg_class c CROSS JOIN pg_roles r
WHERE c.oid = 'payouts'::regclass AND r.rolname = session_user
"""


def refuse_owner() -> None:
    """From now on no connection of this process may be one that walls mean nothing to.

    Tried at once, so that a process which may not run does not start; a database that is away is looked at
    when it is back. Raises ImproperlyConfigured.
    """
    connection_created.connect(_check, dispatch_uid="payouts.tenancy")
    with contextlib.suppress(OperationalError):
        connection.ensure_connection()
        _check(connection=connection)
    connection.close()  # A process that forks hands no connection on.


def _check(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(VOID)
        found = cursor.fetchone()
    owner, above, walled = found or (True, True, False)
    if owner or above or not walled:
        connection.close()
        raise ImproperlyConfigured(
            "the database login of web and workers must not own the tables nor stand above row-level security "
            "(README, “Production”)"
        )
