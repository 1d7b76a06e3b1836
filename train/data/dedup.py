"""Tells which texts repeat an earlier one, to the letter or nearly; it knows nothing of rows and documents.

Near means a Jaccard similarity of the sets of character n-grams (Broder 1997, "On the resemblance and
containment of documents"). Candidates come from MinHash signatures cut into bands, with the permutations and
the band sizes of the `datasketch` library, computed here for thousands of texts at once; every candidate is
then compared exactly. Characters and not words: a whole Chinese sentence would be one word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
import numpy.typing as npt
from datasketch import MinHash, MinHashLSH

__all__ = ["duplicates", "normalised", "originals"]

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]

SHORTEST = 10
"""Characters below which one more or less makes another text: compared to the letter only."""

_TRIGRAMS_FROM = 12
_PERMUTATIONS = 64
_MISSED_WEIGHS = 0.95
"""Against 0.05 for a candidate too many, which only costs its exact comparison."""

_STRICTEST_BANDS = 0.95
_AT_ONCE = 4096
_ODD = np.uint64(0x9E3779B97F4A7C15)
_NOISE = re.compile(r"[\W_]+")


def duplicates(texts: Sequence[str], threshold: float | None) -> npt.NDArray[np.bool_]:
    """Tell of each text whether it repeats an earlier one that was kept.

    Parameters
    ----------
    texts : sequence of str
    threshold : float or None
        Jaccard similarity, above 0 and up to 1, from which two texts count as one; None: only equal texts do.

    Returns
    -------
    bool of shape (len(texts),)
    """
    repeats: npt.NDArray[np.bool_] = originals(texts, threshold) != np.arange(len(texts))
    return repeats


def originals(texts: Sequence[str], threshold: float | None, known: int = 0) -> Integers:
    """Return for each text the index of the kept one that it repeats, or its own.

    Parameters
    ----------
    texts : sequence of str
    threshold : float or None
        See `duplicates`.
    known : int
        The first so many texts are all kept, and what repeats them is told by an index below `known`.

    Returns
    -------
    int64 of shape (len(texts),)
    """
    forms = [normalised(text) for text in texts]
    seen: dict[str, int] = {}
    first = np.array([seen.setdefault(form, index) for index, form in enumerate(forms)], dtype=np.int64)
    if threshold is not None:
        for index, original in _near(forms, list(seen.values()), threshold, known):
            first[index] = original
        first = first[first]
    first[:known] = np.arange(min(known, len(texts)))
    return first


def normalised(text: str) -> str:
    """Return what makes texts equal: letters and digits in one width and case; or else the text itself."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return _NOISE.sub("", folded) or folded.strip()


def signatures(texts: Sequence[str], permutations: Hashes) -> Hashes:
    """Return the MinHash signatures of texts of at least `SHORTEST` characters.

    Returns
    -------
    uint32 of shape (len(texts), permutations.shape[1])
        What `datasketch.MinHash` computes from the same hashes of the n-grams.
    """
    shingles, starts = _shingles(texts)
    hashes = _mixed(_folded(shingles))
    columns = [np.minimum.reduceat(hashes * a + b, starts) for a, b in permutations.T]
    return np.stack(columns, axis=1)


def jaccard(left: frozenset[str], right: frozenset[str], threshold: float) -> bool:
    """Tell whether the similarity of two sets reaches a threshold, first by their sizes."""
    fewer, more = sorted((len(left), len(right)))
    if fewer < threshold * more:
        return False
    shared = len(left & right)
    return shared >= threshold * (fewer + more - shared)


def _near(
    forms: Sequence[str], alone: Sequence[int], threshold: float, known: int
) -> Iterator[tuple[int, int]]:
    """Yield each text that repeats a kept, earlier one without being equal to it, and that one."""
    long = [index for index in alone if len(forms[index]) >= SHORTEST]
    kept: dict[int, list[int]] = {}
    for member, buckets in _collisions([forms[index] for index in long], threshold):
        index = long[member]
        original = None
        if index >= known:
            candidates = {other for bucket in buckets for other in kept.get(bucket, ())}
            grams = _grams(forms[index])
            alike = (other for other in sorted(candidates) if jaccard(grams, _grams(forms[other]), threshold))
            original = next(alike, None)
        if original is None:
            for bucket in buckets:
                kept.setdefault(bucket, []).append(index)
        else:
            yield index, original


def _collisions(texts: Sequence[str], threshold: float) -> Iterator[tuple[int, list[int]]]:
    """Yield, in order, each text that shares a bucket with another one, and its shared buckets."""
    if not texts:
        return
    keys = _band_keys(texts, threshold)
    members, buckets = zip(*(_shared(keys[:, band]) for band in range(keys.shape[1])), strict=True)
    offsets = np.cumsum([0, *(len(texts) for _ in buckets[:-1])])
    member = np.concatenate(members)
    bucket = np.concatenate([ids + offset for ids, offset in zip(buckets, offsets, strict=True)])
    order = np.argsort(member, kind="stable")
    pairs = zip(member[order].tolist(), bucket[order].tolist(), strict=True)
    for index, group in groupby(pairs, key=lambda pair: pair[0]):
        yield index, [pair[1] for pair in group]


def _shared(keys: npt.NDArray[np.uint64]) -> tuple[Integers, Integers]:
    """Return the texts whose key another text has, and the number of that key."""
    _, numbers, counts = np.unique(keys, return_inverse=True, return_counts=True)
    members = np.flatnonzero(counts[numbers] > 1)
    return members, numbers[members]


def _band_keys(texts: Sequence[str], threshold: float) -> npt.NDArray[np.uint64]:
    """Return one number per text and band: equal where all rows of the band are, hardly ever elsewhere."""
    shape = MinHashLSH(
        threshold=min(threshold, _STRICTEST_BANDS),
        num_perm=_PERMUTATIONS,
        weights=(1 - _MISSED_WEIGHS, _MISSED_WEIGHS),
    )
    permutations = MinHash(num_perm=_PERMUTATIONS, scheme="affine32").permutations[:, : shape.b * shape.r]
    keys = np.empty((len(texts), shape.b), dtype=np.uint64)
    for start in range(0, len(texts), _AT_ONCE):
        part = signatures(texts[start : start + _AT_ONCE], permutations)
        bands = part.reshape(len(part), shape.b, shape.r).astype(np.uint64)
        key = np.zeros(bands.shape[:2], dtype=np.uint64)
        for row in range(shape.r):
            key = (key ^ bands[:, :, row]) * _ODD
            key ^= key >> np.uint64(29)
        keys[start : start + len(part)] = key
    return keys


def _shingles(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], Integers]:
    """Return the n-grams of all texts, one number each without collisions, and where each text begins."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    sizes = np.where(lengths < _TRIGRAMS_FROM, 2, 3)
    ends = np.repeat(np.cumsum(lengths), lengths)
    size = np.repeat(sizes, lengths)
    points = np.frombuffer(("".join(texts) + "\0\0").encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    first, second, third = (points[at : at + len(ends)].astype(np.uint64) for at in range(3))
    numbers = first << np.uint64(42) | second << np.uint64(21) | np.where(size == 3, third, 0)
    whole = np.arange(len(ends)) + size <= ends
    return numbers[whole], np.cumsum(np.append(0, lengths - sizes + 1))[:-1]


def _folded(shingles: npt.NDArray[np.uint64]) -> Hashes:
    return (shingles * _ODD >> np.uint64(32)).astype(np.uint32)


def _mixed(hashes: Hashes) -> Hashes:
    """Return the finalizer of MurmurHash3, which the library applies too before its linear permutations."""
    hashes = (hashes ^ hashes >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ hashes >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return hashes ^ hashes >> np.uint32(16)


@lru_cache(maxsize=1 << 15)
def _grams(form: str) -> frozenset[str]:
    size = 2 if len(form) < _TRIGRAMS_FROM else 3
    return frozenset(form[at : at + size] for at in range(len(form) - size + 1))
