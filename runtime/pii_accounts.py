"""Recognisers of addresses and accounts on networks; they know no telephones and no documents."""

from __future__ import annotations

import ipaddress
import re

from runtime.pii_recognizer import END, START, Recognizer, before, behind

_CREDENTIALS = re.compile(
    r"://(?P<value>[\w.~!$&'()*+,;=%-]{0,64}:[\w.~!$&'()*+,;=%:#?^|-]{1,128})@", re.ASCII
)

_EMAIL = re.compile(
    r"(?<![0-9A-Za-z_])(?P<value>[0-9A-Za-z_][0-9A-Za-z._%+-]{0,63}@"
    r"(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.){1,8}[A-Za-z]{2,24})(?![A-Za-z])"
)

_MAC = (
    re.compile(
        rf"(?:(?<![0-9A-Za-z])|{behind('mac')})"
        r"(?P<value>[0-9A-Fa-f]{2}(?P<mark>[:-])"
        r"(?:[0-9A-Fa-f]{2}(?P=mark)){4}[0-9A-Fa-f]{2})(?![0-9A-Za-z]|(?P=mark)[0-9A-Fa-f])"
    ),
    re.compile(
        rf"(?:{START}|{behind('mac')})(?P<value>[0-9A-Fa-f]{{4}}\.[0-9A-Fa-f]{{4}}\.[0-9A-Fa-f]{{4}}){END}"
    ),
)
_MOST_MINUTES = 59
_MAC_WORD = re.compile(r"(?i:mac|物理地址|网卡)")

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_WORD = r"[0-9A-Fa-f]{1,4}"
_IP = (
    re.compile(
        rf"(?:(?<![0-9A-Za-z.])|{behind('ip')})(?<!::)"
        + "".join(rf"(?<!(?<![0-9A-Za-z])[0-9A-Fa-f]{{{count}}}:)" for count in range(1, 5))
        + rf"(?P<value>(?:[23][0-9A-Fa-f]{{3}}|[Ff][CDEFcdef][0-9A-Fa-f]{{2}})"
        rf"(?:(?::{_WORD}){{7}}|(?::{_WORD}){{0,5}}::(?:{_WORD}(?::{_WORD}){{0,5}})?))(?![0-9A-Za-z]|:[0-9A-Fa-f:])"
    ),
    re.compile(rf"(?:{START}(?<!\.)|{behind('ip')})(?P<value>{_BYTE}(?:\.{_BYTE}){{3}}){END}"),
)
_VERSION = re.compile(
    r"(?:版本?|(?i:version|ver|build|firmware|release)|第|[A-Za-z]/)(?:号|是|为|到|至)?[ :.]{0,2}[vV]?$"
)
_SECTION = re.compile(r" ?[章节条款版]")

_ID_END = r"(?![0-9A-Za-z_-])(?!@[0-9A-Za-z]|\.(?:com|cn|net|org|top|cc|io)(?![0-9A-Za-z]))"
_QQ_END = rf"{END}(?! ?(?:元|块|万|亿|个|人|次|年|多|余|[KkGgMm]B?(?![A-Za-z])))"
_QQ = (
    re.compile(
        r"(?:(?:(?<![A-Za-z])[Qq]{2}|扣扣|企鹅)群?(?:号码?|帐号|账号)?|群号码?|加群)(?:是|为)? ?[:#]? ?"
        rf"(?P<value>[1-9][0-9]{{4,10}}){_QQ_END}"
    ),
    re.compile(rf"(?:(?<![0-9A-Za-z])[Qq]|(?<!折)扣) ?[:#]? ?(?P<value>[1-9][0-9]{{7,9}}){_QQ_END}"),
)
_QQ_WORD = re.compile(r"[Qq]|扣|企鹅|群")

_WECHAT_NAME = r"[A-Za-z][0-9A-Za-z_-]{5,19}"
_WECHAT = (
    re.compile(rf"(?<![0-9A-Za-z_])(?P<value>wxid_[0-9A-Za-z]{{6,30}}){_ID_END}"),
    re.compile(
        r"(?:(?:微信|薇信|威信|V信|v信)(?: ?(?:号码?|ID|id(?![A-Za-z])|账号|帐号)(?:是|为|叫)?|是|为)?"
        r"[ :]{0,3}"
        r"|加[我个]{0,2}(?:微|薇|V|v|\+)[ :]{0,3}"
        r"|(?<![0-9A-Za-z])(?i:vx|wx|wechat|weixin)(?:号|ID|id)?(?:是|为)?[ :]{1,3}"
        rf"|(?<![0-9A-Za-z])(?i:vx|wx)(?:号|是)[ :]{{0,3}})(?P<value>{_WECHAT_NAME}){_ID_END}"
    ),
)
_WECHAT_WORD = re.compile(r"微信|薇信|威信|[Vv]信|加[我个]{0,2}[微薇Vv+]|(?i:vx|wx|wechat|weixin)")
_ASKED_FOR = re.compile(
    r"(?:加[我你他她个]{0,2}(?:的)?微信|[我他她]的?微信|号码?|ID|id|账号|帐号|是|为|叫|:)[ :]{0,3}$"
)
_PRODUCT = re.compile(
    r"(?i:android|iphone|ipad|windows|version|huawei|xiaomi|samsung|google|facebook|twitter|wechat|weixin|alipay"
    r"|online|payment|mobile|https?|official|business|service|system|computer|desktop)[0-9._-]{0,4}[A-Za-z]?"
)


def _is_mac(match: re.Match[str]) -> bool:
    """Refuse digits alone that could be a date or a time, except where the words before say what they are."""
    value = match["value"]
    if "." not in value and re.search(f"(?<![0-9A-Za-z])[0-9A-Fa-f]{{2}}{match['mark']}$", before(match)):
        return False  # the end of something longer
    if any(character.isalpha() for character in value) or _MAC_WORD.search(before(match)):
        return True
    return "." not in value and any(int(pair) > _MOST_MINUTES for pair in re.split("[:-]", value)[1:])


def _is_ip(match: re.Match[str]) -> bool:
    """Refuse versions, numbers of sections, and addresses that are nobody's."""
    value = match["value"]
    if ":" in value:
        return _is_ipv6(value)
    octets = [int(octet) for octet in value.split(".")]
    if max(octets) < 10 or octets[0] in (0, 127) or octets == [255] * 4:
        return False
    follows = _SECTION.match(match.string, match.end("value")) is not None
    return not follows and _VERSION.search(before(match)) is None


def _is_ipv6(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return True


def _is_wechat(match: re.Match[str]) -> bool:
    """Refuse words behind the name of the app without a digit or low line, unless they are announced."""
    value = match["value"]
    if value.startswith("wxid_"):
        return True
    if _PRODUCT.fullmatch(value):
        return False
    marked = any(character.isdigit() or character == "_" for character in value)
    return marked or _ASKED_FOR.search(before(match)) is not None


URL_CREDENTIALS = Recognizer("【网址口令】", (_CREDENTIALS,), re.compile("://"))
EMAIL = Recognizer("【邮箱】", (_EMAIL,), re.compile("@"))
MAC = Recognizer(
    "【MAC】", _MAC, re.compile(r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]|[0-9A-Fa-f]{4}\."), _is_mac
)
IP = Recognizer("【IP】", _IP, re.compile(r"[0-9]\.[0-9]|:[0-9A-Fa-f:]"), _is_ip)
QQ = Recognizer("【QQ】", _QQ, _QQ_WORD)
WECHAT = Recognizer("【微信】", _WECHAT, _WECHAT_WORD, _is_wechat)
