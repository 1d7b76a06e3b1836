"""Takes development rows out of the training rows; it knows no files."""

from __future__ import annotations

import random
from collections.abc import Sequence

from runtime.errors import DataError
from train.data.rows import Row


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
