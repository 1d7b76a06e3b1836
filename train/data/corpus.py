"""Files of unlabelled text become clean documents, some of them held out; it knows no tokens and no model."""

from __future__ import annotations

import gzip
import hashlib
import logging
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runtime.errors import DataError, RecipeError, nearest
from train.data.dedup import normalised, originals
from train.data.encodings import likely_encoding, with_byte_order_mark
from train.data.prose import CLEANERS, Document, fence_after
from train.data.sections import CorpusSection, DataSection
from train.recipe import expanded, nearest_path

__all__ = ["Corpus", "Document", "corpus_files", "load_corpus", "read_documents", "times_of"]

_PACKED: dict[str, Callable[..., AbstractContextManager[IO[str]]]] = {
    "": open,
    ".xz": lzma.open,
    ".gz": gzip.open,
}
_PLAIN = (".txt", ".md")
_SUFFIXES = tuple(plain + packed for plain in _PLAIN for packed in _PACKED)
_LONGEST_CODE = 500
"""Lines after which a code block counts as never closed."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]")
_MOST_UNPRINTABLE = 0.01
_LOOKED_AT = 1 << 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """Documents to learn from, others only to evaluate on, and how many of what was read and dropped."""

    learned: list[Document]
    held_out: list[Document]
    counts: dict[str, int]


def load_corpus(corpus: CorpusSection) -> Corpus:
    """Read, clean, deduplicate and split the corpus of a recipe.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file is not text of the declared encoding, or nothing is left.
    """
    counts: Counter[str] = Counter(documents=0, paragraphs=0, characters=0)
    documents: list[Document] = []
    ends: list[int] = []
    for name in corpus.files:
        documents += filter(None, _cleaned(read_documents([name], corpus.encoding), corpus, counts))
        ends.append(len(documents))
    sides = [_is_held_out(document, corpus.held_out) for document in documents]
    kept = _without_repeats(documents, corpus, counts)
    held_out = [document for document, out in zip(kept, sides, strict=True) if document and out]
    learned = [
        document
        for name, start, end in zip(corpus.files, [0, *ends[:-1]], ends, strict=True)
        for _ in range(times_of(name)[1])  # a file after itself, so that its repeats stand far apart
        for document, out in zip(kept[start:end], sides[start:end], strict=True)
        if document and not out
    ]
    for name, part in (("learned", learned), ("held_out", held_out)):
        counts[f"{name}_documents"] = len(part)
        counts[f"{name}_paragraphs"] = sum(map(len, part))
        counts[f"{name}_characters"] = sum(len(text) for document in part for text in document)
    if not learned:
        raise DataError(f"corpus.files leave nothing to learn from: {_told(counts)}; give more text.")
    logger.info("corpus: %s", _told(counts))
    return Corpus(learned, held_out, dict(counts))


def corpus_files(corpus: CorpusSection) -> list[Path]:
    """Return every file that the corpus is read from, those to exclude too, in order.

    Raises
    ------
    RecipeError
        A file or folder does not exist.
    """
    found: list[Path] = []
    for setting, given in (("files", corpus.files), ("exclude", corpus.exclude)):
        for path, _ in (_place(name, setting) for name in given):
            found += _files_of(path, setting) if path.is_dir() else [path]
    return found


def times_of(name: str) -> tuple[str, int]:
    """Take an entry of corpus.files apart: the file, and how often a pass learns it."""
    file, _, times = name.rpartition("*")
    if file and times.isdecimal() and int(times) and not expanded(name).exists():
        return file, int(times)
    return name, 1


def read_documents(given: Sequence[str], encoding: str, setting: str = "files") -> Iterator[Document]:
    """Yield the documents of files, in order and as they stand; `setting` of the recipe named them.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file is not text of the declared encoding.
    """
    for name in given:
        path, column = _place(name, setting)
        if column is not None:
            yield from _column_documents(path, column, encoding, setting)
            continue
        for file in _files_of(path, setting) if path.is_dir() else [path]:
            yield from _file_documents(file, encoding)


def _place(name: str, setting: str) -> tuple[Path, str | None]:
    """Take FILE or FILE#COLUMN apart and check what can be checked without reading."""
    from train.data.formats import READERS

    name, _ = times_of(name)
    path, column = expanded(name), None
    if "#" in name and not path.exists():
        file, _, column = name.rpartition("#")
        path = expanded(file)
    allowed = _SUFFIXES if column is None else tuple(READERS)
    if not path.exists():
        raise RecipeError(
            f"corpus.{setting} names {str(path)!r}, which does not exist; {nearest_path(path)}."
        )
    if path.is_dir() and column is None:
        return path, None
    if column is None and path.suffix.lower() in READERS and path.suffix.lower() not in _PLAIN:
        raise RecipeError(f"corpus.{setting} names the table {path} without a column; write {path}#COLUMN.")
    if not path.is_file() or not path.name.lower().endswith(allowed):
        raise RecipeError(
            f"corpus.{setting} names {name!r}, which is no file ending in {', '.join(allowed)}; convert it."
        )
    return path, column


def _files_of(folder: Path, setting: str) -> list[Path]:
    files = sorted(
        path for path in folder.rglob("*") if path.name.lower().endswith(_SUFFIXES) and path.is_file()
    )
    if not files:
        raise RecipeError(
            f"corpus.{setting} names the folder {folder}, which holds no file ending in "
            f"{', '.join(_SUFFIXES)}; add one."
        )
    return files


def _file_documents(path: Path, encoding: str) -> Iterator[Document]:
    """Yield what stands between blank lines, a block of code in one piece; of Markdown, the whole file."""
    whole = _without_packing(path).suffix.lower() == ".md"
    document: list[str] = []
    fence: str | None = None
    code_lines = 0
    for line in _lines(path, encoding):
        fence = fence_after(line, fence) if code_lines < _LONGEST_CODE else None
        code_lines = code_lines + 1 if fence else 0
        if line.strip():
            document.append(line.rstrip())
        elif document and not fence and not whole:
            yield tuple(document)
            document = []
    if document:
        yield tuple(document)


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file, unpacked and decoded, as long as they look like text."""
    characters = unprintable = 0
    try:
        with _opened(path, "rt", encoding=with_byte_order_mark(encoding)) as file:
            for line in file:
                characters += len(line)
                unprintable += len(_UNPRINTABLE.findall(line))
                if characters > _LOOKED_AT:
                    _check_printable(path, unprintable, characters)
                if "\0" in line:
                    raise _no_text(path)
                yield line
    except UnicodeDecodeError:
        raise _undecodable(path, encoding) from None
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} cannot be unpacked ({error}); pack it again.") from error
    _check_printable(path, unprintable, characters)


def _opened(path: Path, mode: str, **options: str) -> AbstractContextManager[IO]:  # type: ignore[type-arg]
    packed = path.name.removeprefix(_without_packing(path).name).lower()
    return _PACKED[packed](path, mode, **options)


def _without_packing(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in _PACKED else path


def _check_printable(path: Path, unprintable: int, characters: int) -> None:
    if unprintable > _MOST_UNPRINTABLE * characters:
        raise _no_text(path)


def _no_text(path: Path) -> DataError:
    return DataError(f"{path} is not text; take it out of corpus.files, or convert it to plain text.")


def _undecodable(path: Path, encoding: str) -> DataError:
    """Return the error that names the line and the offset, after unpacking, of what does not decode."""
    with _opened(path, "rb") as file:
        content = file.read()
    if b"\0" in content and not encoding.startswith(("utf-16", "utf-32")):
        return _no_text(path)
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        other = likely_encoding(content, encoding)
        remedy = f'set corpus.encoding="{other}", or save it' if other else "save it"
        line = content.count(b"\n", 0, error.start) + 1
        return DataError(
            f"{path} line {line} is not {encoding}: byte 0x{content[error.start]:02x} "
            f"at offset {error.start}; {remedy} as UTF-8."
        )
    raise AssertionError(f"{path} decodes as {encoding}")


def _column_documents(path: Path, column: str, encoding: str, setting: str) -> Iterator[Document]:
    """Yield one document per row: the value of a column, cut into paragraphs at its line breaks."""
    from train.data.formats import READERS

    read = READERS[path.suffix.lower()]
    section = DataSection(train=str(path), text=f"column {column}", encoding=encoding)
    try:
        table = read(path, section)
    except DataError as error:
        raise DataError(str(error).replace("data.", "corpus.")) from error
    name = _column_name(path, column, table.columns, setting)
    if name not in table.columns:  # the first row is no header
        columns = tuple(f"column {number + 1}" for number in range(len(table.columns)))
        table = read(path, section.model_copy(update={"columns": columns}))
    for record in table.records:
        value = record.values.get(name)
        lines = "" if value is None or value != value else str(value)  # noqa: PLR0124 - a gap in a table is NaN
        document = tuple(line.strip() for line in lines.splitlines() if line.strip())
        if document:
            yield document


def _column_name(path: Path, column: str, columns: Sequence[str], setting: str) -> str:
    """Return the column that a name, or a number from 1, stands for; a number in csv and tsv: no header."""
    delimited = path.suffix.lower() in (".csv", ".tsv", ".txt")
    if column.isdecimal() and 1 <= int(column) <= len(columns) and (delimited or column not in columns):
        return f"column {int(column)}" if delimited else columns[int(column) - 1]
    if column in columns:
        return column
    raise RecipeError(
        f"corpus.{setting} names column {column!r} of {path}, which has {len(columns)} columns; "
        f"{nearest(column, columns)}"
    )


def _cleaned(
    documents: Iterable[Document], corpus: CorpusSection, counts: Counter[str]
) -> Iterator[Document]:
    """Apply the steps of the recipe; count what comes in and what each step drops."""
    steps = [(f"dropped_{name}", CLEANERS[name]) for name in corpus.cleaners]
    counts.update({name: 0 for name, _ in steps})
    for document in documents:
        counts["documents"] += 1
        counts["paragraphs"] += len(document)
        counts["characters"] += sum(map(len, document))
        for name, step in steps:
            before = len(document)
            document = step(document) if document else document  # noqa: PLW2901
            counts[name] += before - len(document)
        yield document


def _without_repeats(
    documents: Sequence[Document], corpus: CorpusSection, counts: Counter[str]
) -> list[Document]:
    """Return the documents without the paragraphs that are excluded or stood earlier; some become empty."""
    excluded = _excluded(corpus)
    paragraphs = [text for document in documents for text in document]
    first = originals([*excluded, *paragraphs], corpus.near_duplicates or None, known=len(excluded))
    own = range(len(excluded), len(first))
    is_excluded = first[len(excluded) :] < len(excluded)
    is_repeated = ~is_excluded & (first[len(excluded) :] != own) & (corpus.near_duplicates > 0)
    counts["dropped_excluded"] = int(is_excluded.sum())
    counts["dropped_duplicates"] = int(is_repeated.sum())
    kept = iter((~(is_excluded | is_repeated)).tolist())
    return [tuple(text for text in document if next(kept)) for document in documents]


def _excluded(corpus: CorpusSection) -> list[str]:
    """Return the excluded texts, as they stand and as the steps leave them."""
    documents = list(read_documents(corpus.exclude, corpus.encoding, "exclude"))
    cleaned = _cleaned(documents, corpus, Counter())
    texts = (text for document in (*documents, *cleaned) for text in document)
    return list({normalised(text): text for text in texts}.values())


def _is_held_out(document: Document, share: float) -> bool:
    """Decide by the text alone, so that no other document changes the side."""
    digest = hashlib.blake2b("\n".join(document).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
