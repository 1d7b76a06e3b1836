"""Repeats are found to the letter and nearly, by exact Jaccard similarity, whatever the signatures say."""

from __future__ import annotations

import random

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from train.data.dedup import (
    SHORTEST,
    banded,
    duplicates,
    jaccard,
    mixed_rows,
    normalised,
    normalised_points,
    originals,
    signatures,
)

SENTENCES = [
    "第八条 企业可以按照指导目录以及规定的条件和程序，申请将本企业的项目列入市年度计划。",
    "房间很干净，服务员也很热情，早餐种类丰富，下次来上海还会选择这家酒店。",
    "物流慢得离谱，包装还破了，客服半天不回消息，再也不会在这家店买东西。",
]
HANZI = st.text(
    st.sampled_from("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"), min_size=SHORTEST, max_size=60
)


def grams(text: str, size: int = 3) -> frozenset[str]:
    """Return the n-grams of a text."""
    return frozenset(text[at : at + size] for at in range(len(text) - size + 1))


@given(st.lists(st.text(max_size=30), max_size=20))
def test_the_first_of_equal_texts_stays_and_the_others_name_it(texts: list[str]) -> None:
    first = originals(texts, None)
    forms = [normalised(text) for text in texts]
    assert [forms.index(form) for form in forms] == first.tolist()


@given(st.lists(HANZI, max_size=12), st.sampled_from([0.5, 0.8, 1.0]))
def test_no_text_is_dropped_that_differs_more_than_the_threshold(texts: list[str], threshold: float) -> None:
    for index, original in enumerate(originals(texts, threshold).tolist()):
        sizes = {2 if len(texts[at]) < 12 else 3 for at in (index, original)}
        alike = (grams(texts[at], min(sizes)) for at in (index, original))
        assert original == index or (len(sizes) == 1 and jaccard(*alike, threshold))


@given(st.lists(HANZI, max_size=12), st.sampled_from([None, 0.8]))
def test_what_is_kept_has_no_duplicates(texts: list[str], threshold: float | None) -> None:
    repeats = duplicates(texts, threshold)
    kept = [text for text, repeat in zip(texts, repeats, strict=True) if not repeat]
    assert not duplicates(kept, threshold).any()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_small_change_makes_a_near_duplicate(sentence: str) -> None:
    changed = sentence.replace("，", ",", 1).replace("这家", "那家").replace("企业可以", "企业应当")
    assert duplicates([*SENTENCES, changed], 0.6)[-1]
    exactly = normalised(changed) == normalised(sentence)
    assert duplicates([*SENTENCES, changed], None)[-1] == exactly


def test_nearly_all_pairs_above_the_threshold_are_found() -> None:
    chance = random.Random(5)
    letters = [chr(0x4E00 + number) for number in range(3000)]
    missed = pairs = 0
    for _ in range(300):
        text = "".join(chance.choices(letters, k=60))
        at = chance.randrange(5, 55)
        near = text[:at] + "甲" + text[at + 1 :]
        assert jaccard(grams(text), grams(near), 0.85)
        pairs += 1
        missed += not duplicates([text, near], 0.8)[1]
    assert pairs == 300
    assert missed <= 3


def test_a_stricter_threshold_keeps_more() -> None:
    text = SENTENCES[1]
    near = text.replace("上海", "北京").replace("早餐", "晚餐")
    assert [bool(duplicates([text, near], threshold)[1]) for threshold in (0.4, 0.9)] == [True, False]


def test_short_texts_are_compared_to_the_letter() -> None:
    assert not duplicates(["房间很干净很好吃", "房间很干净很好住"], 0.1).any()
    assert duplicates(["房间很干净", "房间，很干净！"], 0.8).tolist() == [False, True]


def test_texts_without_letters_differ_by_their_signs() -> None:
    assert duplicates(["👍", "👎", "👍 ", "！！"], 0.8).tolist() == [False, False, True, False]


def test_width_case_and_punctuation_do_not_count() -> None:
    assert normalised("ＡＢＣ，１２３ 好 !") == normalised("abc123好") == "abc123好"


def test_known_texts_are_all_kept_and_all_compared_with() -> None:
    known = [SENTENCES[0], SENTENCES[0] + "完", SENTENCES[1]]
    first = originals([*known, SENTENCES[0], SENTENCES[2], SENTENCES[2]], 0.8, known=3)
    assert first.tolist() == [0, 1, 2, 0, 4, 4]


def test_no_texts_give_no_answer() -> None:
    assert originals([], 0.8).shape == (0,)


def forms(texts: list[str]) -> list[str]:
    """Return the normalised texts by way of their code points."""
    points, lengths = normalised_points(texts)
    ends = np.cumsum(lengths).tolist()
    return [
        "".join(map(chr, points[end - size : end])) for end, size in zip(ends, lengths.tolist(), strict=True)
    ]


@given(
    st.lists(
        st.text(st.characters() | st.sampled_from("\0\1ΑΣσ：·e\u0301\uff9eカ！\ud800_"), max_size=8),
        max_size=8,
    )
)
def test_many_texts_are_normalised_at_once_as_each_is_alone(texts: list[str]) -> None:
    assert forms(texts) == [normalised(text) for text in texts]


@pytest.mark.parametrize(("before", "after"), [("", ""), ("e", "\u0301"), ("カ", ""), ("ΑΣ", "Α")])
def test_every_character_is_normalised_as_it_is_alone(before: str, after: str) -> None:
    points = [*range(0x3400), *range(0xF900, 0x10000), *range(0x1D400, 0x1F200)]
    for start in range(0, len(points), 256):
        texts = [f"{before}{chr(point)}{after}" for point in points[start : start + 256]]
        assert forms(texts) == [normalised(text) for text in texts]
    assert len(points) > 20_000


def test_bands_suit_their_threshold() -> None:
    """The figures that `bands` promises, and that a stricter threshold takes more rows to a band."""
    bands, rows, _ = banded(0.7, 256, 0.995).shape
    assert (bands, rows) == (42, 6)
    found = {similarity: 1 - (1 - similarity**rows) ** bands for similarity in (0.05, 0.7, 0.75)}
    assert found == pytest.approx({0.05: 6.6e-7, 0.7: 0.9948, 0.75: 0.9997}, rel=0.01)
    assert banded(0.9, 256, 0.995).shape[1] > rows
    assert banded(0.7, 64, 0.95).shape[1] * banded(0.7, 64, 0.95).shape[0] <= 64


def test_rows_are_mixed_so_that_each_counts_and_so_does_their_order() -> None:
    rows = np.array([[1, 1, 2, 1, 2], [2, 2, 1, 3, 2]], dtype=np.uint32)
    keys = mixed_rows(rows).tolist()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


@given(st.lists(HANZI, min_size=1, max_size=5))
def test_signatures_are_those_of_the_library(texts: list[str]) -> None:
    from train.data.dedup import _folded, _shingles

    found = signatures(texts, MinHash(num_perm=16, scheme="affine32").permutations)
    for text, row in zip(texts, found, strict=True):
        reference = MinHash(num_perm=16, scheme="affine32", hashfunc=int)
        reference.update_batch(_folded(_shingles([text])[0]))
        np.testing.assert_array_equal(row, reference.hashvalues)
