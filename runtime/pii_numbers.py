"""Recognisers of telephone numbers, documents, cards and plates; they know no other kind of number.

Sources: GB 11643-1999 (resident identity number, check digit of ISO 7064 MOD 11-2), ISO/IEC 7812 (cards,
Luhn), GA 36-2018 (plates), the numbering plan of the Chinese telephone network.
"""

from __future__ import annotations

import re
from datetime import date

from runtime.pii_recognizer import (
    END,
    NO_AMOUNT,
    NO_UNIT,
    START,
    Recognizer,
    before,
    behind,
    digits_of,
    is_numbered,
)

_SEVEN_DIGITS = re.compile(r"[0-9](?:[ .()-]{0,3}[0-9]){6}")
_FIFTEEN_DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){14}")


_CALL = behind("tel", "phone", "mobile", "fax", "v", "vx", "wx", "qq")
_LABEL = behind("id", "no")
_ALSO = r"(?=[Vv](?![0-9A-Za-z]))"
_SEGMENT = r"1(?:3[0-9]|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])"
_COUNTRY = r"(?:\(\+?(?:00)?86\)|\+(?:00)?86|(?<![0-9A-Za-z.])(?:00)?86)[ -]{0,2}"
_MOBILE = re.compile(
    rf"(?=[(+01-8]){NO_AMOUNT}(?P<value>(?:{_COUNTRY}|{START}|(?:{_CALL})){_SEGMENT}"
    r"(?:[ -]?[0-9]{4}[ -]?[0-9]{4}|\.[0-9]{4}\.[0-9]{4}"
    r"|[0-9][ -](?:[0-9]{3}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{3})"
    rf"|[ -]?[0-9]{{3}}[ -][0-9]{{5}}|[0-9]{{2}}[ -][0-9]{{6}}))(?:{END}|{_ALSO}){NO_UNIT}"
)

_CITIES = r"10|2[0-57-9]"  # their numbers have eight digits
_REGIONS = r"(?:3[134579]|4[1-35-8]|5[1-9]|6[369]|7[0-79]|8[1-357-9]|9[013-579])[0-9]"
_LOCAL = r"[2-8][0-9]{2,3}[ -]?[0-9]{4}"
_EXTENSION = r"(?: ?(?:转|分机号?|(?i:ext\.?|x)|[-*#]) ?:? ?[0-9]{1,6})?"
_EIGHT = r"[2-8][0-9]{3}[ -]?[0-9]{4}"
_AREA = rf"(?:(?:{_CITIES})[ -]{{0,3}}{_EIGHT}|(?:{_REGIONS})[ -]{{0,3}}{_LOCAL})"
_BRACKETED = rf"\(0?(?:(?:{_CITIES})\)[ -]{{0,3}}{_EIGHT}|(?:{_REGIONS})\)[ -]{{0,3}}{_LOCAL})"
_FREE = (
    r"400[ -]?[016789](?:[0-9]{2}[ -]?[0-9]{4}|[0-9]{3}[ -]?[0-9]{3}|[ -][0-9]{3}[ -][0-9]{3})"
    r"|800[ -]?[89][0-9]{2}[ -]?[0-9]{4}"
)
_LANDLINE = (
    re.compile(
        rf"(?=[(+048]){NO_AMOUNT}(?P<value>(?:{_COUNTRY}(?:0?{_AREA}|{_BRACKETED})|{_BRACKETED}"
        rf"|(?:{START}|{_CALL})(?:0{_AREA}|{_FREE}))"
        rf"{_EXTENSION}){END}{NO_UNIT}"
    ),
    re.compile(
        r"(?:电话|座机|固话|传真|热线|(?<![A-Za-z])(?i:tel|fax))(?:号码|号)?(?:是|为)?[ :]{0,3}"
        rf"(?P<value>{_LOCAL}{_EXTENSION}){END}{NO_UNIT}"
    ),
)

_OTHERS = re.compile(
    r"(?<![0-9])(?<![0-9][ -])[2-69][0-9]{3}[ -][0-9]{4}[ -]$"
    r"|(?:[Qq]{2}|扣扣|企鹅|群)号?码?(?:是|为)? ?[:#]? ?$"
)
"""Before a number: the first half of a card's, or the words for QQ."""

_PROVINCES = frozenset(
    f"{code}"
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
    for code in range(first, last + 1)
)
"""First two digits; 81 to 83 are residence permits of people from Hong Kong, Macao and Taiwan."""

_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_RESIDENT_ID = (
    re.compile(
        rf"(?=[1-8])(?:{START}|{_LABEL})"
        rf"(?P<value>[1-8][0-9]{{5}}[ -]?(?:19|20)[0-9]{{2}}{_DAY}[ -]?[0-9]{{3}}[0-9Xx]){END}"
    ),
    re.compile(rf"(?=[1-8])(?:{START}|{_LABEL})(?P<value>[1-8][0-9]{{7}}{_DAY}[0-9]{{3}}){END}{NO_UNIT}"),
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"

_BANK_CARD = tuple(
    re.compile(rf"(?=[2-69])(?:{START}|{_LABEL})(?P<value>{digits}){END}{NO_UNIT}")
    for digits in (
        r"[2-69][0-9]{3}(?:[ -]?[0-9]{4}){3}[ -]?[0-9]{1,3}",
        r"[2-69][0-9]{3}(?:[ -]?[0-9]{4}){3}",
        r"[69][0-9]{5}[ -][0-9]{10,13}",
    )
)
_ISSUERS: dict[int, tuple[str, ...]] = {
    16: ("4", "51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27", "35", "60", "62", "64", "65"),
    17: ("62",),
    18: ("62", "69"),
    19: ("62", "601382", "9558", "9559", "456351", "436742"),
}
"""Digits → how numbers of Visa, Mastercard, JCB, Discover, UnionPay and old Chinese cards begin."""

_LETTER = "A-HJ-NP-Z"
_PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE = re.compile(
    rf"(?P<value>[{_PROVINCE}](?i:[{_LETTER}O][ .·-]?"
    rf"(?:[{_LETTER}][{_LETTER}0-9][0-9]{{4}}|[0-9]{{5}}[{_LETTER}]"
    rf"|[{_LETTER}0-9]{{5}}|[{_LETTER}0-9]{{4}}"
    r"(?:挂|学(?![校生习院])|警(?![察方官])|港(?![口币])|澳(?!门)|领(?![导取先])))"
    rf")){END}"
)
_PLATE_START = re.compile(rf"[{_PROVINCE}][A-Za-z]")
_FEWEST_PLATE_DIGITS = 2

_PASSPORT = (
    re.compile(
        rf"(?=[EG])(?:{START}|{_LABEL})(?P<value>[EG][0-9]{{8}}|E[{_LETTER}][0-9]{{7}}){END}{NO_UNIT}"
    ),
    re.compile(
        r"(?:护照|通行证|(?i:passport))(?:号码|证件?号|号)?(?i: ?no\.?)?(?:是|为)?[ :]{0,3}"
        rf"(?P<value>(?i:[EGHKM][0-9]{{8}}|E[{_LETTER}][0-9]{{7}}|[DSP]E?[0-9]{{7}}|[DSP]\.?[0-9]{{7,8}}"
        rf"|MA[0-9]{{7}}|[CHM][0-9]{{10}}|C[0-9{_LETTER}][0-9]{{7}})|1[45][0-9]{{7}}){END}"
    ),
)


def luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (
        sum(map(int, digits[::-2])) + sum(twice - 9 if twice > 9 else twice for twice in doubled)
    ) % 10 == 0


def check_digit(first: str) -> str:
    """Return the eighteenth character of a resident identity number from the seventeen before it."""
    return _CHECK_DIGITS[sum(int(digit) * weight for digit, weight in zip(first, _WEIGHTS, strict=True)) % 11]


def _is_mobile(match: re.Match[str]) -> bool:
    return not is_numbered(match)


def _is_landline(match: re.Match[str]) -> bool:
    if is_numbered(match) or _OTHERS.search(before(match)):
        return False
    return not (len(match["value"]) == 8 and _is_date(match["value"]))


def _is_resident_id(match: re.Match[str]) -> bool:
    value = match["value"].replace(" ", "").replace("-", "")
    if value[:2] not in _PROVINCES:
        return False
    if len(value) == 15:
        return _is_date(f"19{value[6:12]}") and not is_numbered(match)
    return _is_date(value[6:14]) and value[17].upper() == check_digit(value[:17])


def _is_bank_card(match: re.Match[str]) -> bool:
    digits = digits_of(match["value"])
    return digits.startswith(_ISSUERS[len(digits)]) and luhn(digits) and not is_numbered(match)


def _is_plate(match: re.Match[str]) -> bool:
    return len(digits_of(match["value"])) >= _FEWEST_PLATE_DIGITS


def _is_passport(match: re.Match[str]) -> bool:
    return not is_numbered(match)


def _is_date(digits: str) -> bool:
    """Tell whether eight digits are a day of a year from 1900 to 2099."""
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return 1900 <= day.year < 2100


RESIDENT_ID = Recognizer("【身份证】", _RESIDENT_ID, _FIFTEEN_DIGITS, _is_resident_id)
BANK_CARD = Recognizer("【银行卡】", _BANK_CARD, _FIFTEEN_DIGITS, _is_bank_card)
MOBILE = Recognizer("【手机号】", (_MOBILE,), _SEVEN_DIGITS, _is_mobile)
LANDLINE = Recognizer("【座机】", _LANDLINE, _SEVEN_DIGITS, _is_landline)
PASSPORT = Recognizer("【护照】", _PASSPORT, re.compile(r"[0-9]{7}"), _is_passport)
PLATE = Recognizer("【车牌】", (_PLATE,), _PLATE_START, _is_plate)
