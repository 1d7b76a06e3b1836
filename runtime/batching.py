"""Cuts texts of mixed lengths into the cheapest micro-batches; it knows lengths, no texts and no engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
import numpy.typing as npt

EFFICIENCY = 0.93
"""Share of the highest rate of tokens that a micro-batch of `Cost.budget` tokens must reach.

More costs latency: whoever comes while a micro-batch runs waits for its end.
"""
SHARED_EFFICIENCY = 0.85
"""The same where clients of few texts wait for the end of what clients of many texts have running."""
_LEAST_TOKENS = 64
_MOST_TOKENS = 16_384
_SHAPES = ((16, 1), (16, 4), (16, 16), (64, 1), (64, 4), (128, 1), (128, 3))
"""Tokens of a text, texts: what a busy service sees, and little enough to wait for."""
_TRIALS = 3
_OUTLIER = 1.5
_LEAST_MEASURED = 5
_ENOUGH_SECONDS = 0.02
"""A pass this long says what a token costs; on shorter ones, larger micro-batches are timed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One forward pass that was timed: its tokens, those of its longest text, and its seconds."""

    tokens: int
    longest: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one forward pass of an engine that computes no padding.

    `fixed` is paid per call, `token` per token, `attention` per token and token of the longest text, whose
    length attention rows have. The defaults are round numbers fitted to no machine: with other ones results
    stay the same, only when they come changes.
    """

    fixed: float = 5e-3
    token: float = 2e-4
    attention: float = 5e-8

    def __call__(self, tokens: int, longest: int) -> float:
        """Return the seconds of a micro-batch of so many tokens whose longest text has `longest`."""
        return self.fixed + tokens * (self.token + self.attention * longest)

    @property
    def budget(self) -> int:
        """Tokens of the smallest micro-batch that reaches `EFFICIENCY` of the highest rate."""
        return self._tokens_for(EFFICIENCY)

    @property
    def shared_budget(self) -> int:
        """Tokens of a micro-batch of a large job while small ones come, who wait for its end."""
        return self._tokens_for(SHARED_EFFICIENCY)

    @property
    def most_tokens(self) -> int:
        """Tokens of a micro-batch where nobody waits for its end: what a call costs hardly counts there."""
        return 4 * self.budget

    def _tokens_for(self, efficiency: float) -> int:
        wanted = efficiency / (1 - efficiency) * self.fixed / max(self.token, 1e-9)
        return int(min(max(wanted, _LEAST_TOKENS), _MOST_TOKENS))

    @classmethod
    def fit(cls, measured: Sequence[Measured]) -> Self:
        """Fit the three prices to timed passes: least squares of the relative error, no price below zero.

        Of all sets of prices that may be zero, the best fit without a negative one is taken: with three
        prices, trying all is simpler than an active-set method and as exact. A pass that something else
        slowed, of `_OUTLIER` times what the others say, is left out, one after the other.
        """
        kept = list(measured)
        while len(kept) > _LEAST_MEASURED:
            excess = [
                one.seconds / cls._fit(kept[:place] + kept[place + 1 :])(one.tokens, one.longest)
                for place, one in enumerate(kept)
            ]
            worst = int(np.argmax(excess))
            if excess[worst] < _OUTLIER:
                break
            del kept[worst]
        return cls._fit(kept)

    @classmethod
    def _fit(cls, measured: Sequence[Measured]) -> Self:
        seconds = np.array([one.seconds for one in measured])
        features = np.array([[1, one.tokens, one.tokens * one.longest] for one in measured])
        matrix = features / seconds[:, None]
        fits = [_prices(matrix, kept) for size in (1, 2, 3) for kept in combinations(range(3), size)]
        prices = min(
            (prices for prices in fits if (prices >= 0).all()),
            key=lambda prices: float(np.square(matrix @ prices - 1).sum()),
        )
        return cls(*prices.tolist())


def _prices(matrix: npt.NDArray[np.float64], kept: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the prices with which `matrix @ prices` is nearest to 1, those not kept being zero."""
    prices = np.zeros(matrix.shape[1])
    prices[list(kept)] = np.linalg.lstsq(matrix[:, list(kept)], np.ones(len(matrix)), rcond=None)[0]
    return prices


def measure(
    run: Callable[[list[int]], object], longest: int, clock: Callable[[], float] = time.perf_counter
) -> list[Measured]:
    """Time forward passes of a few shapes, each the fastest of three.

    Parameters
    ----------
    run : callable
        Runs one micro-batch of texts of these lengths, in tokens.
    longest : int
        Most tokens of one text.
    clock : callable
        Gives seconds.
    """
    shapes = [[min(length, longest)] * count for length, count in _SHAPES] + [[longest]]
    measured = [_timed(run, lengths, clock) for lengths in shapes]
    while measured[-1].seconds < _ENOUGH_SECONDS and measured[-1].tokens < _MOST_TOKENS:
        measured.append(_timed(run, [longest] * (4 * measured[-1].tokens // longest), clock))
    return measured


def _timed(run: Callable[[list[int]], object], lengths: list[int], clock: Callable[[], float]) -> Measured:
    seconds = []
    for _ in range(_TRIALS):
        started = clock()
        run(lengths)
        seconds.append(clock() - started)
    return Measured(sum(lengths), max(lengths), max(min(seconds), 1e-9))


def plan(lengths: Sequence[int], cost: Cost, max_tokens: int) -> list[list[int]]:
    """Cut texts into micro-batches of least total cost.

    Sorting by length is optimal for any price that grows with the longest text, so the best cut of the
    sorted order, found by dynamic programming in O(n · largest micro-batch), is the best cut at all.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text.
    cost : Cost
        Price of one micro-batch.
    max_tokens : int
        Most tokens of one micro-batch; only a single text may have more.

    Returns
    -------
    list of list of int
        Positions in `lengths`; every position stands in exactly one micro-batch. Longest texts come first,
        so the largest buffers are allocated once.
    """
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    tokens = np.concatenate([[0], np.cumsum([lengths[index] for index in order], dtype=np.int64)])
    best = np.zeros(len(order) + 1)
    start_of = [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        first = min(int(np.searchsorted(tokens, tokens[end] - max_tokens)), end - 1)
        prices = best[first:end] + cost.fixed
        prices += (tokens[end] - tokens[first:end]) * (cost.token + cost.attention * longest)
        start_of[end] = first + int(prices.argmin())
        best[end] = prices[start_of[end] - first]
    batches = []
    end = len(order)
    while end:
        batches.append(order[start_of[end] : end])
        end = start_of[end]
    return batches
