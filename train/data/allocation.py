"""Says of each row that is left whether it stays and in which split; it reads no files and writes none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.errors import RecipeError
from train.data.clusters import Partition
from train.data.components import merged
from train.data.leakage import DEV, TEST, TRAIN, Reason, firsts, outcomes
from train.data.preparation import PrepareSection
from train.data.sections import DataSection
from train.data.split import grouped_split
from train.section import SPLITS, Split

Integers = npt.NDArray[np.int64]

TEST_FRACTION = 0.1
"""Share of the rows that is test where neither dev nor test is given."""

STEPS: dict[Reason, tuple[str, tuple[str, ...]]] = {
    Reason.IN_TEST: (
        "in_test",
        ("is a test row too", "is nearly a test row", "is of the group of a test row"),
    ),
    Reason.IN_DEV: ("in_dev", ("is a dev row too", "is nearly a dev row", "is of the group of a dev row")),
    Reason.CONFLICT: ("conflict", ("stands in train with another label too",)),
    Reason.DUPLICATE: (
        "duplicate",
        ("repeats a training row of the same label", "nearly repeats a training row of the same label"),
    ),
}
"""Why a row is dropped → name of the step and, by `Allocation.links`, the reason in words, in order."""


@dataclass(frozen=True)
class Cut:
    """What splits were cut from: rows, the clusters of texts among them, and the groups that stay whole.

    Groups join clusters; the largest has `largest` rows.
    """

    rows: int
    clusters: int
    groups: int
    largest: int


@dataclass(frozen=True)
class Allocation:
    """For each row: why it is dropped, the number in `SPLITS` of its split, and the row it was compared with.

    `other` is -1 where a row stays; `links` tells what joins the two: 0 where their texts are equal, 1 where
    they are nearly so, themselves or through others, 2 where only a group joins them.
    """

    reasons: npt.NDArray[np.int8]
    splits: npt.NDArray[np.int8]
    other: Integers
    links: npt.NDArray[np.int8]
    cut: Cut | None
    """None where no split was cut."""

    def steps(self, at: Integers) -> list[tuple[str, str]]:
        """Return for some dropped rows the name of the step and the reason in words."""
        pairs = zip(self.reasons[at].tolist(), self.links[at].tolist(), strict=True)
        found = [(STEPS[Reason(reason)], link) for reason, link in pairs]
        return [(step, words[link]) for (step, words), link in found]


def cuts(data: DataSection, prepare: PrepareSection) -> dict[Split, float]:
    """Return the share of train that becomes dev and test, for those that are to be cut from it.

    Raises
    ------
    RecipeError
        Nothing would be left for train.
    """
    found: dict[Split, float] = {}
    if data.dev is None:
        found["dev"] = data.dev_fraction
    if data.test is None:
        wanted = prepare.test_fraction
        fraction = wanted if wanted is not None else TEST_FRACTION * (data.dev is None)
        if fraction:
            found["test"] = fraction
    if sum(found.values()) >= 1:
        raise RecipeError(
            f"data.dev_fraction={data.dev_fraction} and prepare.test_fraction={found['test']} leave nothing "
            "for train; together they must be below 1."
        )
    return found


def allocate(
    rows: pa.Table,
    counts: Mapping[Split, int],
    found: Partition,
    shares: Mapping[Split, float],
    prepare: PrepareSection,
) -> Allocation:
    """Drop what repeats, leaks or contradicts itself, then cut the splits that are missing.

    Parameters
    ----------
    rows : pyarrow.Table
        With columns label and group; the splits one after the other.
    counts : mapping of str to int
        How many rows each split has.
    found : Partition
        Of what the rows are compared by.
    shares : mapping of str to float
        See `cuts`.
    prepare : PrepareSection
    """
    sets, numbers = label_sets(rows.column("label"), prepare.label_separator)
    splits = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [counts.get(split, 0) for split in SPLITS])
    texts = found.related
    found = replace(found, related=joined(texts, rows.column("group")))
    reasons = outcomes(found, splits, numbers, prepare.conflicts)
    other, links = _others(found, texts, splits, numbers, reasons)
    cut = None
    if shares:
        open_to = np.flatnonzero((splits == TRAIN) & (reasons == Reason.KEPT))
        groups = found.related[open_to]
        labels = [sets[number] for number in numbers[open_to].tolist()]
        part = grouped_split(labels, groups, list(shares.values()), prepare.seed)
        targets = np.array([SPLITS.index(split) for split in shares] + [TRAIN], dtype=np.int8)
        splits[open_to] = targets[part]
        sizes = np.unique(groups, return_counts=True)[1]
        clusters = len(np.unique(texts[open_to]))
        cut = Cut(len(open_to), clusters, len(sizes), int(sizes.max(initial=0)))
    return Allocation(reasons, splits, other, links, cut)


def label_sets(labels: pa.ChunkedArray, separator: str | None) -> tuple[list[frozenset[str]], Integers]:
    """Return the different sets of labels, and for each row the number of its set."""
    names, codes = encoded(labels)
    known: dict[frozenset[str], int] = {}
    numbers = [known.setdefault(parts_of(name, separator), len(known)) for name in names]
    return list(known), np.array(numbers, dtype=np.int64)[codes]


def parts_of(label: str, separator: str | None) -> frozenset[str]:
    """Return the labels of a row, of which it has one unless there is a separator."""
    if separator is None:
        return frozenset((label,))
    return frozenset(filter(None, map(str.strip, label.split(separator))))


def in_order(label: str, separator: str) -> str:
    """Return the labels of a row sorted, each once: one name for one set; as it is where there is none."""
    return separator.join(sorted(parts_of(label, separator))) or label


def joined(clusters: Integers, groups: pa.ChunkedArray) -> Integers:
    """Return groups of rows so that rows of one cluster, or of one value of a group, are in one.

    A row without a value has its cluster only.
    """
    names, values = encoded(groups)
    if not any(names):
        return clusters
    if "" in names:
        values[values == names.index("")] = -1
    alone = len(names) + np.arange(len(values))
    return merged(clusters, np.where(values < 0, alone, values))


def encoded(column: pa.ChunkedArray) -> tuple[list[str], Integers]:
    """Return the different values of a column, and for each row the number of its own, -1 for null."""
    encoded = column.dictionary_encode().unify_dictionaries()
    chunks = [np.asarray(chunk.indices.fill_null(-1), dtype=np.int64) for chunk in encoded.chunks]
    names: list[str] = encoded.chunk(0).dictionary.to_pylist() if chunks else []
    return names, np.concatenate([*chunks, np.empty(0, dtype=np.int64)])


def _others(
    found: Partition,
    texts: Integers,
    splits: npt.NDArray[np.int8],
    labels: Integers,
    reasons: npt.NDArray[np.int8],
) -> tuple[Integers, npt.NDArray[np.int8]]:
    """Return for each dropped row the first of those that it was dropped for, and what joins the two.

    One that is equal comes before one that is nearly so, and that before one of the same group.
    """
    other = np.full(len(reasons), -1, dtype=np.int64)
    links = np.zeros(len(reasons), dtype=np.int8)
    kept = (splits == TRAIN) & (reasons == Reason.KEPT)
    across = (found.equal, texts, found.related)
    within = (_alike(found.equal, labels), _alike(found.near, labels))
    for reason, clusters, members in (
        (Reason.IN_TEST, across, splits == TEST),
        (Reason.IN_DEV, across, splits == DEV),
        (Reason.DUPLICATE, within, kept),
    ):
        dropped = reasons == reason
        for link, cluster in enumerate(clusters):
            first = firsts(cluster, members)
            fresh = dropped & (other < 0) & (first < len(first))
            other[fresh], links[fresh] = first[fresh], link
    _point_at_another_label(other, reasons == Reason.CONFLICT, found.equal, labels, splits == TRAIN)
    return other, links


def _alike(clusters: Integers, labels: Integers) -> Integers:
    """Return clusters of rows that also have the same label."""
    alike: Integers = np.unique(clusters * (labels.max(initial=0) + 1) + labels, return_inverse=True)[1]
    return alike


def _point_at_another_label(
    other: Integers,
    dropped: npt.NDArray[np.bool_],
    clusters: Integers,
    labels: Integers,
    members: npt.NDArray[np.bool_],
) -> None:
    """Point the dropped rows at the first member of their cluster with another label than theirs."""
    rows = np.flatnonzero(members)
    first: dict[int, dict[int, int]] = {}
    wanted = set(clusters[dropped].tolist())
    for row in rows.tolist():
        cluster = int(clusters[row])
        if cluster in wanted:
            first.setdefault(cluster, {}).setdefault(int(labels[row]), row)
    for row in np.flatnonzero(dropped).tolist():
        own = int(labels[row])
        other[row] = min(at for label, at in first[int(clusters[row])].items() if label != own)
