"""The ISO 20022 messages we speak, in one place. Pure: bytes and dataclasses, no I/O."""

from connectors.formats.camt import AccountReport, BankReport, Entry, TransactionDetail, read_camt
from connectors.formats.pacs002 import read_pacs002
from connectors.formats.pacs008 import Agent, InterbankTransfer, write_pacs008
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
]
