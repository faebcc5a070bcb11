"""The workbench as people use it: a real browser against a running engine.

An operator signs in, reads why a payout needs a person, retries it with a reason and sees it settle. Every page
is looked at as well: no scrolling sideways, the next action in sight, nothing from a foreign host, no error of
a script, no violation of WCAG 2 A or AA. The run leaves a picture of each page in its state directory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests import world
from tests.running_engine import Running
from tests.test_processes import example

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("engine")]

CHROMIUM = Path("/usr/bin/chromium")
REASON = "The bank confirmed the account"
PATIENCE = 60_000  # ms; two cores serve the engine, the browser and the other tests
PAGES = {
    "overview": "/admin/",
    "payouts": "/admin/payouts/payout/",
    "needs-a-person": "/admin/payouts/payout/needs-a-person/",
    "alerts": "/admin/payouts/payoutalert/?resolved__exact=0",
    "banks": "/admin/payouts/bankconnector/",
    "batches": "/admin/payouts/payoutbatch/",
    "service-levels": "/admin/payouts/payoutslarule/",
    "audit-log": "/admin/payouts/payoutauditlog/",
}


@dataclass
class Desk:
    """A person at a browser, and what went wrong in it."""

    engine: Running
    page: Page
    wrong: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.engine.port}"

    def watch(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        note = self.wrong.append
        self.page.on("console", lambda m: note(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: note(str(error)))
        self.page.on("request", lambda r: None if self.is_ours(r.url) else note(r.url))

    def is_ours(self, url: str) -> bool:
        return url.startswith((self.base, "data:", "blob:"))

    def sign_in(self, name: str) -> None:
        secrets = json.loads((self.engine.state / "secrets.json").read_text())
        self.page.goto(f"{self.base}/admin/login/?next=/admin/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", secrets["DEMO_PASSWORD"])
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("#nav-sidebar")

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def look(self, name: str, *, next_action: str = "") -> None:
        """A picture, and what must hold on every page."""
        pictures = self.engine.state / "pictures"
        pictures.mkdir(exist_ok=True)
        self.page.screenshot(path=pictures / f"{name}.png", full_page=True)
        wide, shown = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= shown, f"{name} scrolls sideways"
        if next_action:
            expect(self.page.locator(next_action).first).to_be_in_viewport()
        found = Axe().run(self.page, options={"runOnly": ["wcag2a", "wcag2aa"]})
        told = [(v["id"], v["nodes"][0]["html"][:120]) for v in found.response["violations"]]
        assert told == [], name
        assert self.wrong == [], name


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def desk(chromium: Browser, engine: Running, name: str) -> Iterator[Desk]:
    context: BrowserContext = chromium.new_context(viewport={"width": 1280, "height": 800})
    seat = Desk(engine, context.new_page())
    seat.watch()
    seat.sign_in(name)
    yield seat
    context.close()


@pytest.fixture(scope="module")
def operator(chromium: Browser, engine: Running) -> Iterator[Desk]:
    yield from desk(chromium, engine, "finance")


@pytest.fixture(scope="module")
def reader(chromium: Browser, engine: Running) -> Iterator[Desk]:
    yield from desk(chromium, engine, "billing")


def until(done: Any, *, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)


def status(engine: Running, payout_id: str) -> str:
    (row,) = engine.query("SELECT status FROM payouts WHERE id = %s", payout_id)
    return str(row[0])


@pytest.fixture(scope="module")
def dead(engine: Running) -> str:
    """A payout that the bank refused with a code that a person has to look at, and its alert."""
    bank = world.Bank(engine.bank_port)
    bank.fault("reject", rail="sepa", code="BE01", count=1)
    body = example(engine, "iban") | {"amount": "1234.56"}
    payout_id = str(engine.merchant.call("POST", "/api/payouts", body).body["payout"]["id"])
    until(lambda: status(engine, payout_id) == "dlq")
    bank.heal()
    return payout_id


# --- an operator's day --------------------------------------------------------------------------------------


def test_an_operator_reads_why_retries_with_a_reason_and_sees_it_settle(
    operator: Desk, engine: Running, dead: str
) -> None:
    operator.open(PAGES["needs-a-person"])
    operator.look("needs-a-person", next_action="td.ops-buttons a")
    expect(operator.page.locator("#content")).to_contain_text("The name does not fit the account")
    operator.open(f"/admin/payouts/payout/?q={dead[:13]}&status=dlq")
    operator.page.locator(f'a[href*="{dead}"]').first.click()
    expect(operator.page.locator(".ops-next")).to_contain_text("Compare the name")
    operator.look("payout-needs-a-person", next_action="[data-dialog=act-retry]")
    operator.page.click("[data-dialog=act-retry]")
    box = operator.page.locator("dialog[open]")
    expect(box).to_contain_text("1,234.56")
    operator.look("dialog", next_action="dialog[open] button[type=submit]")
    box.locator("button[type=submit]").click()  # Without a reason the browser sends nothing.
    assert status(engine, dead) == "dlq"
    box.locator("[name=reason]").fill(REASON)
    box.locator("button[type=submit]").click()
    expect(operator.page.locator("body")).to_contain_text("Retried: due now.")
    until(lambda: status(engine, dead) in ("sent", "settled"))
    for _ in range(6):  # Past a weekend and its holidays, day by day.
        if status(engine, dead) == "settled":
            break
        world.Bank(engine.bank_port).advance(days=1)
        time.sleep(3)
    until(lambda: status(engine, dead) == "settled")
    operator.page.reload()
    expect(operator.page.locator(".ops-head")).to_contain_text("settled")
    expect(operator.page.locator("#content")).to_contain_text(REASON)
    operator.look("payout-settled")


def test_an_operator_resolves_an_alert(operator: Desk, engine: Running) -> None:
    def alerts(resolved: bool) -> list[Any]:
        return engine.query("SELECT id::text FROM payout_alerts WHERE resolved = %s", resolved)

    until(lambda: alerts(False) or alerts(True), seconds=90)
    # The rule resolves a dead payout's alert itself once it is retried: an alert of another kind stays.
    made = engine.query(
        "INSERT INTO payout_alerts (id, alert_type, severity, message, dedupe_key, resolved, resolved_by,"
        " resolution) VALUES (gen_random_uuid(), 'unreadable_document', 'high', 'camt.054: not XML',"
        " 'unreadable_document:browser', false, '', '') RETURNING id::text"
    )[0][0]
    operator.open(PAGES["alerts"])
    operator.look("alerts", next_action=f'a[href*="{made}"]')
    operator.page.locator(f'a[href*="{made}"]').first.click()
    operator.page.click("[data-dialog=act-resolve]")
    operator.page.fill("dialog[open] [name=reason]", "The bank sends the document again")
    operator.page.click("dialog[open] button[type=submit]")
    expect(operator.page.locator("body")).to_contain_text("Resolved:")
    row = engine.query("SELECT resolved, resolved_by FROM payout_alerts WHERE id = %s", made)
    assert row == [(True, "user:finance")]


def test_billing_may_look_and_not_touch(reader: Desk, engine: Running, dead: str) -> None:
    reader.open(f"/admin/payouts/payout/{dead}/change/")
    expect(reader.page.locator(".ops-head")).to_contain_text("1,234.56")
    assert reader.page.locator("[data-dialog], button.ops-button, .ops-bulk").count() == 0
    cookies = {c["name"]: c["value"] for c in reader.page.context.cookies()}
    forged = reader.page.request.post(
        f"{reader.base}/admin/payouts/payout/act/cancel/",
        form={"ids": dead, "reason": REASON, "csrfmiddlewaretoken": cookies["csrftoken"]},
        headers={"Referer": reader.base},
    )
    assert forged.status == 403
    assert status(engine, dead) != "cancelled"


@pytest.mark.parametrize("name", ["overview", "payouts", "banks"])
def test_a_page_is_whole_at_first_sight(operator: Desk, dead: str, name: str) -> None:
    operator.open(PAGES[name])
    operator.look(name, next_action={"banks": ".ops-row-link"}.get(name, "#content a"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["batches", "service-levels", "audit-log"])
def test_every_other_page_is_whole_too(operator: Desk, name: str) -> None:
    operator.open(PAGES[name])
    operator.look(name)
