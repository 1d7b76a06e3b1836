"""Keeps what a benchmark has measured so far, so that one that was stopped goes on; it measures nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """Figures in a file of JSON lines, each under what they depend on; without a path nothing is kept.

    A line that a stop left unfinished, or that is something else, counts for nothing.
    """

    path: Path | None = None

    def find(self, depends_on: Mapping[str, object]) -> list[Entry] | None:
        """Return the figures that were added last under `depends_on`; None where there are none."""
        wanted = _plain(depends_on)
        found = [line["figures"] for line in self._lines() if line["depends_on"] == wanted]
        return found[-1] if found else None

    def measured(
        self, depends_on: Mapping[str, object], measure: Callable[[], Iterable[Entry]]
    ) -> list[Entry]:
        """Return what is kept under `depends_on`; where there is nothing, measure it and keep that."""
        if (found := self.find(depends_on)) is None:
            found = list(measure())
            self.add(depends_on, found)
        return found

    def add(self, depends_on: Mapping[str, object], figures: Iterable[Entry]) -> None:
        """Append figures under what they depend on."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"depends_on": _plain(depends_on), "figures": list(figures)})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[Entry]:
        if self.path is None or not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(entry, dict) and entry.keys() >= {"depends_on", "figures"}:
                found.append(entry)
        return found


def digest(paths: Iterable[Path]) -> str:
    """Return the hexadecimal sha256 of the contents of files, in their order."""
    found = hashlib.sha256()
    for path in paths:
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _plain(depends_on: Mapping[str, object]) -> dict[str, object]:
    plain: dict[str, object] = json.loads(json.dumps(depends_on))
    return plain
