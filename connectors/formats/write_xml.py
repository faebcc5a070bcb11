"""What every writer of an ISO 20022 message needs: elements in the document's namespace, dates, amounts.

Writers are deterministic: two equal messages give the same bytes, and no clock is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from lxml import etree

from connectors.formats.safe_xml import Element

NAMESPACES = "urn:iso:std:iso:20022:tech:xsd:"


def new_document(message_name: str) -> Element:
    """The root of a message such as "pacs.028.001.03"."""
    namespace = NAMESPACES + message_name
    return etree.Element(f"{{{namespace}}}Document", nsmap={None: namespace})  # type: ignore[dict-item]


def add(parent: Element, name: str, text: str | None = None) -> Element:
    """Append a child in the namespace of its parent."""
    namespace = str(parent.tag).rpartition("}")[0]
    child = etree.SubElement(parent, f"{namespace}}}{name}")
    child.text = text
    return child


def add_some(parent: Element, name: str, text: str) -> None:
    """Append a child unless its text is empty: ISO 20022 knows no empty texts."""
    if text:
        add(parent, name, text)


def add_amount(parent: Element, name: str, amount: Decimal, currency: str) -> None:
    """Append an amount with two decimals and its currency."""
    add(parent, name, f"{amount:.2f}").set("Ccy", currency)


def date_time(moment: datetime) -> str:
    """An ISODateTime in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_bytes(root: Element) -> bytes:
    """The document as UTF-8."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
