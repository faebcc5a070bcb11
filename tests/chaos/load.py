"""The load: merchants who pay, ask again when nobody answers, and change their minds; operators who help.

Every request is written down before it is sent and after it was answered. A request that got no answer is asked
again under the same key until there is one, as the contract tells a client to do.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.chaos.journal import ClientsLog

ANSWER_S = 8.0
# What says "maybe, ask again": the rest of the 4xx is an answer.
ASK_AGAIN = (409, 429, 500, 502, 503, 504)
FINANCE, TREASURY, MERCHANT = "finance_ops", "treasury_ops", "merchant_admin"
# kind of account -> how often it is paid; the wallets of a bank that cannot recognise a repetition seldom.
KINDS = {
    "iban": 30, "iban_instant": 12, "us_bank": 14, "us_instant": 10, "swift": 7, "uk_bank": 12, "orange": 2,
    "mtn": 6, "wave": 6, "iban_closed": 1, "uk_closed": 2, "iban_once": 2, "iban_back": 2,
}  # fmt: skip
LARGE = {"EUR": 12_000, "USD": 11_500, "GBP": 10_500, "XOF": 6_000_000}


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who is paid, and how."""

    tenant: str
    kind: str
    beneficiary_id: str
    account_id: str
    currency: str
    method: str = "bank_transfer"
    priority: str = "standard"


@dataclass(slots=True)
class Town:
    """What all clients know together."""

    port: int
    log: ClientsLog
    accounts: list[Account]
    stop: threading.Event = field(default_factory=threading.Event)  # Nothing new any more.
    end: threading.Event = field(default_factory=threading.Event)  # Not even answers.
    made: list[tuple[str, str]] = field(default_factory=list)  # Tenant and id of each payout.

    def recent(self, rng: random.Random) -> tuple[str, str] | None:
        known = self.made[-60:]
        return rng.choice(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: what it is for the log, and what it is on the wire."""

    verb: str
    method: str
    path: str
    tenant: str
    role: str
    user: str
    key: str | None = None
    body: Any = None
    payout_id: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    status: int | None
    answer: Any = None


def send(town: Town, client: int, asked: Asked) -> Heard:
    """One request, one answer or none, both written down."""
    known = {name: getattr(asked, name) for name in ClientsLog.FIELDS}
    n = town.log.ask(client, **known)
    try:
        heard = _exchange(town.port, asked)
    except (OSError, http.client.HTTPException, ValueError) as error:
        town.log.heard(client, n, known, error=f"{type(error).__name__}: {error}"[:200])
        return Heard(None)
    town.log.heard(client, n, known, status=heard.status, answer=heard.answer)
    return heard


def _exchange(port: int, asked: Asked) -> Heard:
    headers = {"X-User-Id": asked.user, "X-User-Role": asked.role, "X-Tenant-Id": asked.tenant}
    data = None
    if asked.body is not None:
        data, headers["Content-Type"] = json.dumps(asked.body).encode(), "application/json"
    if asked.key is not None:
        headers["Idempotency-Key"] = asked.key
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        connection.request(asked.method, asked.path, data, headers)
        answer = connection.getresponse()
        return Heard(answer.status, json.loads(answer.read() or b"null"))
    finally:
        connection.close()


class Client(threading.Thread):
    """One merchant's server, with an operator beside it."""

    def __init__(self, number: int, *, seed: int, town: Town, pause_s: float) -> None:
        super().__init__(daemon=True, name=f"client-{number}")
        self.number, self.town, self.pause_s = number, town, pause_s
        self.rng = random.Random(f"client {number} of {seed}")
        self.user = self._uuid()
        self.operator = self._uuid()
        self.said: list[Asked] = []  # Creates that had an answer, to be repeated later.
        self.races: list[threading.Thread] = []

    def run(self) -> None:
        acts = {
            self.pay: 50, self.repeat: 7, self.look: 9, self.list_some: 4, self.ask_balances: 3,
            self.put_money_in: 3, self.pay_many: 6, self.change_mind: 9, self.help_dead: 4, self.pay_large: 3,
            self.pay_too_much: 1,
        }  # fmt: skip
        while not self.town.stop.is_set():
            (act,) = self.rng.choices(list(acts), weights=list(acts.values()))
            act()
            self.town.stop.wait(self.rng.uniform(0, 2 * self.pause_s))
        for race in self.races:
            race.join(2 * ANSWER_S)

    # --- acts -----------------------------------------------------------------------------------------

    def pay(self) -> None:
        asked = self._create(self._account(), self._amount())
        payout_id = self._insist_on_payout(asked)
        if payout_id and self.rng.random() < 0.15:
            self._race(asked.tenant, payout_id)

    def repeat(self) -> None:
        """The same request under the same key, long after it was answered."""
        if self.said:
            self._insist_on_payout(self.rng.choice(self.said))

    def look(self) -> None:
        if found := self.town.recent(self.rng):
            self.send("get", "GET", f"/api/payouts/{found[1]}", found[0], payout_id=found[1])

    def list_some(self) -> None:
        query = self.rng.choice(["", "&status=settled", "&status=in_doubt", "&status=dlq"])
        self.send("list", "GET", f"/api/payouts?limit=20{query}", self._tenant())

    def ask_balances(self) -> None:
        self.send("balances", "GET", "/api/ledger/balances", self._tenant())

    def put_money_in(self) -> None:
        tenant = self._tenant()
        body = {
            "tenantId": tenant,
            "amount": str(self.rng.randint(10, 500)),
            "currency": self.rng.choice(["USD", "EUR", "GBP"]),
            "reference": f"chaos-{self._uuid()}",
        }
        path = "/api/ledger/deposits"
        asked = self._asked("deposit", "POST", path, tenant, role=TREASURY, body=body)
        self.insist(asked)

    def pay_many(self) -> None:
        account = self._account()
        same = [one for one in self.town.accounts if one.tenant == account.tenant]
        items = [
            {**self._body(self.rng.choice(same), self._amount()), "idempotencyKey": self._uuid()}
            for _ in range(self.rng.randint(3, 8))
        ]
        asked = self._asked(
            "bulk", "POST", "/api/payouts/bulk", account.tenant, body={"payouts": items}
        )
        heard = self.insist(asked)
        if heard.status == 200:
            made = [item["payout"]["id"] for item in heard.answer["results"] if "payout" in item]
            self.town.made += [(account.tenant, payout_id) for payout_id in made]

    def change_mind(self) -> None:
        if found := self.town.recent(self.rng):
            self._race(*found)

    def help_dead(self) -> None:
        """What an operator does with payouts that wait for somebody."""
        tenant = self._tenant()
        heard = self.send("list", "GET", "/api/payouts?status=dlq&limit=20", tenant, role=FINANCE)
        waiting = heard.answer["payouts"] if heard.status == 200 else []
        for payout in waiting[:3]:
            self._operate("retry", tenant, payout["id"], {"reason": "looked at"})

    def pay_large(self) -> None:
        """Waits for a second person, who comes soon, or at the end."""
        account = self._account(("iban", "us_bank", "uk_bank"))
        asked = self._create(account, str(LARGE[account.currency] + self.rng.randint(1, 99)))
        payout_id = self._insist_on_payout(asked)
        if payout_id and self.rng.random() < 0.8:
            self._operate("approve", account.tenant, payout_id, None)

    def pay_too_much(self) -> None:
        self._insist_on_payout(self._create(self._account(("iban", "us_bank")), "99000000"))

    def pay_to(self, account: Account) -> str | None:
        """One payout, whatever the answer takes."""
        return self._insist_on_payout(self._create(account, self._amount()))

    # --- what acts are made of --------------------------------------------------------------------------

    def send(self, verb: str, method: str, path: str, tenant: str, **more: Any) -> Heard:
        return send(self.town, self.number, self._asked(verb, method, path, tenant, **more))

    def insist(self, asked: Asked) -> Heard:
        """Ask until there is an answer, with the same key and the same body."""
        while True:
            heard = send(self.town, self.number, asked)
            if heard.status is not None and heard.status not in ASK_AGAIN:
                return heard
            if self.town.end.wait(self.rng.uniform(0.1, 0.6)):
                return heard

    def _insist_on_payout(self, asked: Asked) -> str | None:
        heard = self.insist(asked)
        if heard.status not in (200, 201):
            return None
        payout_id: str = heard.answer["payout"]["id"]
        if heard.status == 201 or (asked.tenant, payout_id) not in self.town.made:
            self.town.made.append((asked.tenant, payout_id))
        self.said = [*self.said[-30:], asked]
        return payout_id

    def _race(self, tenant: str, payout_id: str) -> None:
        """Cancel, alone or twice at once, while the payout may be on its way to a bank."""
        key = self._uuid() if self.rng.random() < 0.5 else None
        delay_s = self.rng.uniform(0, 1.5)
        verbs = self.rng.choice([["cancel"], ["cancel", "cancel"], ["cancel", "retry"]])

        def run(verb: str) -> None:
            time.sleep(delay_s)
            self._operate(verb, tenant, payout_id, {"reason": "changed my mind"}, key=key)

        self.races = [race for race in self.races if race.is_alive()]
        for verb in verbs:
            race = threading.Thread(target=run, args=(verb,), daemon=True)
            self.races.append(race)
            race.start()

    def _operate(
        self, verb: str, tenant: str, payout_id: str, body: Any, *, key: str | None = None
    ) -> Heard:
        path = f"/api/payouts/{payout_id}/{verb}"
        return self.send(
            verb, "POST", path, tenant, role=FINANCE, body=body, key=key, payout_id=payout_id
        )

    def _create(self, account: Account, amount: str) -> Asked:
        body = self._body(account, amount)
        return self._asked(
            "create", "POST", "/api/payouts", account.tenant, body=body, key=self._uuid()
        )

    def _body(self, account: Account, amount: str) -> dict[str, Any]:
        return {
            "originModule": "connect", "originEntityType": "merchant", "originEntityId": account.tenant,
            "beneficiaryType": "user", "beneficiaryId": account.beneficiary_id,
            "beneficiaryAccountId": account.account_id,
            "amount": amount if account.currency != "XOF" else amount.partition(".")[0] + "00",
            "currency": account.currency, "payoutMethod": account.method, "priority": account.priority,
            "description": "Weekly settlement", "metadata": {"client": self.number},
        }  # fmt: skip

    def _asked(self, verb: str, method: str, path: str, tenant: str, **more: Any) -> Asked:
        role = more.pop("role", MERCHANT)
        user = self.user if role == MERCHANT else self.operator
        return Asked(
            verb=verb, method=method, path=path, tenant=tenant, role=role, user=user, **more
        )

    def _account(self, kinds: tuple[str, ...] = tuple(KINDS)) -> Account:
        among = [account for account in self.town.accounts if account.kind in kinds]
        return self.rng.choices(among, weights=[KINDS[account.kind] for account in among])[0]

    def _amount(self) -> str:
        return f"{self.rng.randint(1, 300)}.{self.rng.randint(0, 99):02d}"

    def _tenant(self) -> str:
        return self.rng.choice(self.town.accounts).tenant

    def _uuid(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))
