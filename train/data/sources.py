"""What a recipe's `train`, `dev` and `test` name: files, a hub dataset, the sample; it reads no rows."""

from __future__ import annotations

import errno
import logging
import re
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runtime.errors import RecipeError, nearest
from train.data.sections import DataSection
from train.recipe import encodable, expanded, nearest_path
from train.section import Split

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".enc")
SAMPLE = "sample:"

logger = logging.getLogger(__name__)

_SHOWN_NAMES = 5
_SHOWN_CHARACTERS = 80
_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
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
    kind = _kind(path, f"data.{split}={_cut(given)!r}")
    if kind == "folder":
        _refuse_prepared(path, split)
        return _files_of(path, split)
    if kind == "file":
        return [_with_known_suffix(path, split)]
    if kind is not None:
        raise RecipeError(f"data.{split}={given!r} is {kind}; give a file or a folder.")
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


def _kind(path: Path, given: str) -> str | None:
    """Say what a path is: "file", "folder" or what cannot be read; None where nothing has that name.

    Raises
    ------
    RecipeError
        The system does not tell, for a name that is too long or a folder that may not be entered.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return "a link that leads nowhere" if path.is_symlink() else None
        raise RecipeError(f"{given} cannot be looked at ({error.strerror}); name another path.") from error
    kinds = (kind for is_one, kind in _KINDS if is_one(mode))
    return next(kinds, "no file")


def _cut(given: str) -> str:
    return f"{given[:_SHOWN_CHARACTERS]}…" if len(given) > _SHOWN_CHARACTERS else given


def _files_of(folder: Path, split: Split) -> list[Path]:
    """Return the data files of a folder, and log what else there is."""
    given = f"data.{split}={str(folder)!r}"
    files: list[Path] = []
    skipped: list[str] = []
    for path in _entries(folder, given):
        kind = _kind(path, f"{given}: {path.name!r}") if path.suffix.lower() in SUFFIXES else "other"
        if kind in ("folder", "other"):
            skipped.append(f"{path.name}/" if path.is_dir() else path.name)
        elif not encodable(path.name):
            raise RecipeError(f"{given} has a file whose name is not UTF-8, {path.name!r}; rename it.")
        elif kind == "file":
            files.append(path)
        elif kind is not None:
            raise RecipeError(f"{given} has {path.name!r}, which is {kind}; take it out of the folder.")
    if skipped and files:
        _tell_of_skipped(folder, tuple(name for name in skipped if not name.startswith(".")))
    if not files:
        raise RecipeError(f"{given} holds no file ending in {', '.join(SUFFIXES)}; add one.")
    return files


def _entries(folder: Path, given: str) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise RecipeError(f"{given} cannot be listed ({error.strerror}); name another folder.") from error


@cache
def _tell_of_skipped(folder: Path, names: tuple[str, ...]) -> None:
    """Log what of a folder is not read: once, however often a command asks for its files."""
    if names:
        more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
        shown = ", ".join(map(repr, names[:_SHOWN_NAMES]))
        logger.info("%s: not read, as sub-folders and other suffixes are not: %s%s", folder, shown, more)


def _with_known_suffix(path: Path, split: Split) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise RecipeError(
            f"data.{split}={str(path)!r} ends in {path.suffix!r}; convert it to one of {', '.join(SUFFIXES)}."
        )
    return path
