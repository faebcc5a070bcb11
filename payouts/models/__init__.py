"""The tables, by subject. No verbs live here: rows are changed by the modules that own them."""

from payouts.models.bank import (
    AttemptState,
    BankConnector,
    BankConnectorState,
    BankDocument,
    BankEvidence,
    BankLetter,
    BankSequence,
    BankTransmission,
    PayoutAttempt,
    TransmissionState,
)
from payouts.models.batch import BatchSchedule, BatchStatus, PayoutBatch, PayoutBatchItem
from payouts.models.journal import (
    AuditSeal,
    IdempotencyKey,
    PayoutAlert,
    PayoutAuditLog,
    RoutingDecision,
    SandboxClock,
)
from payouts.models.party import AccountCorrection, Beneficiary, BeneficiaryAccount, Tenant
from payouts.models.payee import PayeeCheck, PayeeVerification
from payouts.models.payout import (
    HoldStatus,
    Payout,
    PayoutHold,
    Priority,
    RecallStatus,
    Status,
)
from payouts.models.recall import BankRecall, RecallState
from payouts.models.routing import RoutingCursor, RoutingStatistic
from payouts.models.sla import PayoutSlaRule, Weekend
from payouts.models.tally import MetricCursor, MetricTotal

__all__ = [
    "AccountCorrection",
    "AttemptState",
    "AuditSeal",
    "BankConnector",
    "BankConnectorState",
    "BankDocument",
    "BankEvidence",
    "BankLetter",
    "BankRecall",
    "BankSequence",
    "BankTransmission",
    "BatchSchedule",
    "BatchStatus",
    "Beneficiary",
    "BeneficiaryAccount",
    "HoldStatus",
    "IdempotencyKey",
    "MetricCursor",
    "MetricTotal",
    "PayeeCheck",
    "PayeeVerification",
    "Payout",
    "PayoutAlert",
    "PayoutAttempt",
    "PayoutAuditLog",
    "PayoutBatch",
    "PayoutBatchItem",
    "PayoutHold",
    "PayoutSlaRule",
    "Priority",
    "RecallState",
    "RecallStatus",
    "RoutingCursor",
    "RoutingDecision",
    "RoutingStatistic",
    "SandboxClock",
    "Status",
    "Tenant",
    "TransmissionState",
    "Weekend",
]
