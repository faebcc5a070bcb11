"""ISO 20022 status and return reasons as they reach a credit transfer: code, what follows, topic, what it says.

Sources: ISO 20022 external code sets 4Q2025 (ExternalStatusReason1Code, ExternalReturnReason1Code), in our
words; EPC inquiry and r-transaction guidance (EPC173-14). What belongs to requests to pay, mandates, cheques,
cards, tokens, trackers and to signatures of files is not listed: an unlisted code needs a person.
"""

from __future__ import annotations

# AB06-AB10 are negative confirmations because they come in a status report; a missing answer is not.
CREDIT_TRANSFER = """
AB01 retry later | Clearing gave up after a time-out
AB02 retry later | Clearing failed
AB03 retry later | Settlement gave up after a time-out
AB04 retry later | Settlement failed
AB05 retry_other_rail unreachable | The payee's bank did not answer in time
AB06 retry later | A bank on the way did not answer in time
AB07 retry later | Somebody on the way is not online
AB08 retry later | The payee's bank is not online
AB09 retry later | The payee's bank had an error
AB10 retry later | A bank on the way had an error
AB11 retry later | Our bank did not answer in time
AC01 refuse number | The account number is wrong or missing
AC02 repair ours | Our own account number is wrong
AC03 refuse number | The payee's account number is not valid
AC04 refuse closed | The account is closed
AC05 repair ours | Our own account is closed
AC06 refuse blocked | The account is blocked
AC07 refuse closed | The payee's account is closed
AC08 repair bank | The branch is wrong or missing
AC09 repair kind | The account's currency is wrong or missing
AC10 repair ours | Our own account is in another currency
AC11 repair kind | The payee's account is in another currency
AC12 repair kind | The kind of account is wrong or missing
AC13 repair kind | The account is of the wrong kind
AC14 repair kind | The payee's account is of the wrong kind, or a bank on the way is wrong
AC15 repair moved | The account's details have changed
AC16 repair blocked | The account is sequestrated
AC17 repair blocked | The account's holder is in liquidation
AG01 refuse barred | Such a payment is forbidden on this account
AG02 repair file | The operation's code is not valid for the payee's bank
AG03 retry_other_rail unreachable | That bank does not take this kind of payment on this account
AG04 repair bank | A bank's country is wrong or missing
AG05 repair ours | Our bank's country is wrong or missing
AG06 repair bank | The country of the payee's bank is wrong or missing
AG07 fund_first funding | Our account cannot be debited: it may lack money
AG08 repair ours | We lack the right to order this
AG09 repair seen | The bank says that it never received the payment
AG10 retry later | A bank is suspended from the payment system
AG11 retry later | The payee's bank is suspended from the payment system
AG12 repair ours | The scheme does not carry payments within one bank
AG13 repair seen | What came back once cannot come back again
AGNT repair bank | A bank on the way is wrong
AM01 repair ours | The amount is zero
AM02 retry_other_rail limit | The amount is above the allowed maximum
AM03 repair ours | The currency is not processed without an agreement
AM04 fund_first funding | Our account had too little money
AM05 repair seen | The bank has seen this payment before
AM06 repair minimum | The amount is below the agreed minimum
AM07 refuse barred | The amount was blocked by an authority
AM09 repair ours | The amount is not what was agreed
AM10 repair file | The amounts do not add up to the control sum
AM11 repair file | The currency is wrong or missing
AM12 repair file | The amount is wrong or missing
AM13 retry_other_rail limit | The amount is above the clearing's limit
AM14 retry_other_rail limit | The amount is above what our bank agreed with us
AM15 repair minimum | The amount is below the clearing's minimum
AM16 repair file | The control sum of the message is wrong
AM17 repair file | The control sum of a block is wrong
AM18 repair file | The number of payments is wrong or missing
AM19 repair file | The message's number of payments is wrong
AM20 repair file | A block's number of payments is wrong
AM21 retry_other_rail limit | The amount is above what our bank agreed with us
AM22 repair ours | A zero amount cannot be applied to this account
AM23 retry_other_rail limit | The amount is above the settlement limit
ARDT refuse recalled | It was returned before
BE01 repair name | The name does not fit the account
BE04 repair address | The payee's address is missing or wrong
BE05 repair ours | The payee does not know who ordered it
BE06 repair details | The payee is not known at that bank
BE07 repair ours | Our own address is missing or wrong
BE08 repair ours | Our own name is missing
BE09 repair address | A country is missing or wrong
BE10 repair ours | Our own country is missing or wrong
BE11 repair address | The payee's country is missing or wrong
BE12 repair address | A country of residence is missing or wrong
BE13 repair ours | Our own country of residence is missing or wrong
BE14 repair address | The payee's country of residence is missing or wrong
BE15 repair details | An identification is missing or wrong
BE16 repair ours | Our own identification is missing or wrong
BE17 repair details | The payee's identification is missing or wrong
BE18 repair details | The contact details are missing or wrong
BE19 repair file | The bearer of charges is wrong for this kind of payment
BE20 repair name | The name is too long for this kind of payment
BE21 repair name | A name is missing or not valid
BE22 repair name | The payee's name is missing
BE23 repair details | The telephone number or address that stands for the account is unknown
CERI repair file | It carries extended remittance information without saying so
CH03 repair file | The execution date is too far ahead
CH04 retry date | The execution date is too long past
CH07 repair file | An element stands on the wrong level
CH13 repair file | An original account was named where none may be
CH14 repair file | An original bank was named where none may be
CH15 repair file | The reference text is longer than 140 characters
CH16 repair file | The content of an element is wrong
CH17 repair file | An element is not allowed
CH20 repair file | The amount has more decimals than its currency
CH21 repair file | An element that must be there is missing
CHRG repair file | The bearer of charges was not accepted
CNOR retry_other_rail unreachable | The payee's bank does not take part under this BIC
CNPC repair declined | The cash was not picked up
CURR repair ours | The currency is wrong
CUST refuse declined | Its cancellation was asked for
DC02 repair ours | The banks' covering settlement did not arrive
DC04 repair ours | The covering settlement came back: the payment's details were missing
DNOR repair ours | Our own bank does not take part under its BIC
DS02 repair ours | Somebody authorised cancelled the order
DS04 repair file | The bank rejected the order for its content
DS0H repair ours | Our signer may not sign for this account
DS24 repair ours | The order was incomplete for too long
DS25 repair ours | The bank's server deleted the file
DS28 repair ours | It was sent to the wrong environment
DT01 retry date | The date had passed or is not valid
DT02 repair file | The creation date is not valid
DT03 retry date | The date is no banking day
DT04 repair file | A date in the future is not supported
DT05 retry date | It came after the cut-off date
DT06 repair seen | The bank moved the execution date
DU01 repair seen | The message's name was used before
DU02 repair seen | The block's name was used before
DU03 repair seen | The payment was sent before
DU04 repair seen | The end-to-end reference was used before
DU05 repair seen | The instruction's name was used before
DUPL repair seen | The payment is a duplicate of another one
ED01 retry_other_rail unreachable | No correspondent bank is possible
ED03 repair ours | Information on the balance of payments is wanted
ED05 retry later | Settlement failed between the banks
ED06 retry later | The settlement system was not available
EDNA repair file | The execution date was not accepted
EMVL repair declined | A card payment was found to be fraudulent
EOL1 repair ours | Our authorisation has expired
ERIN repair file | Extended remittance information is not supported
FF01 repair file | The bank could not read our file
FF02 repair file | The syntax is wrong: see the bank's own words
FF03 repair file | The kind of payment is wrong or missing
FF04 repair file | The service level is wrong or missing
FF05 repair file | The local instrument is wrong or missing
FF06 repair file | The category purpose is wrong or missing
FF07 repair file | The purpose is wrong or missing
FF08 repair file | The end-to-end reference is wrong or missing
FF10 retry later | The bank had a technical problem
FF11 retry later | Clearing was aborted
FF12 repair seen | As it stands it cannot be returned
FF13 repair seen | No request for its cancellation was found
FOCR refuse recalled | It came back after our recall
FR01 refuse barred | It was returned as fraud
FRAD repair ours | Its cancellation was asked for after fraud
FRTR repair debit | A mandate was cancelled
G004 repair seen | The credit waits for the covering money
INDT repair file | The details are not valid for their field
MD01 repair debit | There is no mandate
MD02 repair debit | Information on a mandate is missing
MD05 repair debit | A collection should not have been made
MD06 repair debit | The end customer asked for the money back
MD07 refuse gone | The payee has died
MINF repair file | Information is missing
MS02 refuse declined | The payee refused it, without a reason
MS03 repair unexplained | The bank refused it, without a reason
NARR repair unexplained | See the bank's own words
NERI repair file | It promises extended remittance information and has none
NOAS retry later | The payee's side did not answer
NOCM repair barred | The payee's account does not meet regulatory requirements
NOOR repair seen | The bank never received the original payment
PINL repair declined | A card was lost or stolen
RC01 repair bank | The bank's code is malformed
RC02 repair bank | A bank's code is wrong or missing
RC03 repair ours | Our own bank's code is wrong or missing
RC04 repair bank | The code of the payee's bank is wrong or missing
RC05 repair bank | A BIC is wrong or missing
RC06 repair ours | Our own bank's BIC is wrong or missing
RC07 retry_other_rail bank | The BIC of the payee's bank is wrong or missing
RC08 repair bank | A bank's clearing number is wrong or missing
RC09 repair ours | Our own bank's clearing number is wrong or missing
RC10 repair bank | The clearing number of the payee's bank is wrong or missing
RC11 repair bank | A bank between is wrong or missing
RC12 repair details | The payee's scheme identification is wrong or missing
RC13 repair ours | Whoever ordered it is not active any more
RC15 repair ours | A settlement agreement is missing
RF01 repair seen | Two payments in the message have one reference
RR01 repair ours | Our account or identification is missing for the regulator
RR02 repair ours | Our name or address is missing for the regulator
RR03 repair address | The payee's name or address is missing for the regulator
RR04 refuse barred | Refused for regulatory reasons
RR05 repair ours | A report to the central bank is missing or wrong
RR06 repair ours | Tax information is missing or wrong
RR07 repair file | The reference text does not follow the rules
RR08 repair file | The reference text was cut to follow the rules
RR09 repair file | The structured reference is wrong or missing
RR10 repair file | The text has characters that the country does not take
RR11 repair ours | The bank's service is not identified
RR12 repair details | An identification that the country wants is missing
RUTA repair unexplained | It came back after an investigation without a remedy
SL01 repair ours | A service that our bank offers us stopped it
SL02 repair declined | A service of the payee's bank stopped it
SL03 repair unexplained | A service of the clearing stopped it
SL11 repair ours | The payee is not on the list of those whom our bank lets us pay
SL12 repair ours | The payee is on the list of those whom our bank does not let us pay
SL13 repair debit | Too many collections in a period
SL14 repair debit | A collection was above the agreed amount
SL15 repair ours | Too many payments for our bank's service in this period
SL16 repair ours | Too much money for our bank's service in this period
SL17 repair ours | We are not on an operator's list of those who may pay
SL18 repair barred | We are on a list of those who may not pay this payee
SP01 repair declined | The account's holder stopped it
SP02 repair declined | It had been stopped before
SVNR repair declined | A card payment was returned for goods or cash
TA01 repair seen | The file did not arrive whole
TD02 repair file | The file cannot be read
TD03 repair file | The file is incomplete
TM01 retry date | It came after the cut-off
TRAC repair debit | A direct debit was taken out of tracking
UCRD repair details | The payee is unknown
UPAY repair declined | The payment is not justified
CN01 repair ours | Our authorisation was cancelled
"""

# The payee's bank could not be reached in time (AB05-AB10) or does not take part: another rail may carry the
# payment, the same one will refuse it again. All of them say that no money moved.
INSTANT = """
AB06 retry_other_rail unreachable | A bank on the way did not answer in time
AB07 retry_other_rail unreachable | Somebody on the way is not online
AB08 retry_other_rail unreachable | The payee's bank is not online
AB09 retry_other_rail unreachable | The payee's bank had an error
AB10 retry_other_rail unreachable | A bank on the way had an error
AG11 retry_other_rail unreachable | The payee's bank is suspended from instant payments
MS03 retry_other_rail unreachable | The bank does not take it as an instant payment
"""

# Real-time gross settlement: what is refused for its amount or its bank will be refused again here.
WIRE = """
AM02 repair limit | The amount is above the allowed maximum
AM13 repair limit | The amount is above the system's limit
AM14 repair limit | The amount is above what our bank agreed with us
AM21 repair limit | The amount is above what our bank agreed with us
AM23 repair limit | The amount is above the settlement limit
"""
