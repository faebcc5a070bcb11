"""`manage.py dlq`: what waits for a person: listed by cause, retried, given up, or settled by a bank's letter."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Min, OuterRef, Subquery, Sum
from rich.console import Console
from rich.table import Table

from ops import bank_words, selection
from payouts import letters, lifecycle, money
from payouts.audit import Actor
from payouts.errors import PayoutError
from payouts.models import BankConnector, Payout

Do = Callable[[Sequence[UUID], Actor], list[lifecycle.Result]]
DONE = {"retry": "retried", "give-up": "given_up", "attest": "moved"}


class Command(BaseCommand):
    help = (
        "The dead-letter queue: `list` groups it by cause; `retry`, `give-up` and `attest` act as the person"
        " named by --actor, who must have a login at the workbench with a role that may act. Above the approval"
        " limit giving up takes two people, an attestation always does: the first one's word is noted."
        " Exit code 0: all done or noted; 1: some were refused; 2: the command cannot be understood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        says = {
            "list": "what waits, by cause: code, bank, how many, how much, since when",
            "retry": "try again with a new budget; refused where a bank may have it",
            "give-up": "cancel: the merchant has the money back",
            "attest": "state what a bank wrote about orders that it may have",
        }
        for name, words in says.items():
            verb = verbs.add_parser(name, help=words, description=words)
            selection.add_filters(verb)
            verb.add_argument("--json", action="store_true", help="print JSON")
            if name == "list":
                continue
            verb.add_argument(
                "--reason", help="why, for the audit log (required but for --dry-run)"
            )
            verb.add_argument("--actor", required=True, metavar="LOGIN", help="who acts")
            verb.add_argument("--dry-run", action="store_true", help="count, change nothing")
            if name == "attest":
                verb.add_argument("--says", choices=letters.SAYS, required=True)
                verb.add_argument("--document", required=True, help="where the letter is kept")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(options)
            return
        if options["verb"] == "attest" and not options["ids"]:
            raise CommandError("--ids is required: a letter is about certain orders", returncode=2)
        actor = selection.person(options["actor"])
        do = _foreseeing(options) if options["dry_run"] else _doing(options)
        found = selection.found(options, status="dlq")
        ids = list(found.values_list("id", flat=True))
        missing = len(set(options["ids"] or ids)) - len(ids) if not options["limit"] else 0
        done = DONE[options["verb"]]
        outcomes: Counter[str] = Counter({"not_found": missing} if missing > 0 else {})
        try:
            for chunk in selection.chunks(
                ids, label=options["verb"], out=self.stdout, quiet=options["json"]
            ):
                outcomes += selection.count(do(chunk, actor), done)
        except PayoutError as error:
            raise CommandError(f"{error.title}: {error.detail}", returncode=2) from None
        counts: dict[str, Any] = {done: outcomes.pop(done, 0)}
        counts["noted"] = {k: outcomes.pop(k) for k in list(outcomes) if k.startswith("waits_for_")}
        counts["refused"] = dict(outcomes)
        if options["dry_run"]:
            counts[f"would_be_{done}"] = counts.pop(done)
        selection.tell(counts, out=self.stdout, as_json=options["json"])
        sys.exit(1 if outcomes else 0)

    def _list(self, options: dict[str, Any]) -> None:
        groups = _groups(options)
        if options["json"]:
            self.stdout.write(json.dumps(groups, default=str))
            return
        table = Table(box=None)
        for name in ("code", "bank", "payouts", "amount", "oldest", "what helps"):
            table.add_column(name)
        for group in groups:
            table.add_row(
                group["code"] or "–", group["connector"], str(group["count"]),
                f"{group['amount']} {group['currency']}", f"{group['oldest']:%Y-%m-%d %H:%M}",
                bank_words.remedy(group["code"], bank=group["bank_connector_id"]),
            )  # fmt: skip
        drawn = io.StringIO()
        Console(file=drawn, width=140).print(table)
        self.stdout.write(drawn.getvalue())


def _groups(options: dict[str, Any]) -> list[dict[str, Any]]:
    """By code, bank and currency; most first."""
    ids = selection.found(options, status="dlq").values("pk")
    bank = BankConnector.objects.filter(pk=OuterRef("bank_connector_id")).values("name")[:1]
    rows = (
        Payout.objects.filter(pk__in=ids)
        .annotate(bank=Subquery(bank))
        .values("last_error_code", "bank", "bank_connector_id", "rail", "currency")
        .annotate(count=Count("pk"), amount=Sum("amount"), oldest=Min("updated_at"))
        .order_by("-count", "oldest")
    )
    return [
        {
            "code": row["last_error_code"],
            "connector": f"{row['bank']}:{row['rail']}",
            "bank_connector_id": row["bank_connector_id"],
            "rail": row["rail"],
            "currency": row["currency"],
            "count": row["count"],
            "amount": money.display(row["amount"], row["currency"]),
            "oldest": row["oldest"],
        }
        for row in rows
    ]


def _doing(options: dict[str, Any]) -> Do:
    why = selection.reason(options)
    if options["verb"] == "retry":
        return lambda ids, actor: lifecycle.retry_payouts(
            ids, actor=actor, reason=why, tenant_id=None
        )
    if options["verb"] == "give-up":
        return lambda ids, actor: lifecycle.cancel_payouts(
            ids, actor=actor, reason=why, tenant_id=None
        )
    attest = partial(letters.attest, says=options["says"], document=options["document"])
    return lambda ids, actor: attest(ids, actor=actor, reason=why, tenant_id=None)


def _foreseeing(options: dict[str, Any]) -> Do:
    if options["verb"] == "attest":
        foresee = partial(letters.foresee, says=options["says"], document=options["document"])
        return lambda ids, actor: foresee(ids, actor=actor)
    verb = {"retry": "retry", "give-up": "cancel"}[options["verb"]]
    return lambda ids, actor: lifecycle.foresee([verb], ids, actor=actor)[verb]
