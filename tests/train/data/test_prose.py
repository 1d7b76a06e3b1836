"""Markup goes and words stay; what is no prose is dropped; every step leaves its own result alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.prose import CLEANERS, Document, boilerplate, fence_after, foreign, markup

PIECES = (
    *(
        "你好",
        "第一章",
        "总则",
        "word",
        "x",
        " ",
        "  ",
        "\t",
        "#",
        "## ",
        "> ",
        "- ",
        "* ",
        "1. ",
        "```",
        "~~~",
    ),
    *("---", "`", "**", "*", "_", "__", "[", "]", "(", ")", "![", "<", ">", "<b>", "</b>", "<!--", "-->"),
    *("&lt;", "&amp;", "&#96;", "$", "\\", "|", "+", "{", "}", ";", ":", '"', "=", "/", "http://a.b"),
    *("，", "。", "12", "\u3000"),
)
LINES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join) | st.text(max_size=20)
DOCUMENTS = st.lists(LINES.filter(str.strip), min_size=1, max_size=6).map(tuple)


@pytest.mark.parametrize("name", CLEANERS)
@given(document=DOCUMENTS)
def test_a_step_changes_nothing_in_its_own_result(name: str, document: Document) -> None:
    step = CLEANERS[name]
    once = step(document)
    assert (step(once) if once else once) == once


@pytest.mark.parametrize("name", CLEANERS)
@given(document=DOCUMENTS)
def test_a_step_adds_no_paragraphs_and_leaves_none_empty(name: str, document: Document) -> None:
    cleaned = CLEANERS[name](document)
    assert len(cleaned) <= len(document)
    assert all(text.strip() for text in cleaned)


@given(
    st.lists(
        st.text(st.sampled_from("春眠不觉晓处闻啼鸟，。？！“”《》、：；（）夜来风雨声"), max_size=30),
        max_size=4,
    )
)
def test_plain_chinese_sentences_pass_unchanged(sentences: list[str]) -> None:
    document = tuple(f"春眠不觉晓处处闻{sentence}" for sentence in sentences)
    for step in CLEANERS.values():
        assert step(document) == document


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("## 第二章 口岸开放", "第二章 口岸开放"),
        ("> - **注意**：请先*备份*数据", "注意：请先备份数据"),
        ("1. 打开 [设置](/a(b).md#c) 页面", "打开 设置 页面"),
        ("使用 `git push` 推送，参见 ![图](a.png)下文", "使用 git push 推送，参见 下文"),
        ("请看<b>重点</b><br/>与 `vector<bool>`", "请看重点与 vector<bool>"),
        ("A&amp;B 的&nbsp;关系<!-- 注 -->很好", "A&B 的 关系很好"),
        ("设 $n$ 为顶点数", "设 n 为顶点数"),
        ("你好[捂脸][捂脸]", "你好[捂脸][捂脸]"),
        ("不抬杠*^O^*而且 a_b_c", "不抬杠*^O^*而且 a_b_c"),
    ],
)
def test_marks_go_and_words_stay(line: str, words: str) -> None:
    assert markup((line,)) == (words,)


@pytest.mark.parametrize(
    "line",
    [
        "| 参数 | 说明 |",
        "+----+----+",
        "![只有图](a.png)",
        "<!-- 注释 -->",
        "<div align='center'>",
        "::: tip",
        "{{< copyable 'sql' >}}",
        "https://example.com/a?b=1",
        "$ curl -X POST localhost",
        '"total_bytes": 0,',
        "max-connections = 100",
        "    int n = read(); // 读入",
        "    for (int i = 0; i < n; i++) {",
        "SELECT id FROM t;",
        "    若 $D \\neq 0$，则构造二叉树",
        "[1]: https://example.com",
    ],
)
def test_lines_that_are_no_prose_are_dropped(line: str) -> None:
    assert markup((line, "这一句留下。")) == ("这一句留下。",)


@pytest.mark.parametrize(
    "line",
    [
        '"一会两站":一项保护农民权益的措施',
        "# git 基础入门",
        "他说：你好；再见。",
        "https://a.com我一向比较讨厌",
    ],
)
def test_prose_that_resembles_code_stays(line: str) -> None:
    assert len(markup((line,))) == 1


def test_a_block_of_code_goes_as_a_whole() -> None:
    assert markup(("先看例子：", "```sql", "选择 一 从 表", "```", "再看结果。")) == (
        "先看例子：",
        "再看结果。",
    )
    assert markup(("前面", "  ~~~", "```", "里面", "~~~", "后面")) == ("前面", "后面")


def test_front_matter_goes_and_a_rule_elsewhere_does_not_take_text_along() -> None:
    assert markup(("---", "title: 延迟", "标签", "---", "正文在此。")) == ("正文在此。",)
    assert markup(("甲段", "---", "乙段", "---")) == ("甲段", "乙段")


def test_a_comment_over_several_lines_goes() -> None:
    assert markup(("前<!-- 开始", "里面的话", "结束 -->后", "末尾")) == ("前", "后", "末尾")


def test_a_fence_is_closed_by_its_own_kind_only() -> None:
    fence = fence_after("```java", None)
    assert fence == "```"
    assert fence_after("~~~", fence) == fence_after("文字", fence) == "```"
    assert fence_after("````", fence) is None


@pytest.mark.parametrize(
    "line", ["第一章 总则", "第五节 逮 捕", "2002年8月17日 施行", "－", "续表", "参考", "1,024"]
)
def test_headings_numbers_and_single_words_are_boilerplate(line: str) -> None:
    assert boilerplate((line,)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "见证成长",
        "我讨厌你！！！正要看电影就被剧透了！！！！！！！！！！！！！！！！！",
        "第一章 讲的是什么，你还记得吗？",
        "论习医之道",
    ],
)
def test_comments_and_titles_are_no_boilerplate(line: str) -> None:
    assert boilerplate((line,)) == (line,)


def test_a_short_answer_within_a_dialogue_stays() -> None:
    assert boilerplate(("你吃了吗？", "吃了。")) == ("你吃了吗？", "吃了。")


def test_foreign_counts_letters_only() -> None:
    texts = ("用 TiDB 2024 年的版本", "Please read the manual 手册", "👍👍 100", "全是中文")
    assert foreign(texts) == (texts[0], texts[2], texts[3])
