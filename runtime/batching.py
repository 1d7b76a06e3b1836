"""Cuts texts of mixed lengths into the cheapest micro-batches; it knows lengths, no texts and no engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Predicted price of one forward pass, in the cost of one padded token.

    `fixed` is paid per call and `attention` per pair of tokens of one row. The defaults are round numbers
    fitted to no machine: they shape speed, never a result.
    """

    fixed: float = 20.0
    attention: float = 1 / 4096
    max_tokens: int = 16_384

    def __call__(self, rows: int, length: int) -> float:
        """Price of a micro-batch of `rows` texts padded to `length` tokens."""
        return self.fixed + rows * length * (1 + self.attention * length)


def plan(lengths: Sequence[int], cost: Cost) -> list[list[int]]:
    """Cut texts into micro-batches of least total cost.

    Sorting by length is optimal for any price that grows with the padded length, so the best cut of the
    sorted order, found by dynamic programming in O(n · largest micro-batch), is the best cut at all.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    cost : Cost
        Price of one micro-batch; only a single text may have more than `cost.max_tokens` padded tokens.

    Returns
    -------
    list of list of int
        Positions in `lengths`; every position stands in exactly one micro-batch. Longest texts come first,
        so the largest buffers are allocated once.
    """
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    best = [0.0] * (len(order) + 1)
    start_of = [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        best[end], start_of[end] = _cheapest_start(end, lengths[order[end - 1]], best, cost)
    batches = []
    end = len(order)
    while end:
        batches.append(order[start_of[end] : end])
        end = start_of[end]
    return batches


def _cheapest_start(end: int, longest: int, best: Sequence[float], cost: Cost) -> tuple[float, int]:
    """Return the least price of the first `end` sorted texts and where their last micro-batch starts."""
    most_rows = max(1, cost.max_tokens // max(1, longest))
    starts = range(max(0, end - most_rows), end)
    return min((best[start] + cost(end - start, longest), start) for start in starts)
