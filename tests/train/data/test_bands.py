"""Similar forms are joined whatever is done at once; where too many are nearly similar, work is bounded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.data import bands
from train.data.bands import CROWD, join_near, similar
from train.data.components import Components
from train.data.dedup import Integers, jaccard
from train.data.forms import Forms

LETTERS = [chr(0x4E00 + number) for number in range(3000)]
TEMPLATE = "尊敬的客户您好您的快递已经到达请尽快领取"


def drawn(count: int, length: int, seed: int = 0) -> list[str]:
    """Return texts of characters at random."""
    chance = random.Random(seed)
    return ["".join(chance.choices(LETTERS, k=length)) for _ in range(count)]


def templated(count: int) -> list[str]:
    """Return texts that share much, of whom no two are similar."""
    return [TEMPLATE[:10] + middle + TEMPLATE[10:] for middle in drawn(count, 9)]


def families(count: int) -> list[str]:
    """Return texts of several lengths with one to four similar ones each."""
    chance = random.Random(1)
    found = []
    for letters in drawn(count, 90, seed=2):
        text = letters[: chance.randrange(15, 90)]
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(text))
            found.append(text[:at] + chance.choice(LETTERS) + text[at + 1 :])
    return found


def searched(texts: list[str], threshold: float = 0.7) -> tuple[Forms, Integers, int]:
    """Return the forms, the component of each and how many were not fully compared."""
    forms = Forms.of(texts, lambda _: None)
    components = Components(len(forms))
    capped = join_near(forms, 0, threshold, components, lambda _: None)
    return forms, components.of, capped


def pairs_of(text: str) -> frozenset[str]:
    """Return the pairs of neighbouring characters of a text."""
    return frozenset(text[at : at + 2] for at in range(len(text) - 1))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list that receives every pair that is compared."""
    pairs: list[tuple[int, int]] = []

    def noting(forms: Forms, left: Integers, right: Integers, threshold: float) -> object:
        pairs.extend(zip(left.tolist(), right.tolist(), strict=True))
        return similar(forms, left, right, threshold)

    monkeypatch.setattr(bands, "similar", noting)
    return pairs


@given(
    st.lists(st.text("好坏天地𠮷", min_size=2, max_size=9), min_size=2, max_size=8, unique=True),
    st.sampled_from([0.2, 0.5, 0.75, 1.0]),
)
def test_similar_is_what_sets_say(texts: list[str], threshold: float) -> None:
    forms = Forms.of(texts, lambda _: None)
    left, right = np.triu_indices(len(forms), 1)
    sets = [pairs_of(texts[at]) for at in forms.texts.tolist()]
    expected = [jaccard(sets[one], sets[two], threshold) for one, two in zip(left, right, strict=True)]
    assert similar(forms, left, right, threshold).tolist() == expected


@pytest.mark.parametrize(
    ("length", "changes", "threshold", "least"),
    [(15, 1, 0.7, 0.995), (50, 1, 0.7, 0.999), (50, 3, 0.7, 0.995), (50, 1, 0.9, 0.99), (400, 9, 0.9, 0.985)],
)
def test_nearly_all_pairs_that_reach_the_threshold_are_found(
    length: int, changes: int, threshold: float, least: float
) -> None:
    chance = random.Random(3)
    texts = drawn(1000, length)
    near = []
    for text in texts:
        letters = list(text)
        for at in chance.sample(range(length), changes):
            letters[at] = "々"
        near.append("".join(letters))
    reached = [jaccard(pairs_of(one), pairs_of(two), threshold) for one, two in zip(texts, near, strict=True)]
    forms, component, _ = searched([*texts, *near], threshold)
    of_text = dict(zip(forms.texts.tolist(), component.tolist(), strict=True))
    found = [of_text[at] == of_text[at + len(texts)] for at in range(len(texts))]
    assert sum(reached) > 600
    assert sum(np.array(found)[reached]) >= least * sum(reached)
    assert not np.array(found)[~np.array(reached)].any()


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from([0.3, 0.5, 0.7]))
def test_a_component_is_a_chain_of_similar_forms(seed: int, threshold: float) -> None:
    chance = random.Random(seed)
    texts = sorted({"".join(chance.choices("天地玄黄宇宙", k=chance.randrange(6, 14))) for _ in range(40)})
    forms, component, _ = searched(texts, threshold)
    sets = [pairs_of(texts[at]) for at in forms.texts.tolist()]
    linked = Components(len(forms))
    for one in range(len(forms)):
        for two in range(one):
            if jaccard(sets[one], sets[two], threshold):
                linked.join(np.array([one]), np.array([two]))
    for one in range(len(forms)):
        assert linked.of[one] == linked.of[component[one]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("_BANDS_AT_ONCE", 1), ("_BLOCK", 200), ("_WIDE", 20), ("_COMPARED_AT_ONCE", 500), ("threads", 4)],
)
@pytest.mark.parametrize("make", [families, templated])
def test_what_is_done_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[int], list[str]], name: str, value: int
) -> None:
    texts = make(120)
    _, component, capped = searched(texts)
    if name == "threads":
        monkeypatch.setattr(bands, "available_cpus", lambda: value)
    else:
        monkeypatch.setattr(bands, name, value)
    _, again, capped_again = searched(texts)
    np.testing.assert_array_equal(component, again)
    assert capped == capped_again


def test_comparisons_grow_with_the_texts_and_not_with_their_square(compared: list[tuple[int, int]]) -> None:
    counts = []
    for count in (1500, 3000):
        compared.clear()
        _, component, capped = searched(templated(count))
        assert (component == np.arange(count)).all()
        assert capped > 0.9 * count
        counts.append(len(compared))
    assert counts[1] < 2.2 * counts[0]


def test_a_form_takes_part_in_a_certain_number_of_vain_comparisons(
    monkeypatch: pytest.MonkeyPatch, compared: list[tuple[int, int]]
) -> None:
    texts = templated(CROWD)
    assert searched(texts)[2] == 0
    without = Counter(form for pair in compared for form in pair)
    compared.clear()
    monkeypatch.setattr(bands, "VAIN", 4)
    capped = searched(texts)[2]
    times = Counter(form for pair in compared for form in pair)
    # A form is the left one of a pair and the right one of another before they are counted.
    assert max(times.values()) <= 4 + 1 < 10 < max(without.values())
    assert capped >= sum(count > 4 + 1 for count in without.values()) > 20


def test_a_similar_pair_is_found_in_a_crowd() -> None:
    texts = templated(3000)
    near = [text[:-1] for text in texts[:100]]
    forms, component, capped = searched([*texts, *near])
    of_text = dict(zip(forms.texts.tolist(), component.tolist(), strict=True))
    assert capped > 2000
    assert sum(of_text[at] == of_text[at + len(texts)] for at in range(100)) >= 98


def test_forms_that_are_joined_are_not_compared_again(compared: list[tuple[int, int]]) -> None:
    _, component, capped = searched([TEMPLATE * 2 + middle for middle in drawn(2000, 2)])
    assert not component.any()
    assert capped == 0
    assert len(compared) < 3 * 2000


def test_unlike_texts_are_hardly_ever_compared(compared: list[tuple[int, int]]) -> None:
    searched(drawn(5000, 40))
    assert len(compared) < 50


def test_one_long_text_does_not_make_the_short_ones_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*families(60), "好" * 20_000, "天" * 200_000 + "地", "天" * 200_000 + "玄"]
    sizes: list[tuple[int, int]] = []
    grams = Forms.grams

    def measured(self: Forms, forms: Integers, width: int) -> object:
        sizes.append((len(forms), len(forms) * width))
        return grams(self, forms, width)

    monkeypatch.setattr(Forms, "grams", measured)
    searched(texts)
    assert max(size for count, size in sizes if count > 1) <= 1 << 18
    assert sum(count == 1 and size > 190_000 for count, size in sizes) > 10


def test_forms_before_the_first_are_left_alone() -> None:
    texts = families(20)
    forms = Forms.of(texts, lambda _: None)
    components = Components(len(forms))
    shares: list[float] = []
    join_near(forms, len(forms) // 2, 0.7, components, shares.append)
    half = np.arange(len(forms) // 2)
    assert (components.of[half] == half).all()
    assert (components.of >= np.minimum(np.arange(len(forms)), len(half))).all()
    assert shares == sorted(shares)
    assert shares[-1] == 1
