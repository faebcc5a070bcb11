"""What the load scripts send is what the API takes."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from tests.api_client import Api
from tests.running_engine import ROOT
from tests.world import World

K6 = (ROOT / "tests" / "load" / "create_payouts.js").read_text()
LOCUST = (ROOT / "tests" / "load" / "locustfile.py").read_text()


def k6_object(start: str, names: dict[str, str]) -> dict[str, Any]:
    """An object literal of the script as JSON, its variables replaced."""
    body = re.search(re.escape(start) + r"(\{.*?\n  \});?\n", K6, re.DOTALL)
    assert body is not None, start
    text = re.sub(r"(?<=[{,\n ])(\w+):(?= )", r'"\1":', body[1])
    text = re.sub(r"(?<=: )([A-Za-z][\w.]*)(?=,|\n)", lambda m: json.dumps(names[m[1]]), text)
    found: dict[str, Any] = json.loads(re.sub(r",(?=\s*\})", "", text))
    return found


def locust_dict(name: str, names: dict[str, str]) -> dict[str, Any]:
    """A dictionary that the script assigns or returns under this name, its expressions replaced."""

    class Known(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            text = ast.unparse(node) if isinstance(node, ast.expr) else ""
            return ast.Constant(names[text]) if text in names else super().visit(node)

    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse(LOCUST)):
        match node:
            case ast.Assign(targets=[ast.Name(id=assigned)], value=value) if assigned == name:
                found = ast.literal_eval(Known().visit(value))
            case ast.FunctionDef(name=defined, body=[ast.Return(value=ast.Dict() as value)]) if (
                defined == name
            ):
                found = ast.literal_eval(Known().visit(value))
    assert found, name
    return found


@pytest.mark.parametrize("script", ["k6", "locust"])
def test_the_request_of_a_load_script_makes_a_payout(sandbox: World, script: str) -> None:
    tenant = str(sandbox.tenant_id)
    user = re.search(r'USER_ID = "([\w-]+)"', K6)
    assert user is not None
    names = {"TENANT_ID": tenant, "USER_ID": user[1], "key": "load-1"}
    if script == "k6":
        headers = k6_object("return ", names)
        wish = k6_object("const wish = ", names)
    else:
        headers = locust_dict("headers", names)
        wish = locust_dict("wish", names)
    anybody = Api(None)

    def post(path: str, body: dict[str, Any], key: str) -> Any:
        sent = {k: v for k, v in headers.items() if k != "Content-Type"} | {"Idempotency-Key": key}
        return anybody.send("POST", path, body, headers=sent, identity=False)

    made = post("/api/beneficiaries", wish, "setup")
    assert made.status == 201, made.body
    payee = made.body["beneficiary"]
    names |= {
        "payee.beneficiaryId": payee["id"], "payee.beneficiaryAccountId": payee["accounts"][0]["id"],
        "self.payee['id']": payee["id"], "self.payee['accounts'][0]['id']": payee["accounts"][0]["id"],
    }  # fmt: skip
    payout = k6_object("const payout = ", names) if script == "k6" else locust_dict("payout", names)
    answer = post("/api/payouts", payout, "load-1")
    assert (answer.status, answer.body["payout"]["status"]) == (201, "pending")


def test_the_scenario_rises_to_a_thousand_requests_a_second_and_has_thresholds() -> None:
    assert "__ENV.RATE || 1000" in K6
    assert "ramping-arrival-rate" in K6
    assert re.search(r"http_req_failed: \[\"rate<", K6)
    assert "r.status === 201" in K6
    assert 'os.environ.get("RATE", "1000")' in LOCUST
