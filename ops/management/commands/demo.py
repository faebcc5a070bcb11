"""`manage.py demo`: the first payouts moving, or the whole scenario with a verdict."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ops import demo_data, incidents, rail_tour
from ops.http_client import Client
from ops.scenario import Scenario, watch_first_payouts


class Command(BaseCommand):
    help = "Show what becomes of payouts, through the API of a running sandbox. Exit code 1: not as expected."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--first", action="store_true", help="create a payout per rail and watch it"
        )
        what.add_argument(
            "--scenario", action="store_true", help="run every step and give a verdict"
        )
        parser.add_argument("--json", action="store_true", help="print the verdict as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        scenario = self._scenario(quiet=options["json"])
        if options["first"]:
            sys.exit(0 if watch_first_payouts(scenario) else 1)
        good = scenario.run(rails=rail_tour.STEPS, incidents=incidents.STEPS)
        if options["json"]:
            steps = [
                {"title": s.title, "story": s.story, "ok": s.ok, "seconds": round(s.seconds, 1)}
                for s in scenario.steps
            ]
            self.stdout.write(json.dumps({"ok": good, "steps": steps}))
        else:
            self.stdout.write(
                "verdict: all as it should be" if good else "verdict: NOT as it should be"
            )
        sys.exit(0 if good else 1)

    def _scenario(self, *, quiet: bool) -> Scenario:
        tenant_id, tenant = next(iter(demo_data.load()["tenants"].items()))
        return Scenario(
            engine=Client(base_url=f"http://127.0.0.1:{settings.PORT}", tenant_id=tenant_id),
            bank=Client(base_url=f"http://127.0.0.1:{settings.BANK_SIMULATOR_PORT}"),
            beneficiaries=tenant["beneficiaries"],
            say=(lambda line: None) if quiet else (lambda line: self.stdout.write(line)),
        )
