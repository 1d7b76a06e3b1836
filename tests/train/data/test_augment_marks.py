"""What must not change is marked: facts, persons, negation with what it turns round, names of labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.augment_marks import MarkedText, is_hanzi, is_negation, mark, share_of

CHINESE = st.text(st.sampled_from("我你他们很好吃房间不没有干净但是因为2024iPhone，。！ 🙂"), max_size=40)


def protected(marked: MarkedText) -> list[str]:
    """Return the protected parts of a text."""
    return [marked.text[start:end] for start, end in marked.protected]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("我的手机号13812345678请回电", "13812345678"),
        ("车牌京A12345停在门口", "京A12345"),
        ("联系人：张伟，请回电", "张伟"),
        ("价格是1,299.50元", "1,299.50"),
        ("买了iPhone 15 Pro", "iPhone"),
        ("打三百二十元折扣", "三百二十"),
        ("味道不太好吃", "不太好吃"),
        ("完全没有问题啊", "没有问题"),
        ("请勿打扰客人", "勿打扰"),
        ("这条体育新闻很长", "体育"),
    ],
)
def test_facts_negation_and_labels_are_protected(text: str, part: str) -> None:
    assert any(part in found for found in protected(mark(text, ["体育"])))


def test_without_labels_their_names_are_words_like_others() -> None:
    text = "这条体育新闻很长"
    assert mark(text).is_free(text.index("体"))
    assert not mark(text, ["体育"]).is_free(text.index("体"))


def test_names_of_labels_count_in_any_case() -> None:
    assert protected(mark("好评如潮", ["好评"])) == ["好评"]
    assert mark("我爱 STOCKS 啊", ["stocks"]).protected == mark("我爱 STOCKS 啊").protected


@given(CHINESE)
def test_words_cover_the_text_and_spans_are_in_order(text: str) -> None:
    marked = mark(text)
    assert "".join(text[start:end] for start, end in marked.words) == text
    flat = [place for span in marked.protected for place in span]
    assert flat == sorted(set(flat))


@given(CHINESE)
def test_only_chinese_characters_that_do_not_negate_are_free(text: str) -> None:
    marked = mark(text)
    assert all(is_hanzi(text[place]) and not is_negation(text[place]) for place in marked.free)
    assert all(marked.is_free(place) for start, end in marked.free_words for place in range(start, end))
    inside = {place for start, end in marked.protected for place in range(start + 1, end)}
    assert inside.isdisjoint(marked.boundaries)


def test_at_least_one_is_changed_and_a_tenth_of_many() -> None:
    assert [share_of(count) for count in (0, 1, 14, 26, 100)] == [1, 1, 1, 3, 10]
