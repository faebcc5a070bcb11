"""Rails, banks and how the engine is set up and started."""

from __future__ import annotations

from tests.specification import Cut, Row

ONE_BOOKING = "tests/test_rails_end_to_end.py::test_a_payout_is_booked_once_and_settles"
ROWS = [
    Row(
        "S8",
        "several rails: ACH, wire, SEPA, Faster Payments, mobile money",
        "connectors/rails, connectors/registry.py, ops/demo_data.py (CONNECTIONS)",
        f"{ONE_BOOKING}[faster_payments]",
        Cut(
            path="connectors/registry.py",
            old="    FasterPaymentsConnector.driver: FasterPaymentsConnector,\n",
            new="",
        ),
    ),
    Row(
        "S26",
        "bank connectors: one interface, one class for each bank's language, and a factory",
        "connectors/base.py (Connector), connectors/rails, connectors/registry.py (build)",
        f"{ONE_BOOKING}[wire]",
        Cut(
            path="connectors/registry.py",
            old="    WireConnector.driver: WireConnector,\n",
            new="",
        ),
    ),
    Row("S30", "install what it needs", "requirements.lock, dev", "requirements.lock"),
    Row(
        "S31",
        "an environment file to edit",
        "payouts_project/startup.py (STATE_DIR/env), README.md (Settings)",
        "tests/test_supervisor.py::test_other_terminals_find_the_addresses_in_a_private_file",
        Cut(
            path="payouts_project/startup.py",
            old='    leash.write_private(state / "env", "".join(lines))',
            new='    (state / "env").write_text("".join(lines))',
        ),
    ),
    Row(
        "S32",
        "commands that start the API and the worker",
        "dev, payouts_project/startup.py (programs)",
        "tests/test_supervisor.py::test_the_programs_are_those_of_the_specification",
        Cut(
            path="payouts_project/startup.py",
            old='*celery, "beat", "--pidfile=", "-l", "INFO",',
            new='python, "-c", "",',
        ),
    ),
    Row(
        "S87",
        "banks are spoken to over HTTPS",
        "payouts_project/settings.py (BANK_URL)",
        "tests/test_production.py::test_a_bank_is_spoken_to_over_https_only",
        Cut(
            path="payouts_project/settings.py",
            old='if not SANDBOX and not _url.startswith("https://"):',
            new="if not SANDBOX and not _url:",
        ),
    ),
]
