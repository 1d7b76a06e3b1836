"""The label set of the training rows, and whether rows fit it; it knows no files and no model."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from runtime.errors import DataError
from runtime.pii import mask
from train.data.rows import Row, refuse

MOST_LABELS = 10_000
"""More are identifiers, or texts; a classifier of so many classes is another kind of model."""

_FEW_ROWS = 20
_SHOWN_CHARACTERS = 30
_LOOKED_AT_CHARACTERS = 200
_SHOWN_LABELS = 10
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


def label_names(rows: Sequence[Row], column: str) -> tuple[str, ...]:
    """Return the labels of the training rows, sorted: as numbers where all are whole numbers, else as text.

    Raises
    ------
    DataError
        There is one label only, or the column is hardly ever the same twice and so is no label column.
    """
    counts = Counter(row.label for row in rows)
    first = rows[0]
    if len(counts) == 1:
        raise DataError(
            f"all {len(rows)} training rows, {first.where} the first, have the label {shown(first.label)}; "
            f"add rows of another label, or set data.label to another column than {column!r}."
        )
    if len(counts) == len(rows) or (len(rows) > _FEW_ROWS and len(counts) > len(rows) / 2):
        raise DataError(
            f"column {column!r} has {len(counts)} different labels in {len(rows)} training rows "
            f"({first.where} has {shown(first.label)}, {rows[1].where} has {shown(rows[1].label)}); "
            "set data.label to the column that holds the labels."
        )
    if len(counts) > MOST_LABELS:
        raise DataError(
            f"column {column!r} has {len(counts):,} different labels ({first.where} has "
            f"{shown(first.label)}), more than {MOST_LABELS:,}; set data.label to another column."
        )
    whole_numbers = all(_WHOLE_NUMBER.fullmatch(name) for name in counts)
    return tuple(sorted(counts, key=lambda name: (int(name), name) if whole_numbers else (0, name)))


def check_known(rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Refuse rows whose label no training row has.

    Raises
    ------
    DataError
        Names the rows and, for each, the nearest label.
    """
    known = set(labels)
    refuse(
        [row for row in rows if row.label not in known],
        "correct these labels, or add training rows that have them",
        lambda row: f"{row.where} has the unknown label {shown(row.label)} ({_nearest(row.label, labels)})",
    )


def shown(label: str) -> str:
    """Return a label as a message may show it: quoted, cut, personal data masked.

    A column that holds the texts may have been taken for the labels.
    """
    masked = mask(label[:_LOOKED_AT_CHARACTERS])
    is_cut = len(label) > _LOOKED_AT_CHARACTERS or len(masked) > _SHOWN_CHARACTERS
    return repr(f"{masked[:_SHOWN_CHARACTERS]}…" if is_cut else masked)


def _nearest(label: str, labels: Sequence[str]) -> str:
    names = {name[:_LOOKED_AT_CHARACTERS]: name for name in labels}
    close = difflib.get_close_matches(label[:_LOOKED_AT_CHARACTERS], names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {shown(names[close[0]])}?"
    more = f" and {len(labels) - _SHOWN_LABELS:,} more" if len(labels) > _SHOWN_LABELS else ""
    return f"allowed: {', '.join(map(shown, labels[:_SHOWN_LABELS]))}{more}"
