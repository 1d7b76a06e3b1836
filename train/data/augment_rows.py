"""Makes rows from training rows, so many of each class; it knows neither files nor what rows are good for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median_low

from runtime.normalize import normalize_input
from runtime.tokenizer import TextInput
from train.data.augment import Augmenter
from train.data.augment_marks import mark
from train.data.dedup import normalised
from train.data.loader import Splits
from train.data.preparation import AugmentSection
from train.data.rows import Row

_TRIES = 10
"""For each row wanted; short texts have few variants, and where they are through nothing new comes."""


@dataclass(frozen=True, slots=True)
class Augmented:
    """A row that was made: its own text, file, number and all else of the row it was made from."""

    row: Row
    method: str


class Texts:
    """Texts that no new row may have: those of all splits, and of the rows made so far.

    Of dev and test rows not even the letters and digits, or a change of punctuation would leak them.
    """

    def __init__(self, splits: Splits, normalizers: Sequence[str]) -> None:
        self._normalizers = normalizers
        self._known = {self._key(row) for row in (*splits.train, *splits.dev, *splits.test)}
        self._held_out = {self._form(row) for row in (*splits.dev, *splits.test)}

    def add(self, row: Row) -> bool:
        """Take a row in, and tell whether its text was new."""
        if self._key(row) in self._known or self._form(row) in self._held_out:
            return False
        self._known.add(self._key(row))
        return True

    def _key(self, row: Row) -> TextInput:
        return normalize_input(row.input, self._normalizers)

    def _form(self, row: Row) -> tuple[str, ...]:
        return tuple(normalised(text) for text in (row.text, row.text_pair) if text is not None)


def budgets(labels: Iterable[str], settings: AugmentSection) -> dict[str, int]:
    """Return how many rows each class is to get; a class that gets none is not in it.

    Parameters
    ----------
    labels : iterable of str
        Of the training rows.
    settings : AugmentSection
    """
    counts = Counter(labels)
    target = _target(counts, settings)
    wanted = {label: int(min(settings.per_class * count, target - count)) for label, count in counts.items()}
    return {label: count for label, count in sorted(wanted.items()) if count > 0}


def growing(labels: Iterable[str], settings: AugmentSection) -> dict[str, int]:
    """Return the classes that `up_to` lets grow and how many rows they have, whatever they are to get."""
    counts = Counter(labels)
    target = _target(counts, settings)
    return {label: count for label, count in sorted(counts.items()) if count < target}


def _target(counts: Mapping[str, int], settings: AugmentSection) -> float:
    """Return up to how many rows a class may grow."""
    targets: Mapping[str, float] = {
        "median": median_low(counts.values()),
        "largest": max(counts.values()),
        "any": float("inf"),
    }
    return targets[settings.up_to]


def augment_rows(
    splits: Splits,
    wanted: Mapping[str, int],
    augmenters: Mapping[str, Augmenter],
    normalizers: Sequence[str],
    seed: int,
    report: Callable[[int, int], None],
) -> list[Augmented]:
    """Return new rows of each class, at most as many as wanted, from its training rows in turn.

    Parameters
    ----------
    splits : Splits
        No new row has a text of any of its rows.
    wanted : mapping of label → rows
    augmenters : mapping of name → Augmenter
    normalizers : sequence of str
        Texts that are equal after them are equal.
    seed : int
        Decides everything; a class gets the same rows whatever the others get.
    report : callable
        Is told how many are made, of how many.
    """
    texts = Texts(splits, normalizers)
    members: dict[str, list[Row]] = {}
    for row in splits.train:
        members.setdefault(row.label, []).append(row)
    made: list[Augmented] = []
    for label, count in wanted.items():
        generator = Random(f"{seed} {label}")
        rows = generator.sample(members[label], len(members[label]))
        complete = len(made) + count
        for turn in range(_TRIES * count):
            if len(made) == complete:
                break
            found = _changed(rows[turn % len(rows)], augmenters, generator, splits.labels)
            if found is not None and texts.add(found.row):
                made.append(found)
                report(len(made), sum(wanted.values()))
    return made


def _changed(
    row: Row, augmenters: Mapping[str, Augmenter], generator: Random, labels: Sequence[str]
) -> Augmented | None:
    method = generator.choice(sorted(augmenters))
    text = augmenters[method](mark(row.text, labels), generator)
    return None if text is None else Augmented(replace(row, text=text), method)
