"""Texts to send: a seeded generator of Chinese reviews, or a file of one's own; it knows nothing of requests.

The generated reviews mean little, but cost what real ones cost: their lengths follow those of a public set of
1,200 reviews of hotels, books and computers (ChnSentiCorp, test), characters counted, blanks included.
"""

from __future__ import annotations

import functools
import math
import random
from bisect import bisect_right
from pathlib import Path

# Share of the reviews that are at most so many characters long.
LENGTH_QUANTILES = (
    (0.00, 18),
    (0.05, 31),
    (0.10, 36),
    (0.25, 46),
    (0.50, 74),
    (0.75, 154),
    (0.90, 189),
    (0.95, 235),
    (0.99, 499),
    (1.00, 1992),
)
POOL_SIZE = 2_000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SUBJECTS = _words("""
    房间 前台 早餐 大堂 服务员 地理位置 隔音 空调 热水 浴室 床垫 停车场 电梯 网络 泳池 餐厅
    屏幕 键盘 电池 散热 风扇 触摸板 摄像头 硬盘 内存 音箱 外壳 驱动 系统 做工 WiFi USB接口 DVD光盘 Windows
    翻译 情节 人物 插图 纸张 排版 封面 作者的观点 第三章 文笔 物流 包装 客服 发票 赠品 价格 性价比 说明书
""")
_ADVERBS = _words("很 非常 比较 有点 实在 相当 不太 稍微 特别 确实 总体来说 真的 一直 居然")
_JUDGEMENTS = _words("""
    干净 陈旧 方便 热情 冷淡 安静 嘈杂 舒服 狭小 宽敞 结实 粗糙 流畅 缓慢 清晰 模糊 生动 枯燥 深刻 肤浅
    便宜 昂贵 一般 满意 失望 让人惊喜 让人后悔 值得推荐 不值这个价 出乎意料 符合预期 差强人意
""")
_ASIDES = _words("""
    下次还会再来 不会再买了 朋友推荐的 用了三天 住了2晚 等了40分钟 换了一间 打电话没人接 孩子看得津津有味
    和图片上不一样 送货倒是很快 离地铁站步行5分钟 花了380元 晚上11点还在施工 装了双系统 看到一半就放下了
    建议大家考虑清楚 跟上一本比差远了 退货也麻烦 老板人不错 开机要1分钟左右 CPU占用不高
""")
_LINKS = _words("而且 但是 不过 另外 所以 虽然 可惜 还有 就是 尤其是")
_MARKS = "，，，，，，。。。！；、～"


class CorpusError(ValueError):
    """A file of texts cannot be used; the message is one sentence for the user."""


@functools.lru_cache(maxsize=4)
def texts(path: str | None = None, seed: int = 0) -> tuple[str, ...]:
    """Return the texts of a file, one a line, or `POOL_SIZE` generated reviews."""
    return read(Path(path)) if path else generate(POOL_SIZE, seed)


def generate(count: int, seed: int) -> tuple[str, ...]:
    """Return `count` reviews; the same seed gives the same reviews."""
    rng = random.Random(seed)
    return tuple(_review(rng, _length(rng)) for _ in range(count))


def read(path: Path) -> tuple[str, ...]:
    """Read one text a line, empty lines left out.

    Raises
    ------
    CorpusError
        The file is missing, is not UTF-8, or holds no text.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read ({error.strerror}); give a file with one text a line."
        ) from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    found = tuple(line for line in content.split("\n") if line.strip())
    if not found:
        raise CorpusError(f"{path} holds no text; give a file with one text a line.")
    return found


def _length(rng: random.Random) -> int:
    """Draw a length: the inverse of the distribution, straight lines between its quantiles in log scale."""
    share = rng.random()
    right = bisect_right(LENGTH_QUANTILES, share, key=lambda quantile: quantile[0])
    (low_share, low), (high_share, high) = LENGTH_QUANTILES[right - 1 : right + 1]
    position = (share - low_share) / (high_share - low_share)
    return round(math.exp(math.log(low) + position * math.log(high / low)))


def _review(rng: random.Random, length: int) -> str:
    clauses: list[str] = []
    written = 0
    while written < length:
        clause = _clause(rng) + rng.choice(_MARKS)
        clauses.append(clause)
        written += len(clause)
    return "".join(clauses)[: length - 1] + "。"


def _clause(rng: random.Random) -> str:
    link = rng.choice(_LINKS) if rng.random() < 0.3 else ""
    if rng.random() < 0.3:
        return link + rng.choice(_ASIDES)
    return link + rng.choice(_SUBJECTS) + rng.choice(_ADVERBS) + rng.choice(_JUDGEMENTS)
