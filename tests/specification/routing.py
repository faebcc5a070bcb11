"""Routing, connectors, their health and failover."""

from __future__ import annotations

from tests.specification import Cut, Row

ROWS = [
    Row(
        "S7",
        "SIRA chooses the rail by cost and speed",
        "payouts/routing.py, payouts/statistics.py, payouts/sira.py",
        "tests/test_routing.py::test_success_is_worth_money",
        Cut(
            path="payouts/routing.py",
            old="cost = (promise.fee + (1 - success) * price)",
            new="cost = (promise.fee + 0 * price)",
        ),
    ),
    Row(
        "S14",
        "Connectors are pluggable: a bank is a row that names its driver",
        "connectors/base.py, connectors/registry.py, payouts/banks.py",
        "tests/test_routing.py::test_a_bank_is_spoken_to_by_the_driver_it_names",
        Cut(
            path="payouts/banks.py",
            old="            self.driver,\n",
            new='            "sepa",\n',
        ),
    ),
    Row(
        "S19",
        "The flow gets the connector of its bank from a factory",
        "connectors/registry.py",
        "tests/test_connectors_contract.py::test_an_unknown_driver_is_a_misconfiguration",
        Cut(
            path="connectors/registry.py",
            old='raise ConnectorMisconfigured("driver_unknown", driver[:40])',
            new="connector = SepaConnector",
        ),
    ),
    Row(
        "S40",
        "payout_method says what a merchant asked for; routing chooses among the rails that serve it",
        "payouts/routing.py",
        "tests/test_routing.py::test_a_method_is_served_by_its_rails_only",
        Cut(
            path="payouts/routing.py",
            old="for bank in self.lines if bank.rail in rails",
            new="for bank in self.lines if bank.rail and rails",
        ),
    ),
    Row(
        "S45",
        "sira_routing_score NUMERIC(5,4): the probability of success of the chosen route",
        "payouts/statistics.py, payouts/creation.py",
        "tests/test_routing.py::test_a_payout_keeps_its_score_its_prediction_and_the_whole_choice",
        Cut(
            path="payouts/creation.py",
            old='"sira_routing_score": draft.route.score,',
            new='"sira_routing_score": None,',
        ),
    ),
    Row(
        "S104",
        "Brique 83: recommends connector and rail, the cheapest for the service level, and predicts settlement",
        "payouts/sira.py, connectors/sira.py, payouts/routing.py",
        "tests/test_routing.py::test_sira_prefers_among_what_can_be_taken",
        Cut(
            path="payouts/routing.py",
            old='chosen, source = advised[0], "sira"',
            new='source = "fallback"',
        ),
    ),
    Row(
        "S105",
        "Brique 85: connector interface, health in real time, failover to a backup",
        "payouts/failover.py, payouts/breaker.py, payouts/bankstate.py",
        "tests/test_failover.py::test_what_was_never_sent_goes_to_the_backup",
        Cut(
            path="payouts/dispatch.py", old="        failover.reroute_due()\n", new="        pass\n"
        ),
    ),
    Row(
        "S107",
        "Stuck in pending: the connectors' health says which bank is away, and why",
        "payouts/bankstate.py",
        "tests/test_breaker.py::test_health_is_what_was_seen_last_and_names_what_is_wrong",
        Cut(
            path="payouts/bankstate.py",
            old="SET healthy = %(well)s AND reports_error = ''",
            new="SET healthy = %(well)s OR reports_error = ''",
        ),
    ),
]
