"""The API: creating once for a key, lists, verbs, figures, alerts, health."""

from __future__ import annotations

from tests.specification import Cut, Row

ROWS = [
    Row(
        "S2",
        "A create is idempotent by its `Idempotency-Key`",
        "payouts/creation.py, payouts/idempotency.py",
        "tests/test_api_bulk.py::test_one_key_through_both_doors_is_one_payout",
        Cut(
            path="payouts/creation.py",
            old="        if (request.tenant_id, request.external_id) in known:",
            new="        if not request and known:",
        ),
    ),
    Row(
        "S27",
        "API routes for merchants and operators, each open to its roles only",
        "payouts/api/urls.py, payouts/api/auth.py (ROLES)",
        "tests/test_api_roles.py::test_the_engine_keeps_the_same_table",
        Cut(
            path="payouts/api/auth.py",
            old='"payout-cancel": {"POST": OPERATE}',
            new='"payout-cancel": {"POST": CREATE}',
        ),
    ),
    Row(
        "S34",
        "A payout's `id` is a UUID that the engine gives, never a client",
        "payouts/models/payout.py, payouts/api/serializers.py",
        "tests/test_api_payouts.py::test_the_id_of_a_payout_is_the_engines_choice",
        Cut(
            path="payouts/api/serializers.py",
            old="        if unknown:\n",
            new="        if not unknown and self.fields is None:\n",
        ),
    ),
    Row(
        "S35",
        "`external_id` is the idempotency key: every payout has one",
        "payouts/api/views.py, payouts/api/requests.py",
        "tests/test_api_input.py::test_a_create_without_a_key_is_refused",
        Cut(
            path="payouts/api/views.py",
            old="idempotency_key(request, required=True)",
            new='idempotency_key(request, required=False) or "same"',
        ),
    ),
    Row(
        "S62",
        "`POST /api/payouts` with a key and the identity headers",
        "payouts/api/views.py (PayoutsView)",
        "tests/test_api_payouts.py::test_the_specifications_own_example_creates_a_payout",
        Cut(
            path="payouts/api/urls.py",
            old='path("payouts", views.PayoutsView',
            new='path("payments", views.PayoutsView',
        ),
    ),
    Row(
        "S63",
        "The body's names are camelCase; an absent `priority` is `standard`",
        "payouts/api/serializers.py (PayoutInput)",
        "tests/test_api_payouts.py::test_the_same_meaning_written_otherwise_is_the_same_request",
        Cut(
            path="payouts/api/serializers.py",
            old='required=False, default="standard")',
            new='required=False, default="batch")',
        ),
    ),
    Row(
        "S64",
        "The answer is `success` and a `payout` in snake_case with its hold and its date",
        "payouts/api/serializers.py (PayoutOutput)",
        "tests/test_api_payouts.py::test_the_specifications_own_example_creates_a_payout",
        Cut(
            path="payouts/api/serializers.py",
            old='"audit_sequence", "beneficiary",',
            new='"audit_sequence", "ledger_hold_id", "beneficiary",',
        ),
    ),
    Row(
        "S65",
        "A known key answers 200 with the existing payout, a new one 201",
        "payouts/api/door.py (fresh_or_replayed)",
        "tests/test_api_payouts.py::test_the_same_request_again_shows_the_payout_as_it_is_now",
        Cut(
            path="payouts/api/door.py",
            old="status=201 if fresh else 200",
            new="status=201",
        ),
    ),
    Row(
        "S66",
        "`GET /api/payouts` takes status, limit and offset and answers payouts, total, limit, offset",
        "payouts/api/paging.py, payouts/api/filters.py",
        "tests/test_api_payouts.py::test_a_list_has_the_specifications_envelope_newest_first",
        Cut(
            path="payouts/api/paging.py",
            old='{"total": found.count(), "offset": offset}',
            new='{"offset": offset}',
        ),
    ),
    Row(
        "S68",
        "`POST .../cancel` with a reason answers `Payout cancelled successfully`",
        "payouts/api/views.py, payouts/lifecycle.py",
        "tests/test_api_verbs.py::test_a_cancellation_has_the_specifications_envelope",
        Cut(
            path="payouts/verdicts.py",
            old='columns = {"cancel_reason": reason}',
            new='columns = {"cancel_reason": ""}',
        ),
    ),
    Row(
        "S69",
        "`POST .../retry` answers `Payout reset and will be retried`, and it is",
        "payouts/api/views.py, payouts/lifecycle.py",
        "tests/test_api_verbs.py::test_a_retry_needs_no_body_and_is_due_at_once",
        Cut(
            path="payouts/api/views.py",
            old='"retry": (lifecycle.retry_payouts, "Payout reset and will be retried")',
            new='"retry": (lifecycle.retry_payouts, "Done")',
        ),
    ),
    Row(
        "S70",
        "`GET /api/payouts/stats/summary`: seven figures, by currency",
        "payouts/api/figures.py",
        "tests/test_api_money.py::test_every_payout_is_counted_once_under_its_own_status",
        Cut(
            path="payouts/api/figures.py",
            old='"pending_count": count(Status.PENDING)',
            new='"pending_count": count(Status.SENT)',
        ),
    ),
    Row(
        "S71",
        "`GET /api/payouts/ops/alerts` lists alerts with type, severity and message",
        "payouts/api/operators.py (AlertsView)",
        "tests/test_api_operators.py::test_alerts_have_the_specifications_keys",
        Cut(
            path="payouts/api/serializers.py",
            old='exclude = ["dedupe_key"]',
            new='exclude = ["dedupe_key", "severity"]',
        ),
    ),
    Row(
        "S72",
        "`POST /api/payouts/ops/alerts/{id}/resolve` resolves an alert",
        "payouts/api/operators.py (ResolveAlertView), payouts/alerts.py",
        "tests/test_api_operators.py::test_an_alert_is_resolved_once_with_a_reason_that_is_kept",
        Cut(
            path="payouts/api/operators.py",
            old='reason=values["reason"], tenant_id=actor.tenant_id',
            new='reason="", tenant_id=actor.tenant_id',
        ),
    ),
    Row(
        "S73",
        "`GET /api/payouts/connectors/health`: each `name:rail` healthy, or with a message why not",
        "payouts/api/operators.py (ConnectorsHealthView), payouts/bankstate.py",
        "tests/test_api_operators.py::test_health_is_told_of_every_bank_in_the_specifications_shape",
        Cut(
            path="payouts/api/operators.py",
            old="    if not bank.healthy:\n",
            new="    if bank.key is None:\n",
        ),
    ),
    Row(
        "S92",
        "A second INSERT with the same `external_id` fails (within its merchant)",
        "payouts/models/payout.py (payouts_idempotency_key)",
        "tests/test_api_payouts.py::test_the_database_itself_refuses_a_key_twice_in_one_tenant",
        Cut(
            path="payouts/migrations/0002_tables.py",
            old='fields=("tenant_id", "external_id"), name="payouts_idempotency_key"',
            new='fields=("tenant_id", "external_id", "id"), name="payouts_idempotency_key"',
        ),
    ),
]
