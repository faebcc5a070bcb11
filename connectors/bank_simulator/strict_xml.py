"""XML as a bank reads it: no entities, no document type, every element where its schema has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from connectors.bank_simulator.payments import UnreadableSubmission
from connectors.bank_simulator.sepa_rules import is_identifier


class GroupRefused(Exception):
    """The message is refused as a whole."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Allowed children in the order of the schema's sequence; what is not listed is not looked into."""

    children: Mapping[str, tuple[str, ...]]
    required: Mapping[str, tuple[str, ...]]
    repeatable: frozenset[str]
    identifiers: frozenset[str]


def parse(body: bytes) -> etree._Element:
    """XML without entities, network or document type: it may not reach outside itself."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise UnreadableSubmission("a document type is not accepted")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableSubmission(f"not XML: {type(error).__name__}") from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise UnreadableSubmission("a document type is not accepted")
    return root


def localise(root: etree._Element, namespace: str) -> list[etree._Element]:
    """Strip the namespace, so that paths stay readable; anything outside of it is refused.

    Whoever keeps the nodes that this returns spares lxml making each of them anew at every look.
    """
    prefix = f"{{{namespace}}}"
    nodes = list(root.iter())
    for node in nodes:
        tag = str(node.tag)  # A comment's tag is a function, and no element of ours.
        if not tag.startswith(prefix):
            raise GroupRefused("FF01", f"not a {namespace.rpartition(':')[2]} message")
        node.tag = tag[len(prefix) :]
    return nodes


def check_structure(node: etree._Element, shape: Shape) -> None:
    """Order, number and presence of children, and the identifiers' form, from this node down."""
    tag = str(node.tag)
    allowed = shape.children.get(tag)
    if tag in shape.identifiers and not is_identifier(node.text or ""):
        raise GroupRefused("FF01", f"{tag} must be 1 to 35 characters of the SEPA set")
    if allowed is None:
        return
    reached = -1
    for child in node:
        name = str(child.tag)
        if name not in allowed:
            raise GroupRefused("FF01", f"{name} is not expected in {tag}")
        position = allowed.index(name)
        if position < reached or (position == reached and name not in shape.repeatable):
            raise GroupRefused("FF01", f"{name} is not expected at its place in {tag}")
        reached = position
        if name in shape.identifiers or name in shape.children:
            check_structure(child, shape)
    for name in shape.required.get(tag, ()):
        if node.find(name) is None:
            raise GroupRefused("FF01", f"{name} is missing in {tag}")
