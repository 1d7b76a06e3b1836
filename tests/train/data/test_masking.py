from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.config import PretrainSection
from train.data.masking import (
    MaskedBatch,
    MaskedBatches,
    SpecialIds,
    held_out_batches,
    mask_words,
    row_lengths,
)
from train.data.tokens import TokenStream

CLS, SEP, MASK, FIRST, VOCABULARY = 2, 3, 4, 5, 60_000
SPECIAL = SpecialIds(begin=CLS, separator=SEP, mask=MASK, vocabulary=VOCABULARY, first_ordinary=FIRST)


def stream_of(tokens: int, word: int = 1) -> TokenStream:
    """Return a stream in which every token is another one, so that its place can be told."""
    ids = np.arange(FIRST, FIRST + tokens, dtype=np.uint16)
    return TokenStream(ids, np.arange(tokens) % word == 0)


def batches_of(stream: TokenStream, **changes: Any) -> MaskedBatches:
    settings = PretrainSection(**{"batch_tokens": 512, "max_length": 128, "seed": 1} | changes)
    return MaskedBatches(stream, SPECIAL, settings)


def restored(batch: MaskedBatch) -> np.ndarray:
    """Return the rows with what is hidden put back."""
    flat = batch["input_ids"].flatten().clone()
    flat[batch["places"]] = batch["targets"]
    return flat.view(batch["input_ids"].shape).numpy()


def same(one: MaskedBatch, other: MaskedBatch) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)  # type: ignore[literal-required]


def test_no_token_stands_twice_in_a_pass_and_few_are_left_out() -> None:
    batches = batches_of(stream_of(20_000))
    seen = [
        batches_tokens
        for index in range(len(batches))
        for batches_tokens in restored(batches[index])[:, 1:-1].flat
    ]
    assert len(seen) == len(set(seen))
    assert len(seen) > 0.93 * 20_000


def test_every_row_is_a_stretch_of_the_stream_in_its_frame() -> None:
    batches = batches_of(stream_of(20_000))
    lengths = set()
    for index in range(len(batches)):
        rows = restored(batches[index])
        lengths.add(rows.shape[1])
        assert (rows[:, 0] == CLS).all()
        assert (rows[:, -1] == SEP).all()
        assert (np.diff(rows[:, 1:-1], axis=1) == 1).all()
        assert 0.9 * 512 <= rows.size <= 512  # no padding: all of it is text and frames
    assert lengths == {32, 64, 128}


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    first, again, other = (batches_of(stream_of(20_000), seed=seed) for seed in (1, 1, 2))
    for index in (3, 0, 7):
        assert same(first[index], again[index])
        assert not same(first[index], other[index])


def test_passes_differ_in_order_and_in_what_is_hidden() -> None:
    batches = batches_of(stream_of(20_000), epochs=2.5)
    per_pass = batches.per_epoch
    assert len(batches) == round(2.5 * per_pass)
    assert not np.array_equal(restored(batches[0])[0], restored(batches[per_pass])[0])


def test_a_stream_shorter_than_a_batch_gives_none() -> None:
    assert len(batches_of(stream_of(400))) == 0


@pytest.mark.parametrize("share", [0.05, 0.15, 0.4])
def test_the_share_of_hidden_tokens_is_the_one_asked_for(share: float) -> None:
    batches = batches_of(stream_of(50_000, word=2), masked=share)
    hidden = sum(len(batches[index]["targets"]) for index in range(len(batches)))
    tokens = sum(batches[index]["input_ids"].numel() for index in range(len(batches)))
    assert hidden / tokens == pytest.approx(share, rel=0.08)


def test_eight_in_ten_show_the_mask_one_a_random_token_one_itself() -> None:
    batch = mask_words(
        np.full((100, 500), 7), np.ones((100, 500), dtype=bool), SPECIAL, 0.5, np.random.default_rng(0)
    )
    shown = batch["input_ids"].flatten()[batch["places"]]
    counts = [(shown == MASK).float().mean(), (shown == 7).float().mean()]
    assert counts[0] == pytest.approx(0.8, abs=0.01)
    assert counts[1] == pytest.approx(0.1, abs=0.01)


@given(
    words=st.lists(st.integers(1, 5), min_size=12, max_size=40),
    seed=st.integers(0, 99),
    share=st.floats(0.05, 0.9),
)
def test_words_are_hidden_whole_and_separators_never(words: list[int], seed: int, share: float) -> None:
    starts = np.concatenate([[True] + [False] * (length - 1) for length in words])[None, :]
    ids = np.arange(FIRST, FIRST + starts.size)[None, :].astype(np.int64)
    ids[0, 0] = SEP
    batch = mask_words(ids, starts, SPECIAL, share, np.random.default_rng(seed))
    hidden = np.zeros(starts.size + 2, dtype=bool)
    hidden[batch["places"].numpy()] = True
    assert not hidden[[0, 1, -1]].any()  # frame and separator
    assert hidden.sum() == len(batch["targets"]) >= 1
    begins = [*np.flatnonzero(starts[0]), starts.size]
    if hidden.sum() > 1:
        for begin, end in pairwise(begins[1:]):
            assert len(set(hidden[begin + 1 : end + 1].tolist())) == 1


def test_a_batch_of_separators_alone_hides_nothing() -> None:
    ids = np.full((2, 6), SEP)
    batch = mask_words(ids, np.ones((2, 6), dtype=bool), SPECIAL, 0.9, np.random.default_rng(0))
    assert len(batch["targets"]) == 0


@pytest.mark.parametrize(
    ("longest", "expected"), [(512, (512, 256, 128, 64)), (128, (128, 64, 32)), (40, (40,)), (16, (16,))]
)
def test_rows_are_halved_down_to_32_tokens(longest: int, expected: tuple[int, ...]) -> None:
    assert row_lengths(longest) == expected


def test_held_out_text_is_masked_the_same_way_every_time() -> None:
    stream = stream_of(3000)
    first, again = (
        held_out_batches(stream, SPECIAL, batch_tokens=512, row_length=64, masked=0.15) for _ in range(2)
    )
    assert len(first) == 6
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    assert [int(restored(batch)[0, 1]) for batch in first] == [FIRST + 8 * 62 * number for number in range(6)]


def test_too_little_held_out_text_gives_no_batch() -> None:
    assert held_out_batches(stream_of(50), SPECIAL, batch_tokens=512, row_length=64, masked=0.15) == []
