"""Mobile numbers of the countries where wallets can be paid, as data.

Source: the national numbering plans deposited with the ITU (E.164), as of November 2026. Only
mobile ranges are listed, so a fixed, short or premium number is refused. Two traps: Côte d'Ivoire
has had 10 digits since 31 January 2021, Benin since 30 November 2024 (both refuse the old 8-digit
form).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MobilePlan:
    """How a mobile number of `country` looks in E.164 with its plus sign."""

    country: str
    calling_code: str
    pattern: re.Pattern[str]


def _plan(country: str, calling_code: str, national: str) -> MobilePlan:
    return MobilePlan(country, calling_code, re.compile(rf"\+{calling_code}{national}", re.ASCII))


MOBILE_PLANS: tuple[MobilePlan, ...] = (
    _plan("SN", "221", r"7[0-9]\d{7}"),
    _plan("CI", "225", r"0[157]\d{8}"),
    _plan("ML", "223", r"[5-9]\d{7}"),
    _plan("BF", "226", r"(?:0[1-7]|[567]\d)\d{6}"),
    _plan("BJ", "229", r"01[2-9]\d{7}"),
    _plan("TG", "228", r"[79]\d{7}"),
    _plan("NE", "227", r"(?:7|8|9)\d{7}"),
    _plan("GW", "245", r"9[5-7]\d{7}"),
    _plan("CM", "237", r"6[25-9]\d{7}"),
    _plan("GH", "233", r"[25]\d{8}"),
    _plan("KE", "254", r"(?:7\d|1[0-4])\d{7}"),
    _plan("UG", "256", r"7\d{8}"),
    _plan("TZ", "255", r"[67]\d{8}"),
    _plan("RW", "250", r"7[2389]\d{7}"),
    _plan("ZM", "260", r"[79]\d{8}"),
)
