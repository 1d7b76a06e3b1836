"""Token streams become batches to guess masked words in; each depends on nothing but seed and number.

That is what makes training resumable anywhere: no generator has a state that could be lost. Rows are cut to
fill a batch exactly, so that nothing is computed for padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import numpy.typing as npt

from train.config import PretrainSection
from train.data.tokens import TokenStream

if TYPE_CHECKING:
    from torch import Tensor

_SHORTEST_ROW = 32
_SPECIALS_OF_A_ROW = 2
_LAYOUT, _MASK, _HELD_OUT = range(3)
"""What a generator is for; the second part of its seed."""

_AS_MASK, _AS_RANDOM = 0.8, 0.9
"""Of the tokens to guess 80 % show [MASK], 10 % a random token, 10 % themselves (arXiv 1810.04805)."""

Ids = npt.NDArray[np.int64]


class MaskedBatch(TypedDict):
    """Rows with hidden words, and what they hide.

    `input_ids` is int64 of shape (rows, row_length), `places` int64 of shape (guesses,) counts tokens of the
    flattened rows, `targets` int64 of shape (guesses,) are the ids that stood there.
    """

    input_ids: Tensor
    places: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Ids of the tokens that frame a row, hide a word and are never guessed."""

    begin: int
    separator: int
    mask: int
    vocabulary: int
    first_ordinary: int = 0


@dataclass(frozen=True, slots=True)
class _Layout:
    """Order of a pass: which pieces of the stream, in which batch, cut to which row length."""

    pieces: Ids
    row_lengths: Ids


class MaskedBatches:
    """A map-style dataset of whole batches, for as many passes as asked.

    A pass cuts the stream into pieces of `max_length` - 2 tokens from a random offset, shuffles them, deals
    them to batches and cuts the pieces of a batch once more, into rows of `max_length`, a half, a quarter or
    an eighth of it: most texts to classify are short, and every position has to be learned.

    Parameters
    ----------
    stream : TokenStream
    special : SpecialIds
    settings : PretrainSection
    """

    def __init__(self, stream: TokenStream, special: SpecialIds, settings: PretrainSection) -> None:
        self._stream = stream
        self._special = special
        self._settings = settings
        self._piece = settings.max_length - _SPECIALS_OF_A_ROW
        self._pieces_of_a_batch = max(1, settings.batch_tokens // settings.max_length)
        self._row_lengths = row_lengths(settings.max_length)
        self._batches_of_an_epoch = max(0, (len(stream) // self._piece - 1) // self._pieces_of_a_batch)
        wanted = max(1, round(settings.epochs * self._batches_of_an_epoch))
        self._length = wanted if self._batches_of_an_epoch else 0
        self._layout = lru_cache(maxsize=2)(self._make_layout)

    def __len__(self) -> int:
        return self._length

    @property
    def per_epoch(self) -> int:
        """Return the number of batches of one pass; 0 where the stream is shorter than a batch."""
        return self._batches_of_an_epoch

    def __getitem__(self, index: int) -> MaskedBatch:
        epoch, number = divmod(index, self._batches_of_an_epoch)
        layout = self._layout(epoch)
        first = number * self._pieces_of_a_batch
        begins = layout.pieces[first : first + self._pieces_of_a_batch]
        places = _rows_of(begins, self._piece, int(layout.row_lengths[number]))
        generator = np.random.default_rng((self._settings.seed, _MASK, index))
        return mask_words(
            self._stream.ids[places].astype(np.int64),
            self._stream.starts[places],
            self._special,
            self._settings.masked,
            generator,
        )

    def _make_layout(self, epoch: int) -> _Layout:
        generator = np.random.default_rng((self._settings.seed, _LAYOUT, epoch))
        pieces = self._batches_of_an_epoch * self._pieces_of_a_batch
        offset = generator.integers(0, len(self._stream) - pieces * self._piece + 1)
        order = generator.permutation(pieces).astype(np.int64)
        lengths = generator.choice(self._row_lengths, size=self._batches_of_an_epoch)
        return _Layout(offset + order * self._piece, lengths.astype(np.int64))


def held_out_batches(
    stream: TokenStream, special: SpecialIds, *, batch_tokens: int, row_length: int, masked: float
) -> list[MaskedBatch]:
    """Return the same masked batches every time, in the order of the stream; the last one may be smaller."""
    content = row_length - _SPECIALS_OF_A_ROW
    rows = max(1, batch_tokens // row_length)
    begins = np.arange(0, len(stream) - content + 1, content, dtype=np.int64)
    batches = []
    for first in range(0, len(begins), rows):
        places = _rows_of(begins[first : first + rows], content, row_length)
        generator = np.random.default_rng((first, _HELD_OUT))
        ids, starts = stream.ids[places].astype(np.int64), stream.starts[places]
        batches.append(mask_words(ids, starts, special, masked, generator))
    return batches


def row_lengths(max_length: int) -> tuple[int, ...]:
    """Return the lengths that rows may have: `max_length` and its halves, down to 32."""
    lengths = (max_length, max_length // 2, max_length // 4, max_length // 8)
    return tuple(length for length in lengths if length >= _SHORTEST_ROW) or (max_length,)


def mask_words(
    ids: Ids,
    starts: npt.NDArray[np.bool_],
    special: SpecialIds,
    masked: float,
    generator: np.random.Generator,
) -> MaskedBatch:
    """Frame rows with `[CLS]` and `[SEP]` and hide whole words of them.

    Every word is hidden with the probability `masked`, all its tokens at once; a word that a row cuts is one
    in each part. Where chance hides none, the first token that may be hidden is.

    Parameters
    ----------
    ids : int64 of shape (rows, content)
    starts : bool of shape (rows, content)
    special : SpecialIds
    masked : float
    generator : numpy.random.Generator
    """
    import torch

    starts = starts.copy()
    starts[:, 0] = True
    words = np.cumsum(starts.ravel()).reshape(starts.shape) - 1
    hidden = generator.random(words[-1, -1] + 1)[words] < masked
    ordinary = ids != special.separator
    hidden &= ordinary
    if not hidden.any() and ordinary.any():
        hidden.flat[np.argmax(ordinary)] = True
    shown = np.where(hidden, _disguised(ids, special, generator), ids)
    rows = np.pad(shown, ((0, 0), (1, 1)))
    rows[:, 0], rows[:, -1] = special.begin, special.separator
    places = np.flatnonzero(np.pad(hidden, ((0, 0), (1, 1))))
    return {
        "input_ids": torch.from_numpy(rows),
        "places": torch.from_numpy(places),
        "targets": torch.from_numpy(ids[hidden]),
    }


def _disguised(ids: Ids, special: SpecialIds, generator: np.random.Generator) -> Ids:
    """Return what stands in the place of each token if it is to be guessed."""
    chance = generator.random(ids.shape)
    random_ids = generator.integers(special.first_ordinary, special.vocabulary, size=ids.shape)
    return np.where(chance < _AS_MASK, special.mask, np.where(chance < _AS_RANDOM, random_ids, ids))


def _rows_of(begins: Ids, piece: int, row_length: int) -> Ids:
    """Return places in the stream, of shape (rows, content): pieces that begin there, cut into rows."""
    content = row_length - _SPECIALS_OF_A_ROW
    cuts = np.arange(piece // content, dtype=np.int64) * content
    return (begins[:, None] + cuts[None, :]).reshape(-1, 1) + np.arange(content, dtype=np.int64)
