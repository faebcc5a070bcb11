"""Who may do what, and the walls between merchants."""

from __future__ import annotations

from tests.specification import Cut, Row

AUTH = "payouts/api/auth.py"
ROLE_ROWS = "tests/test_role_rows.py::test_a_row_of_the_specifications_table"


def _row(id_: str, says: str, old: str, new: str) -> Row:
    return Row(
        id_, says, f"{AUTH} (ROLES)", f"{ROLE_ROWS}[{id_}]", Cut(path=AUTH, old=old, new=new)
    )


ROWS = [
    Row(
        "S16",
        "roles come from Molam ID",
        "payouts/api/tokens.py, payouts/api/keyset.py, payouts/api/auth.py",
        "tests/test_molam_id.py::test_a_token_of_molam_id_is_believed",
        Cut(
            path=AUTH,
            old='tenant_id=_tenant(claims, request.headers.get("X-Tenant-Id", "")),',
            new="tenant_id=None,",
        ),
    ),
    Row(
        "S67",
        "GET /api/payouts/{id}, of one's own tenant only",
        "payouts/api/views.py, payouts/tenancy.py, payouts/migrations/0009_row_security.py",
        "tests/test_row_security.py::test_a_forgotten_filter_shows_nothing_of_another_merchant",
        Cut(
            path="payouts/migrations/0009_row_security.py",
            old="mine := format('((SELECT app_platform()) OR %s)', mine);",
            new="mine := format('(true OR %s)', mine);",
        ),
    ),
    Row(
        "S74",
        "stats, ops and connectors stand beside {id}",
        "payouts/api/urls.py (an id is a UUID)",
        "tests/test_role_rows.py::test_words_beside_an_id_are_addresses_of_their_own",
        Cut(path="payouts/api/urls.py", old="\"payouts/stats/summary\"", new="\"payouts/figures/summary\""),
    ),
    _row("S75", "POST /api/payouts: merchant_admin, finance_ops, treasury_ops",
         '"payouts": {"GET": READ, "POST": CREATE}', '"payouts": {"GET": READ, "POST": READ}'),
    _row("S76", "GET /api/payouts: the same and billing_ops",
         '"payouts": {"GET": READ, "POST": CREATE}', '"payouts": {"GET": CREATE, "POST": CREATE}'),
    _row("S77", "cancel: finance_ops, treasury_ops",
         '"payout-cancel": {"POST": OPERATE}', '"payout-cancel": {"POST": CREATE}'),
    _row("S78", "retry: finance_ops, treasury_ops",
         '"payout-retry": {"POST": OPERATE}', '"payout-retry": {"POST": CREATE}'),
    _row("S79", "alerts: finance_ops, treasury_ops, billing_ops",
         '"payouts-alerts": {"GET": OPERATE | {"billing_ops"}}', '"payouts-alerts": {"GET": READ}'),
    _row("S80", "resolve an alert: finance_ops, treasury_ops",
         '"payouts-alert-resolve": {"POST": OPERATE}', '"payouts-alert-resolve": {"POST": READ}'),
    _row("S81", "connectors' health: finance_ops, treasury_ops, system",
         '"connectors-health": {"GET": OPERATE | {"system"}}', '"connectors-health": {"GET": OPERATE}'),
    _row("S82", "not listed: statistics and one payout, as the list",
         '"payouts-stats": {"GET": READ}', '"payouts-stats": {"GET": OPERATE}'),
    Row(
        "S86",
        "TLS for every call",
        "payouts_project/settings.py; TLS 1.3 itself is the proxy's (docs/operations.md)",
        "tests/test_production.py::test_outside_the_sandbox_everything_is_said_over_tls",
        Cut(
            path="payouts_project/settings.py",
            old="SECURE_SSL_REDIRECT = not SANDBOX",
            new="SECURE_SSL_REDIRECT = False",
        ),
    ),
]  # fmt: skip
