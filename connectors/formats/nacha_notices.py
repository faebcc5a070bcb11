"""What a notification of change corrects, read out of its 29 characters.

Source: Nacha Operating Rules, appendix five (change codes and the places of corrected data).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from connectors.formats.nacha_records import ChangeNotice
from connectors.formats.nacha_rules import is_routing_number

_ACCOUNT_TYPES = {"2": "checking", "3": "savings"}  # First digit of a transaction code.
# code -> what is corrected: its name in our terms, and the places (from 1) where it stands.
_PLACES: Mapping[str, tuple[tuple[str, int, int], ...]] = {
    "C01": (("account_number", 1, 17),),
    "C02": (("routing_number", 1, 9),),
    "C03": (("routing_number", 1, 9), ("account_number", 13, 29)),
    "C04": (("holder_name", 1, 22),),
    "C05": (("account_type", 1, 2),),
    "C06": (("account_number", 1, 17), ("account_type", 21, 22)),
    "C07": (("routing_number", 1, 9), ("account_number", 10, 26), ("account_type", 27, 28)),
}


def corrected_details(notice: ChangeNotice) -> dict[str, str] | None:
    """What to write from now on: routing_number, account_number, account_type, holder_name.

    Empty for a code that corrects nothing of ours (C09 and the like: the identification number is
    our own reference). None when the corrected data cannot be what the code says.
    """
    corrected: dict[str, str] = {}
    for name, first, last in _PLACES.get(notice.code, ()):
        value = _READ[name](notice.corrected_data[first - 1 : last].strip())
        if not value:
            return None
        corrected[name] = value
    return corrected


def _account_number(text: str) -> str:
    bare = text.replace(" ", "")
    return bare if re.fullmatch(r"[0-9A-Za-z-]{1,17}", bare) else ""


def _routing_number(text: str) -> str:
    return text if is_routing_number(text) and text != "000000000" else ""


def _account_type(text: str) -> str:
    return _ACCOUNT_TYPES.get(text[:1], "") if re.fullmatch(r"[0-9]{2}", text) else ""


_READ: Mapping[str, Callable[[str], str]] = {
    "account_number": _account_number,
    "routing_number": _routing_number,
    "account_type": _account_type,
    "holder_name": str,
}
