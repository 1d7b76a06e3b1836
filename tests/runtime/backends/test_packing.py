"""Properties of packed batches: every token stands once, and attention sees its own text and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends.packing import pack
from runtime.tokenizer import Batch, Encoding, pad

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def batch_of(lengths: list[int]) -> Batch:
    """Texts whose ids count on from text to text, so that every token is recognised."""
    ids = iter(range(1, sum(lengths) + 1))
    encodings = [[next(ids) for _ in range(length)] for length in lengths]
    return pad([Encoding(found, [i % 2 for i in found], truncated=False) for found in encodings], 0)


@given(LENGTHS)
def test_tokens_stand_in_order_without_padding(lengths: list[int]) -> None:
    packed = pack(batch_of(lengths))
    assert packed.input_ids.tolist() == list(range(1, sum(lengths) + 1))
    assert packed.token_type_ids.tolist() == [i % 2 for i in packed.input_ids.tolist()]
    assert packed.position_ids.tolist() == [place for length in lengths for place in range(length)]
    assert packed.input_ids[packed.starts].tolist() == [
        1 + sum(lengths[:text]) for text in range(len(lengths))
    ]


@given(LENGTHS)
def test_every_token_finds_itself_in_the_rows(lengths: list[int]) -> None:
    packed = pack(batch_of(lengths))
    assert len(set(packed.places.tolist())) == sum(lengths)
    np.testing.assert_array_equal(packed.rows.ravel()[packed.places], np.arange(sum(lengths)))


@given(LENGTHS)
def test_a_token_sees_the_tokens_of_its_text_alone(lengths: list[int]) -> None:
    packed = pack(batch_of(lengths))
    width = packed.rows.shape[1]
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    seen = packed.mask.reshape(-1, width)[packed.places]
    for token, places in enumerate(seen):
        row = packed.places[token] // width
        tokens = packed.rows[row][places]
        np.testing.assert_array_equal(np.sort(tokens), np.flatnonzero(text_of == text_of[token]))


@given(LENGTHS)
def test_the_query_of_a_text_sees_the_tokens_of_its_text_alone(lengths: list[int]) -> None:
    packed = pack(batch_of(lengths))
    most = packed.first_rows.shape[1]
    assert packed.first_rows.ravel()[packed.first_places].tolist() == list(range(len(lengths)))
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    for text, place in enumerate(packed.first_places.tolist()):
        row = place // most
        tokens = packed.rows[row][packed.first_mask[row, place % most]]
        np.testing.assert_array_equal(np.sort(tokens), np.flatnonzero(text_of == text))


@given(LENGTHS)
def test_no_place_looks_at_nothing(lengths: list[int]) -> None:
    packed = pack(batch_of(lengths))
    assert packed.mask.any(axis=-1).all()
    assert packed.first_mask.any(axis=-1).all()


@given(LENGTHS)
def test_rows_are_as_few_as_first_fit_decreasing_promises(lengths: list[int]) -> None:
    packed = pack(batch_of(lengths))
    assert packed.rows.shape[1] == max(lengths)
    fewest = -(-sum(lengths) // max(lengths))
    assert fewest <= packed.rows.shape[0] <= len(lengths)
    # Two rows less than half full would have been one.
    filled = np.bincount(packed.places // packed.rows.shape[1])
    assert (2 * filled < max(lengths)).sum() <= 1


@given(length=st.integers(1, 40), texts=st.integers(1, 20))
def test_texts_of_one_length_need_no_mask(length: int, texts: int) -> None:
    assert pack(batch_of([length] * texts)).is_padding_free


def test_two_texts_that_share_a_row_need_a_mask() -> None:
    assert not pack(batch_of([8, 4, 4])).is_padding_free
