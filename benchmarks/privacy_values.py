"""Invented personal data, and numbers that only look like it; it knows nothing of how they are recognised.

Check digits are computed here in other ways than a recogniser does: ISO 7064 MOD 11-2 by its recursion, Luhn
by a table of doubled digits, network addresses by the standard library.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

Draw = Callable[[Random], tuple[str, str]]
"""Draws the words that announce a value, and the value."""

MOBILE_SEGMENTS = (
    "130", "131", "132", "133", "134", "135", "136", "137", "138", "139", "145", "147", "149", "150",
    "151", "152", "153", "155", "156", "157", "158", "159", "162", "165", "166", "167", "170", "171",
    "172", "173", "175", "176", "177", "178", "180", "181", "182", "183", "184", "185", "186", "187",
    "188", "189", "190", "191", "192", "193", "195", "196", "197", "198", "199",
)  # fmt: skip
CITIES = {
    "010": 8, "020": 8, "021": 8, "022": 8, "023": 8, "024": 8, "025": 8, "027": 8, "028": 8, "029": 8,
    "0311": 8, "0335": 7, "0351": 7, "0371": 8, "0411": 8, "0431": 8, "0451": 8, "0471": 7, "0512": 8,
    "0531": 8, "0551": 8, "0571": 8, "0591": 8, "0594": 7, "0631": 7, "0663": 7, "0755": 8, "0769": 8,
    "0771": 7, "0791": 8, "0817": 7, "0851": 8, "0871": 8, "0888": 7, "0898": 8, "0931": 7, "0951": 7,
    "0971": 7, "0991": 7, "0731": 8,
}  # fmt: skip
COUNTIES = (
    "110101", "110105", "120104", "130102", "140105", "150102", "210102", "220104", "230103", "310104",
    "310115", "320106", "330106", "340104", "350203", "360102", "370202", "410105", "420106", "430104",
    "440305", "450103", "460106", "500103", "510104", "520103", "530102", "540102", "610113", "620102",
    "630104", "640106", "650102", "441521", "411522", "362302", "441900", "442000", "810000", "830000",
)  # fmt: skip
ISSUERS = (
    ("622588", 16), ("622202", 19), ("622848", 19), ("621700", 19), ("625965", 16), ("622700", 19),
    ("601382", 19), ("955880", 19), ("436742", 19), ("456351", 19), ("438088", 16), ("518710", 16),
    ("543159", 16), ("356833", 16), ("622155", 16), ("622908", 18), ("620522", 19), ("621098", 19),
)  # fmt: skip
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_DOMAINS = (
    "163.com",
    "126.com",
    "qq.com",
    "gmail.com",
    "sina.com.cn",
    "foxmail.com",
    "mail.pku.edu.cn",
    "a-b.org",
)


def digits(chance: Random, count: int, first: str = "0123456789") -> str:
    """Draw `count` digits, the first of them among `first`."""
    return chance.choice(first) + "".join(chance.choices("0123456789", k=count - 1))


def full_width(value: str) -> str:
    """Return a value in full-width letters and digits."""
    return "".join(chr(ord(one) + 0xFEE0) if one.isascii() and one.isalnum() else one for one in value)


def with_luhn(first: str) -> str:
    """Append the Luhn check digit."""
    doubled = "0246813579"
    total = sum(
        int(doubled[int(one)] if place % 2 == 0 else one) for place, one in enumerate(reversed(first))
    )
    return first + str(-total % 10)


def with_mod_11_2(first: str) -> str:
    """Append the check character of ISO 7064 MOD 11-2."""
    carried = 0
    for one in first:
        carried = (carried + int(one)) * 2 % 11
    return first + "0123456789X"[(12 - carried) % 11]


def _mobile(chance: Random) -> tuple[str, str]:
    number = chance.choice(MOBILE_SEGMENTS) + digits(chance, 8)
    if chance.random() < 0.4:
        mark = chance.choice(" -")
        number = chance.choice(
            (f"{number[:3]}{mark}{number[3:7]}{mark}{number[7:]}", f"{number[:3]}{mark}{number[3:]}")
        )
    prefix = chance.choice(("+86", "+86 ", "+86-", "0086", "86", "(+86)")) if chance.random() < 0.2 else ""
    return chance.choice(
        ("手机号", "手机", "电话", "联系方式", "手机号码是", "致电", "tel:", "")
    ), prefix + number


def _landline(chance: Random) -> tuple[str, str]:
    cues = ("座机", "电话", "固定电话是", "办公室电话：", "热线", "传真：")
    if chance.random() < 0.2:
        rest = chance.choice("016789") + digits(chance, 6)
        shape = chance.choice(
            (f"400-{rest[:3]}-{rest[3:]}", f"400{rest}", f"400 {rest[:3]} {rest[3:]}", f"400-{rest}")
        )
        return chance.choice(("客服电话", "热线", "请拨打", "售后")), shape
    area, length = chance.choice(list(CITIES.items()))
    number = digits(chance, length, "2345678")
    split = f"{number[:-4]} {number[-4:]}" if chance.random() < 0.1 else number
    shape = chance.choice(
        (f"{area}-{split}", f"({area}){split}", f"（{area}）{split}", f"{area} {split}", area + number)
    )
    extension = chance.choice(("-801", "转6", "转8012", " 转 123", "-1")) if chance.random() < 0.2 else ""
    return chance.choice(cues), shape + extension


def _birthday(chance: Random) -> date:
    return date(1940, 1, 1) + timedelta(days=chance.randrange(25_500))


def _resident_id(chance: Random) -> tuple[str, str]:
    born, cue = _birthday(chance), chance.choice(("身份证", "身份证号", "身份证号码是", "证件号：", "证件"))
    if chance.random() < 0.1:
        return cue, f"{chance.choice(COUNTIES)}{born:%y%m%d}{digits(chance, 3)}"
    number = with_mod_11_2(f"{chance.choice(COUNTIES)}{born:%Y%m%d}{digits(chance, 3)}")
    return cue, chance.choice((number, number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}"))


def _bank_card(chance: Random) -> tuple[str, str]:
    issuer, length = chance.choice(ISSUERS)
    number = with_luhn(issuer + digits(chance, length - len(issuer) - 1))
    mark = chance.choice(("", "", " ", "-"))
    return (
        chance.choice(("银行卡", "卡号", "银行卡号是", "账号：", "工行卡", "打到")),
        mark.join(number[start : start + 4] for start in range(0, length, 4)),
    )


def _email(chance: Random) -> tuple[str, str]:
    local = "".join(chance.choices(_LATIN, k=chance.randint(1, 8)))
    local += chance.choice(("", digits(chance, 3), "." + digits(chance, 2), "_work", "-cn", "+tag"))
    local = digits(chance, chance.randint(5, 10), "123456789") if chance.random() < 0.2 else local
    cue = chance.choice(("邮箱", "邮箱是", "发到", "E-mail：", "电子邮件", "抄送"))
    return cue, f"{local}@{chance.choice(_DOMAINS)}"


def _plate(chance: Random) -> tuple[str, str]:
    head, mark = (
        chance.choice(PROVINCES) + chance.choice(PLATE_LETTERS),
        chance.choice(("", "", "", "·", " ", "-")),
    )
    alphabet = PLATE_LETTERS + "0123456789" * 4
    tail = "".join(chance.sample([*digits(chance, 3), *chance.choices(alphabet, k=2)], k=5))
    number = digits(chance, 4)
    shapes = [tail, tail, f"D{number}{digits(chance, 1)}", f"F{chance.choice(PLATE_LETTERS)}{number}"]
    shapes += [f"{number}{digits(chance, 1)}D", number + chance.choice("挂学警港澳")]
    cue = chance.choice(("车牌", "车牌号", "车牌号是", "车号：", "开的是", ""))
    return cue, head + mark + chance.choice(shapes)


def _passport(chance: Random) -> tuple[str, str]:
    shape = chance.choice(("E", "E", "E", "G", "EA", "EH", "D", "S", "P", "H", "PE", "SE"))
    count = 7 if len(shape) == 2 or shape in "DSP" else 8
    return chance.choice(("护照", "护照号", "护照号码是", "护照：", "passport ")), shape + digits(
        chance, count
    )


def _ip(chance: Random) -> tuple[str, str]:
    cue = chance.choice(("IP", "IP地址", "IP：", "来自", "登录地址是", "服务器"))
    if chance.random() < 0.3:
        address = ipaddress.IPv6Address(
            (chance.choice((0x2001, 0x240E, 0x2409, 0xFE80)) << 112) | chance.getrandbits(112)
        )
        short = ipaddress.IPv6Address(int(address) & ~(((1 << 64) - 1) << 40))
        return cue, chance.choice((str(address), address.exploded, str(short)))
    first = chance.choice((10, 58, 61, 101, 116, 172, 192, 202, 218, 223))
    return cue, ".".join(map(str, (first, *(chance.randrange(256) for _ in range(3)))))


def _mac(chance: Random) -> tuple[str, str]:
    value = chance.choice("-:").join(f"{chance.randrange(256):02x}" for _ in range(6))
    cue = chance.choice(("MAC", "MAC地址", "MAC：", "mac:", "物理地址是", "网卡"))
    return cue, chance.choice((value, value.upper()))


def _url_credentials(chance: Random) -> tuple[str, str]:
    scheme = chance.choice(("https", "http", "ftp", "mysql", "redis", "postgresql+psycopg", "amqp"))
    user = chance.choice(("root", "admin", "user_1", "li.ming", ""))
    return (
        f"连接{scheme}://",
        f"{user}:{''.join(chance.choices(_LATIN + '0123456789!$%', k=chance.randint(4, 16)))}",
    )


def _wechat(chance: Random) -> tuple[str, str]:
    strong = chance.choice(("微信号", "微信号是", "微信：", "加我微信", "微信ID：", "wx：", "vx:", "加V："))
    name = (
        "".join(chance.choices(_LATIN, k=6))
        + chance.choice(("", "_", "-"))
        + digits(chance, chance.randint(1, 8))
    )
    if chance.random() < 0.1:
        return "", f"wxid_{''.join(chance.choices(_LATIN + '0123456789', k=14))}"
    return strong, chance.choice((name, name, name.capitalize(), name.rstrip("0123456789-") + "ok"))


def _qq(chance: Random) -> tuple[str, str]:
    cue = chance.choice(("QQ", "QQ号", "QQ：", "qq ", "我的QQ是", "扣扣", "企鹅号", "加QQ"))
    return cue, digits(chance, chance.randint(5, 10), "123456789")


def _name(chance: Random) -> tuple[str, str]:
    given = "".join(
        chance.sample("伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰建国志文海燕梓涵雨轩", k=2)
    )
    name = (
        chance.choice("王李张刘陈杨黄赵吴周徐孙朱胡郭何高林罗郑梁宋唐许韩冯邓曹彭曾")
        + given[: chance.randint(1, 2)]
    )
    return chance.choice(("我叫", "联系人：", "姓名：", "收件人", "名字是")), name


VALUES: dict[str, Draw] = {
    "mobile": _mobile,
    "landline": _landline,
    "resident_id": _resident_id,
    "bank_card": _bank_card,
    "email": _email,
    "plate": _plate,
    "passport": _passport,
    "ip": _ip,
    "mac": _mac,
    "url_credentials": _url_credentials,
    "wechat": _wechat,
    "qq": _qq,
    "name": _name,
}
"""Kind → how a value of it is drawn."""

ANNOUNCED: Sequence[str] = ("qq", "wechat", "passport", "url_credentials", "name")
"""Kinds whose announcing words must stand before the value: without them it is nothing."""
