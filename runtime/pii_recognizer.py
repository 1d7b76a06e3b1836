"""What recognises one kind of personal data, and the boundaries that its patterns share; it knows no kind.

Boundaries are written with ASCII classes, never as word boundaries: a Chinese character is a word character,
so that there is none between 号 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

START = r"(?<![0-9A-Za-z])(?!(?<=[0-9]\.)[0-9])"
"""Before a value: neither letter nor digit, nor the point of a decimal."""

END = (
    r"(?:(?![0-9A-Za-z])|(?=(?i:vx|wx|qq|wechat|tel|fax|mac|ip|e-?mail|passport)(?![A-Za-z])))"
    r"(?!(?<=[0-9])\.[0-9])"
)
"""Behind a value: neither letter nor digit, nor the point of a decimal; but maybe what announces another."""

NO_AMOUNT = r"(?<![¥$€£])(?<![¥$€£] )"
NO_UNIT = r"(?! ?(?:元|美元|美金|港[元币]|日元|欧元|英镑|人民币|万元|亿))"
"""A sum of money has a sign before it or a unit behind it."""

_NUMBERED = re.compile(
    r"(?:订单|单号|流水|条形?码|货号|型号|序列|批号|批次|编[号码]|工号|学号|案号|发票|时间戳|金额|总[价额计]|余额|库存"
    r"|(?<![A-Z])(?:ISBN|IMEI|SKU|SN))(?:编?号码?)?(?:是|为)? ?[:#]? ?(?:[A-Z]{1,4}-?)?$"
    r"|(?<![A-Z])(?!TEL|PHONE|MOB|FAX|VX|WX|QQ)[A-Z]{2,5}-$",
    re.IGNORECASE,
)
_CONTEXT = 14


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Patterns whose group `value` is personal data where `accepts` agrees.

    Parameters
    ----------
    placeholder : str
        What takes its place.
    patterns : tuple of re.Pattern
        The more specific one first; each matches a bounded number of characters of folded text.
    needs : re.Pattern
        Quickly found, or the text holds no such value.
    accepts : callable
        The check that no pattern can make: a date, a check digit, the words before.
    default : bool
        Whether it is looked for where no kinds are named.
    """

    placeholder: str
    patterns: tuple[re.Pattern[str], ...]
    needs: re.Pattern[str]
    accepts: Callable[[re.Match[str]], bool] = bool
    default: bool = True

    def spans(self, pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of accepted values; where one is refused, the next character may begin one."""
        at = 0
        while found := pattern.search(text, at):
            if self.accepts(found):
                yield found.span("value")
                at = found.end("value")
            else:
                at = found.start() + 1


def behind(*words: str) -> str:
    """Return alternatives for: behind one of these words, which no letter precedes."""
    return "|".join(rf"(?<=(?<![A-Za-z])(?i:{word}))" for word in words)


def before(match: re.Match[str], most: int = _CONTEXT) -> str:
    """Return the few characters before a value."""
    start = match.start("value")
    return match.string[max(0, start - most) : start]


def digits_of(value: str) -> str:
    """Return the digits of a value, without what stands between them."""
    return "".join(character for character in value if "0" <= character <= "9")


def is_numbered(match: re.Match[str]) -> bool:
    """Tell whether the words before call the value the number of an order, a product or a sum."""
    return _NUMBERED.search(before(match)) is not None
