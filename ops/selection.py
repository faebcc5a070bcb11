"""Which payouts a command is about, who gives it, and what came of it: shared by commands over the verbs."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import CommandError, OutputWrapper
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from rich.progress import Progress

from ops.roles import ACT, actor_for, roles_of
from payouts import clock, lifecycle
from payouts.audit import Actor
from payouts.models import BankConnector, Payout

CHUNK = 100


def add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--code", help="only with this last error code")
    parser.add_argument("--rail")
    parser.add_argument("--connector", metavar="NAME:RAIL")
    parser.add_argument("--tenant", type=UUID)
    parser.add_argument("--ids", type=UUID, nargs="+")
    parser.add_argument("--since", help="only those that changed since (ISO 8601, with a zone)")
    parser.add_argument(
        "--older-than", type=float, metavar="HOURS", help="only unchanged for so long"
    )
    parser.add_argument("--limit", type=int, default=0, help="at most so many (0: all)")


def found(options: dict[str, Any], *, status: str) -> QuerySet[Payout]:
    """The payouts that the filters leave, oldest first. Raises CommandError."""
    named = {
        "last_error_code": options["code"], "rail": options["rail"], "tenant_id": options["tenant"],
        "pk__in": options["ids"],
    }  # fmt: skip
    left = Payout.objects.filter(
        status=status, **{k: v for k, v in named.items() if v is not None}
    ).order_by("id")
    if options["connector"]:
        left = left.filter(bank_connector_id=_connector(options["connector"]))
    if options["since"]:
        since = parse_datetime(options["since"])
        if since is None or since.tzinfo is None:
            raise CommandError("--since must be like 2026-11-24T10:00:00+00:00", returncode=2)
        left = left.filter(updated_at__gte=since)
    if options["older_than"] is not None:
        if not 0 <= options["older_than"] <= 1_000_000:
            raise CommandError("--older-than is a number of hours", returncode=2)
        age = timedelta(hours=options["older_than"])
        left = left.filter(updated_at__lte=clock.technical_now() - age)
    if options["limit"] < 0:
        raise CommandError("--limit cannot be negative", returncode=2)
    return left[: options["limit"]] if options["limit"] else left


def _connector(named: str) -> UUID:
    name, _, rail = named.partition(":")
    bank = BankConnector.objects.filter(name=name, rail=rail).first()
    if bank is None:
        raise CommandError(f"no bank connection is called {named}", returncode=2)
    return bank.id


def person(name: str | None) -> Actor:
    """Somebody who may act at the workbench, by their login. Raises CommandError.

    The audit log names them as it would there, and whose shell it was beside it.
    """
    user = User.objects.filter(username=name or "", is_active=True).first()
    if user is None or not roles_of(user) & ACT:
        roles = " or ".join(sorted(ACT))
        raise CommandError(f"--actor must be the login of somebody in {roles}", returncode=2)
    return actor_for(user, request_id=f"command:{getpass.getuser()}")


def reason(options: dict[str, Any]) -> str:
    """Why. Raises CommandError."""
    given = str(options["reason"] or "").strip()
    if not given:
        raise CommandError("--reason is required: the audit log keeps it", returncode=2)
    return given


def chunks(
    ids: Sequence[UUID], *, label: str, out: OutputWrapper, quiet: bool
) -> Iterator[list[UUID]]:
    """A hundred at a time, each its own transaction, with a bar where somebody looks."""
    with Progress(disable=quiet or not out.isatty()) as progress:
        task = progress.add_task(label, total=len(ids))
        for start in range(0, len(ids), CHUNK):
            yield list(ids[start : start + CHUNK])
            progress.advance(task, CHUNK)


def count(results: Sequence[lifecycle.Result], done: str) -> Counter[str]:
    """Results by what became of them: `done`, what is noted, and refusals by code."""
    return Counter(
        result.error.code
        if isinstance(result, lifecycle.Refused)
        else f"waits_for_{result.awaits}"
        if isinstance(result, lifecycle.Requested)
        else done
        for result in results
    )


def tell(counts: dict[str, Any], *, out: OutputWrapper, as_json: bool) -> None:
    if as_json:
        out.write(json.dumps(counts))
        return
    for name, found_ in counts.items():
        for word, number in found_.items() if isinstance(found_, dict) else ((name, found_),):
            out.write(f"{number} {word.replace('_', ' ')}")
