"""Telephone numbers, documents, cards and plates: every written form, every near miss."""

from __future__ import annotations

import calendar
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.pii import find
from runtime.pii_numbers import check_digit, luhn


def found(text: str) -> list[tuple[str, str]]:
    """Return kinds and values of a text."""
    return [(span.kind, text[span.start : span.end]) for span in find(text)]


@pytest.mark.parametrize(
    "value",
    [
        "13812345678", "138 1234 5678", "138-1234-5678", "138-12345678", "1381234 5678", "1381 234 5678",
        "138.1234.5678",
        "13812 345678", "138 123 45678", "+8613812345678", "+86 138 1234 5678", "0086-13812345678",
        "8613812345678",
        "(+86)13812345678", "(86) 138-1234-5678", "19912345678", "16612345678", "14712345678",
    ],
)  # fmt: skip
def test_a_mobile_number_is_found_in_every_form(value: str) -> None:
    for text in (f"打{value}找我", value, f"({value})", f"电话:{value}.", f"{value},{value}"):
        assert ("mobile", value) in found(text)
        assert {kind for kind, _ in found(text)} == {"mobile"}


@pytest.mark.parametrize("label", ["tel", "TEL", "Tel:", "vx", "微信v", "QQ", "Phone "])
def test_a_label_may_touch_a_mobile_number(label: str) -> None:
    assert found(f"请加{label}13812345678") == [("mobile", "13812345678")]


@pytest.mark.parametrize(
    "text",
    [
        "12812345678", "10012345678", "15412345678", "16012345678", "19412345678", "1381234567",
        "138123456789", "a13812345678",
        "13812345678b", "3.13812345678", "13812345678.5", "¥13812345678", "13812345678元",
        "13812345678 美元", "订单号13812345678",
        "流水号：13812345678", "ISBN13812345678", "单据PO-13812345678", "1381234 567", "13,812,345,678",
        "138 1234 56789",
    ],
)  # fmt: skip
def test_what_resembles_a_mobile_number_is_none(text: str) -> None:
    assert found(f"这是{text}，") == []


@pytest.mark.parametrize(
    "value",
    [
        "010-62345678", "01062345678", "(010)62345678", "010 6234 5678", "0571-8765432", "0571-87654321",
        "(0571) 87654321",
        "+86-10-62345678", "+86 571 87654321", "0086-021-62345678", "010-62345678-801",
        "010-62345678转801", "021-62345678分机12",
        "400-123-4567", "4001234567", "400 123 4567", "4008-123-123", "400-8123-123", "800-820-8888",
        "8008208888", "800-990-8888",
    ],
)  # fmt: skip
def test_a_landline_is_found_in_every_form(value: str) -> None:
    for text in (f"打{value}找我", value, f"电话：{value}。", f"[{value}]"):
        assert found(text) == [("landline", value)]


@pytest.mark.parametrize("words", ["电话", "座机：", "固话是", "传真: ", "Tel:", "热线"])
def test_a_number_without_area_code_needs_a_word(words: str) -> None:
    assert found(f"请拨{words}62345678") == [("landline", "62345678")]
    assert found("请拨62345678") == []


@pytest.mark.parametrize(
    "text",
    [
        "010-12345678", "010-6234567", "030-62345678", "0571-123", "400-223-4567", "400123456",
        "4001234567元", "2010-62345678",
        "6227 0027 0571 7016603", "QQ 4001234567元", "电话20231108", "010-62345678.5", "订单0571-87654321",
        "A010-62345678",
    ],
)  # fmt: skip
def test_what_resembles_a_landline_is_none(text: str) -> None:
    assert found(text) == []


def test_a_number_announced_as_qq_is_no_free_phone() -> None:
    assert found("QQ号4001710722") == [("qq", "4001710722")]
    assert found("电话4001710722") == [("landline", "4001710722")]


def identity(county: str, day: str, number: str) -> str:
    """Return eighteen characters with a right check digit, by the recursion of ISO 7064."""
    carried = 0
    for digit in county + day + number:
        carried = (carried + int(digit)) * 2 % 11
    return county + day + number + "0123456789X"[(12 - carried) % 11]


NUMBERS = st.builds(
    identity,
    st.sampled_from(["110105", "441900", "650102", "710000", "820000", "320106"]),
    st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(lambda day: f"{day:%Y%m%d}"),
    st.integers(0, 999).map("{:03}".format),
)


@given(value=NUMBERS)
def test_every_right_resident_number_is_found(value: str) -> None:
    for form in {
        value,
        value.lower(),
        f"{value[:6]} {value[6:14]} {value[14:]}",
        f"{value[:6]}-{value[6:14]}-{value[14:]}",
    }:
        assert found(f"证号{form}的") == [("resident_id", form)]
    assert check_digit(value[:17]) == value[17]


@given(value=NUMBERS, place=st.integers(0, 16), change=st.integers(1, 9))
def test_a_resident_number_with_one_wrong_digit_is_none(value: str, place: int, change: int) -> None:
    wrong = value[:place] + str((int(value[place]) + change) % 10) + value[place + 1 :]
    assert "resident_id" not in {kind for kind, _ in found(f"证号{wrong}的")}


@given(value=NUMBERS, more=st.text("0123456789", min_size=1, max_size=5), is_before=st.booleans())
def test_a_resident_number_inside_a_longer_run_is_none(value: str, more: str, is_before: bool) -> None:
    value = value.replace("X", "0")
    run = more + value if is_before else value + more
    assert "resident_id" not in {kind for kind, _ in found(f"串{run}的") if _ == value}


@pytest.mark.parametrize("day", ["19990229", "20011301", "19850431", "19770000", "18991231", "21000101"])
def test_a_resident_number_needs_a_day_that_was(day: str) -> None:
    assert found(identity("110105", day, "002")) == []
    assert calendar.isleap(2000)
    assert found(identity("110105", "20000229", "002")) != []


def test_a_resident_number_needs_a_province() -> None:
    assert found(identity("990105", "19850412", "002")) == found(identity("100105", "19850412", "002")) == []


def test_the_old_form_has_fifteen_digits_and_a_day() -> None:
    assert found("旧证110105850412002号") == [("resident_id", "110105850412002")]
    assert found("旧证110105851312002号") == found("订单号110105850412002") == []


@pytest.mark.parametrize(
    "value",
    [
        "6225880123456783", "6225 8801 2345 6783", "6225-8801-2345-6783", "4111111111111111",
        "5500005555555559", "3530111333300000",
        "6222021234567890128", "6222 0212 3456 7890 128", "622202 1234567890128", "9558801234567890128",
    ],
)  # fmt: skip
def test_a_card_is_found_in_every_form(value: str) -> None:
    assert luhn("".join(filter(str.isdigit, value)))
    for text in (f"卡号{value}请", value, f"({value})", f"{value} 3"):
        assert found(text) == [("bank_card", value)]


@given(first=st.text("0123456789", min_size=15, max_size=15), change=st.integers(1, 9))
def test_one_of_ten_last_digits_is_the_check_digit(first: str, change: int) -> None:
    right = [digit for digit in "0123456789" if luhn(first + digit)]
    assert len(right) == 1
    assert not luhn(first + str((int(right[0]) + change) % 10))


@pytest.mark.parametrize(
    "text",
    ["6225880123456784", "1234567812345670", "79927398713", "62258801234567830000000",
     "订单号6225880123456783", "6225880123456783.5",
     "x6225880123456783", "8225880123456789"],
)  # fmt: skip
def test_what_resembles_a_card_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "value",
    ["京A12345", "粤B·12345", "沪A 12345", "川A-1B2C3", "粤BD12345", "京A12345D", "粤BFA1234", "京A1234挂",
     "粤Z1234港", "沪A1234学",
     "苏e12345", "京O12345", "浙A1234警"],
)  # fmt: skip
def test_a_plate_is_found_in_every_form(value: str) -> None:
    for text in (f"车牌{value}违停", value, f"{value}，"):
        assert found(text) == [("plate", value)]


@pytest.mark.parametrize(
    "text",
    [
        "型A12345",
        "京I12345",
        "京1A2345",
        "京A1234",
        "京A1234567",
        "京ABCDEF",
        "京A1234学生",
        "苏A1234领导",
        "京AO1234",
    ],
)
def test_what_resembles_a_plate_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("value", ["E12345678", "G12345678", "EA1234567"])
def test_an_ordinary_passport_needs_no_word(value: str) -> None:
    assert found(f"证件{value}号") == [("passport", value)]


@pytest.mark.parametrize(
    "value",
    ["D1234567", "S12345678", "P.1234567", "PE1234567", "H12345678", "K12345678", "e12345678", "141234567"],
)
def test_other_passports_need_one(value: str) -> None:
    assert found(f"护照号：{value}，") == [("passport", value)]
    assert found(f"型号：{value}，") == []


@pytest.mark.parametrize(
    "text", ["E1234567", "G123456789", "EI1234567", "E12345678元", "货号E12345678", "GE12345678"]
)
def test_what_resembles_a_passport_is_none(text: str) -> None:
    assert found(text) == []
