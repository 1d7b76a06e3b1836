"""A surrogate is another value that is found as the same kind in the same place."""

from __future__ import annotations

import pytest

from runtime.pii import RECOGNIZERS, find
from train.data.surrogates import SURROGATES, surrogate

PLACES = {
    "url_credentials": ["连https://{}@db.cn", "redis://{}@10.0.0.1"],
    "email": ["发到{}谢谢"],
    "mac": ["网卡{}在线", "在{}和"],
    "ip": ["来自{}的", "（{}）"],
    "resident_id": ["证{}请", "id{}"],
    "bank_card": ["卡{}请"],
    "mobile": ["手机{}请", "微信{}", "tel{}"],
    "landline": ["电话{}请"],
    "passport": ["护照{}过期"],
    "plate": ["车{}停"],
    "wechat": ["微信号{}，", "微信{}加"],
    "qq": ["QQ{}在", "加群{}"],
    "name": ["我叫{}，你好", "联系人：{}。"],
}
REPLACED = {
    "ip": ["192.168.1.10", "2001:db8::1"],
    "landline": ["010-62345678", "62345678", "(0571)8765432", "+86-10-62345678", "4001234567"],
    "mobile": ["13812345678", "+86 138 1234 5678"],
    "passport": ["E12345678", "EA1234567", "D1234567", "141234567"],
    "qq": ["12345", "1234567890"],
    "wechat": ["abc_123", "wxid_a1b2c3d4e5"],
}
CASES = [
    (kind, place, value)
    for kind, places in PLACES.items()
    for place in places
    for value in REPLACED.get(kind, ["x"])
]


@pytest.mark.parametrize(("kind", "place", "value"), CASES)
def test_a_surrogate_is_found_as_the_same_kind(kind: str, place: str, value: str) -> None:
    start = place.index("{}")
    for seed in range(25):
        invented = surrogate(kind, value, seed)
        text = place.format(invented)
        inside = [span for span in find(text, tuple(RECOGNIZERS)) if span.kind != "ip" or kind == "ip"]
        assert [(span.start, span.end, span.kind) for span in inside] == [
            (start, start + len(invented), kind)
        ]
        assert invented != value


def test_every_kind_has_surrogates() -> None:
    assert set(SURROGATES) == set(PLACES) == set(RECOGNIZERS)


@pytest.mark.parametrize("kind", SURROGATES)
def test_seeds_decide(kind: str) -> None:
    value = REPLACED.get(kind, ["x"])[0]
    invented = [surrogate(kind, value, seed) for seed in (1, 2, 3, 1)]
    assert invented[0] == invented[3]
    assert len(set(invented)) > 1
