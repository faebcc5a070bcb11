"""`manage.py run_poller`: finds due work that no doorbell announced."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from payouts import poller, tenancy


class Command(BaseCommand):
    help = "Ring for due payouts, lost leases, open questions and bank reports until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SANDBOX:
            tenancy.refuse_owner()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        poller.run(stop.is_set)
