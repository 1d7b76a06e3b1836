"""The list of rows to relabel: written for a spreadsheet, read back from one; it judges no label."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from runtime.errors import DataError, UsageError, nearest
from train.data.rows import Row, refuse
from train.data.stream import SCHEMA
from train.run import private_file

COLUMNS = (
    *("rank", "file", "row", "text", "text_pair", "label", "suggested"),
    *("label_confidence", "suggested_confidence", "issue", "new_label", "digest"),
)
NEEDED = ("file", "row", "new_label", "digest")
"""Columns that must come back; the others may have gone."""

_DELIMITERS = ",;\t"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PREFIX = "sha256:"
_DIGEST_LENGTH = 16

Place = tuple[str, int]
"""File and number of a row."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row, what the model takes for its label, and the probabilities of that and of the given label.

    `is_issue` tells that the label is taken for wrong, not only for one of the less certain.
    """

    row: Row
    suggested: str
    label_confidence: float
    suggested_confidence: float
    is_issue: bool


@dataclass(frozen=True, slots=True)
class Correction:
    """What a line of the list asks for: `label` is None where the row is to go."""

    line: int
    place: Place
    digest: str
    label: str | None


def write_suspects(path: Path, suspects: Iterable[Suspect]) -> None:
    """Write the list, the most suspicious row first, whole or not at all; only the owner may read it.

    The byte order mark lets spreadsheets read the text as UTF-8. A text that a spreadsheet would take for a
    formula has an apostrophe before it: texts come from strangers.
    """
    with private_file(path) as beside, beside.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for rank, suspect in enumerate(suspects, start=1):
            writer.writerow(_fields(rank, suspect))


def digest_of(row: Row) -> str:
    """Return what tells a text, or a pair, from others; a prefix keeps spreadsheets from seeing a number."""
    content = json.dumps([row.text, row.text_pair], ensure_ascii=False).encode()
    return _PREFIX + hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]


def read_corrections(path: Path, labels: Sequence[str], drop_word: str) -> list[Correction]:
    """Read the lines of a list that have a new label, however a spreadsheet saved it.

    Raises
    ------
    UsageError
        There is no such file, or a label is called like the word that drops a row.
    DataError
        It is no such list, no line has a new label, or one has none of the known ones.
    """
    if drop_word in labels:
        raise UsageError(
            f"noise.drop_word={drop_word!r} is also a label; set it to a word that is none of the labels."
        )
    found, problems = [], []
    for number, fields in enumerate(_lines(path), start=2):
        wanted = (fields["new_label"] or "").strip()
        if not wanted:
            continue
        if wanted != drop_word and wanted not in labels:
            suggestion = nearest(wanted, [*labels, drop_word])
            problems.append(f"{path} row {number} has the unknown new_label {wanted[:40]!r} ({suggestion})")
        elif not (fields["row"] or "").strip().isdecimal():
            problems.append(f"{path} row {number} has no row number")
        else:
            place = (fields["file"] or "", int(fields["row"] or ""))
            label = None if wanted == drop_word else wanted
            found.append(Correction(number, place, (fields["digest"] or "").strip(), label))
    refuse(problems, f"correct them; a row to drop has {drop_word!r} as new_label")
    if not found:
        raise DataError(
            f"{path} has no new_label filled in; write a label, or {drop_word!r} where the row is to go."
        )
    return found


def changes_of(path: Path, corrections: Sequence[Correction], rows: Iterable[Row]) -> dict[Place, str | None]:
    """Return place → new label of the rows that corrections name.

    Raises
    ------
    DataError
        A row is not there or has another text than when the list was written, or two lines disagree.
    """
    digests = {(row.file, row.number): digest_of(row) for row in rows}
    changes: dict[Place, str | None] = {}
    problems = []
    for correction in corrections:
        place, where = correction.place, f"{path} row {correction.line}"
        named = f"{place[0]} row {place[1]}"
        if place not in digests:
            problems.append(f"{where} names {named}, which is no training row of this recipe")
        elif digests[place] != correction.digest:
            problems.append(f"{where} names {named}, which has another text now")
        elif changes.setdefault(place, correction.label) != correction.label:
            problems.append(f"{where} gives {named} a second new_label")
    refuse(problems, "use the list that `python -m train noise` wrote for these rows, each row once")
    return changes


def relabelled(rows: Iterable[Row], changes: Mapping[Place, str | None]) -> list[Row]:
    """Return the rows with their new labels, without those that are to go."""
    wanted = ((row, changes.get((row.file, row.number), row.label)) for row in rows)
    return [replace(row, label=label) for row, label in wanted if label is not None]


def relabelled_batches(
    batches: Iterable[pa.RecordBatch], changes: Mapping[Place, str | None]
) -> Iterator[pa.RecordBatch]:
    """Yield batches of `train.data.stream.SCHEMA` with the new labels, without the rows that are to go."""
    column = SCHEMA.get_field_index("label")
    for batch in batches:
        places = zip(batch["file"].to_pylist(), batch["number"].to_pylist(), strict=True)
        labels = pa.array(
            [
                changes.get(place, label)
                for place, label in zip(places, batch["label"].to_pylist(), strict=True)
            ],
            pa.string(),
        )
        kept = labels.is_valid()
        new = batch.set_column(column, pa.field("label", pa.string()), labels)
        yield new.filter(kept).cast(SCHEMA)


def _fields(rank: int, suspect: Suspect) -> tuple[object, ...]:
    row = suspect.row
    confidences = (f"{suspect.label_confidence:.4f}", f"{suspect.suggested_confidence:.4f}")
    texts = (_harmless(row.text), _harmless(row.text_pair or ""))
    issue = "yes" if suspect.is_issue else "no"
    return (
        *(rank, row.file, row.number, *texts, row.label, suspect.suggested, *confidences),
        *(issue, "", digest_of(row)),
    )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"noise.apply={str(path)!r} cannot be read ({error.strerror}); "
            "name the list that `python -m train noise` wrote."
        ) from error
    text = _decoded(path, content)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}; fill in the list that `python -m train "
            "noise` wrote, and keep its header."
        )
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(
            f"{path} row {reader.line_num} is malformed ({error}); save it as csv again."
        ) from error


def _decoded(path: Path, content: bytes) -> str:
    """Decode what spreadsheets save: UTF-8, UTF-16 with a mark, or the encoding of Chinese Windows."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} is neither UTF-8, UTF-16 nor GB 18030; save it as csv in UTF-8.")
