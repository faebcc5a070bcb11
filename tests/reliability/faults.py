"""Faults F01 to F62: what is done to the engine, what must come of it, and the tests that show it."""

from __future__ import annotations

from tests.reliability import Proof

ATTACKS = "tests/test_attacks.py"
BATCHES = "tests/test_batches.py"
BREAKER = "tests/test_breaker.py"
CLAIMS = "tests/test_connectors_claims.py"
CONTRACT = "tests/test_connectors_contract.py"
CRASH = "tests/test_faults_crash.py"
DATABASE = "tests/test_faults_database.py"
DISPATCH = "tests/test_dispatch.py"
DOORBELL = "tests/test_faults_doorbell.py"
EVENTS = "tests/test_bank_events.py"
EVIDENCE = "tests/test_evidence.py"
FAILOVER = "tests/test_failover.py"
FILES = "tests/test_faults_files.py"
HTTP = "tests/test_connectors_http.py"
LONG = "tests/test_faults_long.py"
MORE = "tests/test_attacks_more.py"
OUTCOMES = "tests/test_faults_outcomes.py"
PROCESSES = "tests/test_processes.py"
RACES = "tests/test_api_races.py"
CREATES = "tests/test_engine_creates.py"
RECONCILIATION = "tests/test_reconciliation.py"
RUNNING = "tests/test_faults_running.py"
SCHEDULES = "tests/test_schedules.py"
SLA = "tests/test_sla.py"
KILLED = f"{PROCESSES}::test_payouts_end_where_they_should_though_a_process_is_killed"
STEPS = f"{CRASH}::test_F11_F12_F13_a_worker_killed_at_any_step_leads_to_one_booking"
LOST_ANSWER = f"{DISPATCH}::test_an_order_that_was_booked_but_not_answered_is_found_by_asking"


def _row(id: str, says: str, *tests: str) -> Proof:
    return Proof(id=id, says=says, tests=tests)


def _long(id: str, says: str, *tests: str) -> Proof:
    return Proof(id=id, says=says, tests=tests, only_long=True)


ROWS: tuple[Proof, ...] = (
    # --- a create -----------------------------------------------------------------------------------
    _row("F01", "Killed before the COMMIT of a create: nothing exists, the key is free.",
         f"{CRASH}::test_F01_killed_before_the_commit_a_create_left_nothing"),
    _row("F02", "Killed after the COMMIT, before the answer: there once, and the key finds it.",
         f"{CRASH}::test_F02_killed_after_the_commit_a_create_is_found_by_its_key"),
    _row("F03", "Cut during the COMMIT: 503 with Retry-After; the key finds none or one.",
         f"{CRASH}::test_F03_cut_at_the_commit_a_create_is_neither_made_nor_failed"),
    _row("F04", "50 creates at once with one key: one payout, one hold, 49 replays.",
         f"{RACES}::test_fifty_creates_with_one_key_make_one_payout",
         f"{RACES}::test_without_the_unique_key_that_race_is_lost",
         f"{CREATES}::test_one_key_fifty_times_is_one_payout"),
    _row("F05", "50 at once with one key and 50 bodies: one payout, 49 refused by idempotency_key_reused.",
         f"{RACES}::test_fifty_requests_with_one_key_make_the_first_one",
         f"{CREATES}::test_one_key_with_fifty_bodies_is_the_first_of_them"),
    _row("F06", "50 at once with money for 3: exactly 3, the balance never below zero.",
         f"{RACES}::test_money_for_three_pays_exactly_three_of_fifty",
         f"{RACES}::test_without_the_condition_on_the_balance_more_are_paid",
         f"{CREATES}::test_money_for_three_pays_three_of_fifty"),
    _row("F07", "The first of two with one key dies while the second waits: the second becomes the first.",
         f"{CRASH}::test_F07_whoever_waits_behind_a_request_that_is_killed_becomes_the_first",
         f"{RACES}::test_a_twin_of_one_that_broke_becomes_the_first"),
    # --- the broker -----------------------------------------------------------------------------------
    _row("F08", "The broker hangs: payouts are accepted without waiting for it, and the poller tells the banks.",
         f"{RUNNING}::test_F08_while_the_broker_hangs_payouts_are_accepted_and_told"),
    _row("F09", "FLUSHALL with rings waiting: they are lost, every due row is found.",
         f"{RUNNING}::test_F09_F10_what_was_rung_and_is_wiped_costs_one_poll"),
    _row("F10", "The broker is killed and comes back: latency only.", f"{KILLED}[valkey]",
         f"{RUNNING}::test_F09_F10_what_was_rung_and_is_wiped_costs_one_poll"),
    # --- a worker -------------------------------------------------------------------------------------
    _row("F11", "Killed after the claim, before the call: the same reference again, or parked where a bank"
         " recognises no repetition.", STEPS,
         f"{CRASH}::test_F11_a_bank_that_recognises_no_repetition_is_never_told_twice"),
    _row("F12", "Killed after the bank accepted: found by our reference, booked once.", STEPS),
    _row("F13", "Killed while the answer is written down: as F12.", STEPS),
    _row("F14", "Stopped beyond its lease: what it then says is believed, what it then sends is recognised"
         " or not sent.", f"{CRASH}::test_F14_a_worker_stopped_beyond_its_lease_sends_nothing_new",
         f"{DISPATCH}::test_a_worker_without_its_lease_may_not_send",
         f"{DISPATCH}::test_what_a_worker_without_its_lease_heard_is_recorded"),
    _row("F15", "A child of a worker is killed during a call: nothing lost, nothing twice.",
         f"{RUNNING}::test_F15_a_killed_child_of_a_worker_loses_nothing",
         f"{DOORBELL}::test_F15_F16_F17_a_ring_comes_back_and_nothing_but_json_is_heard"),
    _row("F16", "A whole worker group is killed: the poller is faster than the broker.", f"{KILLED}[worker]",
         f"{DOORBELL}::test_F15_F16_F17_a_ring_comes_back_and_nothing_but_json_is_heard"),
    _row("F17", "One ring heard three times at once: each payout is claimed by one.",
         f"{DOORBELL}::test_F17_a_ring_that_is_heard_twice_at_once_tells_a_bank_once"),
    # --- a bank's answer --------------------------------------------------------------------------------
    _row("F18", "The bank accepts and answers after we gave up: asked for, found, booked once.", LOST_ANSWER),
    _row("F19", "The bank books long after it said it knew nothing: the same reference again, booked once.",
         f"{DISPATCH}::test_an_order_booked_late_is_sent_again_under_the_same_reference"),
    _row("F20", "The bank cuts the connection after booking: asked for, found, booked once.", LOST_ANSWER),
    _row("F21", "Connection refused, no such name, TLS fails: certainly not sent; the same reference, no retry"
         " used up; another bank only when no byte ever left.",
         f"{OUTCOMES}::test_F21_what_certainly_was_not_sent_costs_no_retry_and_may_go_elsewhere",
         f"{HTTP}::test_a_refused_connection_is_certainly_not_sent",
         f"{HTTP}::test_a_name_that_does_not_resolve_is_certainly_not_sent",
         f"{HTTP}::test_no_tls_on_the_other_side_is_certainly_not_sent",
         f"{FAILOVER}::test_what_was_never_sent_goes_to_the_backup",
         f"{FAILOVER}::test_what_may_be_at_a_bank_never_goes_to_another"),
    _row("F22", "A server error with a body: in doubt, asked about, never failed.",
         f"{OUTCOMES}::test_F22_a_server_error_says_nothing_about_the_order",
         f"{CONTRACT}::test_what_an_answer_to_a_submission_proves"),
    _row("F23", "A definite refusal: retried where its code says so, else refused or to a person.",
         f"{DISPATCH}::test_a_refusal_worth_another_try_gets_a_new_reference",
         f"{DISPATCH}::test_a_refusal_for_good_gives_the_money_back",
         f"{DISPATCH}::test_after_the_last_retry_a_person_decides"),
    _row("F24", "429 or a busy bank: not sent, Retry-After respected, a breaker of its own, others unaffected.",
         f"{OUTCOMES}::test_F24_a_bank_that_asks_for_patience_gets_it_and_the_others_are_told",
         f"{BREAKER}::test_a_bank_that_keeps_failing_is_left_alone_and_tried_with_one",
         f"{CLAIMS}::test_busy_is_said_before_anything_is_booked_if_that_is_claimed"),
    _row("F25", "Garbage, truncated, too large, dripping: in doubt within one total deadline.",
         f"{HTTP}::test_after_the_first_byte_nothing_is_certain", LOST_ANSWER),
    _row("F26", "Another amount, currency or reference: never taken for ours, frozen, a person is called.",
         f"{OUTCOMES}::test_F26_a_bank_that_names_another_amount_stops_the_payout_and_calls_a_person",
         f"{EVIDENCE}::test_a_bank_that_names_other_money_freezes_the_payout",
         f"{EVIDENCE}::test_a_statement_about_nobody_is_kept",
         f"{ATTACKS}::test_an_order_left_out_of_a_message_is_not_accepted_with_it"),
    _row("F27", "A bank that pays repetitions again: declared so, never sent twice; the claim is tested.",
         f"{OUTCOMES}::test_F27_a_bank_that_pays_a_repetition_again_is_told_once",
         f"{CLAIMS}::test_the_same_bytes_twice_are_one_booking_if_that_is_claimed"),
    _row("F28", "The window of the bank's memory has passed: no repetition, to a person with the hold.",
         f"{OUTCOMES}::test_F28_after_the_window_in_which_repetitions_are_known_nothing_is_repeated"),
    _row("F29", "A bank's webhook ten times: one transition.",
         f"{EVENTS}::test_F29_a_message_ten_times_is_one_document_and_one_transition"),
    _row("F30", "Settled before our own answer is written down: in one go, and the answer adds nothing.",
         f"{EVENTS}::test_F30_a_message_that_comes_before_the_answer_settles_and_the_answer_adds_nothing",
         f"{OUTCOMES}::test_F30_settled_before_our_own_answer_is_written_down_moves_everything_at_once"),
    _row("F31", "Reports in any order, each twice: the highest rank decides, nothing goes back.",
         f"{EVENTS}::test_F31_messages_in_the_wrong_order_take_nothing_back",
         f"{OUTCOMES}::test_F31_reports_in_any_order_end_in_the_same_state",
         f"{OUTCOMES}::test_F31_money_that_was_given_back_is_not_taken_again_and_a_person_is_called"),
    _row("F32", "A signed webhook about nobody: kept, alert, no change.",
         f"{EVENTS}::test_F32_a_message_about_nobody_is_kept_and_told_and_changes_nothing"),
    _row("F33", "A webhook with a bad signature or an old time: 401.",
         f"{EVENTS}::test_F33_what_is_not_proved_is_401_and_is_not_kept"),
    _row("F34", "The report is lost for ever: a statement settles it, and lateness is told.",
         f"{RECONCILIATION}::test_a_statement_settles_what_was_only_sent",
         f"{SLA}::test_a_late_payout_is_marked_and_told_once"),
    _row("F35", "Refused after it was sent: the hold is still there, a new attempt may follow.",
         f"{OUTCOMES}::test_F35_refused_after_it_was_sent_the_hold_is_still_there_for_a_new_attempt"),
    _row("F36", "Returned after settlement: credited once, never paid again by itself.",
         f"{OUTCOMES}::test_F36_what_comes_back_is_credited_once_and_not_paid_again",
         f"{BATCHES}::test_what_was_paid_and_came_back_is_seen_in_its_run"),
    # --- the database -----------------------------------------------------------------------------------
    _row("F37", "PostgreSQL is killed under load: it comes back, payouts end where they should.",
         f"{KILLED}[postgres]",
         "tests/test_embedded.py::test_postgres_comes_back_after_a_kill_with_everything_committed"),
    _row("F38", "A session is killed: 503 for a create, another try for a bank's answer.",
         f"{DATABASE}::test_F38_a_killed_session_is_a_503_and_an_answer_of_a_bank_is_written_down_all_the_same"),
    _long("F39", "The disk of the database is full: 503, no half write, and it goes on when there is space.",
          f"{LONG}::test_F39_a_full_disk_stops_nothing_halfway_and_is_survived"),
    _long("F40", "The disk for logs and exports is full: payouts go on, no half file is left.",
          f"{LONG}::test_F40_a_full_disk_for_files_stops_no_payout_and_leaves_no_half_file",
          f"{LONG}::test_F40_a_process_that_counts_survives_a_full_disk"),
    _row("F41", "A deadlock or serialization failure: tried again up to three times, around the database only.",
         f"{DATABASE}::test_F41_of_two_creates_that_wait_for_each_other_both_get_their_answer",
         f"{DATABASE}::test_F41_without_another_try_one_of_them_is_sent_away",
         f"{DATABASE}::test_F41_three_tries_and_only_for_what_may_succeed_again",
         f"{DATABASE}::test_F41_no_call_to_a_bank_is_ever_inside_what_is_tried_again"),
    _row("F42", "A balance locked for long: said with Retry-After, nothing left behind.",
         f"{DATABASE}::test_F42_a_balance_that_is_locked_for_long_is_said_and_leaves_nothing",
         f"{RACES}::test_a_twin_waits_no_longer_than_it_should"),
    _row("F43", "No connection left: 503 at once, and /readyz says so.",
         f"{DATABASE}::test_F43_without_a_connection_left_everybody_is_told_at_once"),
    _row("F44", "There is one database: keys, balances and states are read from nowhere else.",
         f"{DATABASE}::test_F44_there_is_one_database_and_nothing_reads_from_another"),
    # --- time -------------------------------------------------------------------------------------------
    _row("F45", "Two beats: one run for a fire time.", f"{BATCHES}::test_two_beats_make_one_run",
         f"{RUNNING}::test_F45_two_real_beats_make_one_run_of_each_fire"),
    _row("F46", "Beat was away for two fire times: caught up once, and told.",
         f"{BATCHES}::test_missed_fires_are_caught_up_once_and_told"),
    _row("F47", "No delay or ETA beyond a minute in the broker; tasks carry nothing.",
         f"{DOORBELL}::test_F47_nothing_is_kept_by_the_broker_for_longer_than_a_minute",
         f"{DOORBELL}::test_F47_only_the_doorbell_publishes_and_tasks_carry_nothing"),
    _long("F48", "A worker's clock is a day ahead or behind: no lease ends early, none stays for ever.",
          f"{LONG}::test_F48_a_worker_whose_clock_is_wrong_works_as_any_other"),
    _row("F49", "A lease that ends early, because the database's clock jumped: asked about, booked once.",
         f"{DISPATCH}::test_a_worker_lost_afterwards_leaves_a_doubt_that_asking_resolves",
         f"{DISPATCH}::test_what_a_worker_without_its_lease_heard_is_recorded"),
    _row("F50", "Summer time, leap day, end of month, holidays, cut-off to the second: as reckoned by hand.",
         f"{SCHEDULES}::test_a_schedule_fires_when_its_cron_says",
         f"{SLA}::test_a_promise_is_what_was_reckoned_by_hand",
         f"{SLA}::test_the_next_cutoff_is_local_time"),
    # --- poison, people, cursors ------------------------------------------------------------------------
    _row("F51", "What makes a worker raise every time: to a person in the end, neighbours go on.",
         f"{ATTACKS}::test_an_answer_that_breaks_us_still_reaches_a_person",
         f"{ATTACKS}::test_an_account_that_does_not_open_waits_and_takes_nobody_along",
         f"{ATTACKS}::test_what_kills_every_worker_reaches_a_person",
         f"{DISPATCH}::test_a_name_that_cannot_be_written_fails_its_own_payout_only"),
    _row("F52", "What kills every process that touches it: counted before the work, so it reaches a person.",
         f"{CRASH}::test_F52_what_kills_every_worker_reaches_a_person_and_the_others_are_paid",
         f"{CRASH}::test_F52_a_document_that_kills_every_reader_is_put_aside_and_the_next_is_read"),
    _row("F53", "A cancel races with a claim: cancelled without an attempt, or 202; never both.",
         f"{RACES}::test_a_cancelled_payout_is_never_at_a_bank",
         f"{RACES}::test_a_cancellation_waits_for_a_claim_that_is_under_way",
         f"{RACES}::test_without_the_row_lock_only_the_database_stops_it"),
    _row("F54", "A cancel while in doubt: honoured when it proves refused, too late when it proves sent.",
         f"{OUTCOMES}::test_F54_a_wish_to_cancel_waits_for_what_the_bank_says"),
    _row("F55", "Two operators at once: one effect.",
         f"{DATABASE}::test_F55_two_operators_who_retry_at_once_have_one_effect",
         f"{RACES}::test_a_double_click_has_one_effect"),
    _row("F57", "A message accepted in part: each item by itself; who is not mentioned is in doubt, not failed.",
         f"{FILES}::test_F57_three_of_a_hundred_are_refused_and_ninety_seven_are_sent",
         f"{FILES}::test_F57_whom_a_partial_answer_does_not_mention_is_in_doubt_and_not_failed"),
    _row("F58", "A file whose acknowledgement is lost: found by its name, known when it comes again.",
         f"{FILES}::test_F58_a_file_that_was_acknowledged_to_nobody_is_found_by_its_name_and_known_when_it_comes_again"),
    _row("F61", "Killed between fetching reports and noting it: fetched again, without effect.",
         f"{DATABASE}::test_F61_reports_that_were_fetched_and_not_noted_are_fetched_again_without_effect"),
    _row("F62", "A lower number is committed later: no reader with a cursor passes it over.",
         f"{DATABASE}::test_F62_whoever_reads_by_a_rising_number_knows_of_those_who_commit_late",
         f"{MORE}::test_what_slips_in_while_the_counter_looks_is_counted",
         "tests/test_metrics.py::test_a_row_that_is_committed_late_is_not_passed_over"),
)  # fmt: skip
