"""How each scheme is asked whose account it is. Nothing is paid and nothing booked by asking.

Sources: EPC133-24 (Verification of Payee API: who asks by `party` and `partyAccount`, hears
`partyNameMatch` and, when close, `matchedName`); Pay.UK Confirmation of Payee as clearing banks offer
it (account type, name, sort code and number; `matched`, else a reason code); Wave Business API,
`POST /v1/verify_recipient`; MTN MoMo, `accountholder/msisdn/{n}/active` and `/basicuserinfo`.

Every function raises ConnectorError when there is no answer to go by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from connectors.abilities import PayeeMatch, PayeeVerification
from connectors.accounts import canonical_details
from connectors.base import AccountDetails, ConnectorError, Outcome
from connectors.http import HttpAnswer
from connectors.rails.bank_api import BankApi, json_text, read_json
from connectors.schemes.payee_answers import COP, VOP, WAVE, compare_names

_JSON = "application/json"
_HOLDERS = "/disbursement/v1_0/accountholder/msisdn"
NAME_MAX = 140


def ask_vop(api: BankApi, account: AccountDetails) -> PayeeVerification:
    """Verification of Payee, for SEPA and SEPA Instant alike."""
    question = {
        "party": {"name": account.holder_name[:NAME_MAX]},
        "partyAccount": {"iban": _details(account)["iban"]},
    }
    body = json.dumps(question).encode()
    told = _post(api, "/vop/v1/payee-verifications", body, {"X-Request-ID": str(uuid4())})
    return _verdict(VOP, json_text(told, "partyNameMatch"), json_text(told, "matchedName"))


def ask_cop(
    api: BankApi, account: AccountDetails, sign: Callable[[bytes], str]
) -> PayeeVerification:
    """Confirmation of Payee. `sign` signs the body for this bank."""
    details = _details(account)
    question = {
        "accountType": "Personal" if account.holder_type == "user" else "Business",
        "name": account.holder_name[:NAME_MAX],
        "sortCode": details["sort_code"],
        "accountNumber": details["account_number"],
    }
    body = json.dumps(question).encode()
    headers = {"X-Request-Id": uuid4().hex, "DigitalSignature": sign(body)}
    told = _post(api, "/v1/confirmation-of-payee", body, headers)
    if told.get("matched") is True:
        return PayeeVerification(match=PayeeMatch.MATCH, code="MATCHED")
    return _verdict(COP, json_text(told, "reasonCode"), json_text(told, "name"))


def ask_wave(api: BankApi, account: AccountDetails) -> PayeeVerification:
    """Wave says whether the name fits, never which one it has."""
    question = {"mobile": _details(account)["msisdn"], "name": account.holder_name[:NAME_MAX]}
    told = _post(api, "/v1/verify_recipient", json.dumps(question).encode(), {})
    return _verdict(WAVE, json_text(told, "name_match"), "")


def ask_mtn(api: BankApi, account: AccountDetails, headers: Mapping[str, str]) -> PayeeVerification:
    """MTN says whether the wallet is active and, where it shares that, whose it is."""
    holder = f"{_HOLDERS}/{_details(account)['msisdn'].removeprefix('+')}"
    active = _read(api.ask(f"{holder}/active", headers=headers)).get("result")
    if not isinstance(active, bool):
        raise ConnectorError("answer_unreadable", "an unknown answer to the check of a payee")
    if not active:
        return PayeeVerification(match=PayeeMatch.NOT_POSSIBLE, code="INACTIVE")
    told = _read(api.ask(f"{holder}/basicuserinfo", headers=headers))
    name = f"{json_text(told, 'given_name')} {json_text(told, 'family_name')}".strip()
    match = compare_names(account.holder_name, name)
    code = {
        PayeeMatch.MATCH: "MATCH",
        PayeeMatch.CLOSE_MATCH: "CLOSE_MATCH",
        PayeeMatch.NO_MATCH: "NO_MATCH",
        PayeeMatch.NOT_POSSIBLE: "NAME_NOT_SHARED",
    }[match]
    return PayeeVerification(match=match, code=code, name=name if code == "CLOSE_MATCH" else "")


def _details(account: AccountDetails) -> Mapping[str, str]:
    return canonical_details(account.type, account.details, account.country).details


def _post(api: BankApi, path: str, body: bytes, headers: Mapping[str, str]) -> Mapping[str, Any]:
    return _read(api.submit(path, body=body, content_type=_JSON, headers=headers))


def _read(answer: HttpAnswer | Outcome) -> Mapping[str, Any]:
    if isinstance(answer, Outcome):
        raise ConnectorError(answer.code or "no_answer", "the payee's bank did not answer")
    return read_json(answer.body)


def _verdict(codes: Mapping[str, PayeeMatch], code: str, name: str) -> PayeeVerification:
    match = codes.get(code)
    if match is None:
        raise ConnectorError("answer_unreadable", "an unknown answer to the check of a payee")
    close = match is PayeeMatch.CLOSE_MATCH
    return PayeeVerification(match=match, code=code, name=name[:NAME_MAX] if close else "")
