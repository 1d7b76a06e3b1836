"""A recogniser gives what its check accepts and goes on behind what it refuses."""

from __future__ import annotations

import re

import pytest

from runtime.pii_recognizer import END, START, Recognizer, before, behind, digits_of, is_numbered

EVEN = Recognizer(
    "【偶】",
    (re.compile("(?P<value>[0-9]{2})"),),
    re.compile("[0-9]"),
    lambda match: int(match["value"]) % 2 == 0,
)


def test_behind_a_refused_match_the_next_character_may_begin_one() -> None:
    assert list(EVEN.spans(EVEN.patterns[0], "x134y12")) == [(2, 4), (5, 7)]


def test_only_the_value_is_the_span() -> None:
    pattern = re.compile("QQ(?P<value>[0-9]+)")
    assert list(Recognizer("【QQ】", (pattern,), pattern).spans(pattern, "QQ12QQ3")) == [(2, 4), (6, 7)]


@pytest.mark.parametrize(
    ("text", "is_free"),
    [
        ("号7请", True), ("7", True), ("a7", False), ("7a", False), ("77", True), ("3.7", False),
        ("7.5", False),
        ("号.7。", True), ("7.", True), ("7QQ8", True), ("7QQx", False), ("7tel:8", True), ("７7", True),
        ("-7-", True),
    ],
)  # fmt: skip
def test_a_value_stands_between_neither_letters_digits_nor_the_points_of_decimals(
    text: str, is_free: bool
) -> None:
    found = re.search(rf"{START}(7+){END}", text)
    assert (found is not None) == is_free


@pytest.mark.parametrize(
    ("text", "is_there"), [("tel7", True), ("号TEL7", True), ("hotel7", False), ("7", False)]
)
def test_a_label_counts_where_no_letter_precedes_it(text: str, is_there: bool) -> None:
    assert bool(re.search(rf"(?:{behind('fax', 'tel')})7", text)) == is_there


@pytest.mark.parametrize(
    ("words", "is_number"),
    [
        ("订单号", True), ("单号：", True), ("流水号是", True), ("ISBN ", True), ("SN:", True),
        ("金额", True), ("PO-", True),
        ("订单编号为AB-", True), ("电话", False), ("号码", False), ("下了订单请打", False),
        ("TEL-", False), ("", False),
    ],
)  # fmt: skip
def test_numbers_of_orders_and_products_are_told_by_the_words_before(words: str, is_number: bool) -> None:
    match = re.search("(?P<value>7+)", f"{words.replace('：', ':')}777")
    assert match is not None
    assert is_numbered(match) == is_number


def test_few_characters_before_a_value_count() -> None:
    match = re.search("(?P<value>7)", "012345689abcdefghij7")
    assert match is not None
    assert before(match) == "5689abcdefghij"
    assert before(match, 3) == "hij"


def test_digits_are_ascii_digits() -> None:
    assert digits_of("+86 138-1234（５６78") == "861381234" + "78"
