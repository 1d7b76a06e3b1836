"""Short forms one character apart are joined, all of them and no others."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data.components import Components
from train.data.edits import LONGEST, SHORTEST, join_edits
from train.data.forms import Forms

FORMS = st.lists(st.text("ab", min_size=SHORTEST - 1, max_size=SHORTEST + 2), max_size=15, unique=True)


def joined(texts: list[str], threshold: float = 0.7) -> list[frozenset[str]]:
    """Return the components of texts."""
    forms = Forms.of(texts, lambda _: None)
    components = Components(len(forms))
    join_edits(forms, threshold, components)
    found: dict[int, set[str]] = {}
    for rank, text in enumerate(forms.texts.tolist()):
        found.setdefault(int(components.of[rank]), set()).add(texts[text])
    return sorted(map(frozenset, found.values()), key=min)


def one_edit_apart(left: str, right: str) -> bool:
    """Tell whether one character changed, added or left out makes one text of the other."""
    short, long = sorted((left, right), key=len)
    if len(short) == len(long):
        return sum(one != two for one, two in zip(short, long, strict=True)) == 1
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def expected(texts: list[str], threshold: float) -> list[frozenset[str]]:
    """Return the components by comparing each text with each."""
    groups = [{text} for text in texts]
    for one in texts:
        for two in texts:
            short, long = sorted((len(one), len(two)))
            close = SHORTEST <= short <= LONGEST and 1 - 1 / long >= threshold and one_edit_apart(one, two)
            if close:
                first, second = (next(group for group in groups if text in group) for text in (one, two))
                if first is not second:
                    first |= second
                    groups.remove(second)
    return sorted(map(frozenset, groups), key=min)


@given(FORMS, st.sampled_from([0.1, 0.88, 0.9, 1.0]))
def test_all_pairs_one_edit_apart_are_joined_and_no_others(texts: list[str], threshold: float) -> None:
    assert joined(texts, threshold) == expected(texts, threshold)


@pytest.mark.parametrize("length", range(SHORTEST, LONGEST + 1))
def test_an_edit_at_any_place_is_found(length: int) -> None:
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张"[:length]
    changed = [text[:at] + "甲" + text[at + 1 :] for at in range(length)]
    added = [text[:at] + "甲" + text[at:] for at in range(length + 1)]
    for other in changed + added:
        assert joined([text, other]) == [{text, other}]


def test_texts_too_short_or_too_long_are_left_alone() -> None:
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张"
    short, long = text[: SHORTEST - 1], text[: LONGEST + 1]
    pairs = [[short, text[:SHORTEST]], [long, long[:-1] + "甲"], [long, text[: LONGEST + 2]]]
    assert [len(joined(pair)) for pair in pairs] == [2, 2, 2]
    assert len(joined([long, long[:-1]])) == 1


def test_a_family_of_thousands_is_one_component() -> None:
    chance = random.Random(0)
    texts = {"".join(chance.choices("天地玄黄", k=SHORTEST)) for _ in range(30_000)}
    assert len(joined(sorted(texts))) == 1
