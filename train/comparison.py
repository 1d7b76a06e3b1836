"""Training without and with more rows, compared by dev figures over seeds; it trains nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np

from train.quick_models import Integers, Score, figures

_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Trial:
    """What two models answered to the dev rows, as int64 of shape (rows,), numbers of labels.

    They differ by nothing but `made` rows, drawn with the seed that both were trained with.
    """

    seed: int
    made: int
    without: Integers
    augmented: Integers


class TrialFigures(TypedDict):
    """A trial in the JSON."""

    seed: int
    made: int
    without: Score
    augmented: Score


@dataclass(frozen=True)
class Comparison:
    """Trials on the same dev rows: `expected` is int64 of shape (rows,); there is at least one of both."""

    expected: Integers
    num_labels: int
    trials: Sequence[Trial]

    @cached_property
    def figures(self) -> list[TrialFigures]:
        """The figures of each trial."""
        return [
            {
                "seed": trial.seed,
                "made": trial.made,
                "without": figures(self.expected, trial.without, self.num_labels),
                "augmented": figures(self.expected, trial.augmented, self.num_labels),
            }
            for trial in self.trials
        ]

    @cached_property
    def difference(self) -> float:
        """What the rows gave in macro-F1, in the mean of the seeds."""
        return self._difference(np.arange(len(self.expected)), self.trials)

    @cached_property
    def standard_error(self) -> float:
        """The error of the difference, by a bootstrap over rows and seeds (Efron and Tibshirani 1993).

        Seeds alone would not do: all of them are measured on the same rows, which are a sample too.
        """
        generator = np.random.default_rng(0)
        rows, seeds = len(self.expected), len(self.trials)
        resampled = [
            self._difference(
                generator.integers(rows, size=rows),
                [self.trials[at] for at in generator.integers(seeds, size=seeds).tolist()],
            )
            for _ in range(_RESAMPLES)
        ]
        return float(np.std(resampled, ddof=1))

    @property
    def is_gain(self) -> bool:
        """Whether the difference is above 0 by more than its error: less is luck of seeds and dev rows."""
        return self.difference > self.standard_error

    def _difference(self, chosen: Integers, trials: Sequence[Trial]) -> float:
        """Return the mean difference on some of the rows; a row may be chosen more than once."""
        expected = self.expected[chosen]
        gains = [
            figures(expected, trial.augmented[chosen], self.num_labels)["macro_f1"]
            - figures(expected, trial.without[chosen], self.num_labels)["macro_f1"]
            for trial in trials
        ]
        return float(np.mean(gains))
