"""Access tokens of Molam ID that are believed, and where the keys come from that prove them."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from payouts.api import keyset
from tests import molam_id
from tests.api_client import create
from tests.molam_id import Place, ask, claims, ec_key, nobody, public, rsa_key, token
from tests.world import World


def test_a_token_of_molam_id_is_believed(sandbox: World, trusted: Any) -> None:
    """S16: user, tenant and role come from its claims."""
    payout_id = create(sandbox)
    tenant = str(sandbox.tenant_id)
    for good in (
        token(claims(role="merchant_admin", tenant_id=tenant)),
        token(claims(role="merchant_admin", tenant_id=tenant), key=ec_key("two"), algorithm="ES256",
              header={"kid": "two"}),
        token(claims(aud=[molam_id.AUDIENCE])),
        token(header={"typ": "application/AT+JWT"}),
    ):  # fmt: skip
        listed = ask(good).body["payouts"]
        assert [p["id"] for p in listed] == [payout_id]
    assert ask(token(claims(role="merchant_admin", tenant_id=str(uuid4())))).body["payouts"] == []


def test_the_names_of_claims_are_settings(db: None, trusted: Any) -> None:
    trusted.MOLAM_ID_ROLE_CLAIM = "https://molam.example/role"
    assert ask(token(claims(**{"https://molam.example/role": "billing_ops"}))).status == 200
    nobody(token(claims(**{"https://molam.example/role": ...})))


def test_keys_come_over_http_and_are_fetched_again_when_one_is_unknown(
    db: None, place: Place, settings: Any
) -> None:
    assert ask(token()).status == 200
    assert ask(token()).status == 200
    assert place.asked == 1
    fresh = rsa_key("three")
    nobody(token(key=fresh, header={"kid": "three"}))  # Too soon to ask again.
    assert place.asked == 1
    settings.MOLAM_ID_REFETCH_S = 0
    place.keys = [public(fresh, "three")]
    assert ask(token(key=fresh, header={"kid": "three"})).status == 200
    nobody(token())  # A key that was withdrawn opens nothing any more.
    settings.MOLAM_ID_REFETCH_S = 3600
    before = place.asked
    for _ in range(20):
        nobody(token(header={"kid": str(uuid4())}))
    assert place.asked == before


def test_a_key_set_that_does_not_come_is_waited_for_briefly(
    db: None, place: Place, settings: Any
) -> None:
    good = token()
    settings.MOLAM_ID_DEADLINE_S = settings.MOLAM_ID_REFETCH_S = 0.2
    place.delay_s = 60
    started = time.monotonic()
    assert ask(good).status == 503  # Nobody can tell whether it is good.
    assert time.monotonic() - started < 30
    settings.MOLAM_ID_DEADLINE_S = 30
    place.delay_s, place.status = 0, 302
    time.sleep(0.25)
    assert ask(good).status == 503  # A key set does not move.
    place.status = 200
    time.sleep(0.25)
    assert ask(good).status == 200
    place.status, settings.MOLAM_ID_CACHE_S = 500, 0
    time.sleep(0.25)
    assert ask(good).status == 200  # The last one holds on for a while
    settings.MOLAM_ID_STALE_S = 0.1
    assert ask(good).status == 503  # and not for ever.


def test_a_key_set_may_be_a_file(db: None, trusted: Any, tmp_path: Any) -> None:
    file = tmp_path / "keys.json"
    file.write_text(trusted.MOLAM_ID_JWKS)
    trusted.MOLAM_ID_JWKS = str(file)
    assert ask(token()).status == 200


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": 3}', b"<html>", b"[" * 9000, b"\xff"]
)
def test_what_is_no_key_set_is_a_key_set_that_did_not_come(
    db: None, trusted: Any, tmp_path: Any, document: bytes
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(document)
    trusted.MOLAM_ID_JWKS = str(file)
    assert ask(token()).status == 503


def test_keys_that_prove_nothing_are_left_out() -> None:
    one = public(rsa_key("one"), "one")
    useless = [
        {**one, "use": "enc"}, {**one, "alg": "RS512"}, {**one, "kid": 7}, {**one, "n": "AQAB"}, {**one, "d": "AA"},
        public(rsa_key("short", 1024), "short"), {"kty": "oct", "k": "c2VjcmV0", "kid": "one"}, {"kty": "RSA"},
        {"kty": "EC", "crv": "P-384", "kid": "one"}, "one", None, 1,
    ]  # fmt: skip
    document = json.dumps({"keys": useless}).encode()
    assert keyset.read_keys(document, ("RS256", "ES256")) == {}
    document = json.dumps({"keys": [*useless, one]}).encode()
    assert set(keyset.read_keys(document, ("RS256", "ES256"))) == {("one", "RS256")}
