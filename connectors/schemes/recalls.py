"""What each scheme calls the reasons for asking money back, and until when it may be asked.

Sources: EPC125-05 and EPC004-16 (SCT and SCT Inst rulebooks in force since 5 October 2025): a recall
for a duplicate or a technical problem within 10 banking business days of execution, for fraud within
13 months; a "request for recall by the originator" (wrong account, wrong amount, other reasons of
the customer) within 13 months; answered within 15 banking business days. Wire and RTP: ISO 20022
ExternalCancellationReason1Code; neither network sets a last day, and the receiver owes an answer but
no money.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.abilities import RecallReason

# EPC: banking days for a duplicate or a technical problem, months for everything else.
SEPA_RECALL_DAYS = 10
SEPA_RECALL_MONTHS: Mapping[str, int] = dict.fromkeys(
    (
        RecallReason.FRAUD,
        RecallReason.CUSTOMER,
        RecallReason.WRONG_AMOUNT,
        RecallReason.WRONG_ACCOUNT,
    ),
    13,
)
# Of our own choosing where the scheme says nothing.
INTERBANK_RECALL_DAYS = 10

ISO_RECALL_CODES: Mapping[RecallReason, str] = {
    RecallReason.DUPLICATE: "DUPL",
    RecallReason.TECHNICAL: "TECH",
    RecallReason.FRAUD: "FRAD",
    RecallReason.CUSTOMER: "CUST",
    RecallReason.WRONG_AMOUNT: "AM09",
    RecallReason.WRONG_ACCOUNT: "AC03",
}
