"""XML from a bank, read without trusting it.

No DTD, no entities, no network, no huge tree, a size cap, and only encodings in which a DOCTYPE can
be seen in the bytes. ISO 20022 messages differ in their namespace by version and by national
dialect while their element names stay, so elements of the document's own namespace are reduced to
local names.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

from lxml import etree

from connectors.base import UnreadableDocument

MAX_XML_BYTES = 32 * 1024 * 1024

_ENCODING = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})
_MESSAGE_NAME = re.compile(r"(?:pain|camt|pacs)\.\d{3}\.\d{3}\.\d{2}", re.ASCII)
_AMOUNT = re.compile(r"\+?(?:[0-9]{1,18}(?:\.[0-9]{0,17})?|\.[0-9]{1,17})")

Element = etree._Element


def parse_document(body: bytes, max_bytes: int = MAX_XML_BYTES) -> tuple[Element, str]:
    """Parse `body`; return its root and its message name ("camt.054.001.08", or "" when unnamed).

    Raises UnreadableDocument.
    """
    if len(body) > max_bytes:
        raise UnreadableDocument("xml_too_large", f"more than {max_bytes} bytes")
    _refuse_hidden_markup(body)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        # The parser's message may quote the document: only where it stopped is told.
        line = getattr(error, "lineno", None)
        raise UnreadableDocument("xml_malformed", f"not well-formed at line {line}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableDocument("xml_dtd", "a document type declaration is not accepted")
    namespace = _drop_own_namespace(root)
    found = _MESSAGE_NAME.search(namespace)
    return root, found.group(0) if found else ""


def _refuse_hidden_markup(body: bytes) -> None:
    if b"\x00" in body or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableDocument("xml_encoding", "UTF-16 and UTF-32 are not accepted")
    declared = _ENCODING.match(body.removeprefix(b"\xef\xbb\xbf").lstrip())
    if declared and declared.group(1).decode("ascii").lower() not in _ENCODINGS:
        raise UnreadableDocument("xml_encoding", "the declared encoding is not accepted")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise UnreadableDocument("xml_dtd", "a document type declaration is not accepted")


def _drop_own_namespace(root: Element) -> str:
    namespace = etree.QName(root).namespace or ""
    prefix = f"{{{namespace}}}"
    if namespace:
        for element in root.iter("{*}*"):
            if element.tag.startswith(prefix):
                element.tag = element.tag[len(prefix) :]
    return namespace


def parse_message(body: bytes, name: str, body_tag: str) -> tuple[Element, str]:
    """Parse a message of kind `name` ("camt.029"), bare or in an envelope such as RTP's.

    Return its body element and its message name with the version. Raises UnreadableDocument.
    """
    root, found = parse_document(body)
    if not found:
        inner = root.find(f".//{{*}}{body_tag}")
        if inner is None:
            raise UnreadableDocument(_not_a(name), f"there is no {name} inside")
        root, found = parse_document(etree.tostring(inner, with_tail=False))
    if not found.startswith(name):
        raise UnreadableDocument(_not_a(name), f"the namespace is not one of {name}")
    return root if root.tag == body_tag else need(root, body_tag, name), found


def _not_a(name: str) -> str:
    return f"not_{name.replace('.', '')}"


def text_at(element: Element | None, path: str) -> str:
    """Return the stripped text at `path` below `element`, or ""."""
    if element is None:
        return ""
    found = element.find(path)
    return (found.text or "").strip() if found is not None else ""


def need(element: Element, path: str, message: str) -> Element:
    """Return the element at `path`. Raises UnreadableDocument naming `message` and the path."""
    found = element.find(path)
    if found is None:
        raise UnreadableDocument("xml_incomplete", f"{message}: {path} is missing")
    return found


def need_text(element: Element, path: str, message: str) -> str:
    """Return the text at `path`. Raises UnreadableDocument when absent or empty."""
    found = text_at(element, path)
    if not found:
        raise UnreadableDocument("xml_incomplete", f"{message}: {path} is missing or empty")
    return found


def parse_amount(text: str, message: str) -> Decimal:
    """Read an ISO 20022 amount (unsigned decimal, at most 18 digits). Raises UnreadableDocument."""
    if not _AMOUNT.fullmatch(text):
        raise UnreadableDocument("xml_amount", f"{message}: not an amount")
    return Decimal(text)


def parse_count(text: str, message: str) -> int:
    """Read a count such as NbOfTxs (Max15NumericText). Raises UnreadableDocument."""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise UnreadableDocument("xml_count", f"{message}: not a count")
    return int(text)


def parse_date(text: str, message: str) -> date:
    """Read an ISODate, tolerating a time zone suffix. Raises UnreadableDocument."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise UnreadableDocument("xml_date", f"{message}: not a date") from None


def parse_moment(text: str, message: str) -> datetime:
    """Read an ISODateTime as aware UTC; one without a zone is taken as UTC.

    Raises UnreadableDocument.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableDocument("xml_date", f"{message}: not a date and time") from None
