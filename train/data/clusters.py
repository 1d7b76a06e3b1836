"""Finds which texts are equal or nearly so, among any number; it knows nothing of rows, labels and splits.

Where `dedup` compares a text with those kept before it, here the connected components count: where A is like
B and B like C, all three are one cluster, so that none can be in train while another is in test. Alike are

- texts whose normalised forms (`dedup.normalised`) are equal;
- forms of 15 characters or more whose sets of character pairs have a Jaccard similarity of the threshold or
  more. Pairs at every length, so that no text falls between two measures: of 14 different pairs, one changed
  character leaves 12, a similarity of 0.75;
- forms that are one character apart, the shorter having 8 to 14; shorter ones have to be equal.

In a short Chinese text one character turns the meaning (好, 坏). Such a pair still leaks: whoever learned the
one was shown nearly all of the other. But neither is a superfluous row of train, hence the two widths `near`
and `related` of a `Partition`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from train.data.bands import join_near
from train.data.components import Components, merged
from train.data.dedup import Integers
from train.data.edits import LONGEST, join_edits
from train.data.forms import Forms

__all__ = ["Partition", "clusters", "merged", "partition"]

logger = logging.getLogger(__name__)

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Partition:
    """For each text the smallest index among those it belongs with, by four rules, each wider than the last.

    verbatim : equal to the letter.
    equal : equal after `normalised`; of two labels here one is wrong.
    near : also the long texts that are similar; one row of them is enough to train on.
    related : also the short texts that are one character apart; what must not be in two splits.
    capped : number of texts that were compared with some of their candidates only.
    """

    verbatim: Integers
    equal: Integers
    near: Integers
    related: Integers
    capped: int


def clusters(texts: Sequence[str], threshold: float | None, report: Report | None = None) -> Integers:
    """Return for each text the smallest index in its connected component of equal or near-duplicate texts.

    Parameters
    ----------
    texts : sequence of str
        Iterated over once; may read its texts from elsewhere.
    threshold : float or None
        Jaccard similarity, above 0 and up to 1, from which two texts count as one; None: only equal texts do.
    report : callable, optional
        Called with what is done and the total.

    Returns
    -------
    int64 of shape (len(texts),)
        `Partition.related`.

    Raises
    ------
    ValueError
        The threshold is not above 0 and up to 1.
    """
    return partition(texts, threshold, report).related


def partition(texts: Sequence[str], threshold: float | None, report: Report | None = None) -> Partition:
    """Return the components by every rule, at the cost of `clusters`, which see.

    Time and memory are linear in the characters of all texts: two bytes are kept of each, four if there are
    rare ones. Where many texts are alike without reaching the threshold, not all are compared with all,
    and a warning says of how many texts.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} must be above 0 and up to 1, or None for equal texts only.")
    progress = _Progress(len(texts), report)
    forms = Forms.of(texts, progress.read)
    if threshold is None:
        progress.searched(1)
        return Partition(forms.verbatim, forms.equal, forms.equal, forms.equal, 0)
    components = Components(len(forms))
    long = int(np.searchsorted(forms.lengths, LONGEST + 1))
    capped = join_near(forms, long, threshold, components, progress.searched)
    if capped:
        logger.warning(
            "%d of %d texts were compared with some of their candidates only, for they have too many; "
            "near-duplicates among them may remain",
            *(capped, len(texts)),
        )
    near = _by_text(forms, components)
    join_edits(forms, threshold, components)
    progress.searched(1)
    return Partition(forms.verbatim, forms.equal, near, _by_text(forms, components), capped)


def _by_text(forms: Forms, components: Components) -> Integers:
    """Return for each text the first one of its component."""
    first = np.full(len(forms), len(forms.equal), dtype=np.int64)
    np.minimum.at(first, components.of, forms.texts)
    found = np.empty(len(forms.equal), dtype=np.int64)
    found[forms.texts] = first[components.of]
    return found[forms.equal]


class _Progress:
    """Reading is one half of the work, comparing the other."""

    def __init__(self, texts: int, report: Report | None) -> None:
        self._texts = texts
        self._report = report
        self._read = 0

    def read(self, more: int) -> None:
        """Say that more texts were read."""
        self._read += more
        if self._report:
            self._report(self._read, 2 * self._texts)

    def searched(self, share: float) -> None:
        """Say that a share of the comparing is done."""
        if self._report:
            self._report(self._texts + int(share * self._texts), 2 * self._texts)
