"""Addresses and accounts: every written form, and the times, versions and names of products beside them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.pii import find


def found(text: str) -> list[tuple[str, str]]:
    """Return kinds and values of a text."""
    return [(span.kind, text[span.start : span.end]) for span in find(text)]


@pytest.mark.parametrize(
    "value",
    ["a@b.cn", "zhang.san+tag@mail.pku.edu.cn", "12345@qq.com", "_x-1@a-b.org", "ＺＨＡＮＧ@SOHU.COM"],
)
def test_an_address_is_found_in_chinese(value: str) -> None:
    for text in (f"发到{value}谢谢", value, f"<{value}>", f"邮箱：{value}。", f"{value}.", f"{value},"):
        assert found(text) == [("email", value)]


@pytest.mark.parametrize("text", ["@张三", "a@b", "a@b.", "@a.com", "a@.com", "3@5.5", "a@b.c1"])
def test_what_resembles_an_address_is_none(text: str) -> None:
    assert found(text) == []


@given(number=st.integers(2**125 + 2**64, 2**126 - 1))
def test_every_global_ipv6_address_is_found(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    for value in {str(address), address.exploded, str(address).upper()}:
        for text in (f"地址{value}在", f"IP：{value}。", f"IPv6:{value},"):
            assert found(text) == [("ip", value)]


@given(octets=st.lists(st.integers(0, 255), min_size=4, max_size=4))
def test_ipv4_addresses_of_somebody_are_found(octets: list[int]) -> None:
    value = ".".join(map(str, octets))
    is_somebodys = max(octets) > 9 and octets[0] not in (0, 127) and octets != [255] * 4
    for text in (f"来自{value}的", f"IP{value}", f"{value}:8080", f"http://{value}/"):
        assert found(text) == [("ip", value)] * is_somebodys


@pytest.mark.parametrize(
    "text",
    ["版本10.20.3.4", "v10.20.3.4", "version 10.20.3.4", "Chrome/10.20.3.4", "第10.1.2.3条", "见1.2.3.4",
     "256.1.1.10", "1.2.3.10.5",
     "192.168.1", "127.0.0.1", "12:30:45", "::1", "std::vector", "A::B", "2023:11:08:12:30:45"],
)  # fmt: skip
def test_what_resembles_an_ip_address_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "value", ["00-1A-2B-3C-4D-5E", "00:1a:2b:3c:4d:5e", "001a.2b3c.4d5e", "18:67:21:42:45:34"]
)
def test_a_mac_address_is_found(value: str) -> None:
    for text in (f"网卡{value}在线", f"MAC:{value}", f"MAC：{value}。", f"MAC{value}", f"({value})"):
        assert found(text) == [("mac", value)]


@pytest.mark.parametrize(
    "text",
    ["23-11-08-12-30-45", "12:30:45:12:30:45", "00:1A:2B:3C:4D", "00:1A:2B:3C:4D:5E:6F", "00:1A-2B:3C:4D:5E"],
)
def test_what_resembles_a_mac_address_is_none(text: str) -> None:
    assert found(f"于{text}，") == []


def test_digits_alone_are_a_mac_address_where_words_say_so() -> None:
    assert found("MAC：12:30:45:12:30:45") == [("mac", "12:30:45:12:30:45")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("https://me:s3cret@a.com/x", "me:s3cret"),
        ("redis://:pa-ss@10.0.0.1:6379", ":pa-ss"),
        ("见ftp://a.b:c%40d@h在", "a.b:c%40d"),
    ],
)
def test_a_password_in_a_url_is_found_and_the_host_stays(text: str, value: str) -> None:
    assert ("url_credentials", value) in found(text)


@pytest.mark.parametrize(
    "text", ["https://a.com:8080/x", "https://a.com/x:y@z", "ssh://git@a.com", "://a b:c@d"]
)
def test_what_resembles_a_password_in_a_url_is_none(text: str) -> None:
    assert "url_credentials" not in {kind for kind, _ in found(text)}


@pytest.mark.parametrize(
    "words", ["QQ", "QQ号", "qq：", "我的QQ是", "扣扣", "企鹅号 ", "QQ群", "加群", "Q：", "扣"]
)
def test_a_qq_number_is_found_behind_its_words(words: str) -> None:
    assert found(f"联系{words}123456789吧") == [("qq", "123456789")]
    assert found("联系123456789吧") == []


@pytest.mark.parametrize(
    "text",
    ["QQ2013版", "QQ音乐", "QQ10000个", "QQ20000元", "QQ012345678", "iqq12345678", "打8折扣12345678901234"],
)
def test_what_resembles_a_qq_number_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("words", "value"),
    [("微信号", "zhangsan" ), ("微信：", "abc_123"), ("加我微信", "xiaoming"), ("vx:", "abc123"),
     ("加V：", "li-ming1"), ("微信", "lic770"),
     ("WeChat: ", "Abc_123"), ("", "wxid_a1b2c3d4e5f6g7"), ("微信ID", "abc123")],
)  # fmt: skip
def test_a_wechat_name_is_found_behind_its_words(words: str, value: str) -> None:
    assert found(f"请{words}{value}，") == [("wechat", value)]


@pytest.mark.parametrize(
    "text",
    [
        "微信支付",
        "微信Android版",
        "微信：iPhone",
        "微信online",
        "微信abc",
        "用微信windows7",
        "微信https://a.com",
    ],
)
def test_what_resembles_a_wechat_name_is_none(text: str) -> None:
    assert found(text) == []
