"""Joins things into connected components, many pairs at once; it does not know what they have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Components:
    """The connected components of the numbers below `size`; `of[i]` is the smallest of the component of i.

    A union-find (Tarjan 1975) whose every number points at its root, so that looking up is indexing.
    """

    def __init__(self, size: int) -> None:
        self.of: Integers = np.arange(size, dtype=np.int64)

    def apart(self, left: Integers, right: Integers) -> npt.NDArray[np.bool_]:
        """Tell of each pair whether it is in two components."""
        separate: npt.NDArray[np.bool_] = self.of[left] != self.of[right]
        return separate

    def join(self, left: Integers, right: Integers) -> None:
        """Make one component of each pair, whatever the order of the pairs."""
        while len(left):
            one, two = self.of[left], self.of[right]
            low, high = np.minimum(one, two), np.maximum(one, two)
            np.minimum.at(self.of, high, low)
            self._flatten()
            separate = self.apart(low, high)
            left, right = low[separate], high[separate]

    def _flatten(self) -> None:
        while True:
            above = self.of[self.of]
            if np.array_equal(above, self.of):
                return
            self.of = above


def merged(*partitions: Integers) -> Integers:
    """Return the components of things that belong together by any of several partitions.

    Parameters
    ----------
    partitions : int64 of shape (things,)
        Equal numbers belong together; the numbers of one mean nothing in another.

    Returns
    -------
    int64 of shape (things,)
        The smallest index in the component of each.
    """
    everything = np.arange(len(partitions[0]))
    components = Components(len(everything))
    for partition in partitions:
        _, first, which = np.unique(partition, return_index=True, return_inverse=True)
        components.join(first[which], everything)
    return components.of
