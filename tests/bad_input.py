"""Bad input as tables: name -> what is sent, and the status and code that it must be answered with.

The ids (B01...) are those of the project's list of bad inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4


def ids(table: Iterable[str]) -> list[str]:
    """The list's ids that a table has rows for; `other` are rows that the list does not have."""
    return list(dict.fromkeys(_id(name) for name in table))


def rows(table: dict[str, Any], wanted: str) -> dict[str, Any]:
    return {name: row for name, row in table.items() if _id(name) == wanted}


def _id(name: str) -> str:
    first = name.split(" ", 1)[0]
    return first if first[:1] == "B" and first[1:].isdigit() else "other"


A, J = (422, "amount_invalid"), (400, "malformed_json")
DEEP = "[" * 1000 + "]" * 1000
AMOUNTS = {
    "B01 NaN": ("NaN", J),
    "B02 Infinity": ("Infinity", J),
    "B02 -Infinity": ("-Infinity", J),
    "B03 overflow": ("1e309", A),
    "B04 text NaN": ('"NaN"', A),
    "B04 text sNaN": ('"sNaN"', A),
    "B04 text Infinity": ('"Infinity"', A),
    "B05 zero": ("0", A),
    "B05 zero text": ('"0.00"', A),
    "B05 minus zero": ('"-0.00"', A),
    "B05 minus zero number": ("-0", A),
    "B06 negative": ("-5", A),
    "B07 one decimal too many": ('"10.001"', (422, "amount_precision")),
    "B07 as number": ("10.001", (422, "amount_precision")),
    "B07 even a zero": ('"10.000"', (422, "amount_precision")),
    "B12 too large": ('"1000000000000000"', (422, "amount_out_of_range")),
    "B12 beyond bigint": ("9223372036854775808", (422, "amount_out_of_range")),
    "B12 above the rail": ('"1000000000"', (422, "rail_unsupported")),
    "B10 as number": ("99999999999999.99", (422, "rail_unsupported")),
    "B11 exactly too large": ("9007199254740993.00", (422, "amount_out_of_range")),
    "B13 exponent": ("1e3", A),
    "B13 exponent text": ('"1e3"', A),
    "B14 bomb": ('"1e999999999"', A),
    "B14 bomb number": ("1e999999999999999999999", A),
    "B15 underscore": ('"1_000"', A),
    "B15 comma": ('"1,000.00"', A),
    "B15 space": ('"1 000"', A),
    "B16 Arabic digits": ('"\u0661\u0662\u0663"', A),
    "B16 wide digits": ('"\uff11\uff12"', A),
    "B17 spaces": ('" 12 "', A),
    "B17 newline": ('"12\\n"', A),
    "B17 plus": ('"+12"', A),
    "B17 leading zeros": ('"007.00"', A),
    "B17 no whole part": ('".5"', A),
    "B17 no fraction": ('"5."', A),
    "B17 not JSON": ("007", J),
    "B17 not JSON plus": ("+12", J),
    "B17 not JSON point": (".5", J),
    "B18 true": ("true", A),
    "B18 null": ("null", (422, "validation_error")),
    "B18 list": ("[]", A),
    "B18 object": ("{}", A),
    "B18 empty": ('""', A),
    "B19 5,000 digits": ("9" * 5000, A),
    "B19 5,000 digits text": ('"' + "9" * 5000 + '"', A),
    "B19 900,000 digits": ("9" * 900_000, A),
    "B19 900,000 decimals": ("0." + "9" * 900_000, A),
}
CU = (422, "currency_unsupported")
V = (422, "validation_error")
TEXTS = {
    "B20 lower case": ({"currency": '"usd"'}, CU),
    "B20 space": ({"currency": '" USD"'}, CU),
    "B20 two letters": ({"currency": '"US"'}, CU),
    "B20 four letters": ({"currency": '"USDT"'}, CU),
    "B20 no currency": ({"currency": '"XXX"'}, CU),
    "B20 test currency": ({"currency": '"XTS"'}, CU),
    "B20 number": ({"currency": "840"}, V),
    "B21 another currency": ({"currency": '"USD"'}, (422, "currency_mismatch")),
    "B24 NUL": ({"description": '"a\\u0000b"'}, (422, "invalid_text")),
    "B24 newline": ({"description": '"a\\nb"'}, (422, "invalid_text")),
    "B25 NUL in a value": ({"metadata": '{"a": "\\u0000"}'}, (422, "invalid_text")),
    "B25 NUL in a key": ({"metadata": '{"\\u0000": 1}'}, (422, "invalid_text")),
    "B25 NUL deep inside": ({"metadata": '{"a": [{"b": ["\\u0000"]}]}'}, (422, "invalid_text")),
    "B26 lone surrogate": ({"metadata": '{"a": "\\ud800"}'}, (422, "invalid_text")),
    "B26 lone surrogate in a key": ({"metadata": '{"\\udfff": 1}'}, (422, "invalid_text")),
    "B27 1,000 levels": ({"metadata": f'{{"a": {DEEP}}}'}, (400, "json_too_deep")),
    "B27 100,000 levels": ({"metadata": "[" * 100_000 + "]" * 100_000}, (400, "json_too_deep")),
    "B27 33 levels": ({"metadata": '{"a":' * 32 + "1" + "}" * 32}, (400, "json_too_deep")),
    "B28 10,000 keys": (
        {"metadata": json.dumps({str(n): n for n in range(10_000)})},
        (422, "metadata_too_large"),
    ),
    "B28 64 kB": ({"metadata": json.dumps({"a": "x" * 65_536})}, (422, "metadata_too_large")),
    "B28 not an object": ({"metadata": "[1]"}, V),
    "B30 a number that would change": ({"metadata": '{"a": 0.1000000000000000055}'}, V),
    "B30 beyond any float": ({"metadata": '{"a": 1e400}'}, V),
    "B30 below any float": ({"metadata": '{"a": 1e-9999999999999999999999}'}, V),
    "B30 31 digits": ({"metadata": '{"a": ' + "9" * 31 + "}"}, V),
    "B30 900,000 digits": ({"metadata": '{"a": ' + "9" * 900_000 + "}"}, V),
    "B40 status": ({"originModule": '"x", "status": "settled"'}, (422, "unknown_field")),
    "B40 tenant": ({"originModule": '"x", "tenant_id": "t"'}, (422, "unknown_field")),
    "B40 approver": ({"originModule": '"x", "approved_by": "me"'}, (422, "unknown_field")),
    "B40 id": ({"originModule": '"x", "id": "1"'}, (422, "unknown_field")),
    "B40 hold": ({"originModule": '"x", "ledger_hold_id": "1"'}, (422, "unknown_field")),
    "B41 snake case": ({"originModule": '"x", "origin_module": "x"'}, (422, "unknown_field")),
    "B57 braces": ({"beneficiaryId": f'"{{{uuid4()}}}"'}, V),
    "B57 urn": ({"beneficiaryId": f'"urn:uuid:{uuid4()}"'}, V),
    "B57 no hyphens": ({"beneficiaryId": f'"{uuid4().hex}"'}, V),
    "B57 hyphens elsewhere": ({"beneficiaryId": f'"----{uuid4().hex}"'}, V),
    "B57 number": ({"beneficiaryId": "1"}, V),
    "B70 141 characters": ({"description": json.dumps("x" * 141)}, V),
    "B70 text that is none": ({"description": "12"}, V),
    "B72 no zone": ({"scheduledAt": '"2026-01-01T10:00:00"'}, (422, "schedule_invalid")),
    "B72 no such day": ({"scheduledAt": '"2026-02-30T10:00:00Z"'}, (422, "schedule_invalid")),
    "B72 no such hour": ({"scheduledAt": '"2026-01-01T25:00Z"'}, (422, "schedule_invalid")),
    "B72 before all time": ({"scheduledAt": '"0001-01-01T00:00:00+14:00"'}, (422, "schedule_invalid")),
    "B72 after all time": ({"scheduledAt": '"9999-12-31T23:59:59-14:00"'}, (422, "schedule_invalid")),
    "B72 year 10000": ({"scheduledAt": '"10000-01-01T00:00:00Z"'}, (422, "schedule_invalid")),
    "B72 Arabic digits": ({"scheduledAt": '"\u0662\u0660\u0662\u0666-01-01T10:00:00Z"'}, (422, "schedule_invalid")),
    "B72 number": ({"scheduledAt": "1767225600"}, (422, "schedule_invalid")),
    "B79 unknown priority": ({"priority": '"PRIORITY"'}, V),
    "B79 number": ({"priority": "5"}, V),
    "B79 an operator's priority": ({"priority": '"priority"'}, (403, "priority_forbidden")),
    "B80 unknown method": ({"payoutMethod": '"cash"'}, (422, "payout_method_unsupported")),
    "B80 no rail": ({"payoutMethod": '"mobile_money"'}, (422, "rail_unsupported")),
    "another merchant's money": ({"originEntityId": f'"{uuid4()}"'}, (403, "origin_forbidden")),
}  # fmt: skip


BODIES: dict[str, tuple[bytes, tuple[int, str]]] = {
    "B23 twice the same key": (b'{"amount": "1", "amount": "1000"}', (400, "duplicate_json_key")),
    "B23 deep inside": (b'{"metadata": {"a": [{"b": 1, "b": 2}]}}', (400, "duplicate_json_key")),
    "B23 escaped": (b'{"amount": "1", "\\u0061mount": "1"}', (400, "duplicate_json_key")),
    "B33 not UTF-8": (b'{"a": "\xff"}', J),
    "B33 overlong": (b'{"a": "\xc0\x80"}', J),
    "B33 surrogates in UTF-8": (b'{"a": "\xed\xa0\x80"}', J),
    "B33 UTF-16": ('{"a": 1}'.encode("utf-16"), J),
    "B33 UTF-16 without mark": ('{"a": 1}'.encode("utf-16-le"), J),
    "B33 byte order mark": (b"\xef\xbb\xbf{}", J),
    "B38 list": (b"[]", V),
    "B38 text": (b'"x"', V),
    "B38 null": (b"null", V),
    "B38 number": (b"1", V),
    "B38 true": (b"true", V),
    "B39 nothing": (b"", J),
    "B39 spaces": (b"  \n", J),
    "B39 cut off": (b'{"amount": ', J),
    "B39 something behind": (b"{} x", J),
    "B39 two documents": (b"{}{}", J),
    "B39 comment": (b"{} // x", J),
    "B39 single quotes": (b"{'a': 1}", J),
    "B39 control character": (b'{"a": "\x01"}', J),
    "B39 NUL behind": (b"{}\x00", J),
    "B39 trailing comma": (b'{"a": 1,}', J),
    "B27 never closed": (b"[" * 500_000, (400, "json_too_deep")),
    "B31 above 1 MB": (b" " * (1024 * 1024 + 1), (413, "payload_too_large")),
}


BAD_ACCOUNTS = {
    "B60 checksum": ({"type": "iban", "iban": "DE88370400440532013000"}, "iban"),
    "B60 length": ({"type": "iban", "iban": "DE8937040044053201300"}, "iban"),
    "B60 no country": ({"type": "iban", "iban": "XX8937040044053201300"}, "iban"),
    "B60 country without IBAN": ({"type": "iban", "iban": "US89370400440532013000"}, "iban"),
    "B60 missing": ({"type": "iban"}, "iban"),
    "B62 zero width": ({"type": "iban", "iban": "DE89\u200b370400440532013000"}, "iban"),
    "B62 wide": ({"type": "iban", "iban": "\uff24\uff2589370400440532013000"}, "iban"),
    "B62 Cyrillic": ({"type": "iban", "iban": "D\u041589370400440532013000"}, "iban"),
    "B64 another bank": ({"type": "iban", "iban": "DE89370400440532013000", "bic": "DEUTDEFF"}, "bic"),
    "B64 another country": ({"type": "iban", "iban": "DE89370400440532013000", "bic": "BNPAFRPP"}, "bic"),
    "B65 checksum": ({"type": "us_bank", "routingNumber": "021000022"}, "routingNumber"),
    "B65 zeros": ({"type": "us_bank", "routingNumber": "000000000"}, "routingNumber"),
    "B65 Arabic": ({"type": "us_bank", "routingNumber": "\u0660\u0662\u06610000\u0662\u0661"}, "routingNumber"),
    "B65 eight": ({"type": "us_bank", "routingNumber": "02100002"}, "routingNumber"),
    "B65 ten": ({"type": "us_bank", "routingNumber": "0210000211"}, "routingNumber"),
    "B66 sort code": ({"type": "uk_bank", "sortCode": "08999", "accountNumber": "66374958"}, "sortCode"),
    "B66 account": ({"type": "uk_bank", "sortCode": "089999", "accountNumber": "6637495"}, "accountNumber"),
    "B67 letters": ({"type": "mobile_money", "msisdn": "+22177abc4567"}, "msisdn"),
    "B67 length": ({"type": "mobile_money", "msisdn": "+2217712345"}, "msisdn"),
    "B67 no plus": ({"type": "mobile_money", "msisdn": "2250700000001"}, "msisdn"),
}  # fmt: skip


BAD_KEYS = {
    "empty": "", "spaces": "   ", "256": "k" * 256, "tab inside": "a\tb", "not ASCII": "cl\u00e9", "open quote": '"abc',
    "close quote": 'abc"', "only quotes": '""', "quoted spaces": '" "', "delete": "a\x7f",
}  # fmt: skip


PI = (422, "parameter_invalid")
UP = (422, "unknown_parameter")
QUERIES = {
    "B81 -1": ("limit=-1", PI),
    "B81 0": ("limit=0", PI),
    "B81 text": ("limit=abc", PI),
    "B81 exponent": ("limit=1e9", PI),
    "B81 empty": ("limit=", PI),
    "B81 Arabic": ("limit=%D9%A1", PI),
    "B81 plus": ("limit=%2B1", PI),
    "B81 fraction": ("limit=1.5", PI),
    "B82 -1": ("offset=-1", PI),
    "B82 beyond reach": ("offset=99999999999999999999", PI),
    "B82 far": ("offset=1000001", PI),
    "B84 unknown": ("status=hacked", PI),
    "B84 one of two unknown": ("status=pending,hacked", PI),
    "B84 empty": ("status=", PI),
    "B84 only commas": ("status=,", PI),
    "B84 twice": ("status=pending&status=sent", PI),
    "B84 case": ("status=PENDING", PI),
    "B86 NUL": ("external_id=%00", PI),
    "B86 NUL in status": ("status=%00", PI),
    "B86 NUL in a date": ("created_after=%00", PI),
    "B88 no such month": ("created_after=2026-13-01T00:00:00Z", PI),
    "B88 text": ("created_before=yesterday", PI),
    "uuid": ("beneficiary_id=1", PI),
    "priority": ("priority=high", PI),
    "B87 order": ("order=amount;drop", UP),
    "B87 lookup": ("status__in=pending", UP),
    "B87 secret": ("tenant__secret=x", UP),
    "B89 tenant": ("tenant_id=11111111-1111-4111-8111-111111111111", UP),
    "format": ("format=api", UP),
    "no name": ("=x", UP),
}
