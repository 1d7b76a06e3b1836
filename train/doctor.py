"""`doctor`: reads the data as they are and reports what is wrong with them; it changes no row.

The checks, and which of their findings are errors, stand in `train.data.checks.CHECKS`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from train import audit
from train.config import Recipe
from train.data.checks import CHECKS, finding_of, kinds_of_checks
from train.data.checks.batch import Batch
from train.data.checks.commands import commands
from train.data.checks.finding import Check, Examination, Finding, counted
from train.data.sections import DataSection
from train.data.sources import find_source
from train.data.stream import read_batches
from train.phases import phase
from train.report.doctor import Diagnosis, SplitFigures, print_findings, write_reports
from train.run import RunDirectory
from train.section import SPLITS, Split

SWAPPED = "swapped_columns"
"""Where the text is the label, what there is to say about texts is noise."""

_SEVERITIES = ("error", "warning", "info")


def run(recipe: Recipe) -> Path:
    """Look at every row of every split, write `doctor.json` and `doctor.html`, and return the page.

    A table goes to standard error.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file cannot be read, and nothing is written; or the rows have errors, and both reports are.
    """
    directory = RunDirectory.of(recipe)
    diagnosis = diagnose(recipe)
    print_findings(diagnosis)
    write_reports(directory.doctor, directory.doctor_page, diagnosis)
    wrote = [directory.doctor, directory.doctor_page]
    audit.record("doctor", recipe, audit.data_files(recipe, *SPLITS), wrote, 1 if diagnosis["errors"] else 0)
    if diagnosis["errors"]:
        raise audit.RecordedError(
            f"{counted(diagnosis['errors'], 'error')} and {counted(diagnosis['warnings'], 'warning')} "
            f"in the data of this recipe; see {directory.doctor_page}."
        )
    return directory.doctor_page


def diagnose(recipe: Recipe, kinds: Sequence[type[Check]] | None = None) -> Diagnosis:
    """Return everything that the checks find, the errors first; `kinds` are those of the table if not given.

    Raises
    ------
    RecipeError
        A file or column does not exist.
    DataError
        A file cannot be read.
    """
    started, data = time.monotonic(), recipe.labelled()
    with tempfile.TemporaryDirectory(prefix="bentobert-doctor-") as folder:
        examination = Examination(recipe, data, Path(folder))
        checks = [kind(examination) for kind in (kinds_of_checks() if kinds is None else kinds)]
        _open(data, checks)
        rows = _read(data, checks)
        findings = [finding_of(note) for check in checks for note in check.findings()]
        figures: dict[str, SplitFigures] = {split: _figures(split, rows, checks) for split in rows}
    if any(finding["check"] == SWAPPED for finding in findings):
        findings = [finding for finding in findings if not CHECKS[finding["check"]].check.reads_texts]
    findings.sort(key=_order)
    # What one check finds in several splits is one error, as the reports show it.
    found = [severity for severity, _ in {(finding["severity"], finding["check"]) for finding in findings}]
    return {
        "errors": found.count("error"),
        "warnings": found.count("warning"),
        "findings": findings,
        "commands": commands(recipe, findings),
        "splits": figures,
        "base_model": recipe.finetune.base_model,
        "max_length": recipe.finetune.max_length,
        "near_duplicates": recipe.doctor.near_duplicates,
        "seconds": round(time.monotonic() - started, 1),
    }


def _places(data: DataSection) -> Iterator[tuple[Split, Path]]:
    """Yield every file of every split; the sample and the hub have none."""
    for split in SPLITS:
        source = find_source(data, split) if getattr(data, split) is not None else []
        if isinstance(source, list):
            yield from ((split, path) for path in source)


def _open(data: DataSection, checks: Sequence[Check]) -> None:
    """Show every file to the checks, before hours go into the rows of the first one."""
    places = list(_places(data))
    with phase("opening files") as report:
        for number, (split, path) in enumerate(places, start=1):
            for check in checks:
                check.examine(split, path)
            report(number, len(places))


def _read(data: DataSection, checks: Sequence[Check]) -> dict[Split, tuple[int, int]]:
    """Show every row to the checks, and return of each split the number of rows and of usable ones."""
    rows: dict[Split, tuple[int, int]] = {}
    for split in SPLITS:
        if getattr(data, split) is None:
            continue
        seen = usable = 0
        with phase(f"looking at {split}") as report:
            for found in read_batches(data, split):
                batch = Batch(split, found)
                for check in checks:
                    shown = batch if check.sees_unusable else batch.usable_rows
                    if len(shown):
                        check.accumulate(shown)
                seen, usable = seen + len(batch), usable + len(batch.usable_rows)
                report(seen, 0)
        rows[split] = (seen, usable)
    return rows


def _figures(split: Split, rows: dict[Split, tuple[int, int]], checks: Sequence[Check]) -> SplitFigures:
    seen, usable = rows[split]
    figures: SplitFigures = {"rows": seen, "usable_rows": usable}
    for check in checks:
        figures.update(check.figures().get(split, {}))  # type: ignore[typeddict-item]
    return figures


def _order(finding: Finding) -> tuple[int, int, int]:
    """Errors first, then the order of the table, then that of the splits."""
    split = finding["split"]
    return (
        _SEVERITIES.index(finding["severity"]),
        list(CHECKS).index(finding["check"]),
        -1 if split is None else SPLITS.index(split),
    )
