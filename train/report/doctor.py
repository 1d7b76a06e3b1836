"""What the doctor found, for people and for programs: a table, a page and a file; it judges no row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NotRequired

from rich.console import Console
from rich.table import Table
from rich.text import Text
from typing_extensions import TypedDict

from train.data.checks.files import FileFigures
from train.data.checks.finding import Finding, counted
from train.data.checks.lengths import Distribution, TokenFigures
from train.data.checks.repeats import PAIRED
from train.data.checks.scripts import ScriptFigures
from train.report.doctor_plots import histogram, label_bars, script_bars
from train.report.evaluation import environment
from train.run import private_file, write_json

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_CODE = re.compile(r"[a-z_]+\.[a-z_]+=")


class SplitFigures(TypedDict):
    """Numbers of a split; each check adds its own, where there is something to count."""

    rows: int
    usable_rows: int
    files: NotRequired[list[FileFigures]]
    labels: NotRequired[int]
    label_counts: NotRequired[dict[str, int]]
    characters: NotRequired[Distribution]
    tokens: NotRequired[TokenFigures]
    scripts: NotRequired[ScriptFigures]
    personal: NotRequired[dict[str, int]]


class Diagnosis(TypedDict):
    """What `doctor.json` holds; findings are sorted, the errors first.

    `errors` and `warnings` count kinds of findings: one that is in several splits is one. `commands` are to
    be run in order; they apply the settings of all findings but the infos.
    """

    errors: int
    warnings: int
    findings: list[Finding]
    commands: list[str]
    splits: dict[str, SplitFigures]
    base_model: str
    max_length: int
    near_duplicates: float
    seconds: float


def print_findings(diagnosis: Diagnosis) -> None:
    """Print every finding to standard error."""
    console = Console(stderr=True, markup=False, highlight=False)
    rows = ", ".join(f"{found['rows']:,} {split}" for split, found in diagnosis["splits"].items())
    console.print(f"looked at {rows} rows in {diagnosis['seconds']:.0f} s")
    if not diagnosis["findings"]:
        console.print("nothing is wrong with them")
        return
    folder = folder_of(diagnosis)
    if folder:
        console.print(f"files lie in {folder}", soft_wrap=True)
    table = Table(show_lines=True)
    table.add_column("severity")
    table.add_column("finding")
    table.add_column("what, where, and what to do", overflow="fold")
    for group in grouped(diagnosis["findings"]):
        severity = Text(group[0]["severity"], style=_STYLES[group[0]["severity"]])
        lines = [line for finding in group for line in _lines(finding, folder) if line]
        lines += [f"→ {fix}" for fix in dict.fromkeys(finding["fix"] for finding in group)]
        table.add_row(severity, group[0]["check"], Text("\n".join(lines)))
    console.print(table)
    if diagnosis["commands"]:
        console.print(
            "what commands can mend of this, these do:"
            if len(diagnosis["commands"]) > 1
            else "what a command can mend of this, this one does:"
        )
    for command in diagnosis["commands"]:
        console.print(f"  {command}", soft_wrap=True)


def write_reports(numbers: Path, page: Path, diagnosis: Diagnosis) -> None:
    """Write the file for programs and the page for people, each beside its place and then renamed."""
    text = page_of(diagnosis)
    write_json(numbers, diagnosis)
    with private_file(page) as beside:
        beside.write_text(text, encoding="utf-8")


def page_of(diagnosis: Diagnosis) -> str:
    """Return the page, which needs no other file."""
    splits = diagnosis["splits"]
    templates = environment(autoescape=True)
    templates.filters["shortened"] = shortened
    templates.filters["counted"] = counted
    templates.tests["in_pairs"] = lambda example: PAIRED in example
    return templates.get_template("doctor.html.jinja").render(
        diagnosis=diagnosis,
        findings=grouped(diagnosis["findings"]),
        folder=folder_of(diagnosis),
        place_of=place_of,
        is_code=lambda fix: _CODE.match(fix) is not None,
        labels=label_bars({name: found.get("label_counts", {}) for name, found in splits.items()}),
        label_numbers={name: found.get("labels", 0) for name, found in splits.items()},
        histograms={
            name: histogram(*_lengths(found)) for name, found in splits.items() if "characters" in found
        },
        scripts=script_bars({name: found["scripts"] for name, found in splits.items() if "scripts" in found}),
        kinds=_kinds([found.get("personal", {}) for found in splits.values()]),
        has_files=any(found.get("files") for found in splits.values()),
    )


def grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Put together what one check found in several splits."""
    return [list(group) for _, group in groupby(findings, key=lambda finding: finding["check"])]


def place_of(finding: Finding) -> str:
    """Name the file of a finding and its first rows, and tell how many more there are."""
    if finding["file"] is None:
        return ""
    rows = finding["rows"]
    if not rows:
        return finding["file"]
    more = finding["count"] - len(rows)
    named = f"{finding['file']} row{'s' * (len(rows) > 1)} {', '.join(f'{row:,}' for row in rows)}"
    return f"{named} and {more:,} more" if more > 0 else named


def folder_of(diagnosis: Diagnosis) -> str:
    """Return the folder that all files have in common, so that it need not be repeated; "" without one."""
    files = {file["path"] for found in diagnosis["splits"].values() for file in found.get("files", [])}
    folders = {str(Path(file).parent) for file in files}
    return folders.pop() if len(folders) == 1 and folders != {"."} else ""


def shortened(text: str, folder: str) -> str:
    """Return a text in which files have no folder."""
    return text.replace(f"{folder}/", "") if folder else text


def _lines(finding: Finding, folder: str) -> tuple[str, str]:
    split = f"{finding['split']}: " if finding["split"] else ""
    return split + shortened(finding["what"], folder), shortened(place_of(finding), folder)


def _lengths(found: SplitFigures) -> tuple[Distribution, int | None, int]:
    """Return what is drawn of a split: tokens with the limit, or characters without one; and its rows."""
    if "tokens" in found:
        return found["tokens"]["distribution"], found["tokens"]["max_length"], found["usable_rows"]
    return found["characters"], None, found["usable_rows"]


def _kinds(counts: Sequence[dict[str, int]]) -> list[str]:
    return list(dict.fromkeys(kind for found in counts for kind in found))
