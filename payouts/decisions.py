"""Why a payout goes its way: each choice of a route is an append-only row of `routing_decisions`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from payouts import bulk
from payouts.routing import Route

TYPES = {
    "id": "uuid", "payout_id": "uuid", "tenant_id": "uuid", "bank_connector_id": "uuid", "rail": "text",
    "reason": "text", "candidates": "jsonb", "source": "text", "score": "numeric", "arrives_at": "timestamptz",
    "predicted_settlement_at": "timestamptz",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A route for one payout, under an id that the payout refers to."""

    id: UUID
    payout_id: UUID
    tenant_id: UUID
    route: Route


def record(decisions: Sequence[Decision]) -> None:
    """Write decisions into the open transaction."""
    rows = [
        {
            "id": decision.id,
            "payout_id": decision.payout_id,
            "tenant_id": decision.tenant_id,
            "bank_connector_id": decision.route.bank.id,
            "rail": decision.route.bank.rail,
            "reason": decision.route.reason,
            "candidates": json.dumps(decision.route.candidates),
            "source": decision.route.source,
            "score": decision.route.score,
            "arrives_at": decision.route.promise.target_at,
            "predicted_settlement_at": decision.route.predicted_at,
        }
        for decision in decisions
    ]
    bulk.insert("routing_decisions", TYPES, rows)
