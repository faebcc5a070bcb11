"""The ops workbench: what people see, what they do, and who may."""

from __future__ import annotations

from tests.specification import Cut, Row

ROWS = [
    Row(
        "S10",
        "An ops workbench: monitoring, alerts and manual interventions",
        "ops/ and templates/admin/, a customised Django admin",
        "tests/test_ops_actions.py::test_an_operator_retries_a_dead_payout_with_a_reason",
        Cut(
            path="ops/admin.py",
            old="    acts = (actions.RETRY, actions.APPROVE, actions.CANCEL, actions.RECALL)",
            new="    acts = (actions.APPROVE, actions.CANCEL, actions.RECALL)",
        ),
    ),
    Row(
        "S28",
        "The workbench monitors in real time, manages alerts, retries and cancels by hand, shows connector health",
        "ops/overview.py, ops/records.py, ops/acting.py, ops/bank_pages.py",
        "tests/test_ops_admin.py::test_the_overview_counts_and_leads_to_the_lists",
        Cut(
            path="ops/overview.py",
            old='        shown["tiles"] = _tiles(found, recent)',
            new='        shown["tiles"] = []',
        ),
    ),
    Row(
        "S83",
        "Five roles: merchant_admin, finance_ops, treasury_ops, billing_ops, system",
        "ops/roles.py, payouts/migrations/0011_roles.py, payouts/api/auth.py",
        "tests/test_ops_actions.py::test_only_finance_and_treasury_act_and_no_superuser_by_being_one",
        Cut(
            path="ops/roles.py",
            old="    return bool(request.user.is_active and roles_of(request.user) & roles)",
            new="    return bool(request.user.is_active)",
        ),
    ),
]
