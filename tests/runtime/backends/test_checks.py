"""Token ids and lengths up to the tables' ends pass, the first beyond does not; so with what is no number."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.backends.checks import check_batch, check_logits
from runtime.errors import EngineError
from runtime.tokenizer import Batch, Encoding, pad


def batch_of(length: int, largest: int) -> Batch:
    return pad([Encoding([largest] * length, [0] * length, truncated=False)], 0)


def test_the_last_position_and_the_last_id_pass() -> None:
    check_batch(batch_of(8, 99), positions=8, vocab_size=100)


@pytest.mark.parametrize(
    ("length", "largest", "said"),
    [(9, 99, "9 tokens, the weights have 8"), (8, 100, "id 100 is beyond the 100")],
)
def test_one_more_is_refused(length: int, largest: int, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        check_batch(batch_of(length, largest), positions=8, vocab_size=100)


def test_finite_logits_are_returned() -> None:
    logits = np.array([[1.0, -1e30]], dtype=np.float32)
    assert check_logits(logits) is logits


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(EngineError, match="finite"):
        check_logits(np.array([[1.0, value]], dtype=np.float32))
