"""Words replaced by others of the same meaning, from a small table of this project; it knows no context.

The table was written for it by hand: words that join or place clauses, and names of common things. None
praises or blames, none is an opposite, and none negates.
"""

from __future__ import annotations

from random import Random

from train.data.augment_marks import MarkedText, share_of

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("但是", "可是", "然而"),
    ("因为", "由于"),
    ("所以", "因此", "因而"),
    ("如果", "假如", "要是", "倘若"),
    ("而且", "并且"),
    ("或者", "或是"),
    ("虽然", "尽管"),
    ("另外", "此外"),
    ("例如", "比如", "譬如"),
    ("关于", "有关"),
    ("按照", "依照", "根据"),
    ("为了", "为着"),
    ("马上", "立刻", "立即"),
    ("经常", "常常", "时常"),
    ("有时", "有时候"),
    ("现在", "目前", "如今"),
    ("以前", "从前", "过去"),
    ("以后", "之后", "往后"),
    ("刚才", "方才"),
    ("突然", "忽然"),
    ("终于", "总算"),
    ("大概", "大约"),
    ("全部", "所有"),
    ("到处", "处处"),
    ("一起", "一同", "一块儿"),
    ("今天", "今日"),
    ("昨天", "昨日"),
    ("明天", "明日"),
    ("早上", "早晨", "清晨"),
    ("中午", "正午"),
    ("晚上", "夜里", "夜晚"),
    ("星期", "礼拜"),
    ("觉得", "感觉"),
    ("看见", "看到", "瞧见"),
    ("知道", "晓得"),
    ("告诉", "告知"),
    ("购买", "选购"),
    ("使用", "运用"),
    ("寻找", "找寻"),
    ("帮助", "帮忙"),
    ("返回", "回到"),
    ("讨论", "商讨", "商议"),
    ("询问", "打听"),
    ("方法", "办法", "法子"),
    ("原因", "缘故", "缘由"),
    ("地方", "处所"),
    ("附近", "周边", "周围"),
    ("大家", "众人"),
    ("朋友", "友人"),
    ("孩子", "小孩", "孩童"),
    ("爸爸", "父亲"),
    ("妈妈", "母亲"),
    ("爷爷", "祖父"),
    ("奶奶", "祖母"),
    ("外婆", "姥姥"),
    ("妻子", "太太"),
    ("老师", "教师"),
    ("医生", "大夫"),
    ("警察", "民警"),
    ("司机", "驾驶员"),
    ("顾客", "客人"),
    ("酒店", "宾馆", "旅馆"),
    ("饭馆", "餐馆", "饭店"),
    ("商店", "店铺"),
    ("公司", "企业"),
    ("工厂", "厂子"),
    ("机场", "飞机场"),
    ("街道", "马路"),
    ("城市", "都市"),
    ("卫生间", "洗手间", "厕所"),
    ("电脑", "计算机"),
    ("手机", "移动电话"),
    ("冰箱", "电冰箱"),
    ("电视", "电视机"),
    ("相机", "照相机"),
    ("照片", "相片"),
    ("自行车", "单车", "脚踏车"),
    ("出租车", "计程车"),
    ("火车", "列车"),
    ("书籍", "图书"),
    ("报纸", "报章"),
    ("衣服", "衣裳"),
    ("土豆", "马铃薯"),
    ("西红柿", "番茄"),
    ("玉米", "苞米"),
    ("价格", "价钱"),
    ("费用", "花费"),
    ("身体", "身子"),
    ("眼睛", "双眼"),
    ("脑袋", "头部"),
    ("声音", "声响"),
    ("颜色", "色彩"),
    ("形状", "外形"),
    ("信件", "书信"),
    ("消息", "讯息"),
    ("互联网", "因特网"),
    ("比赛", "竞赛"),
    ("研究", "探究"),
    ("考试", "测验"),
    ("作业", "功课"),
    ("假期", "假日"),
    ("生日", "寿辰"),
    ("礼物", "礼品"),
)
"""Groups of words that can stand for one another."""

OTHERS: dict[str, tuple[str, ...]] = {
    word: tuple(other for other in group if other != word) for group in SYNONYMS for word in group
}
"""Word → what can stand for it."""


def replace_synonyms(marked: MarkedText, generator: Random) -> str | None:
    """Replace words of the table, a tenth of all words at most."""
    choices = [(start, end) for start, end in marked.free_words if marked.text[start:end] in OTHERS]
    if not choices:
        return None
    chosen = generator.sample(choices, min(len(choices), share_of(len(marked.words))))
    text = marked.text
    for start, end in sorted(chosen, reverse=True):
        text = text[:start] + generator.choice(OTHERS[text[start:end]]) + text[end:]
    return text
