"""Published character vectors start the embeddings of a new model; they need not be of its width."""

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
