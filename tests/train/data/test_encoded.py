from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime.normalize import normalize
from runtime.tokenizer import Tokenizer, pad
from train.data import encoded
from train.data.encoded import Collator, EncodedRows
from train.data.rows import Row

LABELS = ("a", "b")
TEXTS = ["ＡＢＣ　房间很好", "短", "很" * 50, "OK 8分"]


def rows(pair: str | None = None) -> list[Row]:
    return [Row(text, pair, LABELS[i % 2], "train.csv", i, i) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> Tokenizer:
    return Tokenizer.load(tiny_model_dir, 16)


@pytest.mark.parametrize("pair", [None, "第二句"])
def test_batches_are_those_of_serving(tokenizer: Tokenizer, pair: str | None) -> None:
    names = ("fold_fullwidth",)
    found = Collator(tokenizer.pad_token_id)(
        [EncodedRows(rows(pair), LABELS, tokenizer, names)[i] for i in range(len(TEXTS))]
    )
    texts = [normalize(text, names) for text in TEXTS]
    inputs = texts if pair is None else [(text, pair) for text in texts]
    expected = pad(tokenizer.encode(inputs), tokenizer.pad_token_id)
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        np.testing.assert_array_equal(found[name].numpy(), getattr(expected, name))
    assert found["labels"].tolist() == [0, 1, 0, 1]
    assert bool(found["token_type_ids"].any()) == (pair is not None)


def test_normalizers_change_what_is_encoded(tokenizer: Tokenizer) -> None:
    folded, plain = (EncodedRows(rows(), LABELS, tokenizer, names) for names in (("fold_fullwidth",), ()))
    assert folded[0] != plain[0]
    assert folded[1] == plain[1]


def test_padding_goes_to_the_longest_of_the_batch_only(tokenizer: Tokenizer) -> None:
    examples = EncodedRows(rows(), LABELS, tokenizer, ())
    batch = Collator(tokenizer.pad_token_id)([examples[1], examples[3]])
    assert batch["input_ids"].shape[1] == max(len(examples[i]["input_ids"]) for i in (1, 3)) < 16


def test_cut_rows_and_unknown_tokens_are_counted(tokenizer: Tokenizer) -> None:
    examples = EncodedRows(rows(), LABELS, tokenizer, ())
    assert examples.truncated == 1
    ids = [token for i in range(4) for token in examples[i]["input_ids"]]
    assert examples.share_of(ids[0]) == pytest.approx(ids.count(ids[0]) / len(ids))


def test_encoding_in_portions_changes_nothing(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = EncodedRows(rows(), LABELS, tokenizer, ())
    monkeypatch.setattr(encoded, "_ENCODED_AT_ONCE", 3)
    portions = EncodedRows(rows(), LABELS, tokenizer, ())
    assert [whole[i] for i in range(4)] == [portions[i] for i in range(4)]
    assert len(whole) == len(portions) == 4
