"""Text brought into the character sets that payment schemes carry."""

from __future__ import annotations

import re
import unicodedata

from text_unidecode import unidecode

# EPC217-08 "SEPA requirements for an extended character set": the basic Latin set every bank takes.
_NOT_SEPA = re.compile(r"[^A-Za-z0-9/?:().,'+ -]")
_SEPA_WORDS = str.maketrans(
    {"&": "+", "_": "-", "@": "(at)", ";": ",", '"': "'", "\N{EURO SIGN}": "EUR"}
)
_NOT_NACHA = re.compile(r"[^\x20-\x7e]")
_HAS_LETTER_OR_DIGIT = re.compile(r"[A-Za-z0-9]")


def has_control_characters(text: str) -> bool:
    """Tell whether `text` has line breaks, NUL, other controls or lone surrogates."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def sepa_text(text: str, limit: int) -> str:
    """Transliterate into the SEPA basic Latin set and cut at `limit` characters; may return "".

    A slash neither begins nor ends it and never stands doubled (EPC implementation guidelines 1.4).
    """
    plain = _ascii(text.translate(_SEPA_WORDS)).translate(_SEPA_WORDS)
    plain = re.sub(r"//+", "/", _NOT_SEPA.sub(" ", plain))
    # Before it is cut, too: of what begins with many slashes nothing would be left.
    return _squeeze(plain).strip(" /")[:limit].strip(" /")


def nacha_text(text: str, limit: int) -> str:
    """Transliterate into printable ASCII and cut at `limit` characters; may return ""."""
    return _squeeze(_NOT_NACHA.sub(" ", _ascii(text)))[:limit].strip()


def is_payable_name(name: str) -> bool:
    """Tell whether a holder's name survives transliteration: no controls, some letter or digit."""
    return not has_control_characters(name) and bool(_HAS_LETTER_OR_DIGIT.search(_ascii(name)))


def _ascii(text: str) -> str:
    if text.isascii():  # Most is: a file of thousands is written in half the time.
        return text
    return str(unidecode(unicodedata.normalize("NFC", text)))


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
