"""Tells which byte of a file is not of its declared encoding, and what the file seems to be instead."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable
from pathlib import Path

from charset_normalizer import from_bytes

from runtime.errors import DataError

_CHINESE = {"gb2312", "gbk", "hz"}
_LOOKED_AT_BYTES = 1 << 16
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\f\r\x1b")
_MOST_CONTROLS = 0.01
_PIECE_BYTES = 1 << 20


def with_byte_order_mark(encoding: str) -> str:
    """Return the encoding that also skips the byte order mark which spreadsheets put before UTF-8."""
    return "utf-8-sig" if encoding == "utf-8" else encoding


def encoding_error(path: Path, encoding: str, others: Iterable[Path] = ()) -> DataError:
    """Return the error that names file, row, byte offset and the fix for a file that does not decode.

    `others` are the text files that are read in the same encoding; where they differ from this file, another
    setting would only move the error to them.
    """
    content = path.read_bytes()
    try:
        content.decode(with_byte_order_mark(encoding))
    except UnicodeDecodeError as error:
        # The codec that skips a byte order mark counts offsets without it.
        skipped = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) and encoding == "utf-8" else 0
        offset = error.start + skipped
        before = content[: error.start].decode(encoding, errors="replace")
        row = _rows(path, before)
        if _is_binary(content, encoding):
            return DataError(f"{path} row {row} is no text but binary; give csv, tsv, jsonl or parquet.")
        return DataError(
            f"{path} row {row} is not {encoding}: byte 0x{content[offset]:02x} "
            f"at offset {offset}; {_remedy(content, encoding, others)}"
        )
    raise AssertionError(f"{path} decodes as {encoding}")


def _rows(path: Path, text: str) -> int:
    """Return the number of the row in which `text` ends."""
    if path.suffix.lower() == ".csv":
        return max(1, sum(1 for _ in csv.reader(io.StringIO(text + "?", newline=""))))
    return text.count("\n") + 1


def likely_encoding(content: bytes, encoding: str) -> str | None:
    """Return the encoding that content which is not of `encoding` seems to have, None where nothing does."""
    guess = from_bytes(content[:_LOOKED_AT_BYTES]).best()
    name = codecs.lookup(guess.encoding).name if guess else None
    if name in _CHINESE:
        name = "gb18030"
    return None if name in (encoding, "ascii") else name


def _is_binary(content: bytes, encoding: str) -> bool:
    """Tell pictures, archives and spreadsheets from text in another encoding."""
    start = content[:_LOOKED_AT_BYTES]
    controls = len(start) - len(start.translate(None, _CONTROLS))
    if controls <= _MOST_CONTROLS * len(start):
        return False
    return not (likely_encoding(content, encoding) or "").startswith(("utf_16", "utf-16", "utf-32"))


def _remedy(content: bytes, encoding: str, others: Iterable[Path]) -> str:
    name = likely_encoding(content, encoding)
    for other in others:
        if _is_written_in(other, encoding):
            if encoding == "utf-8":
                return f"{other} is, so save this file as UTF-8 too and leave data.encoding as it is."
            return f"{other} is, so save this file as {encoding} too, or all files as UTF-8."
        if name is not None and not _decodes(other, name):
            return f"{other} is not {name}, so save all files as UTF-8."
    if name is None:
        return "save the file as UTF-8."
    return f'set data.encoding="{name}", or save the file as UTF-8.'


def _is_written_in(path: Path, encoding: str) -> bool:
    """Tell whether a file, with more than ASCII in it, is of an encoding; UTF-8 may pass for many others."""
    if _decodes(path, "ascii") or not _decodes(path, with_byte_order_mark(encoding)):
        return False
    return encoding.startswith("utf") or not _decodes(path, "utf-8")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True
