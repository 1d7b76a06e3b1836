"""Joins forms that are nearly equal, whatever their number; it knows no texts and no short forms.

Candidates share a band of their MinHash signatures (see `dedup`); each pair of them is compared exactly, by
the Jaccard similarity of the sets of character pairs. Bands are taken one after the other, so that memory is
the same for any number of them, and sorted instead of looked up. What would be quadratic is bounded: a form
takes part in a certain number of vain comparisons, and in a crowded bucket it meets its neighbours only. The
forms alone decide, in the order of their ranks, and neither the number of threads nor what is done at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import count

import numpy as np
import numpy.typing as npt

from runtime.cpus import available_cpus
from train.data.components import Components
from train.data.dedup import Hashes, Integers, Keys, banded, gram_hashes, mixed_rows
from train.data.forms import Forms

Flags = npt.NDArray[np.bool_]

VAIN = 128
"""Comparisons without success after which a form takes part in no more."""

CROWD = 32
"""Forms in a bucket from which not each is compared with each, but with as many as `NEIGHBOURS` after it."""

NEIGHBOURS = 4

_PERMUTATIONS = 256
_MISSED_WEIGHS = 0.995
"""At a threshold of 0.7 the library makes 42 bands of 6 rows of this: a pair of similarity 0.7 is found with
probability 0.995, one of 0.75 with 0.9997, and one of 0.05 is a candidate with 7e-7."""

_BANDS_AT_ONCE = 6
_BLOCK = 1 << 15
"""Numbers hashed at once: they stay in a core's own cache."""

_WIDE = 256
"""Character pairs of a form from which the smallest is found faster along than across."""

_COMPARED_AT_ONCE = 1 << 18


def join_near(
    forms: Forms, first: int, threshold: float, components: Components, step: Callable[[float], None]
) -> int:
    """Join the forms from rank `first` on that are similar, and return how many were not fully compared.

    Parameters
    ----------
    forms : Forms
        Those from `first` on have two characters or more.
    first : int
    threshold : float
        Jaccard similarity, above 0 and up to 1.
    components : Components
        Of all forms; what is joined there already is not compared.
    step : callable
        Told the share of the work that is done.
    """
    if first == len(forms):
        return 0
    with ThreadPoolExecutor(available_cpus()) as threads:
        return _Search(forms, first, threshold, components, threads).run(step)


class _Search:
    """One search: which comparisons were vain, and whose were cut short."""

    def __init__(
        self, forms: Forms, first: int, threshold: float, components: Components, threads: Executor
    ) -> None:
        self._forms = forms
        self._first = first
        self._threshold = threshold
        self._components = components
        self._threads = threads
        self._vain = np.zeros(len(forms), dtype=np.int32)
        self._capped = np.zeros(len(forms), dtype=np.bool_)

    def run(self, step: Callable[[float], None]) -> int:
        """Take all bands, some at once, and count the forms that were not fully compared."""
        bands = banded(self._threshold, _PERMUTATIONS, _MISSED_WEIGHS)
        for start in range(0, len(bands), _BANDS_AT_ONCE):
            for key in self._keys(bands[start : start + _BANDS_AT_ONCE]):
                self._take(key)
            step(min(1, (start + _BANDS_AT_ONCE) / len(bands)))
        return int(self._capped.sum())

    def _keys(self, bands: Hashes) -> Keys:
        """Return one number per band and form: equal where the rows of the band are, hardly ever else."""
        keys = np.empty((len(bands), len(self._forms) - self._first), dtype=np.uint64)
        widths = self._forms.lengths[self._first :] - 1
        for _ in self._threads.map(partial(self._fill, keys, bands), _blocks(widths, _BLOCK)):
            pass
        return keys

    def _fill(self, keys: Keys, bands: Hashes, block: slice) -> None:
        forms = np.arange(block.start, block.stop) + self._first
        width = int(self._forms.lengths[forms[-1]]) - 1
        hashes = gram_hashes(self._forms.grams(forms, width))
        across = int(width >= _WIDE)
        hashes = np.ascontiguousarray(hashes.T) if across else hashes
        permuted = np.empty_like(hashes)

        def smallest(permutation: Hashes) -> Hashes:
            np.multiply(hashes, permutation[0], out=permuted)
            np.add(permuted, permutation[1], out=permuted)
            lowest: Hashes = permuted.min(axis=across)
            return lowest

        for key, band in zip(keys, bands, strict=True):
            key[block] = mixed_rows(map(smallest, band))

    def _take(self, key: Keys) -> None:
        """Compare the forms that share a key."""
        forms, sizes = _shared(key)
        divided = self._divided(forms, sizes)
        forms, sizes = forms[np.repeat(divided, sizes)], sizes[divided]
        crowded = np.repeat(sizes > CROWD, sizes)
        reach = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(forms)) - 1
        reach[crowded] = np.minimum(reach[crowded], NEIGHBOURS)
        for distance in count(1):
            at = np.flatnonzero(reach >= distance)
            if not len(at):
                break
            self._compare(forms[at] + self._first, forms[at + distance] + self._first)
        cut = np.repeat(self._divided(forms, sizes), sizes) & crowded
        self._capped[forms[cut] + self._first] = True

    def _divided(self, forms: Integers, sizes: Integers) -> Flags:
        """Tell of each bucket whether its forms are of several components."""
        if not len(sizes):
            return np.empty(0, dtype=np.bool_)
        component = self._components.of[forms + self._first]
        starts = np.cumsum(sizes) - sizes
        several: Flags = np.minimum.reduceat(component, starts) != np.maximum.reduceat(component, starts)
        return several

    def _compare(self, left: Integers, right: Integers) -> None:
        """Join those pairs that are similar, except where it is of no use or one of them may not any more."""
        open_pairs = self._components.apart(left, right)
        left, right = left[open_pairs], right[open_pairs]
        tired = (self._vain[left] >= VAIN) | (self._vain[right] >= VAIN)
        self._capped[left[tired]] = self._capped[right[tired]] = True
        left, right = left[~tired], right[~tired]
        alike = self._alike(left, right)
        self._components.join(left[alike], right[alike])
        for side in (left, right):
            np.add.at(self._vain, side[~alike], 1)

    def _alike(self, left: Integers, right: Integers) -> Flags:
        """Tell which pairs are similar; pairs of about one length are compared together."""
        widths = np.maximum(self._forms.lengths[left], self._forms.lengths[right]) - 1
        order = np.argsort(widths, kind="stable")
        alike = np.empty(len(left), dtype=np.bool_)

        def compare(block: slice) -> None:
            part = order[block]
            alike[part] = similar(self._forms, left[part], right[part], self._threshold)

        for _ in self._threads.map(compare, _blocks(widths[order], _COMPARED_AT_ONCE)):
            pass
        return alike


def similar(forms: Forms, left: Integers, right: Integers, threshold: float) -> Flags:
    """Tell of each pair of forms whether their similarity, of the sets of character pairs, is high enough."""
    width = int(max(forms.lengths[left].max(), forms.lengths[right].max())) - 1
    sides = [
        forms.grams(side, width).T << np.uint64(1) | np.uint64(number)
        for number, side in enumerate((left, right))
    ]
    # Sorted, a character pair of both forms shows as two numbers that differ in the last bit only.
    both = np.sort(np.concatenate(sides, axis=1), axis=1)
    steps = both[:, 1:] ^ both[:, :-1]
    shared = (steps == 1).sum(axis=1)
    different = (steps != 0).sum(axis=1) + 1 - shared
    reached: Flags = shared >= threshold * different
    return reached


def _blocks(widths: Integers, most: int) -> Iterator[slice]:
    """Yield runs of things that hold `most` numbers together, all padded to the widest, or of one thing.

    The widths ascend, but the next one may be a thousand times the last.
    """
    start = 0
    while start < len(widths):
        padded = widths[start : start + most // int(widths[start])]
        fitting = np.searchsorted(padded * np.arange(1, len(padded) + 1), most, side="right")
        stop = start + max(1, int(fitting))
        yield slice(start, stop)
        start = stop


def _shared(key: Keys) -> tuple[Integers, Integers]:
    """Return the forms whose key another one has, those of one key together by rank, and their numbers."""
    # The number of the form takes the lowest bits of its key: numbers are sorted faster than their places.
    bits = np.uint64(max(1, len(key) - 1).bit_length())
    packed = np.sort(key >> bits << bits | np.arange(len(key), dtype=np.uint64))
    same = packed[1:] >> bits == packed[:-1] >> bits
    packed = packed[np.append(same, False) | np.append(False, same)]
    bucket = packed >> bits
    starts = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1])[: len(bucket)])
    forms = packed & ((np.uint64(1) << bits) - np.uint64(1))
    return forms.astype(np.int64), np.diff(starts, append=len(bucket))
