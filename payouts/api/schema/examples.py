"""One good example of each answer. A test holds them against the shapes that are documented."""

from __future__ import annotations

import json
from typing import Any

from payouts.errors import REFUSALS

TENANT = "11111111-1111-4111-8111-111111111111"
USER = "33333333-3333-4333-8333-333333333333"
PAYOUT_ID = "01999999-0000-7000-8000-000000000001"
BENEFICIARY_ID = "01999999-0000-7000-8000-000000000002"
ACCOUNT_ID = "01999999-0000-7000-8000-000000000003"
HOLD_ID = "01999999-0000-7000-8000-000000000004"
CONNECTOR_ID = "01999999-0000-7000-8000-000000000005"
DECISION_ID = "01999999-0000-7000-8000-000000000006"
RULE_ID = "01999999-0000-7000-8000-000000000007"
ALERT_ID = "01999999-0000-7000-8000-000000000008"
KEY = "client-generated-unique-key"

# The specification's example of a create.
WISH: dict[str, Any] = {
    "originModule": "connect",
    "originEntityType": "merchant",
    "originEntityId": TENANT,
    "beneficiaryType": "user",
    "beneficiaryId": BENEFICIARY_ID,
    "beneficiaryAccountId": ACCOUNT_ID,
    "amount": "1000.00",
    "currency": "USD",
    "payoutMethod": "bank_transfer",
    "priority": "standard",
    "description": "Weekly settlement",
    "metadata": {"invoice_id": "inv-123"},
}
CONTENT_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PAYOUT: dict[str, Any] = {
    "id": PAYOUT_ID, "tenant_id": TENANT, "external_id": KEY, "status": "pending", "origin_module": "connect",
    "origin_entity_type": "merchant", "origin_entity_id": TENANT, "beneficiary_type": "user",
    "beneficiary_id": BENEFICIARY_ID, "beneficiary_account_id": ACCOUNT_ID, "amount": "1000.00", "currency": "USD",
    "fee_amount": "0.25", "fee_currency": "USD", "payout_method": "bank_transfer", "priority": "standard",
    "priority_rank": 2, "description": "Weekly settlement", "metadata": {"invoice_id": "inv-123"}, "rail": "ach",
    "bank_connector_id": CONNECTOR_ID, "routing_decision_id": DECISION_ID, "sira_routing_score": None,
    "predicted_settlement_at": "2025-11-18T05:00:00Z", "batch_id": None, "sla_rule_id": RULE_ID,
    "sla_target_settlement_date": "2025-11-17", "sla_target_at": "2025-11-18T05:00:00Z", "sla_violated": False,
    "sla_violated_at": None, "ledger_hold_id": HOLD_ID, "scheduled_at": None, "next_retry_at": None,
    "retry_count": 0, "max_retries": 3, "last_error": "", "last_error_code": "", "return_code": "",
    "status_reason": None,
    "bank_reference": "", "cancel_requested_at": None, "cancel_reason": "", "approved_by": "", "approved_at": None,
    "above_limit": False, "content_hash": None, "approval_expires_at": None, "give_up_requested_by": "",
    "give_up_requested_at": None, "given_up_by": "",
    "processing_started_at": None, "sent_at": None, "settled_at": None, "settlement_final_at": None,
    "failed_at": None, "cancelled_at": None, "rejected_at": None, "returned_at": None,
    "recall_status": "none", "settlement_finality": None,
    "reconciliation_status": "unreconciled", "reconciled_at": None, "created_by": USER,
    "created_by_role": "merchant_admin", "version": 1, "created_at": "2025-11-13T10:00:00Z",
    "updated_at": "2025-11-13T10:00:00Z",
}  # fmt: skip
LATER = PAYOUT | {
    "status": "sent",
    "processing_started_at": "2025-11-13T10:00:01Z",
    "sent_at": "2025-11-13T10:00:02Z",
    "bank_reference": "021000020000001",
    "version": 3,
    "updated_at": "2025-11-13T10:00:02Z",
}
ONE_PAYOUT = {"success": True, "payout": PAYOUT}
ONE_PAYOUT_LATER = {"success": True, "payout": LATER}
MANY_PAYOUTS = {
    "success": True,
    "payouts": [LATER],
    "total": 150,
    "limit": 1,
    "offset": 0,
    "next_cursor": "WyIwMTk5OTk5OSJd:signed",
}
_CARRIED_OUT = {
    ("cancel_payout", 200): ("Payout cancelled successfully", "cancelled"),
    ("cancel_payout", 202): (
        "Cancellation requested: it follows if the bank has not taken the payout", "processing",
    ),
    ("retry_payout", 200): ("Payout reset and will be retried", "pending"),
    ("approve_payout", 200): ("Payout approved", "pending"),
}  # fmt: skip


def carried_out(name: str, status: int) -> dict[str, Any]:
    message, became = _CARRIED_OUT[name, status]
    return {"success": True, "message": message, "status": became}


RECALLED = {
    "success": True,
    "message": "The bank is asked: the money is back when the payout is returned",
    "status": "settled",
    "recall_status": "requested",
}
RECALLED_BEFORE = RECALLED | {
    "message": "This request was carried out before: the status is what it led to since",
    "recall_status": "asked",
}
_FIGURES: dict[str, Any] = {
    "total_payouts": 1500,
    "total_amount": "1500000.00",
    "pending_count": 50,
    "settled_count": 1400,
    "failed_count": 20,
    "dlq_count": 5,
    "avg_settlement_hours": 26.4,
    "by_status": {"pending": 50, "settled": 1400, "failed": 20, "dlq": 5, "sent": 25},
}
STATISTICS = {"success": True, "stats": {**_FIGURES, "by_currency": {"USD": _FIGURES}}}
ALERT: dict[str, Any] = {
    "id": ALERT_ID,
    "payout_id": PAYOUT_ID,
    "tenant_id": TENANT,
    "alert_type": "sla_violation",
    "severity": "high",
    "message": "Promised for 2025-11-17 and not settled",
    "resolved": False,
    "resolved_by": "",
    "resolved_at": None,
    "resolution": "",
    "created_at": "2025-11-18T05:05:00Z",
}
ALERTS = {
    "success": True,
    "alerts": [ALERT],
    "total": 1,
    "limit": 50,
    "offset": 0,
    "next_cursor": None,
}
RESOLVED = {
    "success": True,
    "message": "Alert resolved",
    "alert": ALERT
    | {
        "resolved": True,
        "resolved_by": USER,
        "resolved_at": "2025-11-18T09:00:00Z",
        "resolution": "The bank confirmed the date by telephone",
    },
}
_WELL = {
    "healthy": True,
    "paused": False,
    "breaker": "closed",
    "in_flight": 0,
    "checked_at": "2025-11-13T10:00:00Z",
}
HEALTH = {
    "success": True,
    "connectors": {
        "default:ach": _WELL,
        "default:sepa": _WELL
        | {
            "healthy": False,
            "message": "Connection timeout",
            "breaker": "open",
            "open_until": "2025-11-13T10:00:30Z",
        },
    },
}
BENEFICIARY_WISH = {
    "name": "Anna Schmidt",
    "beneficiaryType": "user",
    "country": "DE",
    "account": {"type": "iban", "currency": "EUR", "iban": "DE89370400440532013000"},
}
PENDING = {"match": "pending", "code": "", "name": "", "accepted": False, "verified_at": None}
VERIFIED = {
    "match": "close_match", "code": "CMTC", "name": "Anna Schmitt", "accepted": False,
    "verified_at": "2025-11-13T10:00:01Z",
}  # fmt: skip
ONE_BENEFICIARY: dict[str, Any] = {
    "success": True,
    "beneficiary": {
        "id": BENEFICIARY_ID,
        "name": "Anna Schmidt",
        "beneficiary_type": "user",
        "country": "DE",
        "accounts": [
            {
                "id": ACCOUNT_ID,
                "type": "iban",
                "last4": "3000",
                "currency": "EUR",
                "country": "DE",
                "institution": "COBADEFFXXX",
                "status": "active",
                "verification": PENDING,
                "corrected": None,
            }
        ],
    },
}
CORRECTION = {
    "code": "C01", "at": "2025-11-18T09:00:00Z", "account_id": "01999999-0000-7000-8000-000000000009",
}  # fmt: skip
_ACCOUNT: dict[str, Any] = {
    "id": ACCOUNT_ID, "type": "us_bank", "last4": "9012", "currency": "USD", "country": "US",
    "institution": "021000021", "status": "active", "verification": None, "corrected": CORRECTION,
}  # fmt: skip
_PAID_INSTEAD = {"id": CORRECTION["account_id"], "last4": "5544", "corrected": None}
CORRECTED_BENEFICIARY = {
    "success": True,
    "beneficiary": {
        "id": BENEFICIARY_ID,
        "name": "Anna Schmidt",
        "beneficiary_type": "user",
        "country": "US",
        "accounts": [_ACCOUNT, _ACCOUNT | _PAID_INSTEAD],
    },
}
VERIFIED_BENEFICIARY = {
    "success": True,
    "beneficiary": ONE_BENEFICIARY["beneficiary"]
    | {"accounts": [ONE_BENEFICIARY["beneficiary"]["accounts"][0] | {"verification": VERIFIED}]},
}
DEPOSIT_WISH = {
    "tenantId": TENANT,
    "amount": "5000.00",
    "currency": "USD",
    "reference": "wire-2025-11-13-1",
}
ONE_DEPOSIT = {
    "success": True,
    "deposit": {
        "id": HOLD_ID,
        "tenant_id": TENANT,
        "amount": "5000.00",
        "currency": "USD",
        "reference": "wire-2025-11-13-1",
    },
}
BALANCES = {
    "success": True,
    "balances": [{"currency": "USD", "available": "4000.00", "held": "1000.00"}],
}


def problem(code: str) -> dict[str, Any]:
    status, title = REFUSALS[code]
    return {
        "success": False,
        "type": f"urn:payouts:error:{code}",
        "title": title,
        "status": status,
        "detail": title,
        "code": code,
        "request_id": "01999999-0000-7000-8000-00000000000a",
    }


BULK_WISH = {
    "payouts": [
        WISH | {"idempotencyKey": "run-7-line-1"},
        WISH | {"idempotencyKey": "run-7-line-2", "amount": "0"},
    ]
}
LINES = "\n".join(json.dumps(wish) for wish in BULK_WISH["payouts"])
BULK = {
    "success": True,
    "total": 2,
    "created": 1,
    "replayed": 0,
    "refused": 1,
    "results": [
        {"index": 0, "status": 201, "payout": PAYOUT | {"external_id": "run-7-line-1"}},
        {"index": 1, "status": 422, "error": problem("amount_invalid")},
    ],
}
QUOTE = {
    "success": True,
    "quote": {
        "amount": "1000.00",
        "currency": "USD",
        "fee_amount": "0.25",
        "fee_currency": "USD",
        "rail": "ach",
        "status": "pending",
        "scheduled_at": None,
        "sla_target_settlement_date": "2025-11-17",
        "sla_target_at": "2025-11-18T05:00:00Z",
        "predicted_settlement_at": "2025-11-18T05:00:00Z",
        "approval": {"required": False, "above": "10000.00"},
        "funds": {"available": "5000.00", "available_after": "4000.00", "enough": True},
        "candidates": [
            {"rail": "ach", "chosen": True, "refused": ""},
            {"rail": "wire", "chosen": False, "refused": "Not available now"},
        ],
    },
}
TIMELINE: dict[str, Any] = {
    "success": True,
    "payout_id": PAYOUT_ID,
    "status": "sent",
    "cancelable": False,
    "sla_target_at": "2025-11-18T05:00:00Z",
    "sla_violated": False,
    "next": {"action": "settle", "at": "2025-11-18T05:00:00Z", "who": "bank"},
    "events": [
        {
            "at": "2025-11-13T10:00:00Z", "kind": "status", "what": "payout.created", "to_status": "pending",
            "by": {"role": "merchant_admin", "id": USER},
        },
        {
            "at": "2025-11-13T10:00:00Z", "kind": "hold", "what": "hold.placed", "amount": "1000.00",
            "currency": "USD",
        },
        {
            "at": "2025-11-13T10:00:01Z", "kind": "attempt", "what": "attempt.started", "number": 1,
            "state": "accepted", "rail": "ach", "reference": "176303520100001",
        },
        {
            "at": "2025-11-13T10:00:02Z", "kind": "status", "what": "payout.sent", "from_status": "processing",
            "to_status": "sent", "by": {"role": "system"},
        },
    ],
}  # fmt: skip
