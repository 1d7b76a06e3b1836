"""What every engine refuses before it computes, and after; it knows arrays, and no engine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.errors import EngineError
from runtime.tokenizer import Batch


def check_batch(batch: Batch, *, positions: int, vocab_size: int) -> None:
    """Refuse what would read past an embedding table: some engines die of it, others invent numbers.

    Raises
    ------
    EngineError
        A text has more tokens than there are positions, or an id is beyond the vocabulary.
    """
    length = batch.input_ids.shape[1]
    if length > positions:
        raise EngineError(
            f"a text has {length} tokens, the weights have {positions} positions; lower max_length."
        )
    largest = int(batch.input_ids.max(initial=0))
    if largest >= vocab_size:
        raise EngineError(f"token id {largest} is beyond the {vocab_size} embeddings; save the model again.")


def check_logits(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return logits that are all finite numbers.

    Raises
    ------
    EngineError
        One is not.
    """
    if not np.isfinite(logits).all():
        raise EngineError(
            "the model gave a logit that is not a finite number; check its weights and precision."
        )
    return logits
