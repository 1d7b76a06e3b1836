"""Forms are the different normalised texts, ranked by what they are and not by where they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data import forms as forms_module
from train.data.dedup import normalised
from train.data.forms import Forms

TEXTS = st.lists(st.text(st.sampled_from("ab A，好坏𠮷"), max_size=4), max_size=12)


def read(texts: list[str]) -> Forms:
    """Return the forms of texts."""
    return Forms.of(texts, lambda _: None)


def spelt(forms: Forms) -> list[str]:
    """Return the forms as text, by rank."""
    places = zip(forms.starts.tolist(), forms.lengths.tolist(), strict=True)
    return ["".join(map(chr, forms.characters[start : start + length])) for start, length in places]


@given(TEXTS)
def test_every_form_is_there_once_and_knows_its_first_text(texts: list[str]) -> None:
    forms = read(texts)
    assert spelt(forms) == [normalised(texts[at]) for at in forms.texts.tolist()]
    assert sorted(spelt(forms)) == sorted({normalised(text) for text in texts})
    assert forms.lengths.tolist() == sorted(forms.lengths.tolist())


@given(TEXTS)
def test_texts_name_the_first_one_equal_to_them(texts: list[str]) -> None:
    forms = read(texts)
    spellings = [normalised(text) for text in texts]
    assert forms.verbatim.tolist() == [texts.index(text) for text in texts]
    assert forms.equal.tolist() == [spellings.index(text) for text in spellings]


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_change_the_ranks(texts: list[str], chance: object) -> None:
    shuffled = list(texts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert spelt(read(texts)) == spelt(read(shuffled))


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_how_many_are_read_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    texts = ["好的", "𠮷好", "坏", "", "好，的", "！！", "坏"]
    whole = read(texts)
    monkeypatch.setattr(forms_module, "_AT_ONCE", at_once)
    counts: list[int] = []
    parts = Forms.of(iter(texts), counts.append)
    assert sum(counts) == len(texts)
    assert max(counts) <= at_once
    assert spelt(parts) == spelt(whole)
    np.testing.assert_array_equal(parts.equal, whole.equal)


def test_grams_of_different_pairs_differ_and_short_forms_repeat_their_last() -> None:
    forms = read(["ab", "abc", "𠮷𠮷𠮷"])
    ranks = np.array([spelt(forms).index(form) for form in ("ab", "abc", "𠮷𠮷𠮷")])
    grams = forms.grams(ranks, 2).T.tolist()
    assert grams[0] == [grams[1][0]] * 2
    assert grams[2][0] == grams[2][1]
    assert len({number for form in grams for number in form}) == 3


@pytest.mark.parametrize(("text", "size"), [("好", 2), ("𠮷", 4)])
def test_characters_take_two_bytes_unless_rare_ones_are_among_them(text: str, size: int) -> None:
    assert read([text]).characters.itemsize == size
