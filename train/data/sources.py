"""What a recipe's `train`, `dev` and `test` name: files, a hub dataset, the sample; it reads no rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import RecipeError, nearest
from train.data.sections import DataSection
from train.recipe import expanded, nearest_path
from train.section import Split

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".enc")
SAMPLE = "sample:"

_HUB_ID = re.compile(r"(?P<path>[\w.-]+/[\w.-]+)(/(?P<configuration>[\w.-]+))?(:(?P<split>[\w.-]+))?")
_HUB_SPLITS: dict[Split, str] = {"train": "train", "dev": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A split of the generated review set."""

    split: Split


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A split of a dataset on the Hugging Face hub."""

    path: str
    configuration: str | None
    split: str

    def __str__(self) -> str:
        return f"{'/'.join(filter(None, (self.path, self.configuration)))}:{self.split}"


def find_source(data: DataSection, split: Split) -> Sample | HubDataset | list[Path]:
    """Return where the rows of a split come from; a folder stands for its data files, sorted by name.

    Raises
    ------
    RecipeError
        Nothing of that name exists, or the file has no known suffix.
    """
    given = str(getattr(data, split))
    if given.startswith(SAMPLE):
        return Sample(_sample_split(given, split))
    path = expanded(given)
    if path.is_dir():
        _refuse_prepared(path, split)
        return _files_of(path, split)
    if path.is_file():
        return [_with_known_suffix(path, split)]
    found = _HUB_ID.fullmatch(given)
    # "data/train" is a missing file where a folder "data" exists, and a hub id where none does.
    if found and path.suffix not in SUFFIXES and not Path(path.parts[0]).exists():
        return HubDataset(found["path"], found["configuration"], found["split"] or _HUB_SPLITS[split])
    raise RecipeError(f"data.{split}={given!r} does not exist; {nearest_path(path)}.")


def place(file: str, number: int, line: int) -> str:
    """Name a row for a message; the line only where it differs, after a quoted line break."""
    return f"{file} row {number}" if line == number else f"{file} row {number} (line {line})"


def _sample_split(given: str, split: Split) -> Split:
    for known in _HUB_SPLITS:
        if given == SAMPLE + known:
            return known
    parts = [SAMPLE + name for name in _HUB_SPLITS]
    raise RecipeError(f"data.{split}={given!r} is no part of the sample; {nearest(given, parts)}")


def _refuse_prepared(folder: Path, split: Split) -> None:
    """Refuse a folder in which training, development and test rows lie side by side."""
    from train.data.prepared import is_prepared

    if is_prepared(folder):
        raise RecipeError(
            f"data.{split}={str(folder)!r} was made by prepare and holds all splits; "
            f"set data.prepared={str(folder)!r} instead."
        )


def _files_of(folder: Path, split: Split) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise RecipeError(
            f"data.{split}={str(folder)!r} holds no file ending in {', '.join(SUFFIXES)}; add one."
        )
    return files


def _with_known_suffix(path: Path, split: Split) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise RecipeError(
            f"data.{split}={str(path)!r} ends in {path.suffix!r}; convert it to one of {', '.join(SUFFIXES)}."
        )
    return path
