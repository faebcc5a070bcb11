"""Bad inputs B01 to B70: what is sent, how it is answered, and the tests that send exactly that.

A code that differs from the list's own suggestion stands in brackets behind the engine's. Every refusal is
a problem document, leaves every count and balance as it was, and uses up no key (B51).
"""

from __future__ import annotations

from tests.reliability import Proof

INPUT = "tests/test_api_input.py"
WIRE = "tests/test_api_wire.py"
LISTED = "tests/test_bad_input_list.py"
PAYOUTS = "tests/test_api_payouts.py"
ADDRESSES = "tests/test_api_addresses.py"

AMOUNT = f"{INPUT}::test_every_bad_amount_is_refused_and_changes_nothing"
TEXT = f"{INPUT}::test_every_bad_text_is_refused_and_changes_nothing"
BODY = f"{INPUT}::test_every_bad_body_is_refused_and_changes_nothing"
ACCOUNT = f"{INPUT}::test_every_bad_account_is_refused_without_repeating_it"
BYTES = f"{WIRE}::test_bytes_that_are_no_request_change_nothing"
KINDS = f"{INPUT}::test_only_application_json_is_read"
KEYS = f"{INPUT}::test_a_malformed_key_is_refused"


def _row(id: str, says: str, *tests: str) -> Proof:
    """A row of the list. A test that goes through a table is named with the row as its parameter."""
    return Proof(id=id, says=says, tests=tuple(f"{t}[{id}]" if t in _TABLES else t for t in tests))


_TABLES = frozenset([AMOUNT, TEXT, BODY, ACCOUNT, BYTES])

ROWS: tuple[Proof, ...] = (
    _row("B01", "amount NaN: 400 malformed_json.", AMOUNT),
    _row("B02", "amount Infinity, -Infinity: 400 malformed_json.", AMOUNT),
    _row("B03", "amount 1e309: 422 amount_invalid.", AMOUNT),
    _row("B04", "amount as text NaN, sNaN, Infinity: 422 amount_invalid.", AMOUNT),
    _row("B05", "amount zero, also below zero: 422 amount_invalid (amount_out_of_range).", AMOUNT),
    _row("B06", "amount -5: 422 amount_invalid (amount_out_of_range).", AMOUNT),
    _row("B07", "three decimals of a dollar: 422 amount_precision; nothing is rounded.", AMOUNT),
    _row(
        "B08",
        "decimals of a currency that has none: 422 amount_precision, for 100.00 too.",
        f"{INPUT}::test_decimals_are_counted_as_written",
    ),
    _row(
        "B09",
        "four decimals where a currency has three: 422 amount_precision; three are kept.",
        f"{INPUT}::test_decimals_are_counted_as_written",
        f"{LISTED}::test_three_decimals_are_right_where_the_currency_has_three",
    ),
    _row(
        "B10",
        "99999999999999.99 as a number: exactly that, or 422.",
        AMOUNT,
        f"{LISTED}::test_a_number_that_floats_change_arrives_exactly",
    ),
    _row(
        "B11",
        "9007199254740993.00 as a number: 422 amount_out_of_range; what fits is kept exactly.",
        AMOUNT,
        f"{PAYOUTS}::test_an_amount_as_a_json_number_touches_no_float",
    ),
    _row(
        "B12",
        "amount above what columns hold: 422 amount_out_of_range; above every rail: rail_unsupported.",
        AMOUNT,
    ),
    _row("B13", "amount 1e3, as number and as text: 422 amount_invalid.", AMOUNT),
    _row("B14", "amount 1e999999999: 422 amount_invalid, at once.", AMOUNT),
    _row("B15", "amount with separators: 422 amount_invalid.", AMOUNT),
    _row("B16", "amount in other digits: 422 amount_invalid.", AMOUNT),
    _row("B17", "amount with spaces, sign, leading zeros, half a fraction: 422, or no JSON.", AMOUNT),
    _row(
        "B18",
        "amount of another type: 422 amount_invalid (validation_error); null or missing: validation_error.",
        AMOUNT,
        f"{INPUT}::test_a_missing_field_is_named[amount]",
    ),
    _row(
        "B19",
        "amount with 5,000 to 1,000,000 digits: 422, in less than 50 ms.",
        AMOUNT,
        f"{INPUT}::test_a_huge_number_costs_no_time",
    ),
    _row("B20", "currency that is none, in any spelling: 422 currency_unsupported.", TEXT),
    _row(
        "B21",
        "currency of another account or balance: 422 currency_mismatch, insufficient_funds; no exchange.",
        TEXT,
        f"{LISTED}::test_there_is_no_exchange",
    ),
    _row(
        "B22",
        "currency that the rail does not carry: 422 rail_unsupported.",
        f"{LISTED}::test_a_currency_that_no_rail_carries_is_refused",
    ),
    _row("B23", "a JSON key twice, at any depth, escaped or not: 400 duplicate_json_key.", BODY),
    _row("B24", "NUL and line ends in a description: 422 invalid_text.", TEXT),
    _row("B25", "NUL in a value or a key of the metadata: 422 invalid_text.", TEXT),
    _row("B26", "a lone surrogate in the metadata: 422 invalid_text.", TEXT),
    _row("B27", "33 to 500,000 levels: 400 json_too_deep.", TEXT, BODY),
    _row(
        "B28",
        "metadata of 10,000 keys or 64 kB: 422 metadata_too_large (50 keys and 16 KiB; one key or value may be long).",
        TEXT,
    ),
    _row(
        "B29",
        "metadata that means something elsewhere: 201, kept as given.",
        f"{INPUT}::test_metadata_is_kept_as_given_and_does_nothing",
    ),
    _row(
        "B30",
        "numbers in metadata: kept as given, or 422 validation_error where storing would change them.",
        TEXT,
        f"{INPUT}::test_metadata_is_kept_as_given_and_does_nothing",
    ),
    _row(
        "B31",
        "a body of 1 MB and a byte, 3 MB, 100 MB, and in chunks: 413 payload_too_large.",
        BODY,
        f"{WIRE}::test_the_answer_to_a_body_that_is_too_large_arrives",
        f"{WIRE}::test_a_body_in_chunks_that_is_too_large_is_refused",
    ),
    _row(
        "B32",
        "a body shorter or longer than announced, or one that drips: 400, the thread is free again.",
        f"{WIRE}::test_a_body_shorter_than_announced_is_not_guessed",
        f"{WIRE}::test_a_body_longer_than_announced_is_cut_off",
        f"{WIRE}::test_a_body_that_drips_is_not_waited_for",
        f"{ADDRESSES}::test_a_length_that_is_none_is_refused",
    ),
    _row("B33", "bytes that are no UTF-8, UTF-16, a byte order mark: 400 malformed_json.", BODY, BYTES),
    _row(
        "B34",
        "a form: 415 unsupported_media_type.",
        f"{KINDS}[application/x-www-form-urlencoded]",
        f"{KINDS}[multipart/form-data; boundary=x]",
    ),
    _row("B35", "text/plain or no type: 415 unsupported_media_type.", f"{KINDS}[text/plain]", f"{KINDS}[]"),
    _row(
        "B36",
        "application/json with whatever charset: read as UTF-8.",
        f"{INPUT}::test_json_is_utf_8_whatever_its_charset_says",
    ),
    _row(
        "B37",
        "a compressed body, a bomb too: 415 unsupported_media_type, never unpacked.",
        BYTES,
        f"{INPUT}::test_a_compressed_body_is_not_read",
    ),
    _row("B38", "a document that is no object: 422 validation_error.", BODY),
    _row("B39", "nothing, half a document, two of them: 400 malformed_json.", BODY),
    _row("B40", "fields that are the engine's own: 422 unknown_field.", TEXT),
    _row("B41", "a field in snake_case beside it: 422 unknown_field.", TEXT),
    _row(
        "B42",
        "no Idempotency-Key: 400 idempotency_key_required.",
        f"{INPUT}::test_a_create_without_a_key_is_refused",
    ),
    _row(
        "B43",
        "a key that is empty, too long, or not printable ASCII: 400 idempotency_key_invalid.",
        KEYS,
        BYTES,
    ),
    _row(
        "B44",
        'the key "abc" is abc; half a quote: 400 idempotency_key_invalid.',
        BYTES,
        f"{INPUT}::test_quotes_around_a_key_are_no_part_of_it",
        f"{WIRE}::test_a_key_in_quotes_is_the_same_key_on_the_wire",
    ),
    _row("B45", "two Idempotency-Key headers, equal or not: 400 idempotency_key_invalid.", BYTES),
    _row(
        "B46",
        "same key, other request: 422 idempotency_key_reused.",
        f"{PAYOUTS}::test_a_key_belongs_to_one_request",
    ),
    _row(
        "B47",
        "same key, same meaning written otherwise: 200.",
        f"{PAYOUTS}::test_the_same_meaning_written_otherwise_is_the_same_request",
    ),
    _row(
        "B48",
        "same key on another route: another use of it (the list refuses it; DESIGN: a key's scope is its route).",
        "tests/test_api_verbs.py::test_a_key_may_serve_a_create_and_a_verb",
    ),
    _row(
        "B49",
        "same key in another tenant: 201.",
        f"{PAYOUTS}::test_the_same_key_in_two_tenants_is_two_payouts",
    ),
    _row(
        "B50",
        "same key after a day, a month, two years: 200.",
        f"{LISTED}::test_a_key_never_ages",
        "tests/test_api_cache.py::test_a_key_that_the_cache_forgot_is_known_to_the_database",
    ),
    _row(
        "B51",
        "a key whose request was refused: free.",
        f"{PAYOUTS}::test_a_refused_request_uses_up_no_key",
    ),
    _row(
        "B52",
        "line ends in a header: nothing of it in the answer's head.",
        f"{WIRE}::test_nothing_sent_reaches_an_answers_head",
        f"{ADDRESSES}::test_a_request_id_is_taken_over_only_when_it_is_harmless",
    ),
    _row(
        "B53",
        "a header of 100 kB, a thousand headers: 400 or 431, the server lives.",
        f"{WIRE}::test_a_head_that_is_too_large_is_refused",
    ),
    _row(
        "B54",
        "folded headers, a space before the colon, NUL: 400.",
        f"{WIRE}::test_an_ambiguous_head_is_refused_and_the_line_closed",
    ),
    _row(
        "B55",
        "Transfer-Encoding against Content-Length: 400, the line closed.",
        f"{WIRE}::test_an_ambiguous_head_is_refused_and_the_line_closed",
    ),
    _row(
        "B56",
        "addresses that are none: 404 not_found.",
        f"{ADDRESSES}::test_an_address_that_is_none_is_a_problem",
    ),
    _row(
        "B57",
        "ids in capitals are read; in braces or as urn: 404 in an address, 422 validation_error in a body.",
        TEXT,
        f"{LISTED}::test_ids_are_read_in_either_case",
        f"{ADDRESSES}::test_an_address_that_is_none_is_a_problem",
    ),
    _row(
        "B58",
        "an account of another tenant: 404 as unknown; unverified or deleted: 422 beneficiary_not_payable.",
        f"{LISTED}::test_an_account_of_nobody_here_and_one_that_is_closed_are_not_paid",
        "tests/test_api_money.py::test_a_beneficiary_of_another_merchant_cannot_be_paid",
    ),
    _row(
        "B59",
        "an account of another beneficiary: 422 beneficiary_mismatch.",
        f"{LISTED}::test_an_account_of_another_beneficiary_is_not_paid",
    ),
    _row("B60", "an IBAN that is none: 422 account_invalid with its field (invalid_iban).", ACCOUNT),
    _row(
        "B61",
        "an IBAN with spaces or in lower case: accepted, kept in one form.",
        f"{LISTED}::test_an_iban_is_kept_in_one_form",
    ),
    _row("B62", "an IBAN in other alphabets: 422 account_invalid (invalid_iban).", ACCOUNT),
    _row(
        "B63",
        "a country that no rail reaches: 422 rail_unsupported (there is no list of sanctions).",
        f"{LISTED}::test_a_country_that_no_rail_reaches_is_refused",
    ),
    _row("B64", "a BIC of another bank: 422 account_invalid with its field (bic_mismatch).", ACCOUNT),
    _row("B65", "a routing number that is none: 422 account_invalid (invalid_routing_number).", ACCOUNT),
    _row("B66", "a sort code or account of another length: 422 account_invalid.", ACCOUNT),
    _row(
        "B67",
        "a number that can have no wallet: 422 account_invalid (invalid_msisdn).",
        ACCOUNT,
        f"{LISTED}::test_a_number_that_can_have_no_wallet_is_refused",
    ),
    _row(
        "B68",
        "a name that is too long or ends lines: 422; a strange one is only a name; a rail writes it in its own letters,"
        " and one with none of them fails its own payout.",
        f"{LISTED}::test_a_name_that_is_none_is_refused",
        f"{INPUT}::test_a_strange_name_is_only_a_name",
        "tests/test_connectors_contract.py::test_a_bad_instruction_fails_alone",
    ),
    _row(
        "B69",
        "a name that a spreadsheet would run: 201, and only a name; tab and return first: 422 invalid_text.",
        f"{INPUT}::test_a_strange_name_is_only_a_name",
        f"{LISTED}::test_a_name_that_is_none_is_refused",
    ),
    _row("B70", "a description above 140 characters: 422 validation_error (too_long).", TEXT),
)  # fmt: skip
