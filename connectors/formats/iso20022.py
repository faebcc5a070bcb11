"""The ISO 20022 messages we speak, in one place. Pure: bytes and dataclasses, no I/O."""

from connectors.formats.camt import AccountReport, BankReport, Entry, TransactionDetail, read_camt
from connectors.formats.camt029 import (
    CancellationStatus,
    InvestigationResolution,
    read_camt029,
)
from connectors.formats.camt056 import (
    PaymentCancellationRequest,
    read_camt056,
    write_camt056,
)
from connectors.formats.pacs002 import read_pacs002
from connectors.formats.pacs004 import PaymentReturn, ReturnedPayment, read_pacs004
from connectors.formats.pacs008 import InterbankTransfer, read_pacs008, write_pacs008
from connectors.formats.pacs028 import StatusRequest, write_pacs028
from connectors.formats.pain001 import (
    CreditTransfer,
    CreditTransferInitiation,
    PaymentInformation,
    read_pain001,
    write_pain001,
)
from connectors.formats.pain002 import (
    PaymentStatus,
    StatusReport,
    TransactionStatus,
    read_pain002,
)
from connectors.formats.parties import Agent, CaseParty, PostalAddress

__all__ = [
    "AccountReport",
    "Agent",
    "BankReport",
    "CreditTransfer",
    "CreditTransferInitiation",
    "Entry",
    "InterbankTransfer",
    "PaymentInformation",
    "PaymentStatus",
    "StatusReport",
    "TransactionDetail",
    "TransactionStatus",
    "read_camt",
    "read_pacs002",
    "read_pain001",
    "read_pain002",
    "write_pacs008",
    "write_pain001",
    "CaseParty",
    "CancellationStatus",
    "InvestigationResolution",
    "PaymentCancellationRequest",
    "read_camt029",
    "read_camt056",
    "write_camt056",
    "PaymentReturn",
    "ReturnedPayment",
    "read_pacs004",
    "read_pacs008",
    "StatusRequest",
    "write_pacs028",
    "PostalAddress",
]
