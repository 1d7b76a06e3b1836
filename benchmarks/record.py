"""Writes what a benchmark found as JSON; it knows no benchmark."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).with_name("results")


def write(name: str, content: dict[str, object], folder: Path = FOLDER) -> Path:
    """Write `<timestamp>-<name>.json` and return its path."""
    now = datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}-{name}.json"
    text = json.dumps({"benchmark": name, "time": now.isoformat(timespec="seconds"), **content}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    return path
