"""Decides which rows repeat, leak or contradict each other, as arrays; it compares no texts."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from train.data.clusters import Partition
from train.data.dedup import Integers

Conflicts = Literal["drop", "majority", "keep"]
Flags = npt.NDArray[np.bool_]

TRAIN, DEV, TEST = range(3)


class Reason(IntEnum):
    """Why a row is dropped; the first that holds, in the order in_test, in_dev, conflict, duplicate."""

    KEPT = 0
    DUPLICATE = 1
    """A training row near an earlier one of the same label."""
    IN_TEST = 2
    """A training or dev row related to a test row."""
    IN_DEV = 3
    """A training row related to a dev row."""
    CONFLICT = 4
    """A training row whose text, equal after normalising, stands in train with another label too."""


def outcomes(
    found: Partition, splits: npt.NDArray[np.integer], labels: Integers, conflicts: Conflicts
) -> npt.NDArray[np.int8]:
    """Say of each row why it is dropped, or that it is kept.

    Test rows are always kept, and dev rows that no test row is related to. Afterwards no cluster of
    `found.related` has rows in two splits. Texts that are nearly equal but differ in their label are both
    kept: where one character turns the meaning, the pair teaches more than any other two rows.

    Parameters
    ----------
    found : Partition
        Of the texts of all splits together.
    splits : integers of shape (rows,)
        `TRAIN`, `DEV` or `TEST`.
    labels : int64 of shape (rows,)
        Equal where the labels are; a row of several labels has one number for their set.
    conflicts : str
        What becomes of training rows of one text (`found.equal`) and several labels: `drop` all; keep those
        of the `majority`, none where two labels are equally frequent; or `keep` all.

    Returns
    -------
    int8 of shape (rows,)
        Values of `Reason`.
    """
    reasons = np.full(len(splits), Reason.KEPT, dtype=np.int8)
    train = splits == TRAIN
    if conflicts != "keep":
        reasons[_conflicting(found.equal, labels, train, conflicts)] = Reason.CONFLICT
    reasons[_repeated(found.near, labels, train & (reasons == Reason.KEPT))] = Reason.DUPLICATE
    reasons[train & touches(found.related, splits == DEV)] = Reason.IN_DEV
    reasons[(splits != TEST) & touches(found.related, splits == TEST)] = Reason.IN_TEST
    return reasons


def leaked(clusters: Integers, splits: npt.NDArray[np.integer], split: int, source: int = TRAIN) -> int:
    """Count the rows of a split whose cluster has a row of `source` too."""
    return int((touches(clusters, splits == source) & (splits == split)).sum())


def repeated(clusters: Integers, splits: npt.NDArray[np.integer], split: int) -> int:
    """Count the rows of a split whose cluster has an earlier row of that split."""
    members = clusters[splits == split]
    return len(members) - len(np.unique(members))


def contradictory(clusters: Integers, labels: Integers) -> int:
    """Count the clusters that have rows of two labels or more."""
    cluster = _pairs(clusters, labels)[0]
    return int((np.unique(cluster, return_counts=True)[1] > 1).sum())


def touches(clusters: Integers, members: Flags) -> Flags:
    """Tell of each row whether its cluster has one of the members."""
    touched: Flags = np.isin(clusters, clusters[members])
    return touched


def firsts(clusters: Integers, members: Flags) -> Integers:
    """Return for each row the first member of its cluster, `len(clusters)` where there is none.

    The numbers of clusters are below that of the rows.
    """
    first = np.full(len(clusters), len(clusters), dtype=np.int64)
    np.minimum.at(first, clusters[members], np.flatnonzero(members))
    found: Integers = first[clusters]
    return found


def _pairs(clusters: Integers, labels: Integers) -> tuple[Integers, Integers, Integers]:
    """Return of every pair of cluster and label the cluster and its rows, and of each row its pair."""
    names, label = np.unique(labels, return_inverse=True)
    numbers, pair, counts = np.unique(clusters * len(names) + label, return_inverse=True, return_counts=True)
    return numbers // max(1, len(names)), counts, pair


def _repeated(clusters: Integers, labels: Integers, members: Flags) -> Integers:
    """Return the members after the first of each cluster and label."""
    at = np.flatnonzero(members)
    pair = _pairs(clusters[at], labels[at])[2]
    _, first = np.unique(pair, return_index=True)
    return np.delete(at, first)


def _conflicting(clusters: Integers, labels: Integers, members: Flags, conflicts: Conflicts) -> Integers:
    """Return the members that a conflict of labels drops."""
    at = np.flatnonzero(members)
    cluster, counts, pair = _pairs(clusters[at], labels[at])
    _, which, kinds = np.unique(cluster, return_inverse=True, return_counts=True)
    dropped = kinds[which] > 1
    if conflicts == "majority":
        most = np.zeros(len(kinds), dtype=np.int64)
        np.maximum.at(most, which, counts)
        frequent = counts == most[which]
        alone = np.bincount(which[frequent], minlength=len(kinds)) == 1
        dropped &= ~(frequent & alone[which])
    return at[dropped[pair]]
