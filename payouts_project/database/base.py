"""Django's PostgreSQL connection, which says whose rows may be seen with the first statement of a transaction.

It costs no round trip: psycopg binds parameters on this side and sends a text, so the scope travels in the same
message, in front of the statement. Outside a transaction block PostgreSQL makes one message one transaction,
and SET LOCAL ends with it there too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import NotSupportedError
from django_prometheus.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from payouts import tenancy
from payouts.tenancy import Scope


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told: Scope | None = tenancy.NOBODY  # in this transaction; None: nobody knows
        self.execute_wrappers.append(self._tell)

    def _tell(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        scope = tenancy.current()
        status = self.connection.info.transaction_status
        if status == TransactionStatus.IDLE:
            self._told = tenancy.NOBODY
        if scope == self._told or status == TransactionStatus.INERROR:
            return execute(sql, params, many, context)
        if many:
            raise NotSupportedError("a scope travels with single statements: use payouts.bulk")
        result = execute(f"{_sentences(scope)}{self._text(sql)}", params, many, context)
        cursor = context["cursor"].cursor
        while cursor.nextset():  # On to the statement's own result, which is the last.
            pass
        self._told = scope
        return result

    def _text(self, sql: Any) -> str:
        return sql if isinstance(sql, str) else str(sql.as_string(self.connection))

    def _savepoint_rollback(self, sid: str) -> None:
        self._told = None  # What was said since the savepoint is unsaid.
        super()._savepoint_rollback(sid)


def _sentences(scope: Scope) -> str:
    tenants = ",".join(sorted(str(tenant) for tenant in scope.tenants))
    platform = "platform" if scope.platform else ""
    braces = f"{{{tenants}}}" if tenants else ""
    return f"SET LOCAL app.tenants = '{braces}'; SET LOCAL app.scope = '{platform}'; "
