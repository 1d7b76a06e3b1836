"""What the embeddings of a new model start from: published vectors of characters, waves for positions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from runtime.errors import RecipeError

Vectors = dict[str, npt.NDArray[np.float32]]

_ARRAY = "embeddings"
_FASTEST, _SLOWEST = 3.0, 0.01
"""Radians a token by which the waves of positions turn."""

_OFFSETS = (-1, 1, -2, 2)
_SHARPNESS = 8.0
"""Attention score of the position that is looked at, over that of a far one."""


def read_vectors(path: Path) -> Vectors:
    """Read an npz file with an array `embeddings`, and vocab.json (character → row) beside it.

    Raises
    ------
    RecipeError
        A file is missing or holds something else.
    """
    names = path.with_name("vocab.json")
    for file in (path, names):
        if not file.is_file():
            raise RecipeError(
                f"pretrain.embeddings={str(path)!r}: {file} does not exist; give an npz file with an array "
                f"{_ARRAY!r} and vocab.json beside it."
            )
    try:
        array = np.load(path, allow_pickle=False)[_ARRAY].astype(np.float32)
        rows = {str(name): int(row) for name, row in json.loads(names.read_text(encoding="utf-8")).items()}
        return {name: array[row] for name, row in rows.items()}
    except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise RecipeError(
            f"pretrain.embeddings={str(path)!r} cannot be read ({error}); it takes an npz file with an array "
            f"{_ARRAY!r} of shape (characters, width), and vocab.json with a row for every character."
        ) from error


def start_embeddings(
    embeddings: nn.Module, vocabulary: Mapping[str, int], vectors: Vectors, seed: int
) -> int:
    """Overwrite the rows of known characters, and return how many.

    A random projection with orthonormal rows or columns keeps the angles between the vectors, which are what
    they know; they are centred and scaled to the spread of the rows they replace.

    Parameters
    ----------
    embeddings : nn.Embedding
        Of width `hidden_size`.
    vocabulary : mapping of str to int
    vectors : dict of str to float32 of shape (width,)
    seed : int
        Of the projection.
    """
    weight: torch.Tensor = embeddings.weight.data  # type: ignore[assignment]
    known = sorted(vocabulary[name] for name in vectors if name in vocabulary)
    if not known:
        return 0
    names = {index: name for name, index in vocabulary.items()}
    found = torch.from_numpy(np.stack([vectors[names[index]] for index in known]))
    found = found - found.mean(dim=0)
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(
        max(found.shape[1], weight.shape[1]), min(found.shape[1], weight.shape[1]), generator=generator
    )
    projection = torch.linalg.qr(square).Q
    projected = found @ (projection.T if found.shape[1] < weight.shape[1] else projection)
    weight[known] = projected * (weight[known].std() / projected.std())
    return len(known)


def start_positions(embeddings: nn.Module, spread: float) -> torch.Tensor:
    """Overwrite position embeddings with sines and cosines (arXiv 1706.03762) of this standard deviation.

    From random vectors, what stands beside a token would have to be learned for every position anew; of
    waves, the same few weights find it everywhere. They turn by 3 radians a token down to 0.01: steeper than
    the original, whose neighbours are too much alike to be told apart.

    Returns
    -------
    float32 of shape (width // 2,)
        Radians by which each pair of sine and cosine turns from one position to the next.
    """
    weight: torch.Tensor = embeddings.weight.data  # type: ignore[assignment]
    count, width = weight.shape
    pairs = width // 2
    turns: torch.Tensor = _FASTEST * (_FASTEST / _SLOWEST) ** (-torch.arange(pairs) / pairs)
    angles = torch.arange(count, dtype=torch.float32)[:, None] * turns
    weight[:, 0 : 2 * pairs : 2] = 2**0.5 * spread * angles.sin()
    weight[:, 1 : 2 * pairs : 2] = 2**0.5 * spread * angles.cos()
    return turns


def start_neighbours(query: nn.Linear, key: nn.Linear, heads: int, turns: torch.Tensor) -> None:
    """Let the heads of a first layer look one and two tokens back and ahead, whatever stands there.

    A new encoder sees `[MASK]` where it has to guess, and guesses by frequency until its attention has found
    the neighbours: with random weights that took longer than a whole pass over a small corpus. The query of a
    head is the position's waves turned by its offset, the key the waves themselves; their product is greatest
    where both agree. Heads beyond the first four stay as they are.

    Parameters
    ----------
    query, key : nn.Linear
        Of the self-attention of the first layer.
    heads : int
    turns : float32 of shape (width // 2,)
        From `start_positions`.
    """
    width = query.weight.shape[1]
    size = width // heads
    pairs = min(size // 2, len(turns))
    for head, offset in zip(range(heads), _OFFSETS, strict=False):
        cosines, sines = torch.cos(turns[:pairs] * offset), torch.sin(turns[:pairs] * offset)
        rows = slice(head * size, head * size + 2 * pairs)
        even, odd = torch.arange(0, 2 * pairs, 2), torch.arange(1, 2 * pairs, 2)
        turned, plain = torch.zeros(2 * pairs, width), torch.zeros(2 * pairs, width)
        turned[even, even], turned[even, odd] = cosines, sines
        turned[odd, odd], turned[odd, even] = cosines, -sines
        plain[even, even], plain[odd, odd] = torch.ones(pairs), torch.ones(pairs)
        # The best position is to stand out by the same number whatever the size of a head is.
        strength = (_SHARPNESS / pairs * size**0.5) ** 0.5
        query.weight.data[rows], key.weight.data[rows] = strength * turned, strength * plain
