"""Properties of every normaliser in the table."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.normalize import NORMALIZERS, normalize, normalize_input
from runtime.pii import RECOGNIZERS

TEXT = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from("ＡｚＺ０９　，。！不没👍🏽\u200b\u0301e")
) | st.lists(
    st.sampled_from(["电话", "QQ", "１３８", "13812345678", "a@b.cn", ".", "-", "京A12345", "我叫", "张三"])
).map("".join)


@pytest.mark.parametrize("name", NORMALIZERS)
@given(text=TEXT)
def test_a_normalizer_is_idempotent(name: str, text: str) -> None:
    once = NORMALIZERS[name](text)
    assert NORMALIZERS[name](once) == once


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("fold_fullwidth", "ＡＢｃ１２３　４", "ABc123 4"),
        ("collapse_whitespace", "  好 \t\n 的\u3000 ", "好 的"),
        ("remove_invisible", "好\u200b的\ufeff", "好的"),
        ("compose", "cafe\u0301", "café"),
        ("mask_pii", "我叫张三，电话13812345678", "我叫张三，电话【手机号】"),
        ("mask_name", "我叫张三，电话13812345678", "我叫【姓名】，电话13812345678"),
        ("mask_email", "13812345678或a@b.cn", "13812345678或【邮箱】"),
    ],
)
def test_a_normalizer_changes_what_it_is_for(name: str, text: str, expected: str) -> None:
    assert NORMALIZERS[name](text) == expected


def test_every_normalizer_has_an_example() -> None:
    examples = {"fold_fullwidth", "collapse_whitespace", "remove_invisible", "compose", "mask_pii"}
    assert examples | {f"mask_{kind}" for kind in RECOGNIZERS} == set(NORMALIZERS)


@given(text=TEXT)
def test_folding_touches_only_letters_digits_and_the_ideographic_space(text: str) -> None:
    for before, after in zip(text, NORMALIZERS["fold_fullwidth"](text), strict=True):
        if before != after:
            assert before == "\u3000" or unicodedata.normalize("NFKC", before) == after
            assert after == " " or (after.isascii() and after.isalnum())


@pytest.mark.parametrize("kept", ["，。！？：；（）", "👩‍👩‍👧 👍🏽", "不没非无", "①②"])
def test_folding_keeps_punctuation_emoji_and_negation(kept: str) -> None:
    assert NORMALIZERS["fold_fullwidth"](kept) == kept


def test_steps_run_in_the_order_given() -> None:
    assert (
        normalize("\u200bＡ\u3000\u3000Ｂ", ["remove_invisible", "fold_fullwidth", "collapse_whitespace"])
        == "A B"
    )
    assert normalize("Ａ", []) == "Ａ"


def test_both_texts_of_a_pair_are_normalized() -> None:
    assert normalize_input(("Ａ", "１"), ["fold_fullwidth"]) == ("A", "1")
    assert normalize_input("Ａ", ["fold_fullwidth"]) == "A"


@given(text=TEXT, names=st.lists(st.sampled_from(list(NORMALIZERS)), max_size=4, unique=True))
def test_normalised_text_stays_as_it_is_in_any_order_of_steps(text: str, names: list[str]) -> None:
    once = normalize(text, names)
    assert normalize(once, names) == once


def test_what_a_later_step_undoes_is_done_again() -> None:
    assert normalize("a \u200b b", ["collapse_whitespace", "remove_invisible"]) == "a b"
