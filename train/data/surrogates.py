"""Invented values in place of personal data: of the same kind, valid in form; it knows no text.

Nobody is meant, but a valid number may be somebody's. Networks are those for documentation and private use,
mail goes to example.com, the cards' issuer 620000 is nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from runtime.pii import find
from runtime.pii_numbers import luhn

if TYPE_CHECKING:
    from faker import Faker


def surrogate(kind: str, value: str, seed: int) -> str:
    """Return an invented value.

    Parameters
    ----------
    kind : str
        A key of `RECOGNIZERS`.
    value : str
        What it replaces, whose outer form it keeps where that decides how it is recognised.
    seed : int
        Equal seeds give equal values.
    """
    fake = _faker()
    fake.seed_instance(seed)
    return SURROGATES[kind](fake, value)


@lru_cache(maxsize=1)
def _faker() -> Faker:
    from faker import Faker

    return Faker("zh_CN")


def _mobile(fake: Faker, value: str) -> str:
    return ("+86" if value[0] in "+(" else "") + fake.phone_number()


def _landline(fake: Faker, value: str) -> str:
    number = fake.numerify("8#######")
    if value[0] == "+":
        return f"+86-10-{number}"
    if value[0] == "(":
        return f"(010){number}"
    return f"010-{number}" if value[0] == "0" or value.startswith(("400", "800", "86")) else number


def _bank_card(fake: Faker, _value: str) -> str:
    first = fake.numerify("620000############")
    return next(first + digit for digit in "0123456789" if luhn(first + digit))


def _email(fake: Faker, _value: str) -> str:
    return f"{fake.user_name()}{fake.numerify('####')}@example.com"


def _plate(fake: Faker, _value: str) -> str:
    return fake.license_plate().replace("-", "").replace("I", "J")  # plates have no I


def _resident_id(fake: Faker, _value: str) -> str:
    return fake.ssn()


def _passport(fake: Faker, value: str) -> str:
    return value[:2] + "".join(fake.numerify("#") if one.isdigit() else one for one in value[2:])


def _ip(fake: Faker, value: str) -> str:
    if ":" in value:
        return fake.hexify("2001:db8:^^^^:^^^^::1^^")
    return ".".join(("10", *(str(fake.random_int(0, 255)) for _ in range(3))))


def _mac(fake: Faker, _value: str) -> str:
    return fake.hexify("02:fa:^^:^^:^^:^^")


def _url_credentials(fake: Faker, _value: str) -> str:
    return f"{fake.user_name()}:{fake.lexify('????????')}"


def _qq(fake: Faker, value: str) -> str:
    return fake.random_element("23567") + fake.numerify("#" * (len(value) - 1))


def _wechat(fake: Faker, value: str) -> str:
    if value.startswith("wxid_"):
        return fake.lexify("wxid_??????????????").lower()
    return fake.lexify("????_").lower() + fake.numerify("####")


def _name(fake: Faker, _value: str) -> str:
    while True:
        name = fake.name()
        if [span.end for span in find(f"我叫{name}", ("name",))] == [2 + len(name)] and find(
            f"{name}先生", ("name",)
        ):
            return name


SURROGATES: dict[str, Callable[[Faker, str], str]] = {
    "url_credentials": _url_credentials,
    "email": _email,
    "mac": _mac,
    "ip": _ip,
    "resident_id": _resident_id,
    "bank_card": _bank_card,
    "mobile": _mobile,
    "landline": _landline,
    "passport": _passport,
    "plate": _plate,
    "wechat": _wechat,
    "qq": _qq,
    "name": _name,
}
"""Kind → how a value of it is invented."""
