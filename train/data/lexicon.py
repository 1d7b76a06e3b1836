"""The words and patterns of the generated review set, as literal tables.

Knows nothing of splits, seeds or sentences: `sample.py` puts these together.
"""

from typing import NamedTuple

__all__ = [
    "ASCII_STYLE",
    "DOMAINS",
    "EMOJI",
    "ENDINGS",
    "PARTICLES",
    "PATTERNS",
    "SHAPES",
    "VERDICTS",
    "Domain",
    "Pattern",
]


class Domain(NamedTuple):
    """What is reviewed; every string but `verb` is a list of words, separated by blanks or by `/`."""

    items: str
    openings: str
    rivals: str
    verb: str
    wants: str
    flaws: str
    aspects: tuple[tuple[str, str, str], ...]
    """(aspect, words that praise it, words that blame it): only pairs that a reader would write."""


_PRICE = ("价格", "便宜 实惠 公道 合理", "贵 离谱 虚高")
_LOOKS = ("外观", "漂亮 时尚 大气 好看", "丑 土 难看 笨重")
_SCREEN = ("屏幕", "清晰 细腻 亮 漂亮", "暗 模糊 刺眼 小")
_BATTERY = ("续航", "强 持久 给力", "差 弱 糟糕")
_QUALITY = ("质量", "好 过硬 可靠", "差 糟糕 差劲")
_WORKMANSHIP = ("做工", "精细 扎实 精致 考究", "粗糙 马虎 差")

DOMAINS: dict[str, Domain] = {
    "hotel": Domain(
        items="这家酒店/这家民宿/这里/他们家",
        openings="上周出差住的/带孩子住了2晚/国庆提前订的/第3次入住/半夜11点才到/和同事一起来的/全程自驾过来",
        rivals="想象中/隔壁那家/上次住的那家/同价位的酒店",
        verb="住",
        wants="热水 电梯 窗户 停车场",
        flaws="异味 霉味 蟑螂 烟味",
        aspects=(
            ("房间", "干净 宽敞 安静 整洁 舒适 明亮", "小 脏 吵 潮湿 陈旧 昏暗"),
            ("床", "舒服 干净 宽大 柔软", "硬 窄 脏 破旧"),
            ("卫生间", "干净 宽敞 整洁", "脏 窄 潮湿 破旧"),
            ("服务", "热情 周到 贴心 到位", "差 差劲 敷衍 马虎"),
            ("前台", "热情 耐心 专业 友善", "冷漠 傲慢 敷衍 懒散"),
            ("早餐", "丰盛 可口 新鲜 好吃", "难吃 单调 寒酸 油腻"),
            ("位置", "方便 好找 理想", "偏 偏僻 难找"),
            ("隔音效果", "好 出色 理想", "差 糟糕 差劲"),
            ("Wi-Fi", "快 稳定 流畅", "慢 卡"),
            _PRICE,
        ),
    ),
    "restaurant": Domain(
        items="这家店/这家餐厅/他家/这里",
        openings="周末和朋友来的/第2次来/人均80左右/点了5个菜/在App上看到的/公司聚餐来的/排队等了20分钟",
        rivals="想象中/隔壁那家/上次去的那家/别的分店",
        verb="来",
        wants="纸巾 茶水 空调 包间",
        flaws="苍蝇 怪味 油烟味 腥味",
        aspects=(
            ("味道", "好 正宗 地道 鲜美", "差 奇怪 寡淡 糟糕"),
            ("菜品", "新鲜 好吃 精致 可口", "难吃 油腻 粗糙"),
            ("分量", "足 大 实在", "少 小"),
            ("上菜速度", "快", "慢"),
            ("环境", "优雅 安静 干净 温馨", "嘈杂 脏 拥挤 昏暗"),
            ("服务员", "热情 耐心 细心 友善", "冷漠 傲慢 敷衍 懒散"),
            ("牛肉", "嫩 新鲜 入味", "老 柴 硬 腥"),
            ("鱼肉", "新鲜 鲜嫩 入味", "腥 老 柴"),
            ("汤", "鲜 浓郁 好喝", "咸 腥 难喝"),
            ("甜品", "精致 可口 细腻", "腻 难吃 粗糙"),
            _PRICE,
        ),
    ),
    "book": Domain(
        items="这本书/这套书/这本小说",
        openings="花两天看完了/给儿子买的/朋友推荐的/读到第3章/在图书馆翻过才买的/等了1个月的新书",
        rivals="想象中/同类的书/作者的上一本",
        verb="买",
        wants="目录 插图 塑封 书签",
        flaws="错别字 缺页 折痕 废话",
        aspects=(
            ("情节", "精彩 紧凑 感人 有趣", "老套 拖沓 无聊 俗套"),
            ("文笔", "优美 流畅 细腻 老练", "生硬 平淡 冗长 幼稚"),
            ("翻译", "流畅 准确 到位 自然", "生硬 拗口 别扭 粗糙"),
            ("内容", "充实 有趣 深刻", "空洞 肤浅 枯燥 乏味"),
            ("人物", "鲜活 立体 饱满 传神", "单薄 虚假 做作 呆板"),
            ("结尾", "精彩 有力 感人", "仓促 牵强 老套"),
            ("纸张", "厚实 光滑 好", "粗糙 薄 差"),
            ("印刷", "清晰 精美 精致", "模糊 粗糙 差劲"),
            ("排版", "清晰 美观 舒服", "混乱 拥挤 难看"),
            _PRICE,
        ),
    ),
    "phone": Domain(
        items="这款手机/iPhone 15/小米14/华为Mate 60/这台vivo",
        openings="用了3个月/双11买的/给老爸换的/昨天刚到手/京东自营下的单/从OPPO换过来的",
        rivals="想象中/上一代/同价位的机型/iPhone 13",
        verb="买",
        wants="充电器 耳机 贴膜 保护壳",
        flaws="划痕 广告 bug 亮斑",
        aspects=(
            _SCREEN,
            _BATTERY,
            ("系统", "流畅 稳定 好用 简洁", "卡 慢 难用 臃肿"),
            ("手感", "好 舒服 细腻 扎实", "差 廉价 粗糙"),
            ("拍照效果", "好 清晰 自然 出色", "差 模糊 糟糕"),
            ("充电速度", "快 稳定", "慢"),
            ("信号", "稳定 强 好", "弱 差 糟糕"),
            ("音质", "好 清晰 纯净 饱满", "差 浑浊 刺耳 单薄"),
            _LOOKS,
            _PRICE,
        ),
    ),
    "laptop": Domain(
        items="这台笔记本/MacBook Air/ThinkPad/这款电脑",
        openings="办公用了半年/开学给女儿买的/618入手的/16G内存的版本/用来写Python",
        rivals="想象中/上一代/同价位的机型/我那台旧的",
        verb="买",
        wants="鼠标 充电器 USB接口 摄像头",
        flaws="划痕 坏点 异响 漏光",
        aspects=(
            _SCREEN,
            _BATTERY,
            ("键盘", "舒服 灵敏 安静 顺手", "硬 松 别扭"),
            ("散热效果", "好 出色 理想", "差 糟糕 差劲"),
            ("风扇", "安静", "吵 刺耳"),
            ("运行速度", "快 稳定", "慢"),
            ("机身", "轻 薄 轻便 结实", "重 厚 笨重"),
            ("触控板", "灵敏 顺滑 好用", "迟钝 难用"),
            _WORKMANSHIP,
            _PRICE,
        ),
    ),
    "clothes": Domain(
        items="这件衣服/这条裙子/这件外套/这款T恤",
        openings="身高165买的M码/双11凑单买的/刚收到/给妹妹买的/洗了2次/直播间下的单",
        rivals="想象中/上次买的那件/别家/实体店",
        verb="买",
        wants="吊牌 备用扣 运费险",
        flaws="线头 色差 异味 污渍",
        aspects=(
            ("面料", "柔软 舒服 厚实 透气", "粗糙 硬 薄 扎人"),
            ("尺码", "准 合适 标准", "奇怪 离谱 混乱"),
            ("颜色", "好看 漂亮 耐看", "难看 暗 土 俗气"),
            ("款式", "好看 时尚 大方 新颖", "老气 难看 土 俗气"),
            ("发货速度", "快", "慢"),
            ("包装", "精美 结实 严实 用心", "简陋 粗糙 敷衍 破烂"),
            ("客服", "耐心 热情 专业 负责", "冷漠 敷衍 傲慢 懒散"),
            _WORKMANSHIP,
            _QUALITY,
            _PRICE,
        ),
    ),
    "appliance": Domain(
        items="这台洗衣机/这台空调/这款油烟机/这台净化器",
        openings="搬新家买的/用了2周/以旧换新换的/师傅上门装好了/给爸妈买的/从美的换过来的",
        rivals="想象中/旧的那台/别的牌子/邻居家那台",
        verb="买",
        wants="说明书 保修卡 定时功能",
        flaws="划痕 异响 异味 色差",
        aspects=(
            ("噪音", "小 低", "大 刺耳 明显"),
            ("操作", "简单 方便 顺手", "麻烦 复杂 繁琐"),
            ("安装过程", "简单 顺利 省心", "麻烦 复杂 费劲"),
            ("售后", "负责 及时 到位 靠谱", "敷衍 拖拉 差劲"),
            ("功能", "齐全 实用 强大", "鸡肋 单一 简陋"),
            ("效果", "好 明显 理想", "差 糟糕 差劲"),
            ("耗电量", "低 小", "大 高"),
            _LOOKS,
            _QUALITY,
            _PRICE,
        ),
    ),
}


class Pattern(NamedTuple):
    """One way to say something about a subject `{a}` with a word `{w}`.

    `negated`: what the pattern asserts is the opposite of the word. `words`: "good", "bad" or "any"
    words fit. `role`: "clause" stands inside longer sentences, "remark" only alone, "thing" takes
    something wanted (good) or a flaw (bad) instead of an aspect and its adjective.
    """

    text: str
    negated: bool
    words: str = "any"
    role: str = "clause"


PATTERNS: tuple[Pattern, ...] = (
    # plain statements and comparatives
    Pattern("{a}很{w}", False, role="plain"),
    Pattern("{a}非常{w}", False, role="plain"),
    Pattern("{a}特别{w}", False, role="plain"),
    Pattern("{a}相当{w}", False, role="plain"),
    Pattern("{a}真的很{w}", False, role="plain"),
    Pattern("{a}太{w}了", False, role="plain"),
    Pattern("{a}挺{w}的", False, role="plain"),
    Pattern("{a}真{w}", False, role="plain"),
    Pattern("{a}{w}得很", False, role="plain"),
    Pattern("{a}要多{w}有多{w}", False, role="plain"),
    Pattern("{a}有点{w}", False, "bad", "plain"),
    Pattern("{a}够{w}", False, "good", "plain"),
    Pattern("{a}比{r}{w}多了", False, role="plain"),
    Pattern("{a}比{r}还{w}", False, role="plain"),
    # one negation
    Pattern("{a}不{w}", True),
    Pattern("{a}一点也不{w}", True),
    Pattern("{a}一点都不{w}", True),
    Pattern("{a}并不{w}", True),
    Pattern("{a}不太{w}", True),
    Pattern("{a}不怎么{w}", True),
    Pattern("{a}不算{w}", True),
    Pattern("{a}不够{w}", True, "good"),
    Pattern("{a}算不上{w}", True),
    Pattern("{a}没那么{w}", True),
    Pattern("{a}没有{r}那么{w}", True),
    Pattern("{a}没{r}{w}", True),
    Pattern("{a}不像{r}那么{w}", True),
    Pattern("{a}不如{r}{w}", True, "good"),
    Pattern("我不觉得{a}{w}", True, role="remark"),
    Pattern("没觉得{a}有多{w}", True, role="remark"),
    Pattern("没有一个人说{a}{w}", True, role="remark"),
    Pattern("要说{a}{w}，我可不同意", True, role="remark"),
    Pattern("都说{a}{w}，其实并不{w}", True, role="remark"),
    Pattern("本以为{a}会很{w}，结果一点也不{w}", True, role="remark"),
    # two negations
    Pattern("{a}不能说不{w}", False),
    Pattern("{a}不可谓不{w}", False),
    Pattern("我不觉得{a}不{w}", False, role="remark"),
    Pattern("不得不说，{a}真的很{w}", False, role="remark"),
    Pattern("不得不承认，{a}太{w}了", False, role="remark"),
    Pattern("没有人觉得{a}不{w}", False, role="remark"),
    Pattern("没有一个人不说{a}{w}", False, role="remark"),
    Pattern("要说{a}不{w}，我可不同意", False, role="remark"),
    # rhetorical questions, without and with a negation inside
    Pattern("{a}哪里{w}了？", True, role="remark"),
    Pattern("{a}哪有那么{w}？", True, role="remark"),
    Pattern("谁说{a}{w}？", True, role="remark"),
    Pattern("难道这样的{a}也叫{w}？", True, role="remark"),
    Pattern("{a}哪里不{w}了？", False, role="remark"),
    Pattern("谁说{a}不{w}？", False, role="remark"),
    Pattern("难道{a}还不{w}吗？", False, role="remark"),
    # negation words that only strengthen
    Pattern("{a}不是一般的{w}", False),
    Pattern("{a}再{w}不过了", False),
    Pattern("从没见过这么{w}的{a}", False, role="remark"),
    # something is there, or is not
    Pattern("连{w}都有", False, "good", "thing"),
    Pattern("连{w}都没有", True, "good", "thing"),
    Pattern("居然没有{w}", True, "good", "thing"),
    Pattern("居然有{w}", False, "bad", "thing"),
    Pattern("竟然发现了{w}", False, "bad", "thing"),
    Pattern("没有任何{w}", True, "bad", "thing"),
    Pattern("完全没有{w}", True, "bad", "thing"),
    Pattern("没发现{w}", True, "bad", "thing"),
)

# (positive, negative) in words as close to each other as the language allows; {v} is the domain's verb.
VERDICTS: tuple[tuple[str, str], ...] = (
    ("很满意", "不满意"),
    ("值得推荐", "不值得推荐"),
    ("强烈推荐", "强烈不推荐"),
    ("没有让我失望", "让我很失望"),
    ("一点也不后悔", "真的很后悔"),
    ("不会后悔的", "肯定会后悔的"),
    ("没有理由不推荐", "没有理由推荐"),
    ("下次还会{v}", "以后不会再{v}了"),
    ("没白{v}", "算是白{v}了"),
    ("不{v}会后悔", "{v}了会后悔"),
    ("没选错", "选错了"),
    ("挑不出毛病", "毛病一大堆"),
    ("没什么可抱怨的", "没什么可夸的"),
    ("物超所值", "不值这个价"),
    ("这钱花得不冤", "这钱花得太冤"),
    ("超出预期", "没有达到预期"),
    ("从没这么满意过", "从没这么失望过"),
    ("给五星好评", "只能给一星"),
    ("不得不给好评", "没法给好评"),
    ("怎么夸都不过分", "怎么骂都不过分"),
    ("一点不亏", "亏大了"),
    ("没有踩雷", "又踩雷了"),
    ("没法不喜欢", "没法喜欢"),
    ("真的是yyds", "真的让人emo"),
)

# {y}: the deciding side, {x}: the other side, {Y}: anything on the deciding side, also remarks;
# {o} opening, {t} verdict. The number is how often a kind is drawn; None: either label, else only that one.
SHAPES: tuple[tuple[int, bool | None, tuple[str, ...]], ...] = (
    (
        16,
        None,
        ("{Y}", "{Y}", "{Y}", "{o}，{Y}", "{o}，{Y}", "{Y}，{y}", "{y}，{t}", "{y}，真的", "说实话，{y}"),
    ),
    (1, None, ("{V}",)),
    (
        6,
        None,
        (
            "虽然{x}，但是{y}",
            "虽然{x}，但{y}",
            "尽管{x}，可是{y}",
            "{x}，不过{y}",
            "{x}，但是{y}",
            "别看{x}，{y}",
            "{y}，虽然{x}",
            "{o}，虽然{x}，但{y}，{t}",
        ),
    ),
    (1, True, ("{x}，好在{y}", "{t}，就是{x}", "除了{x}，没别的缺点，{t}")),
    (1, False, ("{x}，可惜{y}", "{x}，奈何{y}", "除了{x}，没别的优点，{t}")),
    (2, None, ("{y}，{y}", "{y}，而且{y}", "不但{y}，而且{y}", "{o}，{y}，{y}，{t}", "{y}，{y}，{y}")),
    (
        2,
        None,
        (
            "{x}，{y}，总的来说{t}",
            "有好有坏：{x}，{y}，总体上{t}",
            "{y}，{x}，综合来看{t}",
            "{x}，{x}，但{y}，总的来说{t}",
        ),
    ),
    (
        1,
        None,
        (
            "{o}，{y}，{y}。虽然{x}，但是{y}，总的来说{t}",
            "{o}，先说结论：{t}。{y}，{y}，{y}，只是{x}",
            "{o}。{y}，而且{y}；尽管{x}，但{y}，{y}。总之{t}",
            "{o}，说几点感受：{y}，{y}；{y}，而且{y}；虽然{x}，{x}，但{y}。综合下来{t}",
        ),
    ),
)

ENDINGS = "。 。 。 ！ ！！ ～ …… 。。。"
PARTICLES = "啊 哦 呢 哈 呀 啦"
EMOJI = {True: "👍 😊 😋 🎉 🌹 😂 🤔", False: "👎 😡 😭 💔 😤 😂 🤔"}
ASCII_STYLE = str.maketrans("，。！？；：", ",.!?;:")
