"""The list of rows to relabel: written for a spreadsheet, read back from one; it judges no label."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from runtime.errors import DataError, UsageError, nearest
from train.data.formats import LONGEST_FIELD
from train.data.rows import SHOWN_PROBLEMS, Row, refuse
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
_ROW = re.compile(r"\d{1,18}")
_DIGEST_LENGTH = 16

Place = tuple[str, int]
"""File and number of a row."""

Changes = Mapping[Place, str | None]
"""Place → new label; None where the row is to go."""


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


def check_drop_word(drop_word: str, labels: Sequence[str]) -> None:
    """Refuse a word that drops rows and is a label, or that no cell of a list can hold.

    Raises
    ------
    UsageError
        It is.
    """
    if drop_word in labels or drop_word != drop_word.strip():
        raise UsageError(
            f"noise.drop_word={drop_word!r} is a label or begins or ends with a blank; set it to a word that "
            "is none of the labels."
        )


def read_corrections(path: Path, labels: Sequence[str], drop_word: str) -> list[Correction]:
    """Read the lines of a list that have a new label, however a spreadsheet saved it.

    Raises
    ------
    UsageError
        There is no such file, or a label is called like the word that drops a row.
    DataError
        It is no such list, no line has a new label, or one has none of the known ones.
    """
    check_drop_word(drop_word, labels)
    found: list[Correction] = []
    problems: list[str] = []
    for number, fields in enumerate(_lines(path), start=2):
        wanted = (fields["new_label"] or "").strip()
        if not wanted:
            continue
        if wanted != drop_word and wanted not in labels:
            told = len(problems) < SHOWN_PROBLEMS  # a search among thousands of labels takes its time
            suggestion = f" ({nearest(wanted, [*labels, drop_word])})" if told else ""
            problems.append(f"{path} row {number} has the unknown new_label {wanted[:40]!r}{suggestion}")
        elif not _ROW.fullmatch((fields["row"] or "").strip()):
            problems.append(f"{path} row {number} has no row number")
        else:
            place = (_unharmed(fields["file"] or ""), int(fields["row"] or ""))
            label = None if wanted == drop_word else wanted
            found.append(Correction(number, place, (fields["digest"] or "").strip(), label))
    refuse(problems, f"correct them; a row to drop has {drop_word!r} as new_label")
    if not found:
        raise DataError(
            f"{path} has no new_label filled in; write a label, or {drop_word!r} where the row is to go."
        )
    return found


def changes_of(
    path: Path, corrections: Sequence[Correction], rows: Sequence[Row], listed: Sequence[Row]
) -> dict[Place, str | None]:
    """Return place → new label of the rows that corrections give another one.

    Parameters
    ----------
    path : Path
        Of the list, for messages.
    corrections : sequence of Correction
    rows : sequence of Row
        As they are read; it is their places that are returned.
    listed : sequence of Row
        The same rows at the places that the list names. Several may share one: an augmented row has that of
        the row it was made from, and another text.

    Raises
    ------
    DataError
        A row is not there or has another text than when the list was written, or two lines disagree.
    """
    places = {(row.file, row.number) for row in listed}
    meant: dict[tuple[Place, str], list[Row]] = {}
    for row, shown in zip(rows, listed, strict=True):
        meant.setdefault(((shown.file, shown.number), digest_of(row)), []).append(row)
    changes: dict[Place, str | None] = {}
    problems = []
    for correction in corrections:
        place, where = correction.place, f"{path} row {correction.line}"
        named = f"{place[0]} row {place[1]}"
        found = meant.get((place, correction.digest), [])
        if place not in places:
            problems.append(f"{where} names {named}, which is no training row of this recipe")
        elif not found:
            problems.append(f"{where} names {named}, which has another text now")
        labels = {changes.setdefault((row.file, row.number), correction.label) for row in found}
        if labels - {correction.label}:
            problems.append(f"{where} gives {named} a second new_label")
    refuse(problems, "use the list that `python -m train noise` wrote for these rows, each row once")
    return _real(changes, rows)


def _real(changes: Changes, rows: Iterable[Row]) -> dict[Place, str | None]:
    """Leave out the rows whose new label is the one that they have."""
    given = {(row.file, row.number): row.label for row in rows}
    return {place: label for place, label in changes.items() if label != given[place]}


def relabelled(rows: Iterable[Row], changes: Changes) -> list[Row]:
    """Return the rows with their new labels, without those that are to go."""
    wanted = ((row, changes.get((row.file, row.number), row.label)) for row in rows)
    return [replace(row, label=label) for row, label in wanted if label is not None]


def relabelled_batches(batches: Iterable[pa.RecordBatch], changes: Changes) -> Iterator[pa.RecordBatch]:
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
    labels = (_harmless(row.label), _harmless(suspect.suggested))
    issue = "yes" if suspect.is_issue else "no"
    return (
        *(rank, _harmless(row.file), row.number, *texts, *labels, *confidences),
        *(issue, "", digest_of(row)),
    )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unharmed(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def filled_in(path: Path) -> int:
    """Return how many lines of a list have a new label; of what is no list, 0."""
    try:
        return sum(bool((fields["new_label"] or "").strip()) for fields in _lines(path))
    except (UsageError, DataError):
        return 0


def _lines(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"noise.apply={str(path)!r} is no regular file; name the list itself.")
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
    csv.field_size_limit(LONGEST_FIELD)
    try:
        missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(
                f"{path} has no column {', '.join(missing)}; fill in the list that `python -m train "
                "noise` wrote, and keep its header."
            )
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
