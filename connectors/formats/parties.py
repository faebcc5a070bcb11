"""Whom an ISO 20022 message names: banks, addresses, and whoever gives a case to whom.

Sources: ISO 20022 BranchAndFinancialInstitutionIdentification6, PostalAddress24 and Party40Choice;
EPC153-22 and the Fedwire and CBPR+ rules of November 2026: an address names at least town and
country, and beside its structured fields at most two free lines of 70 (hybrid). One of free lines
alone is refused everywhere since, so it is never written; it is still read.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.base import ConnectorError
from connectors.formats.safe_xml import Element, text_at
from connectors.formats.write_xml import add, add_some


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A bank: a US routing number, or a BIC."""

    routing_number: str = ""
    bic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalAddress:
    """A postal address. `lines` are free text; `country` is ISO 3166-1 alpha-2."""

    street: str = ""
    building: str = ""
    post_code: str = ""
    town: str = ""
    subdivision: str = ""
    country: str = ""
    lines: tuple[str, ...] = ()

    @property
    def structured(self) -> bool:
        """Whether it may be sent: town and country, and at most two free lines of 70."""
        short = len(self.lines) <= 2 and all(len(line) <= 70 for line in self.lines)
        return bool(self.town and self.country) and short


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseParty:
    """Who gives or takes a case: a bank, or a customer by name."""

    agent: Agent | None = None
    name: str = ""


def add_agent(parent: Element, name: str, agent: Agent) -> None:
    """Append a bank under this name."""
    institution = add(add(parent, name), "FinInstnId")
    if agent.bic:
        add(institution, "BICFI", agent.bic)
        return
    member = add(institution, "ClrSysMmbId")
    add(add(member, "ClrSysId"), "Cd", "USABA")
    add(member, "MmbId", agent.routing_number)


def read_agent(block: Element | None) -> Agent:
    """The bank in an element; an empty Agent when it names none."""
    return Agent(
        routing_number=text_at(block, "FinInstnId/ClrSysMmbId/MmbId"),
        bic=text_at(block, "FinInstnId/BICFI") or text_at(block, "FinInstnId/BIC"),
    )


def add_address(parent: Element, address: PostalAddress) -> None:
    """Append an address. Raises ConnectorError for one that no scheme takes any more."""
    if not address.structured:
        raise ConnectorError("address_unstructured", "an address names town and country")
    block = add(parent, "PstlAdr")
    add_some(block, "StrtNm", address.street)
    add_some(block, "BldgNb", address.building)
    add_some(block, "PstCd", address.post_code)
    add(block, "TwnNm", address.town)
    add_some(block, "CtrySubDvsn", address.subdivision)
    add(block, "Ctry", address.country)
    for line in address.lines:
        add(block, "AdrLine", line)


def read_address(party: Element | None) -> PostalAddress | None:
    """The address of a party, None when it has none."""
    block = None if party is None else party.find("PstlAdr")
    if block is None:
        return None
    lines = ((line.text or "").strip() for line in block.findall("AdrLine"))
    return PostalAddress(
        street=text_at(block, "StrtNm"),
        building=text_at(block, "BldgNb"),
        post_code=text_at(block, "PstCd"),
        town=text_at(block, "TwnNm"),
        subdivision=text_at(block, "CtrySubDvsn"),
        country=text_at(block, "Ctry"),
        lines=tuple(line for line in lines if line),
    )


def add_case_party(parent: Element, name: str, party: CaseParty) -> None:
    """Append a party of a case under this name."""
    block = add(parent, name)
    if party.agent is not None:
        add_agent(block, "Agt", party.agent)
    else:
        add(add(block, "Pty"), "Nm", party.name)


def read_case_party(block: Element | None) -> CaseParty:
    """The party in an element."""
    agent = None if block is None else block.find("Agt")
    if agent is not None:
        return CaseParty(agent=read_agent(agent))
    return CaseParty(name=text_at(block, "Pty/Nm"))
