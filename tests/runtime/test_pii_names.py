"""Names are found where words announce them or a title follows, and only on request."""

from __future__ import annotations

import pytest

from runtime.pii import find, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("我叫张三，来自北京", "我叫【姓名】，来自北京"),
        ("我叫张三来自北京", "我叫【姓名】来自北京"),
        ("联系人：欧阳锋", "联系人：【姓名】"),
        ("感谢李明先生的帮助", "感谢【姓名】先生的帮助"),
        ("王女士和刘经理", "【姓名】女士和【姓名】经理"),
        ("我叫李小姐", "我叫【姓名】小姐"),
        ("收件人周小燕", "收件人【姓名】"),
    ],
)
def test_a_name_is_masked(text: str, masked: str) -> None:
    assert mask(text, ("name",)) == masked


@pytest.mark.parametrize(
    "text", ["张三丰的书", "基金经理", "历史老师", "先生女士们", "各位同学", "公司主管", "本人很满意"]
)
def test_other_words_are_no_names(text: str) -> None:
    assert find(text, ("name",)) == []


def test_names_are_not_looked_for_unless_asked() -> None:
    assert find("我叫张三，联系人：欧阳锋") == []
