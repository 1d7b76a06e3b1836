"""Rows as token ids, held compactly and padded batch by batch by the runtime's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from runtime.normalize import normalize_input
from runtime.tokenizer import Encoding, Tokenizer, pad
from train.data.rows import Row

if TYPE_CHECKING:
    from torch import Tensor

_ENCODED_AT_ONCE = 10_000


class Example(TypedDict):
    """One row as the sampler and the collator see it."""

    input_ids: list[int]
    token_type_ids: list[int]
    labels: int


class EncodedRows:
    """A map-style dataset of `Example`s; arrays take a tenth of the memory of lists of numbers.

    Parameters
    ----------
    rows : sequence of Row
    labels : sequence of str
        A row's label becomes its position in here.
    tokenizer : Tokenizer
    normalizers : sequence of str
        Steps applied to every text before it is tokenised.
    """

    def __init__(
        self, rows: Sequence[Row], labels: Sequence[str], tokenizer: Tokenizer, normalizers: Sequence[str]
    ) -> None:
        position = {label: index for index, label in enumerate(labels)}
        self._labels = [position[row.label] for row in rows]
        self._tokens: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
        self._types: list[np.ndarray[tuple[int], np.dtype[np.int8]]] = []
        self.truncated = 0
        for start in range(0, len(rows), _ENCODED_AT_ONCE):
            texts = [
                normalize_input(row.input, normalizers) for row in rows[start : start + _ENCODED_AT_ONCE]
            ]
            for encoding in tokenizer.encode(texts):
                self._tokens.append(np.array(encoding.input_ids, dtype=np.int32))
                self._types.append(np.array(encoding.token_type_ids, dtype=np.int8))
                self.truncated += encoding.truncated

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Example:
        return {
            "input_ids": self._tokens[index].tolist(),
            "token_type_ids": self._types[index].tolist(),
            "labels": self._labels[index],
        }

    def share_of(self, token_id: int) -> float:
        """Return which share of all tokens, special ones included, is this one."""
        tokens = sum(len(ids) for ids in self._tokens)
        return sum(int((ids == token_id).sum()) for ids in self._tokens) / max(1, tokens)


class Collator:
    """Pads a list of `Example`s to the longest of them, as serving does."""

    def __init__(self, pad_token_id: int) -> None:
        self._pad_token_id = pad_token_id

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return int64 tensors of shape (batch_size, seq_len), and labels of shape (batch_size,)."""
        import torch

        encodings = [
            Encoding(example["input_ids"], example["token_type_ids"], truncated=False) for example in examples
        ]
        batch = pad(encodings, self._pad_token_id)
        return {
            "input_ids": torch.from_numpy(batch.input_ids),
            "attention_mask": torch.from_numpy(batch.attention_mask),
            "token_type_ids": torch.from_numpy(batch.token_type_ids),
            "labels": torch.tensor([example["labels"] for example in examples]),
        }
