"""Reasons that are one bank's or operator's own words, and our own: code, what follows, topic, what it says.

Orange and M-Pesa number theirs alike and mean other things: these tables go by driver, never by rail.
"""

from __future__ import annotations

# Not ISO although they look like it: BE08 is "the other bank is away" here.
FASTER_PAYMENTS = """
BE08 retry later | The payee's bank is away
MS03 retry later | The payee's bank refused it, without a reason
AM02 retry_other_rail limit | The amount is above the scheme's limit
AM04 fund_first funding | Our account had too little money
AC03 refuse number | There is no such account
AC06 refuse blocked | The account is stopped
AC07 refuse closed | The account is closed
AG01 refuse barred | Such a payment is forbidden on this account
MD09 refuse gone | The payee has died
CB_AccountHoldersBankrupt refuse barred | The account's holder is bankrupt
CB_AccountSwitched refuse moved | The account was switched to another bank
AC09 repair kind | The account is in another currency
PY01 repair bank | The payee's bank does not take part
CB_AccountNameAndNumberMismatch repair name | The name does not fit the account
CB_ReferenceMissing repair details | The payee's account needs a reference
CB_ReferenceIncorrect repair details | The payee's account needs another reference
CB_BeneficiaryNameMissing repair name | The payee's name is missing
ASSESSMENT_FAILED repair unexplained | The bank refused it itself, in words of its own: see the evidence
"""

MTN = """
SERVICE_UNAVAILABLE retry later | The operator's service was away
EXPIRED retry later | The payment ran out of time
COULD_NOT_PERFORM_TRANSACTION retry later | The operator could not do it
NOT_ENOUGH_FUNDS fund_first funding | Our float has too little money
PAYER_LIMIT_REACHED fund_first funding | Our float has reached its limit
PAYEE_NOT_FOUND refuse number | There is no such wallet
PAYEE_NOT_ALLOWED_TO_RECEIVE refuse blocked | The wallet may not receive
PAYEE_LIMIT_REACHED refuse payee_limit | The wallet has reached its limit
REJECTED repair unexplained | The operator rejected it, for any reason
NOT_ALLOWED repair ours | Our account may not do this
INVALID_CURRENCY repair ours | The currency is not this country's
TRANSFER_TYPE_UNKNOWN repair ours | The kind of transfer is unknown
NOT_ALLOWED_TARGET_ENVIRONMENT repair ours | The target environment is wrong
INVALID_CALLBACK_URL_HOST repair ours | The callback's host is not registered
INTERNAL_PROCESSING_ERROR repair unexplained | The operator had an error; most often our float lacks money
"""

WAVE = """
insufficient-funds fund_first funding | Our wallet has too little money
service-unavailable retry later | The operator's service was away
recipient-account-inactive refuse number | The wallet is not active
recipient-account-blocked refuse blocked | The wallet is blocked
recipient-minor refuse barred | The wallet's holder is a minor
country-mismatch refuse details | The wallet is in another country
recipient-limit-exceeded refuse payee_limit | The wallet has reached its limit
PAYEE_LIMIT_REACHED refuse payee_limit | The wallet has reached its limit
request-validation-error repair file | The operator could not read the request
currency-mismatch repair ours | The currency is not this country's
idempotency-mismatch repair seen | The key was used before, for another payment
"""

# 2011 and 2013 are our PIN: after a few of them the operator blocks it, so a person must look.
ORANGE = """
2000 refuse number | There is no such wallet
2001 refuse blocked | The wallet cannot receive
PAYEE_LIMIT_REACHED refuse payee_limit | The wallet has reached its limit
2020 fund_first funding | Our float has too little money
2021 fund_first funding | Our float has reached its limit
2011 repair credentials | Our PIN is wrong: stop this connection before the operator blocks it
2013 repair credentials | Our PIN is blocked: stop this connection
2041 repair ours | Our account may not do this
4003 repair ours | The key that the PIN is enciphered with must be renewed
50 repair doubt | The operator does not know what became of it
"""

# 1037 is M-Pesa's own time-out: it says nothing, so the connector reads it as no answer.
MPESA = """
1 fund_first funding | Our float has too little money
17 retry later | M-Pesa's own limit on this kind of payment was reached
26 retry later | M-Pesa's system is busy
1001 retry later | The wallet is busy with another payment
1019 retry later | The payment ran out of time
1037 repair doubt | M-Pesa could not reach the wallet in time
2001 repair credentials | Our initiator or its password is wrong
2040 refuse number | There is no such wallet
8006 refuse blocked | The wallet is blocked
400.002.02 repair file | M-Pesa could not read the request
"""

# Of no bank: what connectors say about their own calls, and the engine about itself. No refusal of a bank is
# one of them, so as a refusal each needs a person.
OURS = """
BAD_REQUEST repair file | The bank could not read the request
REVERSED repair declined | The operator took the payment back
bank_mismatch repair ours | The bank names other money than we asked for
outcome_unknown repair doubt | The bank's answer did not come
deadline repair doubt | The bank did not answer in time
cut repair doubt | The connection broke off
protocol_error repair doubt | The bank's answer was not HTTP
answer_too_large repair doubt | The bank's answer was too large
answer_unreadable repair doubt | The bank's answer could not be read
status_unknown repair doubt | The bank's answer had an unknown status
inquiry_unsupported repair doubt | The bank cannot be asked
not_found repair doubt | The bank does not find it
bank_busy repair later | The bank was busy
bank_auth repair credentials | The bank refused our credentials
dns_failed repair ours | The bank's address was not found
connection_refused repair later | The bank's door was closed
connect_failed repair later | No connection to the bank came about
connect_timeout repair later | The bank could not be reached in time
tls_failed repair ours | No secure connection to the bank
deadline_before_send repair later | There was no time left to send it
lease_over repair later | Our worker was held up before it sent anything
claim_lost repair later | Our worker was lost before it sent anything
connector_broke repair later | Our connection to the bank broke
prepare_failed repair ours | The order could not be built
file_total_exceeded repair ours | The file's total would not fit
file_numbers_exhausted repair later | No file name is left for this day
account_unreadable repair ours | The account cannot be deciphered: a key is missing
approval_stale repair ours | It is not what was approved: a second person must look again
invalid_name repair name | The name cannot be written on this rail
name_too_long repair name | The name is longer than this rail carries
national_check_failed repair number | The IBAN's national check digits are wrong
modulus_check_failed repair number | The account number does not belong to the sort code
payee_no_match repair name | The payee's bank says that the account has another name
payee_close_match repair name | The payee's bank says that the account has a similar name
payee_not_verified repair name | Nobody could say whose account it is
"""
