"""Files as they lie there: encoding, line ends, delimiter, quotes, columns; it reads no row's meaning."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
from typing_extensions import TypedDict, override

from runtime.errors import DataError
from train.data.checks.batch import Batch
from train.data.checks.finding import Check, Examination, Mask, Note, Sightings, counted
from train.data.encodings import with_byte_order_mark
from train.data.rows import tables_of
from train.section import Split

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Suffix of a text file whose rows have fields → what separates them."""

_TEXT = {*DELIMITERS, ".jsonl", ".json"}
_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_RENAMED = {",": ".csv", "\t": ".tsv"}
_PIECE_BYTES = 1 << 22
_HEAD_BYTES = 1 << 16
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MANY_QUOTED = 0.2

Bytes = Literal["ascii", "utf-8", "other"]
"""What the bytes of a file are, whatever its encoding is declared to be."""


class FileFigures(TypedDict):
    """What the reports tell of a file; `line_ends` counts each kind, and is empty where nothing is a line."""

    path: str
    bytes: int
    encoding: str | None
    byte_order_mark: bool
    line_ends: dict[str, int]
    columns: list[str]
    rows: int


@dataclass(slots=True)
class _LineEnds:
    """Counts of line ends, and the first line that ends otherwise than the first one, from 1."""

    counts: dict[bytes, int] = field(default_factory=dict)
    changes: int | None = None
    _lines: int = 0

    def add(self, piece: bytes) -> None:
        """Count the line ends of a piece that does not end between CR and LF."""
        both = piece.count(b"\r\n")
        found = {b"\r\n": both, b"\n": piece.count(b"\n") - both, b"\r": piece.count(b"\r") - both}
        if self.changes is None and len({*self.counts, *(end for end, count in found.items() if count)}) > 1:
            first = next(iter(self.counts), None)
            for number, end in enumerate(_LINE_END.findall(piece), start=self._lines + 1):
                first = first or end
                if end != first:
                    self.changes = number
                    break
        for end, count in found.items():
            if count:
                self.counts[end] = self.counts.get(end, 0) + count
        self._lines += sum(found.values())


class Files(Check):
    """Wrongly declared encodings, mixed line ends, and folders whose files differ."""

    sees_unusable = True
    reads_texts = False

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._figures: dict[Split, dict[str, FileFigures]] = {}
        self._misread: list[tuple[Split, str]] = []
        self._other: str | None = None
        self._changes: dict[tuple[Split, str], tuple[int, int]] = {}

    @override
    def examine(self, split: Split, path: Path) -> None:
        """Read a file's bytes once, and its header.

        Raises
        ------
        DataError
            Its fields are separated otherwise than its name says.
        RecipeError
            It lacks a column.
        """
        is_text = path.suffix.lower() in _TEXT
        if is_text:
            refuse_other_delimiter(path, self.data.columns or self._needed(), self.data.encoding)
        _, table = next(tables_of(self.data, [path]))
        ends, content = _scan(path) if is_text else (_LineEnds(), "ascii")
        if content == "utf-8" and not self.data.encoding.startswith("utf"):
            self._misread.append((split, str(path)))
        if content == "other":
            self._other = self._other or str(path)
        if ends.changes is not None and _keeps_line_ends(self.data.encoding):
            self._changes[split, str(path)] = (ends.changes, 1)
        self._figures.setdefault(split, {})[str(path)] = {
            "path": str(path),
            "bytes": path.stat().st_size,
            "encoding": self.data.encoding if is_text else None,
            "byte_order_mark": is_text and _begins_with(path, codecs.BOM_UTF8),
            "line_ends": _named_ends(ends) if is_text and _keeps_line_ends(self.data.encoding) else {},
            "columns": list(table.columns),
            "rows": 0,
        }

    @override
    def accumulate(self, batch: Batch) -> None:
        """Count the rows of each file, and find the row in which its line ends change."""
        known = self._figures.get(batch.split, {})
        if batch.file in known:
            known[batch.file]["rows"] += len(batch)
        line, _ = self._changes.get((batch.split, batch.file), (0, 0))
        before = int(np.searchsorted(batch.integers("line"), line, side="right"))
        if line and before:
            self._changes[batch.split, batch.file] = (line, int(batch.numbers[before - 1]))

    @override
    def findings(self) -> Iterator[Note]:
        """Tell of encodings, line ends and columns."""
        yield from self._wrong_encoding()
        for (split, file), (line, row) in self._changes.items():
            ends = self._figures[split][file]["line_ends"]
            counts = ", ".join(f"{count:,} {name}" for name, count in ends.items())
            yield Note(
                "mixed_line_ends",
                f"has line ends of several kinds ({counts}); line {line} is the first that ends otherwise",
                "save the file again with one kind of line end",
                split,
                Sightings(sum(ends.values()) - max(ends.values()), file, [row]),
            )
        yield from self._different_columns()

    @override
    def figures(self) -> Mapping[Split, Mapping[str, Any]]:
        """Return what is known of every file."""
        return {split: {"files": list(files.values())} for split, files in self._figures.items()}

    def _wrong_encoding(self) -> Iterator[Note]:
        """Tell of files that are UTF-8; the setting helps where all are, as it is one for all."""
        encoding, fix = self.data.encoding, ""
        settings = {"data.encoding": "utf-8"} if self._other is None else {}
        if self._other is not None:
            fix = f"save it as {encoding} too, like {self._other}, or all files as UTF-8"
        what = f"decodes as {encoding}, as declared, but every byte of it is valid UTF-8"
        for split, file in self._misread:
            yield Note("wrong_encoding", what, fix, split, Sightings(1, file, []), settings=settings)

    def _needed(self) -> tuple[str, ...]:
        names = (self.data.text, self.data.label, self.data.text_pair, self.data.group)
        return tuple(name for name in names if name is not None)

    def _different_columns(self) -> Iterator[Note]:
        for split, files in self._figures.items():
            first, *others = files.values()
            odd = [one for one in others if sorted(one["columns"]) != sorted(first["columns"])]
            if odd:
                yield Note(
                    "different_columns",
                    f"has the columns {_listed(odd[0]['columns'])}, while {first['path']} has "
                    f"{_listed(first['columns'])}",
                    f"take files that do not belong together out of data.{split}, or name the one file",
                    split,
                    Sightings(len(odd), odd[0]["path"], [1]),
                )


class QuotedFields(Check):
    """Quotes around the fields of a tab-separated file, where they have no meaning and become text."""

    sees_unusable = True
    reads_texts = False

    def __init__(self, examination: Examination) -> None:
        super().__init__(examination)
        self._rows: dict[tuple[Split, str], int] = {}
        self._seen: dict[tuple[Split, str], Sightings] = {}
        self._doubled: set[tuple[Split, str]] = set()

    @override
    def accumulate(self, batch: Batch) -> None:
        """Look at the ends of texts of files whose quotes mean nothing."""
        if DELIMITERS.get(Path(batch.file).suffix.lower()) != "\t":
            return
        place = (batch.split, batch.file)
        self._rows[place] = self._rows.get(place, 0) + len(batch)
        texts = batch.rows.column("text")
        ends = pc.and_(pc.starts_with(texts, pattern='"'), pc.ends_with(texts, pattern='"'))
        quoted: Mask = pc.and_(ends, pc.greater(pc.utf8_length(texts), 1)).to_numpy(zero_copy_only=False)
        self._seen.setdefault(place, Sightings()).add(batch, quoted)
        if quoted.any() and pc.any(pc.match_substring(texts.filter(quoted), pattern='""')).as_py():
            self._doubled.add(place)

    @override
    def findings(self) -> Iterator[Note]:
        """Tell of files with many quoted fields, or with doubled quotes inside of them."""
        for place, seen in self._seen.items():
            if seen.count > _MANY_QUOTED * self._rows[place] or place in self._doubled:
                yield Note(
                    "quoted_fields",
                    f"{counted(seen.count, 'text')} in quotes, which a tab-separated file does not take "
                    "away: they become part of the text",
                    "save the file as csv, in which quotes have a meaning, or without them",
                    place[0],
                    seen,
                )


def refuse_other_delimiter(path: Path, columns: tuple[str, ...], encoding: str) -> None:
    """Refuse a file whose first row has the wanted columns only when it is cut at another delimiter.

    Raises
    ------
    DataError
        Names both delimiters and what to do.
    """
    own = DELIMITERS.get(path.suffix.lower())
    head = _head(path, encoding)
    if own is None or not head or set(columns) <= set(_fields(head, own)):
        return
    for other, name in _NAMES.items():
        if other != own and set(columns) <= set(_fields(head, other)):
            raise DataError(
                f"{path} row 1 is separated by {name}, but a file ending in {path.suffix} by "
                f"{_NAMES[own]}; {_new_name(path, other, own)}."
            )


def _new_name(path: Path, other: str, own: str) -> str:
    if other in _RENAMED:
        return f"rename it to {path.with_suffix(_RENAMED[other]).name}"
    return f"save it again with {_NAMES[own]}"


def _head(path: Path, encoding: str) -> str:
    """Return the first line; nothing where it does not decode, which the reader will tell."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    decoder = codecs.getincrementaldecoder(with_byte_order_mark(encoding))()
    try:
        return (decoder.decode(start).splitlines() or [""])[0]
    except UnicodeDecodeError:
        return ""


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _scan(path: Path) -> tuple[_LineEnds, Bytes]:
    """Return the line ends of a file, and what its bytes are."""
    ends, decoder, is_utf8, ascii_only = _LineEnds(), codecs.getincrementaldecoder("utf-8")(), True, True
    waiting = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            ascii_only = ascii_only and piece.isascii()
            try:
                if is_utf8:
                    decoder.decode(piece)
            except UnicodeDecodeError:
                is_utf8 = False
            # A line end that two pieces share is one.
            piece = waiting + piece
            waiting = b"\r" if piece.endswith(b"\r") else b""
            ends.add(piece.removesuffix(waiting))
    ends.add(waiting)
    return ends, "ascii" if ascii_only else "utf-8" if is_utf8 else "other"


def _begins_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def _keeps_line_ends(encoding: str) -> bool:
    """Tell whether line ends are the bytes of ASCII, as in everything but UTF-16 and UTF-32."""
    return "\r\n".encode(encoding.removesuffix("-sig")) == b"\r\n"


def _named_ends(ends: _LineEnds) -> dict[str, int]:
    names = {b"\n": "LF", b"\r\n": "CRLF", b"\r": "CR"}
    return {name: ends.counts[end] for end, name in names.items() if end in ends.counts}


def _listed(columns: list[str]) -> str:
    return ", ".join(repr(name[:40]) for name in columns)
