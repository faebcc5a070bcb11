"""pacs.028.001.03, FIToFIPaymentStatusRequest: what became of a payment that nobody answered for.

Source: ISO 20022 message definition; FedNow operating procedures (October 2024) and RTP: only after
the scheme's clock has run out, the answer is a pacs.002. One payment in each message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.formats.parties import Agent, add_agent
from connectors.formats.write_xml import add, add_some, date_time, new_document, to_bytes

MESSAGE = "pacs.028.001.03"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """A question about one payment. `created_at` is aware UTC, to the second."""

    message_id: str
    created_at: datetime
    sender: Agent
    receiver: Agent
    original_message_id: str
    original_message_name: str
    original_instruction_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    original_uetr: str


def write_pacs028(request: StatusRequest) -> bytes:
    """Write the message as UTF-8. Two equal requests give the same bytes."""
    root = new_document(MESSAGE)
    message = add(root, "FIToFIPmtStsReq")
    header = add(message, "GrpHdr")
    add(header, "MsgId", request.message_id)
    add(header, "CreDtTm", date_time(request.created_at))
    add_agent(header, "InstgAgt", request.sender)
    add_agent(header, "InstdAgt", request.receiver)
    transaction = add(message, "TxInf")
    add(transaction, "StsReqId", request.message_id)
    group = add(transaction, "OrgnlGrpInf")
    add(group, "OrgnlMsgId", request.original_message_id)
    add(group, "OrgnlMsgNmId", request.original_message_name)
    add_some(transaction, "OrgnlInstrId", request.original_instruction_id)
    add(transaction, "OrgnlEndToEndId", request.original_end_to_end_id)
    add_some(transaction, "OrgnlTxId", request.original_transaction_id)
    add_some(transaction, "OrgnlUETR", request.original_uetr)
    return to_bytes(root)
