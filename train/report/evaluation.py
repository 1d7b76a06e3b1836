"""The evaluation for people: a table on the terminal, a page, and a file of errors; it measures nothing."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

from train.data.rows import DataFile, Row
from train.metrics import ClassFigures

_MOST_COLUMNS = 30
_SHOWN_MISTAKES = 50
_SHOWN_CONFUSIONS = 20


class Evaluation(TypedDict):
    """What `metrics.json` holds; `confusion[i][j]` counts rows of label i that were given label j."""

    split: Literal["test", "dev"]
    rows: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    confidence: float
    truncated_rows: int
    classes: dict[str, ClassFigures]
    confusion: list[list[int]]
    data: list[DataFile]
    weights: str
    backend: str
    precision: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row that got another label, with the probabilities of that label and of the right one."""

    row: Row
    predicted: str
    score: float
    label_score: float


class Confusion(NamedTuple):
    """How many rows of one label were given another."""

    expected: str
    predicted: str
    rows: int


def print_table(evaluation: Evaluation) -> None:
    """Print the figures of every label and of the whole to standard error."""
    table = Table(title=f"{evaluation['rows']} {evaluation['split']} rows")
    table.add_column("label")
    for name in ("precision", "recall", "F1", "rows"):
        table.add_column(name, justify="right")
    for label, found in evaluation["classes"].items():
        figures = (f"{found[name]:.4f}" for name in ("precision", "recall", "f1"))
        table.add_row(label, *figures, str(found["support"]))
    console = Console(stderr=True, markup=False, highlight=False)
    console.print(table)
    console.print(f"accuracy {_with_interval(evaluation, 'accuracy')}")
    console.print(f"macro-F1 {_with_interval(evaluation, 'macro_f1')}")


def write_errors(path: Path, mistakes: Sequence[Mistake]) -> None:
    """Write one line per mistake; the byte order mark lets spreadsheets read the text as UTF-8."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "row", "text", "text_pair", "label", "predicted", "score", "label_score"])
        for found in mistakes:
            row = found.row
            scores = (f"{found.score:.4f}", f"{found.label_score:.4f}")
            pair = row.text_pair or ""
            writer.writerow([row.file, row.number, row.text, pair, row.label, found.predicted, *scores])


def write_html(path: Path, evaluation: Evaluation, mistakes: Sequence[Mistake]) -> None:
    """Write one page that needs no other file."""
    template = environment(autoescape=True).get_template("evaluation.html.jinja")
    text = template.render(
        evaluation=evaluation,
        accuracy=_with_interval(evaluation, "accuracy"),
        macro_f1=_with_interval(evaluation, "macro_f1"),
        labels=list(evaluation["classes"]),
        draw_matrix=len(evaluation["classes"]) <= _MOST_COLUMNS,
        confusions=confusions(evaluation)[:_SHOWN_CONFUSIONS],
        mistakes=mistakes[:_SHOWN_MISTAKES],
        mistake_count=len(mistakes),
    )
    path.write_text(text, encoding="utf-8")


def confusions(evaluation: Evaluation) -> list[Confusion]:
    """Return which labels were taken for which, the most frequent first."""
    labels = list(evaluation["classes"])
    found = [
        Confusion(labels[expected], labels[predicted], count)
        for expected, counts in enumerate(evaluation["confusion"])
        for predicted, count in enumerate(counts)
        if count and expected != predicted
    ]
    return sorted(found, key=lambda confusion: -confusion.rows)


def environment(*, autoescape: bool) -> Environment:
    """Return the templates of this package; a name that a template misspells is an error."""
    return Environment(
        loader=PackageLoader("train.report", "templates"),
        autoescape=autoescape,  # noqa: S701 - Markdown is not HTML; the page asks for escaping
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _with_interval(evaluation: Evaluation, name: Literal["accuracy", "macro_f1"]) -> str:
    low, high = evaluation["accuracy_interval" if name == "accuracy" else "macro_f1_interval"]
    return f"{evaluation[name]:.4f} ({low:.4f} to {high:.4f} at {evaluation['confidence']:.0%})"
