"""What looks like personal data and is none: numbers of orders, sums, times, versions, failing check digits.

It knows nothing of how personal data are recognised.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.privacy_values import (
    COUNTIES,
    ISSUERS,
    MOBILE_SEGMENTS,
    PLATE_LETTERS,
    PROVINCES,
    digits,
    with_luhn,
    with_mod_11_2,
)

_NO_CARD = [county for county in COUNTIES if not county.startswith("62")]
"""Eighteen digits from Gansu could be a card."""


def _order(chance: Random) -> str:
    return chance.choice(("订单号", "订单编号：", "单号是", "流水号", "运单号")) + digits(
        chance, chance.randint(8, 22)
    )


def _lettered_order(chance: Random) -> str:
    return (
        "单据"
        + chance.choice(("DD", "SF", "YT", "JD", "ZTO", "PO-"))
        + digits(chance, chance.randint(10, 15), "123")
    )


def _eleven_digits(chance: Random) -> str:
    first = chance.choice(
        ("10", "11", "12", "21", "30", "35", "52", "66", "77", "90", "154", "160", "179", "194")
    )
    return chance.choice(("数字", "代码", "得到", "")) + first + digits(chance, 11 - len(first))


def _longer_than_a_mobile(chance: Random) -> str:
    return "一串" + chance.choice(MOBILE_SEGMENTS) + digits(chance, chance.choice((9, 10, 13, 19, 25)))


def _longer_than_an_id(chance: Random) -> str:
    number = with_mod_11_2(f"{chance.choice(COUNTIES)}19850417{digits(chance, 3)}").replace("X", "0")
    return "编码" + chance.choice((f"7{number}", number + digits(chance, 3), f"{number}ab"))


def _id_with_a_wrong_check_digit(chance: Random) -> str:
    right = with_mod_11_2(
        f"{chance.choice(_NO_CARD)}{chance.randint(1950, 2005)}0{chance.randint(1, 9)}15{digits(chance, 3)}"
    )
    return "号码" + right[:17] + ("X" if right[17] != "X" else chance.choice("0123456789"))


def _id_on_no_day(chance: Random) -> str:
    day = chance.choice(("19991301", "19850230", "20010431", "19770000", "20030229", "19901232", "30000101"))
    return "号码" + with_mod_11_2(f"{chance.choice(_NO_CARD)}{day}{digits(chance, 3)}")


def _id_from_nowhere(chance: Random) -> str:
    return "号码" + with_mod_11_2(f"{chance.choice(('99', '10', '78', '02'))}010119850417{digits(chance, 3)}")


def _card_with_a_wrong_check_digit(chance: Random) -> str:
    issuer, length = chance.choice(ISSUERS)
    right = with_luhn(issuer + digits(chance, length - len(issuer) - 1))
    wrong = right[:-1] + str((int(right[-1]) + chance.randint(1, 9)) % 10)
    return "卡号" + (
        wrong if chance.random() < 0.5 else f"{wrong[:4]} {wrong[4:8]} {wrong[8:12]} {wrong[12:]}"
    )


def _card_of_no_issuer(chance: Random) -> str:
    return "编码" + with_luhn(chance.choice("178") + digits(chance, chance.choice((14, 15, 17)), "05678"))


def _timestamp(chance: Random) -> str:
    seconds = chance.randint(1_500_000_000, 1_799_999_999)
    clock = f"{chance.randrange(24):02}{chance.randrange(60):02}{chance.randrange(60):02}"
    day = f"20{chance.randint(10, 29)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    return "时间" + chance.choice(
        (str(seconds), f"{seconds}{digits(chance, 3)}", day + clock, f"{day}_{clock}")
    )


def _decimal(chance: Random) -> str:
    whole, part = chance.choice(MOBILE_SEGMENTS) + digits(chance, 8), digits(chance, 2)
    value = chance.choice((f"{chance.randrange(100)}.{whole}", f"{whole}.{part}", "3.14159265358979323846"))
    return chance.choice(("约为", "数值", "结果是")) + value


def _version(chance: Random) -> str:
    parts = [str(chance.randrange(30)) for _ in range(4)]
    return chance.choice(("版本", "版本号", "version ", "v", "固件版本：", "Chrome/")) + ".".join(parts)


def _amount(chance: Random) -> str:
    value = chance.choice(MOBILE_SEGMENTS) + digits(chance, 8)
    return chance.choice(
        (
            f"金额{value}元",
            f"¥{value}",
            f"共{value}美元",
            f"{int(value):,}元",
            f"${value}",
            f"预算{value}人民币",
        )
    )


def _day(chance: Random) -> str:
    year, month, day = chance.randint(1990, 2029), chance.randint(1, 12), chance.randint(1, 28)
    return "日期" + chance.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{year}年{month}月{day}日",
            f"{year}.{month}.{day}",
            f"{year}{month:02}{day:02}",
        )
    )


def _time(chance: Random) -> str:
    two = [f"{chance.randrange(60):02}" for _ in range(3)]
    return chance.choice(("", "于")) + chance.choice(
        (
            ":".join(two),
            f"23-11-08-{'-'.join(two)}",
            f"23:11:08:{':'.join(two)}",
            f"2023-11-08 {':'.join(two)}",
        )
    )


def _isbn(chance: Random) -> str:
    return chance.choice(
        (
            f"ISBN978-7-{digits(chance, 3)}-{digits(chance, 5)}-{digits(chance, 1)}",
            f"书号978{digits(chance, 10)}",
        )
    )


def _coordinates(chance: Random) -> str:
    return f"坐标{chance.uniform(73, 135):.6f},{chance.uniform(18, 53):.6f}"


def _model(chance: Random) -> str:
    letter, number = chance.choice(PLATE_LETTERS), digits(chance, 5)
    province = chance.choice(PROVINCES)
    shapes = [f"型号{letter}{number}", f"{province}I{number}", f"{province}{letter}{number[:4]}"]
    shapes += [f"{province}{letter}{number}12", f"机型{letter}X{number}", f"{province}1{number}"]
    return chance.choice((*shapes, f"{province}{letter}BCDEF"))


def _section(chance: Random) -> str:
    numbers = ".".join(str(chance.randint(1, 9)) for _ in range(4))
    return chance.choice(
        (f"第{numbers}节", f"见{numbers}", f"第{chance.randint(1, 99)}章", f"第10.{numbers[:5]}条")
    )


def _short_number(chance: Random) -> str:
    return chance.choice(
        (
            "拨打10086",
            "拨打12345",
            "客服95588",
            "QQ2013版",
            "QQ音乐",
            "微信支付",
            "微信Android版",
            "G1234次",
            "护照",
        )
    )


def _almost_an_address(chance: Random) -> str:
    return chance.choice(
        ("地址256.300.1.2", "网段192.168.1", "地址1.2.3", "@张三", "zhang@本地", "https://example.com:8080/a?b=1",
         "标识550e8400-e29b-41d4-a716-446655440000", "摘要d41d8cd98f00b204e9800998ecf8427e", "00:1A:2B:3C:4D",
         "std::vector", "http://www.example.com/@user", "127.0.0.1")
    )  # fmt: skip


def _quantity(chance: Random) -> str:
    return chance.choice(
        (
            f"QQ{digits(chance, 5, '123')}个",
            f"{digits(chance, 7, '23')}人",
            f"{digits(chance, 3)}-{digits(chance, 4)}",
        )
    )


NEGATIVES: tuple[Callable[[Random], str], ...] = (
    _order,
    _lettered_order,
    _eleven_digits,
    _longer_than_a_mobile,
    _longer_than_an_id,
    _id_with_a_wrong_check_digit,
    _id_on_no_day,
    _id_from_nowhere,
    _card_with_a_wrong_check_digit,
    _card_of_no_issuer,
    _timestamp,
    _decimal,
    _version,
    _amount,
    _day,
    _time,
    _isbn,
    _coordinates,
    _model,
    _section,
    _short_number,
    _almost_an_address,
    _quantity,
)
"""Each draws words in which no personal data stand."""
