// Creates payouts at a rate that rises to 1,000 requests a second.
//
//   k6 run tests/load/create_payouts.js            against ./dev up on this machine
//   k6 run -e BASE_URL=… -e TENANT_ID=… -e BENEFICIARY_ID=… -e ACCOUNT_ID=… -e RATE=200 tests/load/create_payouts.js
//
// Every request has a key of its own, so every answer must be 201. The beneficiary is made in setup() unless named.
// tests/test_load_scripts.py sends this very request to the API.
import http from "k6/http";
import { check, fail } from "k6";

const BASE_URL = __ENV.BASE_URL || "http://127.0.0.1:8000";
const TENANT_ID = __ENV.TENANT_ID || "11111111-1111-4111-8111-111111111111";
const USER_ID = "99999999-9999-4999-8999-999999999999";
const RATE = Number(__ENV.RATE || 1000);

export const options = {
  scenarios: {
    create_payouts: {
      executor: "ramping-arrival-rate", // Open: a slow answer does not slow the requests down.
      startRate: Math.ceil(RATE / 20),
      timeUnit: "1s",
      preAllocatedVUs: 200,
      maxVUs: 2000,
      stages: [
        { target: Math.ceil(RATE / 10), duration: "20s" },
        { target: Math.ceil(RATE / 2), duration: "40s" },
        { target: RATE, duration: "60s" },
        { target: RATE, duration: "60s" },
        { target: 0, duration: "10s" },
      ],
    },
  },
  thresholds: {
    http_req_failed: ["rate<0.001"],
    checks: ["rate>0.999"],
    "http_req_duration{expected_response:true}": ["p(95)<300", "p(99)<600"],
    dropped_iterations: ["count==0"],
  },
};

function headers(key) {
  return {
    "Content-Type": "application/json",
    "X-User-Id": USER_ID,
    "X-Tenant-Id": TENANT_ID,
    "X-User-Role": "merchant_admin",
    "Idempotency-Key": key,
  };
}

export function setup() {
  if (__ENV.BENEFICIARY_ID && __ENV.ACCOUNT_ID) {
    return { beneficiaryId: __ENV.BENEFICIARY_ID, beneficiaryAccountId: __ENV.ACCOUNT_ID };
  }
  const wish = {
    name: "Anna Schmidt",
    beneficiaryType: "user",
    country: "DE",
    account: { type: "iban", currency: "EUR", iban: "DE89370400440532013000" },
  };
  const made = http.post(`${BASE_URL}/api/beneficiaries`, JSON.stringify(wish), {
    headers: headers(`load-setup-${Date.now()}`),
  });
  if (made.status !== 201) {
    fail(`no beneficiary: ${made.status} ${made.body}`);
  }
  const beneficiary = made.json("beneficiary");
  return { beneficiaryId: beneficiary.id, beneficiaryAccountId: beneficiary.accounts[0].id };
}

export default function (payee) {
  const key = `load-${__VU}-${__ITER}-${Date.now()}`;
  const payout = {
    originModule: "connect",
    originEntityType: "merchant",
    originEntityId: TENANT_ID,
    beneficiaryType: "user",
    beneficiaryId: payee.beneficiaryId,
    beneficiaryAccountId: payee.beneficiaryAccountId,
    amount: "1.00",
    currency: "EUR",
    payoutMethod: "bank_transfer",
    priority: "standard",
    description: "Load test",
    metadata: { invoice_id: "inv-123" },
  };
  const answer = http.post(`${BASE_URL}/api/payouts`, JSON.stringify(payout), {
    headers: headers(key),
    tags: { name: "create_payout" },
  });
  check(answer, {
    "status is 201": (r) => r.status === 201,
    "is pending": (r) => r.status === 201 && r.json("payout.status") === "pending",
  });
}
