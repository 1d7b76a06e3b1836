from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from train.data.rows import Row
from train.report.evaluation import Evaluation, Mistake, confusions, print_table, write_errors, write_html


def evaluation(
    labels: tuple[str, ...] = ("a", "b", "c"), matrix: list[list[int]] | None = None
) -> Evaluation:
    counts = matrix or [[5, 2, 0], [1, 7, 0], [0, 3, 4]]
    return {
        "split": "test",
        "rows": 22,
        "accuracy": 0.7273,
        "accuracy_interval": (0.5, 0.9),
        "macro_f1": 0.7111,
        "macro_f1_interval": (0.4, 0.8),
        "confidence": 0.95,
        "truncated_rows": 3,
        "classes": {
            label: {"precision": 0.1, "recall": 0.2, "f1": 0.3, "support": sum(row)}
            for label, row in zip(labels, counts, strict=True)
        },
        "confusion": counts,
        "data": [{"path": "test.csv", "sha256": "0" * 64, "rows": 22}],
        "weights": "f" * 64,
        "backend": "torch",
        "precision": "fp32",
    }


def mistake(text: str, score: float = 0.9) -> Mistake:
    return Mistake(Row(text, None, "a", "test.csv", 7, 9), "b", score, 0.05)


def test_confusions_come_by_frequency_and_leave_out_what_is_right() -> None:
    assert confusions(evaluation()) == [("c", "b", 3), ("a", "b", 2), ("b", "a", 1)]


def test_the_page_shows_every_label_figure_and_mistake(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(path, evaluation(), [mistake("第一"), mistake("第二")])
    page = path.read_text(encoding="utf-8")
    assert "Accuracy 0.7273 (0.5000 to 0.9000 at 95%)" in page
    for cell in ("第一", "第二", "test.csv row 7 (line 9)", "2 rows got a wrong label", "3 texts were cut"):
        assert cell in page
    numbers = [int(found) for found in re.findall(r"background: [^>]*>(\d+)", page)]
    assert numbers == [5, 2, 0, 1, 7, 0, 0, 3, 4]


def test_texts_cannot_become_markup(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(path, evaluation(("<b>", "b", "c")), [mistake("<script>alert(1)</script>")])
    page = path.read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_a_page_without_mistakes_says_so(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(path, evaluation(matrix=[[5, 0, 0], [0, 7, 0], [0, 0, 4]]), [])
    page = path.read_text(encoding="utf-8")
    assert "0 rows got a wrong label" in page
    assert "Most frequent confusions" not in page


def test_many_labels_are_shown_as_confusions_instead_of_a_matrix(tmp_path: Path) -> None:
    labels = tuple(f"label {i}" for i in range(40))
    matrix = [[3 if i == j else int(j == i + 1) for j in range(40)] for i in range(40)]
    write_html(tmp_path / "report.html", evaluation(labels, matrix), [])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Confusion matrix" not in page
    assert "label 39" in page


def test_the_file_of_errors_opens_in_spreadsheets_and_keeps_texts(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    write_errors(path, [mistake('多行\n"引号", 逗号')])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert found[0]["text"] == '多行\n"引号", 逗号'
    assert (found[0]["row"], found[0]["predicted"], found[0]["label_score"]) == ("7", "b", "0.0500")


def test_the_table_has_a_line_per_label(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(evaluation(("[red]a", "b", "c")))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "accuracy 0.7273 (0.5000 to 0.9000 at 95%)" in captured.err
    lines = [line for line in captured.err.splitlines() if "0.1000" in line]
    assert len(lines) == 3
    assert "[red]a" in lines[0]
