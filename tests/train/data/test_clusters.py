"""Clusters do not depend on the order of the texts, and every member has a reason to be there."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.data import bands
from train.data.clusters import clusters, partition
from train.data.dedup import Integers, normalised

A = "房间很干净，服务员也很热情，早餐种类丰富，下次来上海还会选择这家酒店。"
B = A.replace("上海", "北京").replace("早餐", "晚餐")
C = B.replace("热情", "冷淡").replace("丰富", "稀少")
OTHER = "物流慢得离谱，包装还破了，客服半天不回消息，再也不会在这家店买东西。"

TEXTS = st.lists(
    st.builds(
        lambda stem, tail, sign: stem + tail + sign,
        st.sampled_from(["", "天地玄黄宇宙洪荒", "日月盈昃辰宿列张寒来暑往秋收冬藏"]),
        st.text("好坏甲", max_size=3),
        st.sampled_from(["", "。", "！"]),
    ),
    max_size=25,
)


def canonical(labels: Integers) -> list[int]:
    """Return a partition with the smallest index as the number of each part."""
    first: dict[int, int] = {}
    return [first.setdefault(int(label), at) for at, label in enumerate(labels)]


@settings(max_examples=60)
@given(TEXTS, st.sampled_from([None, 0.5, 0.7]), st.randoms(use_true_random=False))
def test_another_order_of_the_texts_gives_the_same_partition(
    texts: list[str], threshold: float | None, chance: random.Random
) -> None:
    order = list(range(len(texts)))
    chance.shuffle(order)
    straight = partition(texts, threshold)
    shuffled = partition([texts[at] for at in order], threshold)
    for name in ("verbatim", "equal", "near", "related"):
        of_straight = getattr(straight, name)
        assert of_straight.tolist() == canonical(of_straight)
        assert canonical(of_straight[order]) == getattr(shuffled, name).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_does_not_matter_where_comparisons_are_capped(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(bands, "VAIN", 2)
    monkeypatch.setattr(bands, "CROWD", 2)
    monkeypatch.setattr(bands, "NEIGHBOURS", 1)
    chance = random.Random(seed)
    letters = [chr(0x4E00 + number) for number in range(300)]
    texts = ["日月盈昃辰宿列张寒来暑往" + "".join(chance.choices(letters, k=4)) for _ in range(300)]
    texts += [text + "甲" for text in texts[:50]]
    order = chance.sample(range(len(texts)), len(texts))
    straight, shuffled = partition(texts, 0.7), partition([texts[at] for at in order], 0.7)
    assert straight.capped == shuffled.capped > 100
    assert canonical(straight.near[order]) == shuffled.near.tolist()


@given(TEXTS)
def test_each_rule_is_wider_than_the_last(texts: list[str]) -> None:
    found = partition(texts, 0.6)
    assert [texts.index(text) for text in texts] == found.verbatim.tolist()
    forms = [normalised(text) for text in texts]
    assert [forms.index(form) for form in forms] == found.equal.tolist()
    for narrow, wide in (
        (found.verbatim, found.equal),
        (found.equal, found.near),
        (found.near, found.related),
    ):
        assert (wide[narrow] == wide).all()
        assert (wide <= narrow).all()


def test_a_chain_is_one_cluster_though_its_ends_differ() -> None:
    assert clusters([A, OTHER, C], 0.6).tolist() == [0, 1, 2]
    assert clusters([A, OTHER, C, B], 0.6).tolist() == [0, 1, 0, 0]


def test_without_a_threshold_only_equal_texts_are_one() -> None:
    texts = [A, A.replace("，", ","), B, "天地玄黄宇宙洪荒", "天地玄黄宇宙洪"]
    assert clusters(texts, None).tolist() == [0, 0, 2, 3, 4]
    assert clusters(texts, 0.6).tolist() == [0, 0, 0, 3, 4]


def test_a_stricter_threshold_joins_less() -> None:
    assert clusters([A, B], 0.6).tolist() == [0, 0]
    assert clusters([A, B], 0.9).tolist() == [0, 1]


def test_one_character_turns_a_short_text_which_is_related_but_not_near() -> None:
    found = partition(["这家酒店的服务真好", "这家酒店的服务真坏", "服务真好", "服务真坏"], 0.7)
    assert found.near.tolist() == [0, 1, 2, 3]
    assert found.related.tolist() == [0, 0, 2, 3]


@pytest.mark.parametrize("length", [14, 15, 16])
def test_no_edit_is_lost_where_the_measure_changes(length: int) -> None:
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张"[:length]
    edits = [text[:at] + "甲" + text[at + 1 :] for at in range(length)]
    edits += [text[:at] + "甲" + text[at:] for at in range(length + 1)]
    edits += [text[:at] + text[at + 1 :] for at in range(length)]
    assert not any(clusters([text, edit], 0.7)[1] for edit in edits)
    assert len(edits) == 3 * length + 1


def test_texts_are_read_once_and_progress_ends_at_the_total() -> None:
    class Lazy(list[str]):
        read = 0

        def __iter__(self) -> Iterator[str]:
            for text in super().__iter__():
                Lazy.read += 1
                yield text

    texts = Lazy([A, B, C, OTHER] * 10)
    reports: list[tuple[int, int]] = []
    clusters(texts, 0.7, lambda done, total: reports.append((done, total)))
    assert Lazy.read == len(texts)
    assert reports == sorted(reports)
    assert len({total for _, total in reports}) == 1
    assert reports[-1][0] == reports[-1][1]
    assert len(reports) > 3


def test_capped_texts_are_told_of_without_their_words(caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(0)
    letters = [chr(0x4E00 + number) for number in range(3000)]
    texts = [A[:15] + "".join(chance.choices(letters, k=8)) + A[15:26] for _ in range(800)]
    with caplog.at_level(logging.WARNING):
        found = partition(texts, 0.7)
    assert found.capped > 400
    assert f"{found.capped} of 800 texts" in caplog.text
    assert "房间" not in caplog.text


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1, float("nan")])
def test_a_threshold_that_means_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        clusters([A], threshold)


@pytest.mark.parametrize("threshold", [None, 0.7])
def test_no_texts_and_empty_texts_have_their_clusters(threshold: float | None) -> None:
    assert clusters([], threshold).shape == (0,)
    assert clusters(["", " ", "a", "！", ""], threshold).tolist() == [0, 0, 2, 3, 0]


def test_the_answer_is_64_bit_integers() -> None:
    assert clusters([A, B], 0.7).dtype == np.int64
