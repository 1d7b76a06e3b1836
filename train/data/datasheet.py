"""The datasheet of a prepared folder, for programs and for people; it measures nothing.

What it should tell follows Gebru and others 2018, "Datasheets for Datasets". What no program can know, it
lists as not known.
"""

from __future__ import annotations

import platform
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runtime.files import stored
from train.config import Recipe
from train.data.allocation import parts_of
from train.data.ledger import Ledger, Sources
from train.data.prepared import DATASHEET, DROPPED, MARKDOWN, columns_of, digest_of, file_of
from train.report.card import markdown_template
from train.run import write_json
from train.section import SPLITS, Split

FORMAT = 1

_SECTIONS = ("data", "prepare", "privacy")
_PACKAGES = ("pyarrow", "datasets", "datasketch", "numpy")
_SHOWN_LABELS = 50

NOT_KNOWN = (
    "who wrote the texts, when, and whether they agreed to this use",
    "how and by whom the labels were given, and how often two people would agree on them",
    "whether the rows resemble what the model will be asked",
    "whether personal data are left that no pattern finds, such as a person told by the story alone",
)
"""What no program can know of a data set."""


@dataclass(frozen=True)
class Preparation:
    """What happened to the rows of a recipe."""

    recipe: Recipe
    normalizers: tuple[str, ...]
    ledger: Ledger
    sources: Mapping[Split, Sources]
    shares: Mapping[Split, float]
    """Of the splits that were cut from train."""
    capped: int
    """Rows whose text was compared with only some of its candidates."""


def write_datasheet(folder: Path, prepared: Preparation) -> dict[str, Any]:
    """Describe the finished files of a folder beside them, in JSON and Markdown, and return what it says."""
    content = describe(folder, prepared)
    write_json(folder / DATASHEET, content)
    (folder / MARKDOWN).write_text(markdown(content), encoding="utf-8")
    return content


def describe(folder: Path, prepared: Preparation) -> dict[str, Any]:
    """Return the datasheet; equal rows and settings give an equal one, which is why it has no date."""
    ledger, recipe = prepared.ledger, prepared.recipe
    separator = recipe.prepare.label_separator
    return {
        "format": FORMAT,
        "files": _files(folder, ledger),
        "columns": list(columns_of(recipe.labelled())),
        "normalizers": list(prepared.normalizers),
        "sources": {split: sources.files() for split, sources in prepared.sources.items()},
        "rows": {
            "in": _by_split(ledger.rows_in),
            "out": _by_split(ledger.rows_out),
            "dropped": ledger.dropped.total(),
        },
        "steps": ledger.by_step(),
        "dropped": [
            {"split": split, "step": step, "reason": reason, "rows": rows}
            for (split, step, reason), rows in sorted(
                ledger.dropped.items(), key=lambda entry: (ledger.steps.index(entry[0][1]), entry[0])
            )
        ],
        "samples": _samples(prepared),
        "labels": {
            "before": {split: _labels(counts, separator) for split, counts in ledger.labels_in.items()},
            "after": {split: _labels(counts, separator) for split, counts in ledger.labels_out.items()},
        },
        "personal_data": {
            "mode": recipe.privacy.mode,
            "found": dict(sorted(ledger.note.found.items())),
        },
        "cut_from_train": dict(prepared.shares),
        "compared_in_part": prepared.capped,
        "settings": recipe.model_dump(mode="json", include=set(_SECTIONS)),
        "versions": _versions(),
        "licences": list(recipe.prepare.licences),
        "not_known": list(NOT_KNOWN),
    }


def markdown(content: Mapping[str, Any]) -> str:
    """Return a datasheet as a page for people."""
    counts = content["labels"]["after"]
    labels = sorted({label for split in counts.values() for label in split})
    shown = sorted(labels, key=lambda label: -counts["train"].get(label, 0))[:_SHOWN_LABELS]
    return markdown_template("datasheet.md.jinja").render(
        sheet=content, splits=list(counts), labels=sorted(shown), more_labels=len(labels) - len(shown)
    )


def print_counts(content: Mapping[str, Any]) -> None:
    """Print what each step did, and how many rows each split has, on standard error."""
    console = Console(stderr=True)
    table = Table(title="rows")
    for name in ("step", "rows", "changed", "dropped"):
        table.add_column(name, justify="left" if name == "step" else "right", overflow="fold")
    for count in content["steps"]:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in count.values()))
    table.add_section()
    for split, rows in content["rows"]["out"].items():
        table.add_row(split, f"{rows:,}")
    console.print(table)


def _files(folder: Path, ledger: Ledger) -> dict[str, dict[str, Any]]:
    rows: dict[Path, int] = {file_of(folder, split): count for split, count in ledger.rows_out.items()}
    rows[folder / DROPPED] = ledger.dropped.total()
    found: dict[str, dict[str, Any]] = {}
    for path, count in rows.items():
        written = stored(folder, path.name)
        found[written.name] = {"sha256": digest_of(written), "rows": count}
    return found


def _samples(prepared: Preparation) -> dict[str, list[dict[str, str]]]:
    """Return changed texts; none beside rows that are encrypted, as a datasheet is not."""
    if prepared.recipe.protection.encrypt:
        return {}
    return {
        step: [{"before": before, "after": after} for before, after in samples]
        for step, samples in prepared.ledger.note.samples.items()
    }


def _by_split(counts: Mapping[Split, int]) -> dict[str, int]:
    return {split: counts[split] for split in SPLITS if split in counts}


def _labels(counts: Mapping[str, int], separator: str | None) -> dict[str, int]:
    """Return how many rows have each label, sorted by name; a row with several counts for each."""
    found: Counter[str] = Counter()
    for name, rows in counts.items():
        for label in parts_of(name, separator):
            found[label] += rows
    return dict(sorted(found.items()))


def _versions() -> dict[str, str]:
    """Return the versions that decide what becomes of rows."""
    return {
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        **{name: version(name) for name in _PACKAGES},
    }
