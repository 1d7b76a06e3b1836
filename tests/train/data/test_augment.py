"""Every augmenter changes a text, keeps what is protected to the letter, and depends on the seed alone."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import Recipe
from train.data.augment import AUGMENTERS, delete_characters, insert_punctuation, swap_characters
from train.data.augment_marks import NEGATIONS, mark
from train.recipe import read_recipe

LIGHT = [name for name in AUGMENTERS if name != "language_model"]
SENTENCES = [
    "这家酒店的房间很干净，服务员热情，因为离车站近，所以我们经常来这里住。",
    "电脑用了2年，电池不太耐用，但是屏幕清晰，价格是3,299元，客服电话13812345678。",
    "现在的手机没有耳机孔，朋友说iPhone 15也一样，如果需要就买转接头。",
    "老师告诉孩子明天早上去机场，大家觉得时间太早。",
]
PIECES = [
    "房间",
    "很",
    "干净",
    "不",
    "好吃",
    "没有",
    "问题",
    "13812345678",
    "iPhone",
    "，",
    "现在",
    "价格",
    " ",
    "。",
    "🙂",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Return a recipe whose base model guesses words."""
    path = Path(tmp_path_factory.mktemp("recipe") / "mini.toml")
    path.write_text('[data]\ntrain = "sample:train"\n[finetune]\nbase_model = "bert-mini-chinese"\n')
    return read_recipe(path)


def stands_in_order(parts: list[str], text: str) -> bool:
    """Tell whether the parts stand in a text, one after the other."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


@pytest.mark.parametrize("name", AUGMENTERS)
def test_sentences_become_others_with_the_protected_parts_verbatim(name: str, recipe: Recipe) -> None:
    augmenter = AUGMENTERS[name](recipe)
    made = 0
    for sentence in SENTENCES:
        marked = mark(sentence, ["酒店"])
        parts = [sentence[start:end] for start, end in marked.protected]
        for seed in range(3 if name == "language_model" else 4):
            text = augmenter(marked, Random(seed))
            assert text == augmenter(marked, Random(seed))
            if text is None:
                continue
            made += 1
            assert text != sentence
            assert stands_in_order(parts, text)
            assert [sign for sign in text if sign in NEGATIONS] == [s for s in sentence if s in NEGATIONS]
    assert made >= (2 if name == "language_model" else 12)


@pytest.mark.parametrize("name", LIGHT)
def test_seeds_differ(name: str, recipe: Recipe) -> None:
    augmenter = AUGMENTERS[name](recipe)
    texts = {augmenter(mark(SENTENCES[0]), Random(seed)) for seed in range(12)}
    assert len(texts - {None}) > 2


@pytest.mark.parametrize("name", LIGHT)
@settings(max_examples=60)
@given(text=TEXTS, seed=st.integers(0, 2**32))
def test_any_text_gives_another_text_that_is_not_empty_or_none(
    name: str, recipe: Recipe, text: str, seed: int
) -> None:
    marked = mark(text)
    parts = [text[start:end] for start, end in marked.protected]
    found = AUGMENTERS[name](recipe)(marked, Random(seed))
    if found is not None:
        assert found.strip()
        assert found != text
        assert stands_in_order(parts, found)


@pytest.mark.parametrize("name", AUGMENTERS)
def test_where_nothing_may_change_there_is_no_text(name: str, recipe: Recipe) -> None:
    augmenter = AUGMENTERS[name](recipe)
    for text in ("", "。", "13812345678", "不", "🙂"):
        assert augmenter(mark(text), Random(1)) is None


def test_punctuation_is_all_that_is_inserted() -> None:
    for seed in range(20):
        text = insert_punctuation(mark(SENTENCES[1]), Random(seed))
        assert text is not None
        assert len(text) > len(SENTENCES[1])
        assert [sign for sign in text if sign not in "，。；：！？"] == [
            sign for sign in SENTENCES[1] if sign not in "，。；：！？"
        ]


def test_swapping_keeps_every_character_and_deleting_loses_a_tenth() -> None:
    marked = mark(SENTENCES[0])
    swapped = swap_characters(marked, Random(3))
    assert swapped is not None
    assert sorted(swapped) == sorted(SENTENCES[0])
    moved = sum(new != old for new, old in zip(swapped, SENTENCES[0], strict=True))
    assert 2 <= moved <= 2 * round(0.1 * len(marked.free))
    shorter = delete_characters(marked, Random(3))
    assert shorter is not None
    assert len(SENTENCES[0]) - len(shorter) == round(0.1 * len(marked.free))


def test_a_text_of_few_characters_spares_none() -> None:
    assert delete_characters(mark("很好吃"), Random(1)) is None
    assert delete_characters(mark("很好吃的"), Random(1)) is not None
