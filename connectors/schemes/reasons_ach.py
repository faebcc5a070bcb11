"""NACHA return reasons R01 to R85 and notifications of change C01 to C14, read as they concern credits.

Source: NACHA Operating Rules 2026, appendix four, in our words. A code that belongs to debits, cheques or
enrolments cannot reach a payout: when it does, a person asks the bank. Unlisted numbers are not assigned.
"""

from __future__ import annotations

RETURNS = """
R01 repair debit | Not enough money in the account that was to be debited
R02 refuse closed | The account is closed
R03 refuse number | There is no such account
R04 refuse number | The account number is not valid
R05 repair debit | A consumer did not authorise a company's debit
R06 refuse recalled | We asked for the money back, and it came
R07 repair debit | The authorisation of a debit was revoked
R08 repair debit | The payment of a debit was stopped
R09 repair debit | The money in the debited account is not yet collected
R10 repair debit | A customer says that a debit was not authorised
R11 repair debit | A customer says that a debit was not as agreed
R12 repair moved | The branch was sold to another bank
R13 repair bank | The routing number is not valid, or its bank takes no part
R14 refuse gone | The account's representative has died
R15 refuse gone | The payee has died
R16 refuse barred | The account is frozen
R17 repair file | The bank could not process the entry; with QUESTIONABLE it suspects fraud
R18 retry date | The effective date is not valid
R19 repair file | The amount is not valid
R20 repair kind | It is not a transaction account
R21 repair ours | Our company identification is not valid
R22 repair details | The payee's identification is not valid
R23 refuse declined | The payee refused it
R24 repair seen | The bank has seen this entry before
R25 repair file | The addendum is wrong
R26 repair file | A field that must be there is wrong
R27 repair file | The trace number is wrong
R28 repair bank | The routing number's check digit is wrong
R29 repair debit | A company says that a debit was not authorised
R30 repair debit | The bank takes no part in check truncation
R31 retry later | The bank asks to permit a return
R32 retry later | The settlement between the banks failed
R33 repair debit | A destroyed check was returned
R34 refuse blocked | The payee's bank takes part only in a limited way
R35 repair debit | A debit was not proper
R36 repair file | A credit of this entry class is not proper
R37 repair debit | The check behind a debit was presented too
R38 repair debit | The check behind a debit was stopped
R39 repair debit | The document behind a debit was not proper
R40 repair debit | An agency returned an enrolment
R41 repair debit | An enrolment has the wrong transaction code
R42 repair debit | An enrolment has the wrong routing number
R43 repair debit | An enrolment has the wrong account number
R44 repair debit | An enrolment has the wrong identification
R45 repair debit | An enrolment has the wrong name
R46 repair debit | An enrolment has the wrong representative
R47 repair debit | An enrolment was sent twice
R50 repair debit | A state's law stands against a re-presented check
R51 repair debit | A check could not be re-presented
R52 repair debit | A re-presented check was stopped
R53 repair debit | A check was presented and re-presented
R61 repair seen | A return went to the wrong bank
R62 repair debit | A debit was returned as erroneous or reversing
R63 repair seen | A return has the wrong amount
R64 repair seen | A return has the wrong identification
R65 repair seen | A return has the wrong transaction code
R66 repair seen | A return has the wrong company identification
R67 repair seen | An entry was returned twice
R68 repair seen | A return came too late
R69 repair seen | A return has wrong fields
R70 repair seen | A return that needs permission had none
R71 repair seen | A dishonoured return went to the wrong bank
R72 repair seen | A dishonoured return came too late
R73 repair seen | The bank says that its return was in time
R74 repair seen | The bank corrected its return
R75 repair seen | The bank says that its return was no duplicate
R76 repair seen | The bank found no error in its return
R77 repair debit | The bank does not take back a dishonoured debit
R80 repair file | An international entry is wrongly coded
R81 repair bank | The bank takes no part in international entries
R82 repair bank | The foreign bank's identification is wrong
R83 repair bank | The foreign bank could not settle
R84 retry_other_rail unreachable | The gateway did not process the entry
R85 repair file | An outbound international payment is wrongly coded
FILE_INVALID repair file | The bank could not read our file
"""

# The payment went through. As a refusal none of them makes sense: then a person looks.
CHANGES = """
C01 repair notice | The account number was corrected
C02 repair notice | The routing number was corrected
C03 repair notice | Routing number and account number were corrected
C04 repair notice | The name was corrected
C05 repair notice | The kind of account was corrected
C06 repair notice | Account number and kind of account were corrected
C07 repair notice | Routing number, account number and kind of account were corrected
C08 repair notice | A foreign bank's identification was corrected
C09 repair notice | The payee's identification was corrected
C10 repair notice | Our company name is to be corrected
C11 repair notice | Our company identification is to be corrected
C12 repair notice | Our company name and identification are to be corrected
C13 repair notice | The addendum's format is to be corrected
C14 repair notice | The entry class of an outbound international payment is to be corrected
"""
