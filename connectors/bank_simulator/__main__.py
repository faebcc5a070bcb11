"""Starts the simulated bank: `python -m connectors.bank_simulator`.

BANK_SIMULATOR_PORT (9900) · STATE_DIR (`.state`) · BANK_SIMULATOR_API_KEY (`sandbox-bank-key`) ·
BANK_SIMULATOR_SEED (makes faults with a probability repeatable) · BANK_EVENTS_URL (the address below which the
banks tell their customer what happened; none: they do not). SIGTERM and SIGINT end it with 0.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from connectors.bank_simulator.book import Book
from connectors.bank_simulator.desk import Desk
from connectors.bank_simulator.faults import FaultBoard
from connectors.bank_simulator.journal import Journal, JournalDamaged, JournalInUse
from connectors.bank_simulator.postman import Postman
from connectors.bank_simulator.scheme_clock import warm_up
from connectors.bank_simulator.server import BankServer, run_settlement

HOST = "127.0.0.1"
DEFAULT_PORT = 9900
DEFAULT_API_KEY = "sandbox-bank-key"
TICK_SECONDS = 0.2
DRAIN_SECONDS = 3.0

log = logging.getLogger("bank_simulator")


def build(
    *, port: int, state_dir: Path, api_key: str, seed: int | None = None, events_url: str = ""
) -> BankServer:
    """A bank that knows everything its journal knows, listening but not yet serving."""
    journal, faults = Journal(state_dir / "bank_simulator"), FaultBoard(seed=seed)
    postman = Postman(base_url=events_url, api_key=api_key, faults=faults)
    desk = Desk(Book(journal), faults, postman)
    return BankServer((HOST, port), desk=desk, api_key=api_key)


def serve(server: BankServer) -> None:
    """Serve until `server.shutdown()`; then let running answers finish."""
    settlement = threading.Thread(target=run_settlement(server, TICK_SECONDS), daemon=True)
    settlement.start()
    threading.Thread(target=warm_up, args=(server.desk.book.clock.now(),), daemon=True).start()
    server.serve_forever(poll_interval=0.05)
    server.drain(DRAIN_SECONDS)
    server.control.clock_moved.set()
    settlement.join(DRAIN_SECONDS)
    server.server_close()
    server.desk.postman.close()
    server.desk.book.close()


def main() -> int:
    """The process: environment in, exit status out."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s bank_simulator %(message)s"
    )
    port = os.environ.get("BANK_SIMULATOR_PORT", str(DEFAULT_PORT))
    seed = os.environ.get("BANK_SIMULATOR_SEED", "")
    if not port.isdecimal() or not (seed == "" or seed.isdecimal()):
        log.error("BANK_SIMULATOR_PORT and BANK_SIMULATOR_SEED must be numbers")
        return 2
    try:
        server = build(
            port=int(port),
            state_dir=Path(os.environ.get("STATE_DIR", ".state")),
            api_key=os.environ.get("BANK_SIMULATOR_API_KEY", DEFAULT_API_KEY),
            seed=int(seed) if seed else None,
            events_url=os.environ.get("BANK_EVENTS_URL", ""),
        )
    except (OSError, JournalDamaged, JournalInUse) as error:
        log.error("cannot start: %s", error)
        return 1

    def stop(signum: int, frame: object) -> None:
        # `shutdown` waits for the serving loop, which this handler interrupts: hence a thread.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("listening on %s:%d", *server.server_address[:2])
    serve(server)
    return 0


if __name__ == "__main__":
    sys.exit(main())
