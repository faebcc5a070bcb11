"""ISO 20022 messages for tests: one of each that we write, and by hand one of each that banks write."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from connectors.formats.iso20022 import (
    Agent,
    CaseParty,
    CreditTransfer,
    CreditTransferInitiation,
    InterbankTransfer,
    PaymentCancellationRequest,
    PaymentInformation,
    PostalAddress,
    StatusRequest,
)

MOMENT = datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
UETR = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
ADDRESS = PostalAddress(
    street="Rue de Rivoli", building="12", post_code="75001", town="Paris", country="FR"
)
HYBRID = PostalAddress(town="Berlin", country="DE", lines=("Hinterhof", "2. Etage"))
BANK = Agent(routing_number="021000021")


def transfer(number: int, address: PostalAddress | None = None) -> CreditTransfer:
    return CreditTransfer(
        instruction_id=f"{number:032x}",
        end_to_end_id=f"E2E{number}",
        amount=Decimal(1000 + number).scaleb(-2),
        currency="EUR",
        creditor_name="Awa Ndiaye",
        creditor_iban="DE89370400440532013000",
        creditor_bic="COBADEFFXXX",
        creditor_address=address,
        remittance=f"Invoice {number}",
    )


def initiation(*, instant: bool = False) -> CreditTransferInitiation:
    """A pain.001 of two payments; instant ones have a moment and INST."""
    return CreditTransferInitiation(
        message_id="MSG1",
        created_at=MOMENT,
        initiating_party="Molam",
        payments=(
            PaymentInformation(
                payment_information_id="MSG1-1",
                execution_date=date(2026, 11, 24),
                execution_moment=MOMENT if instant else None,
                debtor_name="Molam",
                debtor_iban="FR1420041010050500013M02606",
                debtor_bic="PSSTFRPPXXX",
                debtor_address=ADDRESS,
                service_level="SEPA",
                local_instrument="INST" if instant else "",
                transfers=(transfer(1, HYBRID), transfer(2)),
            ),
        ),
    )


INTERBANK = InterbankTransfer(
    message_id="20261124MOLA0001000001",
    created_at=MOMENT,
    settlement_date=date(2026, 11, 24),
    clearing_system="FDW",
    local_instrument="CTRC",
    instruction_id="0" * 31 + "1",
    end_to_end_id="E2E1",
    transaction_id="TX1",
    uetr=UETR,
    amount=Decimal("12.30"),
    currency="USD",
    sender=BANK,
    receiver=Agent(routing_number="011000015"),
    debtor_name="Molam",
    debtor_address=PostalAddress(town="New York", subdivision="NY", country="US"),
    debtor_account="9876543210",
    creditor_name="Ada",
    creditor_address=HYBRID,
    creditor_account="123456789012",
    creditor_agent=Agent(bic="COBADEFFXXX"),
    remittance="Invoice 1",
)
QUESTION = StatusRequest(
    message_id="Q1",
    created_at=MOMENT,
    sender=BANK,
    receiver=BANK,
    original_message_id="20261124MOLA0001000001",
    original_message_name="pacs.008.001.08",
    original_instruction_id="I1",
    original_end_to_end_id="E2E1",
    original_transaction_id="TX1",
    original_uetr=UETR,
)
RECALL = PaymentCancellationRequest(
    case_id="RCL1",
    created_at=MOMENT,
    assigner=CaseParty(name="Molam"),
    assignee=CaseParty(agent=Agent(bic="PSSTFRPPXXX")),
    original_message_id="MSG1",
    original_message_name="pain.001.001.09",
    original_instruction_id="I1",
    original_end_to_end_id="E2E1",
    original_transaction_id="TX1",
    original_uetr=UETR,
    amount=Decimal("10.01"),
    currency="EUR",
    reason="DUPL",
    reason_text="it was paid twice",
)


def document(name: str, body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{name}">{body}</Document>'
    ).encode()


def pain002(version: str) -> bytes:
    """Three payments of a message: accepted, settled, refused."""
    told = "".join(
        f"<TxInfAndSts><OrgnlInstrId>I{n}</OrgnlInstrId><OrgnlEndToEndId>E2E{n}</OrgnlEndToEndId>"
        f"<TxSts>{status}</TxSts>{reason}<AcctSvcrRef>BANK{n}</AcctSvcrRef><OrgnlTxRef><Amt>"
        f'<InstdAmt Ccy="EUR">10.0{n}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts>'
        for n, status, reason in (
            (1, "ACCP", ""),
            (2, "ACSC", ""),
            (
                3,
                "RJCT",
                "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></StsRsnInf>",
            ),
        )
    )
    return document(
        f"pain.002.001.{version}",
        "<CstmrPmtStsRpt><GrpHdr><MsgId>BANKMSG</MsgId><CreDtTm>2026-11-24T10:00:00Z</CreDtTm></GrpHdr>"
        "<OrgnlGrpInfAndSts><OrgnlMsgId>MSG1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        "<GrpSts>PART</GrpSts></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>MSG1-1</OrgnlPmtInfId>"
        f"{told}</OrgnlPmtInfAndSts></CstmrPmtStsRpt>",
    )


def camt(kind: str, version: str) -> bytes:
    """A debit and a return with its reason, as each version writes them."""
    body, repeated = {
        "camt.053": ("BkToCstmrStmt", "Stmt"),
        "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[kind]
    entries = "".join(
        _entry(version, n, side, reason)
        for n, side, reason in (
            (1, "DBIT", ""),
            (2, "CRDT", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></RtrInf>"),
        )
    )
    balance = (
        '<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">5.00</Amt>'
        "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-25</Dt></Dt></Bal>"
        if kind == "camt.053"
        else ""
    )
    return document(
        f"{kind}.001.{version}",
        f"<{body}><GrpHdr><MsgId>BANKMSG</MsgId><CreDtTm>2026-11-25T18:00:00Z</CreDtTm></GrpHdr>"
        f"<{repeated}><Id>R1</Id><CreDtTm>2026-11-25T18:00:00Z</CreDtTm>"
        "<Acct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balance}{entries}</{repeated}></{body}>",
    )


def _entry(version: str, number: int, side: str, reason: str) -> str:
    amount = f'<Amt Ccy="EUR">10.0{number}</Amt>'
    booked = "<Sts><Cd>BOOK</Cd></Sts>" if version == "08" else "<Sts>BOOK</Sts>"
    # Version 02 knows a payment's amount only below its details.
    inner = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
    if version != "02":
        inner = f"{amount}<CdtDbtInd>{side}</CdtDbtInd>"
    return (
        f"<Ntry>{amount}<CdtDbtInd>{side}</CdtDbtInd>{booked}<BookgDt><Dt>2026-11-25</Dt></BookgDt>"
        f"<ValDt><Dt>2026-11-25</Dt></ValDt><AcctSvcrRef>BANK{number}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd>"
        "<Fmly><Cd>ICDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><Refs>"
        f"<MsgId>MSG1</MsgId><AcctSvcrRef>BANK{number}</AcctSvcrRef><InstrId>I{number}</InstrId>"
        f"<EndToEndId>E2E{number}</EndToEndId></Refs>{inner}{reason}</TxDtls></NtryDtls></Ntry>"
    )


PACS_002 = document(
    "pacs.002.001.10",
    "<FIToFIPmtStsRpt><GrpHdr><MsgId>BANKMSG</MsgId><CreDtTm>2026-11-24T10:00:00Z</CreDtTm></GrpHdr>"
    "<OrgnlGrpInfAndSts><OrgnlMsgId>MSG1</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId>"
    "</OrgnlGrpInfAndSts><TxInfAndSts><OrgnlInstrId>I1</OrgnlInstrId><OrgnlEndToEndId>E2E1</OrgnlEndToEndId>"
    "<OrgnlTxId>TX1</OrgnlTxId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>"
    "<AcctSvcrRef>BANK1</AcctSvcrRef><OrgnlTxRef>"
    '<IntrBkSttlmAmt Ccy="USD">12.30</IntrBkSttlmAmt></OrgnlTxRef></TxInfAndSts></FIToFIPmtStsRpt>',
)


def pacs004(version: str) -> bytes:
    """Two payments that came back, one with a reason of its own."""
    told = "".join(
        f"<TxInf><RtrId>RTR{n}</RtrId><OrgnlInstrId>I{n}</OrgnlInstrId><OrgnlEndToEndId>E2E{n}</OrgnlEndToEndId>"
        f'<OrgnlTxId>TX{n}</OrgnlTxId><OrgnlUETR>{UETR}</OrgnlUETR><RtrdIntrBkSttlmAmt Ccy="USD">10.0{n}'
        f"</RtrdIntrBkSttlmAmt><IntrBkSttlmDt>2026-11-25</IntrBkSttlmDt>{reason}</TxInf>"
        for n, reason in (
            (1, ""),
            (2, "<RtrRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></RtrRsnInf>"),
        )
    )
    return document(
        f"pacs.004.001.{version}",
        "<PmtRtr><GrpHdr><MsgId>BANKMSG</MsgId><CreDtTm>2026-11-25T10:00:00Z</CreDtTm><NbOfTxs>2</NbOfTxs>"
        "<CtrlSum>20.03</CtrlSum><SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr><OrgnlGrpInf>"
        "<OrgnlMsgId>MSG1</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId><RtrRsnInf><Rsn><Cd>FOCR</Cd>"
        f"</Rsn></RtrRsnInf></OrgnlGrpInf>{told}</PmtRtr>",
    )


CAMT_029 = document(
    "camt.029.001.09",
    "<RsltnOfInvstgtn><Assgnmt><Id>BANKMSG</Id><Assgnr><Pty><Nm>Bank</Nm></Pty></Assgnr><Assgne><Pty>"
    "<Nm>Molam</Nm></Pty></Assgne><CreDtTm>2026-11-26T10:00:00Z</CreDtTm></Assgnmt><RslvdCase><Id>RCL1</Id>"
    "<Cretr><Pty><Nm>Molam</Nm></Pty></Cretr></RslvdCase><Sts><Conf>RJCR</Conf></Sts><CxlDtls><TxInfAndSts>"
    "<CxlStsId>S1</CxlStsId><OrgnlGrpInf><OrgnlMsgId>MSG1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09"
    "</OrgnlMsgNmId></OrgnlGrpInf><OrgnlInstrId>I1</OrgnlInstrId><OrgnlEndToEndId>E2E1</OrgnlEndToEndId>"
    "<TxCxlSts>RJCR</TxCxlSts><CxlStsRsnInf><Rsn><Cd>CUST</Cd></Rsn><AddtlInf>does not agree</AddtlInf>"
    '</CxlStsRsnInf><OrgnlIntrBkSttlmAmt Ccy="EUR">10.01</OrgnlIntrBkSttlmAmt></TxInfAndSts></CxlDtls>'
    "</RsltnOfInvstgtn>",
)
