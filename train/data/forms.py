"""The different normalised forms of many texts as one array of characters; it knows no similarity of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from train.data.dedup import Hashes, Integers, Keys, normalised_points

Characters = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]

_AT_ONCE = 8192
_MOST_SMALL = np.iinfo(np.uint16).max
"""Only rare characters have higher numbers; without them, the array takes half the memory."""

_DIGEST_BYTES = 16
"""Equal digests of this size count as equal texts: a pair by chance among 1e9 has a probability of 1e-21."""


@dataclass(frozen=True, slots=True)
class Forms:
    """The different forms, by rank: the shorter first, and of one length in the order of a digest.

    So the rank of a form does not depend on where its texts stand. Form i is
    `characters[starts[i]:starts[i] + lengths[i]]` and first stands in text `texts[i]`. `verbatim` and `equal`
    hold for each text the first one equal to it, to the letter and as a form.
    """

    characters: Characters
    starts: Integers
    lengths: Integers
    texts: Integers
    verbatim: Integers
    equal: Integers

    def __len__(self) -> int:
        """Return the number of different forms."""
        return len(self.texts)

    @classmethod
    def of(cls, texts: Iterable[str], read: Callable[[int], None]) -> Forms:
        """Take all texts, once and in order; `read` is told how many were taken each time."""
        letters, digests = [np.empty((0, 2), np.uint64)], [np.empty((0, 2), np.uint64)]
        parts: list[npt.NDArray[Any]] = [np.empty(0, np.uint16)]
        lengths = [np.empty(0, np.int64)]
        waiting = iter(texts)
        while some := list(islice(waiting, _AT_ONCE)):
            points, sizes = normalised_points(some)
            letters.append(_digests(text.encode("utf-8", "surrogatepass") for text in some))
            digests.append(_digests(_slices(points, sizes)))
            parts.append(points.astype(np.uint16) if points.max(initial=0) <= _MOST_SMALL else points)
            lengths.append(sizes)
            read(len(some))
        size = np.concatenate(lengths)
        digest = np.concatenate(digests)
        equal = _first_equal(digest)
        alone = np.flatnonzero(equal == np.arange(len(equal)))
        order = alone[np.lexsort((digest[alone, 1], digest[alone, 0], size[alone]))]
        starts = (np.cumsum(size) - size)[order]
        verbatim = _first_equal(np.concatenate(letters))
        return cls(np.concatenate(parts), starts, size[order], order, verbatim, equal)

    def grams(self, forms: Integers, width: int) -> Keys:
        """Return the pairs of neighbouring characters of forms, one number each, as many rows as `width`.

        Returns
        -------
        uint64 of shape (width, len(forms))
            A form with fewer pairs has its last one again.
        """
        at = self.starts[forms] + np.minimum(np.arange(width)[:, None], self.lengths[forms] - 2)
        first = self.characters[at].astype(np.uint64)
        return first << np.uint64(21) | self.characters[at + 1]


def _slices(points: Hashes, sizes: Integers) -> Iterator[bytes]:
    """Yield the bytes of one form after the other; an array for each would cost more than its digest."""
    content = points.tobytes()
    ends = np.cumsum(sizes * points.itemsize)
    for start, end in zip(np.append(0, ends[:-1]).tolist(), ends.tolist(), strict=True):
        yield content[start:end]


def _digests(contents: Iterable[bytes]) -> Keys:
    found = b"".join(blake2b(content, digest_size=_DIGEST_BYTES).digest() for content in contents)
    return np.frombuffer(found, dtype=np.uint64).reshape(-1, 2)


def _first_equal(digests: Keys) -> Integers:
    """Return for each digest the index of the first one equal to it."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ranked = digests[order]
    new = np.append(True, (ranked[1:] != ranked[:-1]).any(axis=1))[: len(order)]
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    return first
