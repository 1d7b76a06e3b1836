"""Public data sets as rows of label and text; it knows neither recipes nor models."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Rows = list[tuple[str, str]]
"""Label and text."""


class DatasetError(ValueError):
    """A data set is missing or not what it should be; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of a data set as its authors split them."""

    train: Rows
    dev: Rows
    test: Rows

    def leak_free_test(self) -> Rows:
        """Return the test rows whose text does not stand in train."""
        seen = {text for _, text in self.train}
        return [row for row in self.test if row[1] not in seen]

    def first(self, count: int) -> Splits:
        """Return `count` rows of each split, drawn with a fixed seed: for trying things out."""
        return Splits(*(_drawn(rows, count) for rows in (self.train, self.dev, self.test)))


def _chnsenticorp(folder: Path) -> Splits:
    """Hotel, book and computer reviews, label<TAB>text below a header; 1 is positive."""
    return Splits(*(_tab_separated(folder / f"{name}.tsv")[1:] for name in ("train", "dev", "test")))


def _thucnews_titles(folder: Path) -> Splits:
    """News titles: train is label<TAB>title, dev and test are title<TAB>number of a line in class.txt."""
    names = _lines(folder / "class.txt")
    dev, test = (
        [(names[int(number)], title) for title, number in _tab_separated(folder / f"{name}.txt")]
        for name in ("dev", "test")
    )
    return Splits(_tab_separated(folder / "train_1w.txt"), dev, test)


def _cold(folder: Path) -> Splits:
    """Comments, offensive (1) or not (0), from comma-separated files with a byte order mark."""
    return Splits(*(_columns(folder / f"{name}.csv", ",", "label", "TEXT") for name in _SPLITS))


def _csl_category(folder: Path) -> Splits:
    """Titles of papers in 13 categories, prompt<TAB>title<TAB>category without a header."""
    return Splits(*([_last_two(line) for line in _lines(folder / f"{name}.tsv")] for name in _SPLITS))


def _sib200_zh(folder: Path) -> Splits:
    """Sentences of seven topics in simplified Chinese."""
    return Splits(*(_columns(folder / f"zho_Hans_{name}.tsv", "\t", "category", "text") for name in _SPLITS))


_SPLITS = ("train", "dev", "test")

DATASETS: dict[str, Callable[[Path], Splits]] = {
    "chnsenticorp": _chnsenticorp,
    "thucnews_titles": _thucnews_titles,
    "cold": _cold,
    "csl_category": _csl_category,
    "sib200_zh": _sib200_zh,
}
"""Name of the folder, and of the recipe → how it is read."""


def read(name: str, data: Path) -> Splits:
    """Read the data set `name` below the folder `data`.

    Raises
    ------
    DatasetError
        A file is missing or a row has not two fields.
    """
    try:
        return DATASETS[name](data / name)
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read ({error.strerror}); name the folder of {name}."
        ) from error


def write(rows: Sequence[tuple[str, str]], path: Path) -> Path:
    """Write rows as JSON lines with the columns `label` and `text`, and return the path."""
    lines = (json.dumps({"label": label, "text": text}) for label, text in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _tab_separated(path: Path) -> Rows:
    rows = []
    for number, line in enumerate(_lines(path), start=1):
        first, tab, second = line.partition("\t")
        if not tab or "\t" in second:
            raise DatasetError(f"{path} line {number} has not two fields; compare the file with its README.")
        rows.append((first, second))
    return rows


def _columns(path: Path, delimiter: str, label: str, text: str) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
        found = list(csv.DictReader(file, delimiter=delimiter, quoting=quoting))
    if not found or not {label, text} <= found[0].keys():
        raise DatasetError(f"{path} has no columns {label!r} and {text!r}; compare the file with its README.")
    return [(row[label], row[text]) for row in found]


def _last_two(line: str) -> tuple[str, str]:
    _, text, label = line.split("\t")
    return label, text


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _drawn(rows: Rows, count: int) -> Rows:
    return random.Random(0).sample(rows, min(count, len(rows)))
