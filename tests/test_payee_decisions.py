"""A person's word on a payee is about what that person has seen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from payouts import payee_records, payees
from tests.test_payees import SIMILAR, said
from tests.world import World


def test_nobody_accepts_what_a_bank_says_only_meanwhile(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.pay_to("similar", **SIMILAR)
    payees.ask_waiting()
    beneficiary_id, account_id = sandbox.accounts["similar"]
    accept = payee_records.accept

    def too_late(account: UUID, **how: Any) -> Any:
        new = payee_records.Answer(
            account_id=account, occasion="recheck", bank_connector_id=None, verdict="no_match",
            code="NMTC", asked_name="",
        )  # fmt: skip
        payee_records.record([new], actor=sandbox.operator)
        return accept(account, **how)

    monkeypatch.setattr(payee_records, "accept", too_late)
    tenant_id, actor = sandbox.tenant_id, sandbox.operator
    with pytest.raises(payees.PayoutError, match="stale_version"):
        payees.accept_mismatch(
            beneficiary_id, account_id, tenant_id=tenant_id, actor=actor, reason="close enough"
        )
    assert [row[0] for row in said(sandbox, "similar")] == ["creation"]
