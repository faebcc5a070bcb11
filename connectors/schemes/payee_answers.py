"""What the schemes' checks of payees answer, and what each code means for us.

VoP: EPC218-23 (rulebook) and EPC133-24 (inter-PSP API), `partyNameMatch`. CoP: Pay.UK, Confirmation of
Payee reason codes. Wave: `verify_recipient`, `name_match`. MTN answers with a name, which is compared
here by `compare_names`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

from connectors.abilities import PayeeMatch
from connectors.formats.latin import sepa_text

VOP: Mapping[str, PayeeMatch] = {
    "MTCH": PayeeMatch.MATCH,
    "CMTC": PayeeMatch.CLOSE_MATCH,
    "NMTC": PayeeMatch.NO_MATCH,
    "NOAP": PayeeMatch.NOT_POSSIBLE,
}
# A name that is right on an account of the other kind is close, as its scheme says: "check, then pay".
COP: Mapping[str, PayeeMatch] = {
    "ANNM": PayeeMatch.NO_MATCH,  # The account has another name.
    "MBAM": PayeeMatch.CLOSE_MATCH,  # Maybe a match.
    "BANM": PayeeMatch.CLOSE_MATCH,  # The name is right; a business account, a personal one was asked for.
    "PANM": PayeeMatch.CLOSE_MATCH,  # The other way round.
    "BAMM": PayeeMatch.CLOSE_MATCH,  # A business account, and the name is only close.
    "PAMM": PayeeMatch.CLOSE_MATCH,
    "AC01": PayeeMatch.NOT_POSSIBLE,  # No such account: the payment itself will be refused.
    "IVCR": PayeeMatch.NOT_POSSIBLE,  # A secondary reference is needed that we do not have.
    "ACNS": PayeeMatch.NOT_POSSIBLE,  # This account cannot be checked.
    "OPTO": PayeeMatch.NOT_POSSIBLE,  # Its holder has opted out.
    "CASS": PayeeMatch.NOT_POSSIBLE,  # It was switched to another bank, which payments follow.
    "SCNS": PayeeMatch.NOT_POSSIBLE,  # This bank does not take part.
}
WAVE: Mapping[str, PayeeMatch] = {
    "MATCH": PayeeMatch.MATCH,
    "NO_MATCH": PayeeMatch.NO_MATCH,
    "NAME_NOT_KNOWN": PayeeMatch.NOT_POSSIBLE,
}
CLOSE_RATIO = 0.8
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "m", "mme", "mlle", "dr"})


def compare_names(ours: str, theirs: str) -> PayeeMatch:
    """Say how far two names are one, where an operator only tells its own.

    The same words in any order match; one name that lacks some of the other's words, or a slip of the
    pen, is close. Capitals, accents and titles do not count.
    """
    one, other = _words(ours), _words(theirs)
    if not one or not other:
        return PayeeMatch.NOT_POSSIBLE
    if one == other:
        return PayeeMatch.MATCH
    shared = set(one) & set(other)
    if shared in (set(one), set(other)) and max(map(len, shared)) >= 3:
        return PayeeMatch.CLOSE_MATCH
    alike = SequenceMatcher(None, " ".join(one), " ".join(other)).ratio()
    return PayeeMatch.CLOSE_MATCH if alike >= CLOSE_RATIO else PayeeMatch.NO_MATCH


def _words(name: str) -> list[str]:
    words = re.findall("[a-z0-9]+", sepa_text(name, 200).lower())
    return sorted(word for word in words if word not in _TITLES)
