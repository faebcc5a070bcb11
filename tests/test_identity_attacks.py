"""Who may pretend to be whom: nobody. Attacks on identity, each named after its place in the list of attacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import os
import time
from typing import Any
from uuid import uuid4

import pytest

from payouts.api import keyset
from tests import molam_id
from tests.api_client import Api, create, payout_body, snapshot
from tests.molam_id import ask, claims, ec_key, nobody, pem, public, raw, raw_signed, rsa_key, token
from tests.test_api_roles import PATHS, TABLE
from tests.world import World


def test_R01_without_credentials_every_address_is_closed(sandbox: World) -> None:
    payout_id = create(sandbox)
    before = snapshot()
    for name, row in TABLE.items():
        for method in row:
            path = PATHS[name].replace("{id}", payout_id)
            answer = Api(None).send(method, path, {}, identity=False)
            assert (answer.status, answer.code) == (401, "unauthenticated"), name
    assert snapshot() == before


def test_R02_bare_headers_at_the_application_are_nobody(sandbox: World, settings: Any) -> None:
    settings.TRUST_GATEWAY_HEADERS = False
    for role in ("merchant_admin", "finance_ops", "treasury_ops", "billing_ops", "system"):
        answer = Api(sandbox.tenant_id, role).get("/api/payouts")
        assert (answer.status, answer.code) == (401, "unauthenticated")


def test_R03_beside_a_token_headers_say_nothing(sandbox: World, trusted: Any) -> None:
    create(sandbox)
    mine = token(claims(role="merchant_admin", tenant_id=str(uuid4())))
    operator = Api(sandbox.tenant_id, "finance_ops").headers()
    claimed = {"X_User_Role": operator["X-User-Role"], "X_User_Id": operator["X-User-Id"]}
    assert ask(mine, **claimed).body["payouts"] == []
    nobody(mine, **claimed, X_Tenant_Id=str(sandbox.tenant_id))
    # A token that is not good is nobody, whoever the headers name; so is any other scheme.
    for credentials in (
        "Bearer x",
        "Basic eDp4",
        "Bearer",
        "bearer  ",
        "Token x",
        f"Bearer {mine},Bearer {mine}",
    ):
        answer = Api(sandbox.tenant_id).get("/api/payouts", Authorization=credentials)
        assert (answer.status, answer.code) == (401, "unauthenticated")


def test_an_operator_names_one_merchant_beside_the_token_and_a_merchant_never(
    sandbox: World, trusted: Any
) -> None:
    create(sandbox)
    everywhere = token(claims(role="finance_ops"))
    assert ask(everywhere).body["total"] == 1
    assert ask(everywhere, X_Tenant_Id=str(sandbox.tenant_id)).body["total"] == 1
    assert ask(everywhere, X_Tenant_Id=str(uuid4())).body["total"] == 0
    nobody(everywhere, X_Tenant_Id="*")
    nobody(token(claims(role="merchant_admin")), X_Tenant_Id=str(sandbox.tenant_id))


@pytest.mark.parametrize("role", ["merchant_admin", "finance_ops"])
def test_R06_without_a_role_nobody_has_one(db: None, trusted: Any, role: str) -> None:
    """As when a proxy was told to take the header away."""
    caller = Api(uuid4(), role)
    headers = {name: value for name, value in caller.headers().items() if name != "X-User-Role"}
    answer = caller.send("GET", "/api/payouts", headers=headers, identity=False)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    nobody(token(claims(role=...)))


@pytest.mark.parametrize(
    "role", ["FINANCE_OPS", "finance_ops ", "finance-ops", "*", "", "null", None, 1, True, ["finance_ops"],
             {"finance_ops": 1}, "merchant_admin,finance_ops", "finance_ops finance_ops"]
)  # fmt: skip
def test_R07_a_role_is_one_known_word(db: None, trusted: Any, role: Any) -> None:
    nobody(token(claims(role=role, tenant_id=str(uuid4()))))


def test_a_workload_is_the_system_by_its_token(db: None, trusted: Any) -> None:
    """R32: never by a bare header."""
    assert ask(token(claims(role="system"))).code == "forbidden"  # Known, and not for lists.
    assert Api(None, "system").get("/api/payouts").code == "unauthenticated"


def _forged() -> dict[str, str]:
    good, header = claims(), {"alg": "none", "kid": "one", "typ": "at+jwt"}
    head, body, signature = token(good).split(".")
    mine = public(rsa_key("mine"), "one")
    key = rsa_key("mine")
    return {
        "alg none": raw(header, good),
        "alg None": raw({**header, "alg": "None"}, good),
        "no alg": raw({"kid": "one", "typ": "at+jwt"}, good),
        "signature cut off": f"{head}.{body}.",
        "signature of another": f"{head}.{token(claims()).split('.')[1]}.{signature}",
        "unknown kid": token(header={"kid": "nobody"}),
        "no kid": token(header={"kid": ...}),
        "kid is a path": token(header={"kid": "../../etc/passwd"}, key=key),
        "kid is SQL": token(header={"kid": "' OR 1=1 --"}, key=key),
        "kid is a list": raw({**header, "alg": "RS256", "kid": ["one"]}, good),
        "another key under a known kid": token(key=key),
        "jku": token(key=key, header={"jku": "http://127.0.0.1:1/keys"}),
        "x5u": token(key=key, header={"x5u": "http://127.0.0.1:1/cert"}),
        "jwk": token(key=key, header={"jwk": mine}),
        "jku beside a good signature": token(header={"jku": "http://127.0.0.1:1/keys"}),
        "jwk beside a good signature": token(header={"jwk": mine}),
        "crit": token(header={"crit": ["x"], "x": 1}),
    }


def test_R09_a_token_does_not_say_how_it_is_checked(db: None, trusted: Any) -> None:
    for what, forged in _forged().items():
        assert ask(forged).status == 401, what
        nobody(forged)


def test_R09_a_public_key_is_no_secret(db: None, trusted: Any) -> None:
    header = {"alg": "HS256", "kid": "one", "typ": "at+jwt"}
    for secret in (pem(rsa_key("one")), trusted.MOLAM_ID_JWKS.encode(), b""):
        signing = raw(header, claims()).rpartition(".")[0]
        proof = hmac.new(secret, signing.encode(), hashlib.sha256).digest()
        nobody(signing + "." + base64.urlsafe_b64encode(proof).rstrip(b"=").decode())


def test_R10_a_token_is_good_for_a_short_time(db: None, trusted: Any) -> None:
    now = int(time.time())
    assert ask(token(claims(nbf=now - 5, exp=now + 3600, iat=now))).status == 200
    for changes in (
        {"exp": ...}, {"iat": ...}, {"exp": 10**22}, {"exp": now - 60}, {"exp": now + 86_400}, {"exp": str(now + 60)},
        {"exp": True}, {"exp": None}, {"exp": math.inf}, {"exp": math.nan}, {"exp": -1}, {"exp": [now + 60]},
        {"nbf": now + 600}, {"nbf": "now"}, {"nbf": None}, {"iat": now + 600, "exp": now + 900},
        {"iat": now - 86_400}, {"iat": -(10**22)}, {"iat": now + 20, "exp": now + 10}, {"iat": str(now)},
    ):  # fmt: skip
        assert ask(raw_signed(claims(**changes))).status == 401, changes


@pytest.mark.parametrize(
    "issuer",
    [..., "", "https://id.molam", molam_id.ISSUER + "/", molam_id.ISSUER.upper(), [molam_id.ISSUER], None, 1,
     "https://evil.example", molam_id.ISSUER + ".evil.example"],
)  # fmt: skip
def test_R11_the_issuer_is_ours_to_the_letter(db: None, trusted: Any, issuer: Any) -> None:
    nobody(raw_signed(claims(iss=issuer)))


@pytest.mark.parametrize(
    "audience",
    [..., "", "ledger", ["ledger"], ["payouts", "ledger"], [], "pay", "payouts ledger", None, 1, {"payouts": 1}],
)  # fmt: skip
def test_R12_a_token_for_another_service_is_not_for_us(
    db: None, trusted: Any, audience: Any
) -> None:
    nobody(raw_signed(claims(aud=audience)))


@pytest.mark.parametrize(
    "kind", [..., "JWT", "id+jwt", "rt+jwt", "at", "at+jwt ", "application/jwt", "secevent+jwt"]
)
def test_R13_only_an_access_token_is_one(db: None, trusted: Any, kind: Any) -> None:
    nobody(token(header={"typ": kind}))


def test_R14_an_algorithm_that_is_not_named_in_settings_opens_nothing(
    db: None, trusted: Any
) -> None:
    for algorithm in ("RS384", "RS512", "PS256"):
        nobody(token(algorithm=algorithm))
    nobody(token(key=ec_key("two"), algorithm="ES256"))  # under the other key's name
    nobody(token(header={"kid": "two"}))
    keyset.forget()
    trusted.MOLAM_ID_ALGORITHMS = ("ES256",)
    nobody(token())


def test_a_user_or_a_tenant_that_is_no_uuid_is_nobody(db: None, trusted: Any) -> None:
    for name in ("sub", "tenant_id"):
        for value in (
            "me",
            "1",
            str(uuid4())[:-1],
            uuid4().hex,
            "{" + str(uuid4()) + "}",
            7,
            ["x"],
            {},
        ):
            nobody(raw_signed(claims(**{name: value})))
    nobody(raw_signed(claims(sub=...)))
    nobody(raw_signed(claims(sub=None)))


def test_no_bytes_in_the_header_break_anything(db: None, trusted: Any) -> None:
    """B103; a payload that is signed and still no claims, too."""
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).rstrip(b"=").decode()
    good = token()
    for credentials in (
        "", ".", "..", "...", "x.y.z", good[:-1], good + "=", good + "." + good, good.replace(".", "", 1),
        deep + ".e30.x",
        "\u00e9.\u00e9.\u00e9", "x" * 100_000, "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA", "W10.W10.W10", "\x00", "%s%s",
    ):  # fmt: skip
        nobody(credentials)
    for payload in (
        b"",
        b"null",
        b"[]",
        b"7",
        b"{",
        b"[" * 3000,
        b"\xff",
        b'{"exp": 1e999}',
        b'{"iss": 1, "iss": 2}',
    ):
        nobody(raw_signed(payload))
    many = claims(**{f"claim{n}": "x" for n in range(1000)})
    nobody(token(many))
    for _ in range(50):
        nobody(base64.urlsafe_b64encode(os.urandom(200)).decode() + ".e30.AA")


def test_without_molam_id_no_token_is_good(db: None, settings: Any) -> None:
    nobody(token())


# --- Another merchant's things, asked for with a good token -------------------------------------------


def test_R17_to_R21_a_good_token_opens_nothing_of_another_merchant(
    sandbox: World, trusted: Any
) -> None:
    payout_id = create(sandbox, key="theirs")
    stranger = uuid4()
    bearer = {
        "Authorization": f"Bearer {token(claims(role='merchant_admin', tenant_id=str(stranger)))}"
    }
    operator = {"Authorization": f"Bearer {token(claims(tenant_id=str(stranger)))}"}
    caller = Api(None)

    def status(method: str, path: str, headers: dict[str, str], body: Any = b"") -> tuple[int, str]:
        answer = caller.send(method, path, body, headers=headers, identity=False)
        return answer.status, answer.body.get("code", "")

    before = snapshot()
    for headers in (bearer, operator):
        assert status("GET", f"/api/payouts/{payout_id}", headers) == (404, "not_found")
    for verb in ("cancel", "retry", "approve"):
        path = f"/api/payouts/{payout_id}/{verb}"
        body = {"reason": "mine now"} if verb == "cancel" else b""
        assert status("POST", path, bearer, body) == (403, "forbidden")
        assert status("POST", path, operator, body) == (404, "not_found")
    path = f"/api/payouts?tenant_id={sandbox.tenant_id}"
    assert status("GET", path, bearer) == (422, "unknown_parameter")
    named = {**bearer, "X-Tenant-Id": str(sandbox.tenant_id)}
    assert status("GET", "/api/payouts", named) == (401, "unauthenticated")
    theirs = payout_body(
        sandbox, originEntityId=str(stranger)
    )  # R20: their beneficiary, R21: their key
    created = {**bearer, "Idempotency-Key": "theirs"}
    assert status("POST", "/api/payouts", created, theirs) == (404, "beneficiary_not_found")
    assert snapshot() == before
