"""Tells which texts repeat an earlier one, to the letter or nearly; it knows nothing of rows and documents.

Near means a Jaccard similarity of the sets of character n-grams (Broder 1997, "On the resemblance and
containment of documents"). Candidates come from MinHash signatures cut into bands, with the permutations and
the band sizes of the `datasketch` library, computed here for thousands of texts at once; every candidate is
then compared exactly. Characters and not words: a whole Chinese sentence would be one word.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
import numpy.typing as npt

__all__ = [
    "banded",
    "duplicates",
    "gram_hashes",
    "jaccard",
    "mixed_rows",
    "normalised",
    "normalised_points",
    "originals",
]

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]

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
_SIGMA = re.compile("[Σ\U0001d6ba\U0001d6f4\U0001d72e\U0001d768\U0001d7a2]")
"""The only letter whose small form depends on its neighbours, punctuation too; and what NFKC makes one."""


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


def normalised_points(texts: Sequence[str]) -> tuple[Hashes, Integers]:
    """Return the code points of the normalised texts, one after the other, and the length of each.

    The same as `normalised` of every text at a fraction of its cost.
    """
    # No step reaches across a control character, and inside a text the one is as good as the other: both go.
    joined = "".join(text.replace("\0", "\1") + "\0" for text in texts)
    if not _SIGMA.search(joined):
        # Most texts are in normal form but for their punctuation, which goes anyway.
        joined = _unfolded_noise()[_points(joined)].tobytes().decode("utf-32-le", "surrogatepass")
    folded = "\0".join(unicodedata.normalize("NFKC", text) for text in joined.split("\0"))
    points = _points(folded.lower())
    kept = _word_points()[points]
    ends = np.flatnonzero(points == 0)
    lengths = np.diff(np.cumsum(kept)[ends], prepend=0)
    points = points[kept]
    signs = {at: _points(normalised(texts[at])) for at in np.flatnonzero(lengths == 0).tolist()}
    if signs:
        places = np.repeat(np.cumsum(lengths)[list(signs)], [len(form) for form in signs.values()])
        points = np.insert(points, places, np.concatenate([*signs.values()]))
        lengths[list(signs)] = [len(form) for form in signs.values()]
    return points, lengths


def signatures(texts: Sequence[str], permutations: Hashes) -> Hashes:
    """Return the MinHash signatures of texts of at least `SHORTEST` characters.

    Returns
    -------
    uint32 of shape (len(texts), permutations.shape[1])
        What `datasketch.MinHash` computes from the same hashes of the n-grams.
    """
    shingles, starts = _shingles(texts)
    hashes = gram_hashes(shingles)
    columns = [np.minimum.reduceat(hashes * a + b, starts) for a, b in permutations.T]
    return np.stack(columns, axis=1)


@lru_cache(maxsize=8)
def banded(threshold: float, permutations: int, missed_weighs: float) -> Hashes:
    """Return the permutations of each row of each band that suit a threshold.

    Parameters
    ----------
    threshold : float
    permutations : int
        At most so many are used.
    missed_weighs : float
        Weight of a pair that is missed, in (0, 1); the rest to 1 is that of a candidate too many.

    Returns
    -------
    uint32 of shape (bands, rows, 2)
    """
    from datasketch import MinHash, MinHashLSH

    shape = MinHashLSH(
        threshold=min(threshold, _STRICTEST_BANDS),
        num_perm=permutations,
        weights=(1 - missed_weighs, missed_weighs),
    )
    drawn: Hashes = MinHash(num_perm=permutations, scheme="affine32").permutations
    found: Hashes = drawn[:, : shape.b * shape.r].T.reshape(shape.b, shape.r, 2)
    found.flags.writeable = False
    return found


def gram_hashes(grams: Keys) -> Hashes:
    """Return what MinHash permutes: the finalizer of MurmurHash3 of n-grams folded to 32 bits."""
    return _mixed(_folded(grams))


def mixed_rows(rows: Iterable[Hashes]) -> Keys:
    """Return one number per text: equal where all rows of a band are, hardly ever elsewhere."""
    key: Keys = np.uint64(0)  # type: ignore[assignment]
    for row in rows:
        key = (key ^ row.astype(np.uint64)) * _ODD
        key ^= key >> np.uint64(29)
    return key


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
    bands = banded(threshold, _PERMUTATIONS, _MISSED_WEIGHS)
    permutations = bands.reshape(-1, 2).T
    keys = np.empty((len(texts), len(bands)), dtype=np.uint64)
    for start in range(0, len(texts), _AT_ONCE):
        part = signatures(texts[start : start + _AT_ONCE], permutations)
        rows = part.reshape(len(part), *bands.shape[:2])
        keys[start : start + len(part)] = mixed_rows(np.moveaxis(rows, 2, 0))
    return keys


def _shingles(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], Integers]:
    """Return the n-grams of all texts, one number each without collisions, and where each text begins."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    sizes = np.where(lengths < _TRIGRAMS_FROM, 2, 3)
    ends = np.repeat(np.cumsum(lengths), lengths)
    size = np.repeat(sizes, lengths)
    points = _points("".join(texts) + "\0\0")
    first, second, third = (points[at : at + len(ends)].astype(np.uint64) for at in range(3))
    numbers = first << np.uint64(42) | second << np.uint64(21) | np.where(size == 3, third, 0)
    whole = np.arange(len(ends)) + size <= ends
    return numbers[whole], np.cumsum(np.append(0, lengths - sizes + 1))[:-1]


def _points(text: str) -> Hashes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@lru_cache(maxsize=1)
def _word_points() -> npt.NDArray[np.bool_]:
    """Return of every code point whether `normalised` keeps it."""
    kept = np.zeros(sys.maxunicode + 1, dtype=np.bool_)
    kept[_points(_NOISE.sub("", "".join(map(chr, range(len(kept))))))] = True
    return kept


@lru_cache(maxsize=1)
def _unfolded_noise() -> Hashes:
    """Return of every code point itself, or 1 where NFKC makes of it something that `normalised` drops."""
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    for point in np.flatnonzero(~_word_points()[: 1 << 16]).tolist():
        folded = unicodedata.normalize("NFKC", chr(point))
        if folded != chr(point) and not _NOISE.sub("", folded) and not unicodedata.combining(folded[0]):
            table[point] = 1
    return table


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
