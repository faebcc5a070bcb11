"""Whose account is it? What the simulated banks and operators answer before anything is paid.

Ordinary accounts match every name. Magic ones (their numbers end as in `magic`, and are paid like any
other) always say the same: 121 a similar name, 131 another name, 141 that it cannot be said, 151
nothing at all. Confirmation of Payee has more reasons: 122 a right name on an account of the other
kind, 123 a similar one, 142 to 146 the rest. MTN tells a name, so there the asker compares: 111 belongs
to Anna Schmidt, 121 to Anna Schmitt, 131 to Kofi Mensah; 141 is not active; of others no name is shared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.bank_simulator.magic import SEPA_BANK_CODE, UK_SORT_CODE
from connectors.bank_simulator.payments import Reply
from connectors.bank_simulator.rail import Incoming, json_reply

SIMILAR_NAME = "Anna Schmitt"
SILENCE = Reply(status=0, content_type="", body=b"")  # The caller is left hanging.
SILENT = "151"
_UNREADABLE = json_reply(400, {"code": "BAD_REQUEST"})
_VOP = {"121": "CMTC", "131": "NMTC", "141": "NOAP"}
_COP = {
    "121": "MBAM", "131": "ANNM", "141": "OPTO", "142": "ACNS", "143": "SCNS", "144": "CASS", "145": "AC01",
    "146": "IVCR",
}  # fmt: skip
# What a business account says to who takes it for a person's; a person's likewise with P.
_OTHER_KIND = {"122": "ANM", "123": "AMM"}
_WAVE = {"131": "NO_MATCH", "141": "NAME_NOT_KNOWN"}
_MTN_HOLDERS = {"111": "Anna Schmidt", "121": SIMILAR_NAME, "131": "Kofi Mensah"}
_MTN_PATH = re.compile(
    r"disbursement/v1_0/accountholder/msisdn/([1-9][0-9]{7,14})/(active|basicuserinfo)", re.ASCII
)


def reply(kind: str, request: Incoming) -> Reply | None:
    """The answer, if a payee is what was asked about; `kind` is the rail's way of being asked."""
    return _WAYS[kind](request) if kind else None


def _vop(request: Incoming) -> Reply | None:
    if (request.method, request.path) != ("POST", "vop/v1/payee-verifications"):
        return None
    told = _object(request.body)
    iban, name = _text(told, "partyAccount", "iban"), _text(told, "party", "name")
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", iban) or not 1 <= len(name) <= 140:
        return _UNREADABLE
    ending = iban[-3:] if iban[4:19] == SEPA_BANK_CODE + "0000000" else ""
    if ending == SILENT:
        return SILENCE
    answer = {"partyNameMatch": _VOP.get(ending, "MTCH")}
    if answer["partyNameMatch"] == "CMTC":
        answer["matchedName"] = SIMILAR_NAME
    return json_reply(200, answer)


def _cop(request: Incoming) -> Reply | None:
    if (request.method, request.path) != ("POST", "v1/confirmation-of-payee"):
        return None
    told = _object(request.body)
    number = _text(told, "sortCode") + _text(told, "accountNumber")
    kind = _text(told, "accountType")
    if not re.fullmatch(r"[0-9]{14}", number) or kind not in ("Personal", "Business"):
        return _UNREADABLE
    if not 1 <= len(_text(told, "name")) <= 140:
        return _UNREADABLE
    ending = number[-3:] if number.startswith(UK_SORT_CODE + "9000") else ""
    if ending == SILENT:
        return SILENCE
    code = _COP.get(ending, "")
    if ending in _OTHER_KIND:
        code = ("B" if kind == "Personal" else "P") + _OTHER_KIND[ending]
    answer: dict[str, Any] = {"matched": not code} | ({"reasonCode": code} if code else {})
    if code in ("MBAM", "BAMM", "PAMM"):
        answer["name"] = SIMILAR_NAME
    return json_reply(200, answer)


def _wave(request: Incoming) -> Reply | None:
    if (request.method, request.path) != ("POST", "v1/verify_recipient"):
        return None
    told = _object(request.body)
    mobile = _text(told, "mobile")
    if not re.fullmatch(r"\+[1-9][0-9]{7,14}", mobile) or not _text(told, "name"):
        return _UNREADABLE
    ending = _wallet_ending(mobile)
    if ending == SILENT:
        return SILENCE
    match = _WAVE.get(ending, "MATCH")
    return json_reply(200, {"name_match": match, "within_limits": True})


def _mtn(request: Incoming) -> Reply | None:
    asked = _MTN_PATH.fullmatch(request.path) if request.method == "GET" else None
    if asked is None:
        return None
    ending = _wallet_ending(asked[1])
    if ending == SILENT:
        return SILENCE
    if asked[2] == "active":
        return json_reply(200, {"result": ending != "141"})
    given, _, family = _MTN_HOLDERS.get(ending, "").partition(" ")
    return json_reply(200, {"given_name": given, "family_name": family})


_WAYS: Mapping[str, Callable[[Incoming], Reply | None]] = {
    "vop": _vop,
    "cop": _cop,
    "wave": _wave,
    "mtn": _mtn,
}


def _wallet_ending(number: str) -> str:
    return number[-3:] if number[-7:-3] == "0000" else ""


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _text(told: Mapping[str, Any], *names: str) -> str:
    """The text under a path of names, or an empty one."""
    value: Any = told
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
