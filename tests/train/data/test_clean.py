from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from train.data.clean import CLEANERS, MOST_CHARACTERS, REASONS
from train.data.preparation import PrepareSection

PUNCTUATION = "，：！（）①。"


def kept(cleaner: str, *texts: str) -> list[bool]:
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], ["text"])
    found: list[bool] = CLEANERS[cleaner](batch).to_pylist()
    return found


CASES = {
    "blank": (
        ["\u200b\ufeff", " \u3000\n", "\u2800", "\u3164", "\u200d"],
        ["好", "。", "0", "👍", "\u200b好"],
    ),
    "one_character": (["好", " 好\u200b", "👍🏽", "！", "e\u0301", ""], ["很好", "👍👍", "ok", "好！"]),
    "no_letters": (["。。。", "123！", "①②", "￥-_-+", "12:30"], ["好。", "5分", "👍👍", "x", "★★★★★"]),
    "too_long": (["好" * (MOST_CHARACTERS + 1)], ["好" * MOST_CHARACTERS]),
    "foreign": (["hello world", "привет 好", "abcdefgh好"], ["服务ok", "123", "很好 good", "👍"]),
    "html_remnant": (
        ["好<br/>的", "A&nbsp;B", "<div class='x'>", "<!-- -->", "&#12345;", "<P>"],
        ["a<b", "<好>", "A&B", "1 < 2", "<book>"],
    ),
    "url_only": (
        ["http://a.cn/x?y=1", " www.a.cn\u3000https://b.cn "],
        ["看http://a.cn", "a.cn", "http://a.cn 好"],
    ),
    "mojibake": (["锟斤拷", "好\ufffd", "烫烫烫烫"], ["烫烫", "锟", "好"]),
}


@pytest.mark.parametrize("cleaner", CLEANERS)
def test_a_cleaner_drops_what_it_is_named_after(cleaner: str) -> None:
    dropped, stays = CASES[cleaner]
    assert [text for text, keep in zip(dropped, kept(cleaner, *dropped), strict=True) if keep] == []
    assert [text for text, keep in zip(stays, kept(cleaner, *stays), strict=True) if not keep] == []


@pytest.mark.parametrize("cleaner", CLEANERS)
def test_every_cleaner_has_a_reason_and_keeps_plain_sentences(cleaner: str) -> None:
    assert REASONS[cleaner]
    assert kept(cleaner, f"房间不错{PUNCTUATION}没有异味👍") == [True]


@settings(max_examples=100)
@given(st.sampled_from(sorted(CLEANERS)), st.lists(st.text(max_size=30), max_size=6))
def test_a_cleaner_judges_each_row_by_itself_and_gives_no_null(cleaner: str, texts: list[str]) -> None:
    together = kept(cleaner, *texts)
    assert set(together) <= {True, False}
    assert together == [kept(cleaner, text)[0] for text in texts]


@pytest.mark.parametrize(
    ("cleaner", "row", "keep"),
    [
        ("blank", ("很好", "\u200b"), False),
        ("one_character", ("很好", "是"), True),
        ("one_character", ("好", "是"), False),
        ("no_letters", ("？", "很好"), True),
        ("no_letters", ("？", "。。"), False),
        ("too_long", ("好", "好" * (MOST_CHARACTERS + 1)), False),
        ("foreign", ("hello", "你好"), True),
        ("html_remnant", ("你好", "<br>"), False),
        ("url_only", ("http://a.cn", "你好"), True),
        ("mojibake", ("你好", "锟斤拷"), False),
    ],
)
def test_what_spoils_a_text_spoils_its_pair_and_what_is_poor_must_be_poor_twice(
    cleaner: str, row: tuple[str, str], keep: bool
) -> None:
    batch = pa.RecordBatch.from_pydict({"text": [row[0]], "text_pair": [row[1]]})
    assert CLEANERS[cleaner](batch).to_pylist() == [keep]


def test_a_missing_pair_is_no_text() -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["很好"]), pa.array([None], pa.string())], ["text", "text_pair"]
    )
    assert {name: CLEANERS[name](batch).to_pylist() for name in CLEANERS} == {
        name: [True] for name in CLEANERS
    }


def test_a_recipe_names_only_cleaners_that_exist() -> None:
    assert PrepareSection(cleaners=("url_only",)).cleaners == ("url_only",)
    with pytest.raises(ValidationError, match="'url_onyl' is not a cleaner; did you mean 'url_only'"):
        PrepareSection(cleaners=("url_onyl",))
