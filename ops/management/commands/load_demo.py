"""`manage.py load_demo`: two merchants, their money, beneficiaries and banks."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ops import demo_data


class Command(BaseCommand):
    help = "Load the sandbox's demo data; what is there already is left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print ids and logins as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        loaded = demo_data.load()
        if options["json"]:
            self.stdout.write(json.dumps(loaded))
            return
        for tenant_id, tenant in loaded["tenants"].items():
            self.stdout.write(
                f"{tenant['name']}  {tenant_id}  {len(tenant['beneficiaries'])} beneficiaries"
            )
