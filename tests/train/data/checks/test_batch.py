from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from train.data.checks.alphabets import EMOJI, HAN, kinds_of
from train.data.checks.batch import Batch
from train.data.stream import SCHEMA

TEXTS = st.lists(st.text(st.sampled_from("一二ab👍\n é"), max_size=8), min_size=1, max_size=8)


def batch(
    texts: list[str], pairs: list[str | None] | None = None, problems: list[str | None] | None = None
) -> Batch:
    rows = [
        {
            "text": text,
            "text_pair": pairs[at] if pairs else None,
            "label": "a",
            "file": "f.csv",
            "number": at + 2,
            "line": at + 2,
            "problem": problems[at] if problems else None,
        }
        for at, text in enumerate(texts)
    ]
    return Batch("train", pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


@given(TEXTS)
def test_counts_are_those_of_each_text(texts: list[str]) -> None:
    found = batch(texts)
    for bits, characters in ((HAN, "一二"), (EMOJI, "👍")):
        expected = [sum(text.count(character) for character in characters) for text in texts]
        assert found.count_in(bits).tolist() == expected
        assert ((found.kinds_in & bits) != 0).tolist() == [count > 0 for count in expected]


@given(TEXTS)
def test_points_are_the_texts_one_after_the_other(texts: list[str]) -> None:
    found = batch(texts)
    parts = [
        "".join(map(chr, found.points[start : start + length]))
        for start, length in zip(found.starts, found.lengths, strict=True)
    ]
    assert parts == texts
    np.testing.assert_array_equal(found.kinds, kinds_of(found.points))


def test_a_pair_follows_its_text() -> None:
    assert batch(["一", "二"], ["a", "b"]).texts == ["一\na", "二\nb"]


def test_usable_rows_are_those_without_a_problem() -> None:
    found = batch(["一", "", "二"], problems=[None, "has an empty 'text'", None])
    assert found.usable.tolist() == [True, False, True]
    assert found.usable_rows.numbers.tolist() == [2, 4]
    assert found.usable_rows.usable_rows is found.usable_rows
