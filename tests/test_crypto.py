"""Encryption at rest: bound to its row, rotated without loss, found without opening."""

from __future__ import annotations

import base64
import json
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from payouts import beneficiaries, crypto
from payouts.models import BankConnector, BeneficiaryAccount, PayoutAuditLog
from tests.world import IBAN, World

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()


def test_a_value_opens_at_its_place_only() -> None:
    sealed = crypto.seal(b"secret", table="t", column="c", row="1")
    assert crypto.open_sealed(sealed, table="t", column="c", row="1") == b"secret"
    for place in ({"table": "u"}, {"column": "d"}, {"row": "2"}):
        with pytest.raises(crypto.CannotOpen):
            crypto.open_sealed(sealed, **{"table": "t", "column": "c", "row": "1", **place})


@pytest.mark.parametrize("position", range(0, 40, 3))
def test_a_changed_byte_does_not_open(position: int) -> None:
    sealed = bytearray(crypto.seal(b"secret", table="t", column="c", row="1"))
    sealed[position % len(sealed)] ^= 1
    with pytest.raises(crypto.CannotOpen):
        crypto.open_sealed(bytes(sealed), table="t", column="c", row="1")


@pytest.mark.parametrize(
    "text", ["", "k1", "k1:short", f"{OLD},{OLD}", ":" + OLD[4:], "ключ:" + OLD[4:]]
)
def test_a_bad_key_ring_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        crypto.KeyRing.parse(text)


def test_the_number_is_stored_encrypted_and_found_by_its_index(sandbox: World) -> None:
    row = BeneficiaryAccount.objects.get(pk=sandbox.accounts["iban"][1])
    assert IBAN.encode() not in bytes(row.details)
    assert row.last4 == "3000"
    sandbox.pay_to("again", iban="de89 3704 0044 0532 0130 00")
    twin = BeneficiaryAccount.objects.get(pk=sandbox.accounts["again"][1])
    assert bytes(twin.blind_index) == bytes(row.blind_index)
    assert bytes(twin.details) != bytes(row.details)


def test_rotation_reseals_everything_and_nothing_twice(sandbox: World, settings: Any) -> None:
    before = settings.ENCRYPTION_KEYS
    account_id = sandbox.accounts["iban"][1]
    settings.ENCRYPTION_KEYS = f"{NEW},{before}"

    sealed = BeneficiaryAccount.objects.count() + BankConnector.objects.count()
    dry = _rotate("--dry-run")
    assert dry["resealed"] == dry["seen"] == sealed > 4
    assert crypto.key_id(BeneficiaryAccount.objects.get(pk=account_id).details) == "k1"

    assert _rotate()["resealed"] == sealed
    assert _rotate()["resealed"] == 0
    assert PayoutAuditLog.objects.filter(action="keys.rotated").count() == 2  # One for each table.

    settings.ENCRYPTION_KEYS = NEW  # The old key can be thrown away now.
    opened = beneficiaries.open_accounts([account_id])[account_id]
    assert opened.details["iban"] == IBAN
    assert {crypto.key_id(c.credentials) for c in BankConnector.objects.all()} == {"new"}


def test_rotation_without_the_old_key_stops_and_changes_nothing(
    sandbox: World, settings: Any
) -> None:
    settings.ENCRYPTION_KEYS = NEW
    with pytest.raises(CommandError, match="no key 'k1'"):
        _rotate()
    assert {crypto.key_id(a.details) for a in BeneficiaryAccount.objects.all()} == {"k1"}


def _rotate(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("rotate_keys", "--json", *arguments, stdout=out)
    result: dict[str, Any] = json.loads(out.getvalue())
    return result
