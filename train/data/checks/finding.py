"""What a check is, what it may look at and what it tells; it knows none of the checks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from typing_extensions import TypedDict

from train.config import Recipe
from train.data.sections import DataSection
from train.section import Split

if TYPE_CHECKING:
    from train.data.checks.batch import Batch

Severity = Literal["error", "warning", "info"]
Mask = npt.NDArray[np.bool_]

SHOWN_ROWS = 10
"""Rows that a finding names; its count tells of the others."""


class Finding(TypedDict):
    """One thing that is wrong or worth knowing, as the reports hold it.

    `rows` are the first ones, of `file`, and `count` tells how many there are in all files of the split.
    `settings` are those that mend it, and `by_prepare` tells whether it is mended by the command prepare.
    """

    check: str
    severity: Severity
    split: Split | None
    file: str | None
    rows: list[int]
    count: int
    what: str
    why: str
    fix: str
    settings: dict[str, Any]
    by_prepare: bool
    examples: list[str]


@dataclass(slots=True)
class Sightings:
    """Where something was seen: how often, in which file first, and in which of its rows."""

    count: int = 0
    file: str | None = None
    rows: list[int] = field(default_factory=list)

    def add(self, batch: Batch, mask: Mask) -> None:
        """Note the rows of a batch for which the mask is true."""
        chosen = np.flatnonzero(mask)
        self.note(batch.file, batch.numbers[chosen[:SHOWN_ROWS]].tolist(), len(chosen))

    def note(self, file: str, rows: Iterable[int], count: int) -> None:
        """Note the first rows of a file, and how many there were."""
        if not count:
            return
        self.count += count
        self.file = self.file or file
        if file == self.file:
            self.rows += list(rows)[: SHOWN_ROWS - len(self.rows)]


@dataclass(frozen=True, slots=True)
class Note:
    """What a check tells; the table of checks adds how bad it is and why.

    `where` has no rows where a finding is about a whole split or file. Where `fix` has no words, the settings
    are the remedy.
    """

    check: str
    what: str
    fix: str
    split: Split | None = None
    where: Sightings = field(default_factory=Sightings)
    examples: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    by_prepare: bool = False


@dataclass(frozen=True, slots=True)
class Examination:
    """What all checks share: the recipe, its data, and a folder that is gone afterwards."""

    recipe: Recipe
    data: DataSection
    folder: Path


def counted(count: int, word: str) -> str:
    """Return a count with its word: 1 row, 1,200 rows."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as the command line takes them, each value as TOML."""
    # What JSON escapes in texts, TOML does too; one control character TOML refuses and JSON does not.
    values = {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
    return [f"{name}={value}".replace("\x7f", "\\u007f") for name, value in values.items()]


class Check:
    """Looks at files, then at batches of rows in order, and tells in the end; it must not change either."""

    sees_unusable: ClassVar[bool] = False
    """Whether it is shown rows with a problem too."""

    reads_texts: ClassVar[bool] = True
    """Whether what it finds rests on the column of texts being one."""

    def __init__(self, examination: Examination) -> None:
        self.examination = examination
        self.data = examination.data
        self.recipe = examination.recipe

    def examine(self, split: Split, path: Path) -> None:
        """Look at a file before its rows are read."""

    def accumulate(self, batch: Batch) -> None:
        """Look at rows; train comes first, then dev, then test."""

    def findings(self) -> Iterable[Note]:
        """Tell what was found."""
        return ()

    def figures(self) -> Mapping[Split, Mapping[str, Any]]:
        """Return numbers of each split for the reports."""
        return {}
