"""Splits rows so that every part has its share of each label; it knows no files and compares no texts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from runtime.errors import DataError
from train.data.rows import Row

Integers = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]

_ROUNDING = 1e-9


def stratified_split(rows: Sequence[Row], fraction: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Split rows into (train, dev), each label in the same proportion and both in their original order.

    A label of two rows or more has at least one on both sides; the only row of a label stays in train.

    Raises
    ------
    DataError
        No label has two rows.
    """
    members: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        members.setdefault(row.label, []).append(index)
    generator = random.Random(seed)
    chosen: set[int] = set()
    for label in sorted(members):
        indices = members[label]
        count = min(max(1, round(fraction * len(indices))), len(indices) - 1)
        chosen.update(generator.sample(indices, count))
    if not chosen:
        raise DataError(
            f"no label has two rows among the {len(rows)} of {rows[0].file}, so none can be kept for dev; "
            "add rows, or set data.dev."
        )
    train = [row for index, row in enumerate(rows) if index not in chosen]
    return train, [row for index, row in enumerate(rows) if index in chosen]


def grouped_split(
    labels: Sequence[frozenset[str]], groups: Integers, fractions: Sequence[float], seed: int
) -> Integers:
    """Split rows into parts of given sizes, groups whole, each label in the same proportion in every part.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label
    data") of groups in place of rows: the rarest label is dealt out first, its largest groups first, each to
    the part that lacks most of that label. Groups with the same labels are dealt out together, so that a
    million rows cost no more than their different sets of labels.

    The part with the largest share is the one to train on. It has every label: a label with one group stands
    there only; of a label with fewer groups than parts, the larger parts have one each. A label with as many
    groups as parts is in every part, unless its groups hold other labels too that training would lose.

    Parameters
    ----------
    labels : sequence of frozenset of str
        Of each row; empty for a row without labels, which counts as one more label.
    groups : integers of shape (rows,)
        Rows of one number stay together.
    fractions : sequence of float
        Share of each part, above 0; what is missing to 1 is one more, last part.
    seed : int
        Decides between groups with the same labels.

    Returns
    -------
    int64 of shape (rows,)
        Number of the part of each row, from 0 in the order of `fractions`.

    Raises
    ------
    ValueError
        The fractions are not above 0 or exceed 1.
    """
    shares = _shares(fractions)
    generator = np.random.default_rng(seed)
    table = _Groups.of(labels, groups, generator)
    if not len(table.group):
        return np.empty(0, dtype=np.int64)
    dealer = _Dealer(table, shares)
    dealer.deal()
    part = np.empty(len(table.profile), dtype=np.int64)
    order = generator.permutation(len(part))
    order = order[np.argsort(table.profile[order], kind="stable")]
    part[order] = np.repeat(np.tile(np.arange(len(shares)), len(dealer.dealt)), dealer.dealt.reshape(-1))
    found: Integers = part[table.group]
    return found


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups by their profile: which sets of labels their rows have, and how often each.

    `group` numbers the group of each row and `profile` the profile of each group. A group of profile p has
    `sizes[p]` rows, `counts[starts[p]:starts[p + 1]]` of them with the labels at the same places of `labels`;
    there are `members[p]` such groups.
    """

    group: Integers
    profile: Integers
    members: Integers
    sizes: Integers
    starts: Integers
    labels: Integers
    counts: Integers

    @classmethod
    def of(cls, labels: Sequence[frozenset[str]], groups: Integers, generator: np.random.Generator) -> Self:
        numbers: dict[frozenset[str], int] = {}
        kind = np.array([numbers.setdefault(names, len(numbers)) for names in labels], dtype=np.int64)
        _, group = np.unique(groups, return_inverse=True)
        # The sum of one random number per row is the same for groups with the same sets of labels, and else
        # hardly ever; a mistake would only make the deal a little less even.
        marks = np.zeros(group.max(initial=-1) + 1, dtype=np.uint64)
        np.add.at(marks, group, generator.integers(2**64, size=len(numbers), dtype=np.uint64)[kind])
        _, example, profile, members = np.unique(
            marks, return_index=True, return_inverse=True, return_counts=True
        )
        shown = np.flatnonzero(example[profile[group]] == group)
        widths, flat = _numbered(numbers)
        width = widths[kind[shown]]
        at = np.repeat(np.cumsum(widths)[kind[shown]] - np.cumsum(width), width) + np.arange(width.sum())
        width_of_all = max(1, flat.max(initial=0) + 1)
        owner = profile[group[shown]]
        keys, counts = np.unique(np.repeat(owner, width) * width_of_all + flat[at], return_counts=True)
        starts = np.searchsorted(keys, np.arange(len(members) + 1) * width_of_all)
        sizes = np.bincount(owner, minlength=len(members))
        return cls(group, profile, members, sizes, starts, keys % width_of_all, counts)

    def of_profile(self, profile: int) -> slice:
        """Return where the labels of a profile stand."""
        return slice(int(self.starts[profile]), int(self.starts[profile + 1]))


class _Dealer:
    """Deals groups out to parts; `dealt[p, j]` counts the groups of profile p in part j."""

    def __init__(self, groups: _Groups, shares: Shares) -> None:
        self._groups = groups
        self._shares = shares
        # Of equal shares the last one, which is where `fractions` leaves the training rows.
        self._by_share = np.lexsort((-np.arange(len(shares)), -np.round(shares, 9)))
        self.dealt = np.zeros((len(groups.members), len(shares)), dtype=np.int64)
        self._owner = np.repeat(np.arange(len(groups.members)), np.diff(groups.starts))
        self._left = np.bincount(groups.labels, weights=groups.counts * groups.members[self._owner])
        self._wanted = self._left[:, None] * shares
        self._wanted_rows = (groups.sizes @ groups.members) * shares
        order = np.lexsort((self._owner, -groups.sizes[self._owner], groups.labels))
        self._holders = np.split(self._owner[order], np.cumsum(np.bincount(groups.labels))[:-1])

    def deal(self) -> None:
        """Deal out every group, then mend what the deal of other labels left a label without."""
        waiting = np.where(self._left > 0, self._left, np.inf)
        while np.isfinite(waiting).any():
            label = int(np.argmin(waiting))
            self._deal_label(label)
            waiting = np.where(np.isfinite(waiting) & (self._left > 0), self._left, np.inf)
        self._mend()

    def _deal_label(self, label: int) -> None:
        """Deal out the groups with a label that are left: one to each part without it, the rest by need."""
        holders = self._holders[label]
        undealt = holders[self.dealt[holders].sum(axis=1) < self._groups.members[holders]]
        present = self.dealt[holders].sum(axis=0) > 0
        free = self._groups.members[undealt] - self.dealt[undealt].sum(axis=1)
        smallest = iter(np.repeat(undealt[::-1], np.minimum(free[::-1], len(self._shares))).tolist())
        for part, profile in zip(self._by_share[~present[self._by_share]].tolist(), smallest, strict=False):
            self._give(profile, part, 1)
        for profile in undealt.tolist():
            count = int(self._groups.members[profile] - self.dealt[profile].sum())
            for part, given in self._allotted(label, count):
                self._give(profile, part, given)

    def _allotted(self, label: int, count: int) -> Iterator[tuple[int, int]]:
        """Share out equal groups by what the parts lack of a label, remainders to the largest fractions."""
        lacking = np.maximum(self._wanted[label], 0)
        if not lacking.any():
            lacking = np.maximum(self._wanted_rows, 0)
        if not lacking.any():
            lacking = self._shares
        if count == 1:
            # Most groups of several rows are unlike all others, so that their number decides the time.
            most = lacking == lacking.max()
            yield int(np.argmax(np.where(most, self._wanted_rows, -np.inf))), 1
            return
        quota = count * lacking / lacking.sum()
        whole = np.floor(quota)
        order = np.lexsort((-self._wanted_rows, whole - quota))
        whole[order[: count - int(whole.sum())]] += 1
        yield from ((part, int(given)) for part, given in enumerate(whole) if given)

    def _give(self, profile: int, part: int, count: int) -> None:
        where = self._groups.of_profile(profile)
        labels, counts = self._groups.labels[where], self._groups.counts[where] * count
        self.dealt[profile, part] += count
        self._left[labels] -= counts
        self._wanted[labels, part] -= counts
        self._wanted_rows[part] -= self._groups.sizes[profile] * count

    def _mend(self) -> None:
        """Move one group to each part without a label: always to the training part, to others from there."""
        groups = np.zeros((len(self._holders), len(self._shares)), dtype=np.int64)
        np.add.at(groups, self._groups.labels, self.dealt[self._owner])
        train = int(self._by_share[0])
        for part in self._by_share.tolist():
            for label in np.flatnonzero(groups[:, part] == 0).tolist():
                if groups[label, part] or (part != train and groups[label].sum() < len(self._shares)):
                    continue
                for profile in self._holders[label][::-1].tolist():
                    labels = self._groups.labels[self._groups.of_profile(profile)]
                    source = self._source(profile, groups[labels], part, train)
                    if source is not None:
                        self.dealt[profile, [source, part]] += (-1, 1)
                        groups[labels, source] -= 1
                        groups[labels, part] += 1
                        break

    def _source(self, profile: int, groups: Integers, part: int, train: int) -> int | None:
        """Return the part that a group of a profile can be taken from, if there is one."""
        if part == train:
            return int(np.argmax(self.dealt[profile]))
        return train if self.dealt[profile, train] and (groups[:, train] > 1).all() else None


def _numbered(sets: Iterable[frozenset[str]]) -> tuple[Integers, Integers]:
    """Return how many labels each set has, and the numbers of them all; no labels count as one more label."""
    members: list[list[str | None]] = [[*sorted(names)] or [None] for names in sets]
    names = sorted({name for labels in members for name in labels if name is not None})
    number: dict[str | None, int] = {name: at for at, name in enumerate(names)} | {None: len(names)}
    widths = np.array([len(labels) for labels in members], dtype=np.int64)
    return widths, np.array([number[name] for labels in members for name in labels], dtype=np.int64)


def _shares(fractions: Sequence[float]) -> Shares:
    """Return the share of every part: the fractions, and what is missing to 1."""
    shares = np.array(fractions, dtype=np.float64)
    rest = 1 - shares.sum()
    if len(shares) == 0 or not (shares > 0).all() or rest < -_ROUNDING:
        raise ValueError(f"fractions={list(fractions)} must be above 0 and add up to 1 at most.")
    return np.append(shares, rest) if rest > _ROUNDING else shares
