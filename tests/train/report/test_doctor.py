from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from train.data.checks import CHECKS
from train.data.checks.finding import Finding
from train.data.checks.lengths import Distribution
from train.report.doctor import (
    Diagnosis,
    grouped,
    page_of,
    place_of,
    print_findings,
    shortened,
    write_reports,
)

COMMAND = """.venv/bin/python -m train prepare 'my data.toml' 'prepare.conflicts="drop"'"""


def finding(**changes: object) -> Finding:
    found: Finding = {
        "check": "duplicates",
        "severity": "warning",
        "split": "train",
        "file": "data/train.csv",
        "rows": [3, 1200],
        "count": 5,
        "what": "5 of 40 training rows",
        "why": "they weigh more",
        "fix": 'prepare.conflicts="drop"',
        "settings": {"prepare.conflicts": "drop"},
        "by_prepare": True,
        "examples": ["data/train.csv row 3 is like data/train.csv row 2"],
    }
    return found | changes  # type: ignore[return-value]


def distribution(counts: list[int]) -> Distribution:
    return {"mean": 2.0, "quantiles": {"50%": 2}, "longest": 3, "width": 1, "counts": counts}


def diagnosis(*findings: Finding) -> Diagnosis:
    return {
        "errors": sum(one["severity"] == "error" for one in findings),
        "warnings": sum(one["severity"] == "warning" for one in findings),
        "findings": list(findings),
        "commands": [COMMAND] if findings else [],
        "splits": {
            "train": {
                "rows": 41,
                "usable_rows": 40,
                "files": [
                    {
                        "path": "data/train.csv",
                        "bytes": 1234,
                        "encoding": "utf-8",
                        "byte_order_mark": True,
                        "line_ends": {"LF": 42},
                        "columns": ["text", "label"],
                        "rows": 41,
                    }
                ],
                "labels": 2,
                "label_counts": {"正面": 30, "<b>负面": 10},
                "characters": distribution([0, 1, 38, 1]),
                "tokens": {
                    "distribution": distribution([0, 0, 0, 1, 38, 1]),
                    "max_length": 4,
                    "truncated_rows": 1,
                    "unknown_share": 0.01,
                },
                "scripts": {
                    "characters": {"han": 80, "latin": 1},
                    "simplified_rows": 12,
                    "traditional_rows": 1,
                    "emoji_rows": 0,
                },
                "personal": {"mobile": 3},
            }
        },
        "base_model": "bert-mini-chinese",
        "max_length": 4,
        "near_duplicates": 0.7,
        "seconds": 1.5,
    }


def test_the_page_tells_every_finding_and_figure() -> None:
    page = page_of(
        diagnosis(finding(), finding(check="leakage", severity="error", split="test", examples=[]))
    )
    for part in (
        "These data cannot be trusted yet",
        "5 of 40 training rows",
        "They weigh more.",
        "train.csv rows 3, 1,200 and 3 more",
        "<code>prepare.conflicts=&#34;drop&#34;</code>",
        f"<code>{html.escape(COMMAND).replace('&quot;', '&#34;').replace('&#x27;', '&#39;')}</code>",
        "train.csv row 3 is like train.csv row 2",
        "正面",
        "finetune.max_length = 4",
        "1 text (2.5%) loses its end",
        "utf-8 with byte order mark",
        "12 rows in simplified",
        "0 rows with emoji",
        "<title>Doctor: 1 error, 1 warning</title>",
        "the first pair<",
        "mobile",
    ):
        assert part in page, part
    assert 'class="card error"' in page
    assert 'class="card warning"' in page


def test_the_page_needs_nothing_else_and_lets_no_text_become_markup() -> None:
    page = page_of(diagnosis(finding(what="<script>alert(1)</script>", examples=["<img src=x>"])))
    assert not re.search(r"<[^>]*(?:src|href)=|url\(|@import|https?://|<script|<link|<img|<b>负面", page)
    assert "&lt;script&gt;" in page


def test_a_page_without_findings_says_so() -> None:
    page = page_of(diagnosis())
    assert "Nothing is wrong with these data" in page
    assert "<p>None.</p>" in page
    nothing = diagnosis() | {"splits": {"train": {"rows": 1, "usable_rows": 0}}}
    assert "<svg" not in page_of(nothing)  # type: ignore[arg-type]


def test_the_file_holds_the_diagnosis(tmp_path: Path) -> None:
    found = diagnosis(finding())
    write_reports(tmp_path / "doctor.json", tmp_path / "doctor.html", found)
    assert json.loads((tmp_path / "doctor.json").read_text(encoding="utf-8")) == found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doctor.html", "doctor.json"]
    assert (tmp_path / "doctor.html").read_text(encoding="utf-8") == page_of(found)
    assert (tmp_path / "doctor.html").stat().st_mode & 0o077 == 0


def test_the_schema_of_the_file_is_stable() -> None:
    adapter = TypeAdapter(with_config(ConfigDict(extra="forbid"))(Diagnosis))
    adapter.validate_python(diagnosis(finding()), strict=True)
    with pytest.raises(ValidationError):
        adapter.validate_python(diagnosis() | {"more": 1})
    assert set(Finding.__annotations__) == set(finding())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, "data/train.csv rows 3, 1,200 and 3 more"),
        ({"rows": [3], "count": 1}, "data/train.csv row 3"),
        ({"rows": [], "count": 1}, "data/train.csv"),
        ({"file": None, "rows": []}, ""),
    ],
)
def test_a_place_names_file_rows_and_how_many_more(changes: dict[str, object], place: str) -> None:
    assert place_of(finding(**changes)) == place
    assert shortened(place, "data") == place.removeprefix("data/")


def test_findings_of_one_check_stand_together() -> None:
    findings = [finding(split=split) for split in ("train", "dev")]
    assert [len(group) for group in grouped([*findings, finding(check="leakage")])] == [2, 1]


def test_the_table_names_severity_check_place_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(diagnosis(finding()))
    captured = capsys.readouterr()
    assert captured.out == ""
    for part in (
        "warning",
        "duplicates",
        "train.csv rows 3, 1,200",
        "→ prepare.conflicts",
        "files lie in data",
        f"this one does:\n  {COMMAND}\n",
    ):
        assert part in captured.err
    print_findings(diagnosis())
    clean = capsys.readouterr().err
    assert "nothing is wrong" in clean
    assert "command" not in clean


def test_a_command_stays_on_one_line_however_narrow_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = f"{COMMAND} {' '.join(f'data.text=column_{at}' for at in range(20))}"
    print_findings(diagnosis(finding()) | {"commands": [COMMAND, long]})  # type: ignore[arg-type]
    told = capsys.readouterr().err
    assert [line.strip() for line in told.splitlines()[-2:]] == [COMMAND, long]
    assert "what commands can mend" in told


def test_counts_of_one_are_singular_on_the_page() -> None:
    found = diagnosis(finding())
    figures = found["splits"]["train"]
    figures["rows"] = figures["usable_rows"] = 1
    figures["scripts"]["simplified_rows"] = figures["scripts"]["emoji_rows"] = 1
    page = page_of(found)
    for part in ("1 row in simplified", "1 row with emoji", "</b>train row<", "0 errors, 1 warning</title>"):
        assert part in page, part
    figures["tokens"]["truncated_rows"] = 2
    assert "2 texts (200.0%) lose their ends" in page_of(found)


@pytest.mark.parametrize("name", CHECKS)
def test_every_reason_is_a_sentence_that_the_page_can_begin_with_a_capital(name: str) -> None:
    why = CHECKS[name].why
    assert why[0].islower()
    assert not why.endswith(".")
