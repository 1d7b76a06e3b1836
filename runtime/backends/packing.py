"""A batch without its padding: what the linear layers read, and the rows in which attention sees it.

Linear layers, nine tenths of BERT's work, take tokens in any order, so they get all texts in one row without
padding. Attention needs texts apart: several short texts share a row of the length of the longest text, and
a mask keeps each to itself (Krell et al., arXiv 2107.02027). It knows arrays, and no engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.tokenizer import Batch

Indices = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Packed:
    """The tokens of a batch in a row, text after text, and where attention finds them.

    Attributes
    ----------
    input_ids, token_type_ids, position_ids : int32 of shape (tokens,)
    starts : int32 of shape (batch_size,)
        Where each text's first token, `[CLS]`, stands among the tokens.
    rows : int32 of shape (num_rows, width)
        The token at each place of the attention rows; a place without one names token 0.
    mask : bool of shape (num_rows, width, width)
        Whether the first place may look at the second: those of one text may, and so may those without.
    places : int32 of shape (tokens,)
        Where in the flattened rows each token stands.
    first_rows : int32 of shape (num_rows, most texts of a row)
        The texts of a row, by their place in the batch; for rows of fewer texts, text 0.
    first_mask : bool of shape (num_rows, most texts of a row, width)
    first_places : int32 of shape (batch_size,)
        Where in the flattened `first_rows` each text stands.
    """

    input_ids: Indices
    token_type_ids: Indices
    position_ids: Indices
    starts: Indices
    rows: Indices
    mask: Mask
    places: Indices
    first_rows: Indices
    first_mask: Mask
    first_places: Indices

    @property
    def is_padding_free(self) -> bool:
        """Tell whether every row is one text of full length, so that no mask is needed."""
        return self.rows.size == self.input_ids.size and self.rows.shape[0] == self.starts.size


def pack(batch: Batch) -> Packed:
    """Take the padding out of a batch."""
    valid = batch.attention_mask.astype(np.bool_)
    lengths = valid.sum(axis=1)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    row_of, offset_of = _fit(lengths)
    width, num_rows = int(lengths.max()), int(row_of.max()) + 1
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    position_ids = np.arange(ends[-1]) - starts[text_of]
    places = row_of[text_of] * width + offset_of[text_of] + position_ids
    rows, owners = np.zeros(num_rows * width, np.int32), np.full(num_rows * width, -1)
    rows[places], owners[places] = np.arange(ends[-1]), text_of
    owner_of = owners.reshape(num_rows, width)
    rank_of, first_rows = _firsts(row_of)
    first_owners = np.full(first_rows.shape, -1)
    first_owners[row_of, rank_of] = np.arange(len(lengths))
    return Packed(
        input_ids=batch.input_ids[valid].astype(np.int32),
        token_type_ids=batch.token_type_ids[valid].astype(np.int32),
        position_ids=position_ids.astype(np.int32),
        starts=starts.astype(np.int32),
        rows=rows.reshape(num_rows, width),
        mask=owner_of[:, :, None] == owner_of[:, None, :],
        places=places.astype(np.int32),
        first_rows=first_rows,
        # A place of no text in `first_rows` looks at the whole row, so that no softmax is over nothing.
        first_mask=(first_owners[:, :, None] == owner_of[:, None, :]) | (first_owners < 0)[:, :, None],
        first_places=(row_of * first_rows.shape[1] + rank_of).astype(np.int32),
    )


def _fit(lengths: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Put texts into rows as long as the longest, each into the first with room, longest texts first.

    Returns the row of each text and where it begins there. First-fit-decreasing needs at most 11/9 of the
    fewest rows, plus 6/9 of one (Dósa, 2007).
    """
    width = int(lengths.max())
    used: list[int] = []
    row_of, offset_of = np.empty(len(lengths), np.int64), np.empty(len(lengths), np.int64)
    for text in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[text])
        row = next((row for row, taken in enumerate(used) if taken + length <= width), len(used))
        if row == len(used):
            used.append(0)
        row_of[text], offset_of[text] = row, used[row]
        used[row] += length
    return row_of, offset_of


def _firsts(row_of: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Indices]:
    """Return the rank of each text among those of its row, and the texts by row and rank."""
    counts = np.zeros(int(row_of.max()) + 1, np.int64)
    rank_of = np.empty(len(row_of), np.int64)
    for text, row in enumerate(row_of.tolist()):
        rank_of[text] = counts[row]
        counts[row] += 1
    first_rows = np.zeros((len(counts), int(counts.max())), np.int32)
    first_rows[row_of, rank_of] = np.arange(len(row_of))
    return rank_of, first_rows
