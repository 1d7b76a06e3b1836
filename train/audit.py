"""The log of a run, `audit.jsonl`: who did what when, and which bytes were read and written; it does no work.

Each line holds the sha256 of the line before it, so that a line that was edited, taken out, put in or moved
breaks the chain. A chain alone cannot show that its newest lines were cut off, or that somebody wrote all of
it anew: for that, keep the digest of the newest line, which `python -m train audit` prints, elsewhere.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from runtime.errors import DataError, ProtectionError, UsageError
from runtime.manifest import file_digest
from train.artifact import now, versions
from train.config import Recipe
from train.data.sources import find_source
from train.protection import private_directory
from train.recipe import expanded
from train.run import RunDirectory
from train.section import Split

AUDIT_NAME = "audit.jsonl"
BEGINNING = "0" * 64
"""What stands for the digest of the line before the first one."""

_COLUMNS = ("time", "user", "command", "exit")
_SHOWN_DIGITS = 12

_FILES = ("read", "wrote")
_NO_LOG = "run `python -m train finetune` or another command first"


class RecordedError(DataError):
    """A failure whose line, which names the files of the command, is in the log already."""


class Log(NamedTuple):
    """The events of a log in order, how many lines a crash tore, and the digest of the newest line."""

    events: list[dict[str, Any]]
    torn: int
    head: str


def run(recipe: Recipe) -> str:
    """Return the log of the run as a table, once every line was found to follow the one before it.

    Below each command stand its files with the first digits of their digests, whole ones being in the log.

    Raises
    ------
    UsageError
        There is no log yet.
    ProtectionError
        A line was changed, taken out, put in or moved.
    """
    path = RunDirectory.of(recipe).root / AUDIT_NAME
    if not path.is_file():
        raise UsageError(f"{path} does not exist; {_NO_LOG}.")
    log = verify(path)
    rows = [_COLUMNS, *map(_row, log.events)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    header, *table = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    lines = [header]
    for line, event in zip(table, log.events, strict=True):
        lines += [line, *_files(event)]
    torn = f", and {log.torn} that a crash tore" if log.torn else ""
    return "\n".join([*lines, f"{len(log.events)} lines in order{torn}; the newest has sha256 {log.head}"])


def record(
    command: str, recipe: Recipe, read: Sequence[Path] = (), wrote: Sequence[Path] = (), exit_status: int = 0
) -> None:
    """Append one line to the log of the run: what a command read and wrote, as it is now.

    Parameters
    ----------
    command : str
        Name of the command.
    recipe : Recipe
        Its settings; the log holds their digest.
    read, wrote : sequence of Path
        Files, by their sha256, or folders, by the sha256 of the names and digests of the files in them; what
        does not exist any more has none.
    exit_status : int
        How the command ended.
    """
    path = RunDirectory.of(recipe).root / AUDIT_NAME
    private_directory(path.parent)
    event = {
        "time": now(),
        "user": _user(),
        "host": socket.gethostname(),
        "command": command,
        "recipe": hashlib.sha256(recipe.model_dump_json().encode()).hexdigest(),
        "read": {str(place): _digest(place) for place in read},
        "wrote": {str(place): _digest(place) for place in wrote},
        "versions": versions(),
        "exit": exit_status,
    }
    with _locked(path) as file:
        _append(file, event)


def data_files(recipe: Recipe, *splits: Split) -> list[Path]:
    """Return the files with the labelled rows of these splits; those of a hub and the sample have none."""
    data = recipe.labelled()
    sources = [find_source(data, split) for split in splits if getattr(data, split) is not None]
    return [path for source in sources if isinstance(source, list) for path in source]


def base_model(name: str) -> list[Path]:
    """Return the folder of a base model, if it is one here."""
    return [path for path in [expanded(name)] if path.is_dir()]


def verify(path: Path) -> Log:
    """Read a log, whose every line must follow the one before it.

    Raises
    ------
    ProtectionError
        The log cannot be read, or a line does not; the message names the first.
    """
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ProtectionError(f"{path} cannot be read ({error.strerror}); {_NO_LOG}.") from error
    log, is_torn = Log([], 0, BEGINNING), False
    for number, line in enumerate(lines, start=1):
        event = _event(line)
        if event is None and not is_torn:  # whether a crash did it, the next line knows
            log, is_torn = Log(log.events, log.torn + 1, _sha256(line)), True
        elif event is None or event.get("previous") != log.head or (is_torn and not event.get("after_torn")):
            raise _broken(path, number - is_torn)
        else:
            log.events.append(event)
            log, is_torn = Log(log.events, log.torn, _sha256(line)), False
    if is_torn:  # it has its line break, so something was written over it
        raise _broken(path, len(lines))
    return Log(log.events, log.torn + bool(rest), log.head)


def _broken(path: Path, number: int) -> ProtectionError:
    return ProtectionError(
        f"{path} line {number} is not what followed the line before it: the log was changed; "
        "compare it with a copy."
    )


def _append(file: BinaryIO, event: dict[str, Any]) -> None:
    """Write an event after the last line; one that a crash tore gets its end and a place in the chain."""
    file.seek(0)
    *lines, rest = file.read().split(b"\n")
    last = rest or (lines[-1] if lines else None)
    linked = {"previous": BEGINNING if last is None else _sha256(last), "after_torn": bool(rest)} | event
    line = json.dumps(linked, ensure_ascii=False).encode()
    file.write(b"\n" * bool(rest) + line + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return (
        found
        if isinstance(found, dict) and all(_is_digests(found.get(kind, {})) for kind in _FILES)
        else None
    )


def _is_digests(found: object) -> bool:
    """Tell whether this is what a line holds of files: a digest, or none, for each name."""
    return isinstance(found, dict) and all(isinstance(digest, str | None) for digest in found.values())


def _row(event: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_printable(str(event.get(name, "?"))) for name in _COLUMNS)


def _files(event: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each file; the path stands last, where one that is long moves nothing."""
    for kind in _FILES:
        for name, digest in event.get(kind, {}).items():
            yield f"  {kind:5}  {(digest or '-')[:_SHOWN_DIGITS]:{_SHOWN_DIGITS}}  {_printable(name)}"


def _printable(name: str) -> str:
    """Return a path whose line breaks and other controls cannot write lines that are not in the log."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in name)


def _digest(path: Path) -> str | None:
    if path.is_dir():
        files = sorted(found for found in path.rglob("*") if found.is_file())
        listing = "".join(f"{file_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    return file_digest(path) if path.exists() else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an id without a name, as in containers
        return str(os.getuid())


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open a log for appending, for one process at a time; only its owner may read it."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a+b") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield file
