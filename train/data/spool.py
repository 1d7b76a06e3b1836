"""Batches on disk between two phases, as Arrow files that are mapped into memory; it knows no columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, overload

import pyarrow as pa

_AT_ONCE = 10_000


class SpoolWriter:
    """Appends batches of one schema to a file; `close` ends it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.rows = path, 0
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch; one without rows leaves no trace."""
        if len(batch):
            self._writer.write_batch(batch)
            self.rows += len(batch)

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Spool:
    """What a `SpoolWriter` wrote; its pages are in memory only while they are looked at."""

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as source:
            self.table: pa.Table = pa.ipc.open_file(source).read_all()

    def __len__(self) -> int:
        return len(self.table)

    def batches(self, rows_at_once: int = _AT_ONCE) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the number of its first row, from 0, and each batch, in order."""
        start = 0
        for batch in self.table.to_batches(max_chunksize=rows_at_once):
            yield start, batch
            start += len(batch)


class Texts(Sequence[str]):
    """A column of text as a sequence of str that exist only while they are used."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                found: list[str] = self._column.slice(start, max(0, stop - start)).to_pylist()
                return found
            return [self[at] for at in range(start, stop, step)]
        text: str = self._column[index if index >= 0 else index + len(self)].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]
