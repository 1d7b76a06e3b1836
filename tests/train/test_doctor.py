"""The command as a user meets it: exit statuses, sentences, files, and what an interruption leaves."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, with_config

from tests.train.data.checks.clean_rows import clean, csv_bytes
from train.__main__ import INTERRUPTED, main
from train.data.checks.labels import Labels
from train.doctor import diagnose
from train.recipe import read_recipe
from train.report.doctor import Diagnosis

Write = Callable[..., Path]


@pytest.fixture
def recipe(tmp_path: Path) -> Write:
    """Return a function that writes files, `train__csv` as train.csv, and a recipe for them."""

    def write(*settings: str, **files: bytes) -> Path:
        lines = ["[data]", *settings]
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content)
            lines.append(f'{path.stem} = "{path}"')
        lines += ["[finetune]", 'base_model = "scratch"', "max_length = 48"]
        path = tmp_path / "recipe.toml"
        path.write_text("\n".join([*lines, "[run]", f'directory = "{tmp_path / "run"}"']), encoding="utf-8")
        return path

    return write


def doctor(capsys: pytest.CaptureFixture[str], path: Path, *overrides: str) -> tuple[int, str, str]:
    status = main(["doctor", str(path), *overrides])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_clean_data_end_with_the_path_of_the_page(recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(train__csv=csv_bytes(clean()), test__csv=csv_bytes(clean(seed=1)))
    status, out, err = doctor(capsys, path)
    page = path.parent / "run" / "doctor.html"
    assert (status, out) == (0, f"{page}\n")
    assert "nothing is wrong with them" in err
    found = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(Diagnosis)).validate_python(found)
    assert {split: figures["rows"] for split, figures in found["splits"].items()} == {"train": 40, "test": 40}


def test_warnings_are_no_failure(recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = doctor(capsys, recipe(train__csv=csv_bytes([*clean(), clean()[0]])))
    assert status == 0
    assert out.endswith("doctor.html\n")
    assert "duplicates" in err


def test_errors_fail_after_both_reports_were_written(
    recipe: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(train__csv=csv_bytes([*clean(), ("", "正面"), clean()[0]]), test__csv=csv_bytes(clean(9)))
    status, out, err = doctor(capsys, path)
    page = path.parent / "run" / "doctor.html"
    assert (status, out) == (1, "")
    last = f"error: 2 errors and 1 warning in the data of this recipe; see {page}."
    assert err.splitlines()[-1] == last
    found = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert [one["check"] for one in found["findings"]] == ["empty_text", "leakage", "duplicates"]
    assert [one["severity"] for one in found["findings"]] == ["error", "error", "warning"]
    events = [
        json.loads(line) for line in (page.parent / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert events[0]["exit"] == 1
    assert str(page) in events[0]["wrote"]


def test_the_last_line_counts_what_the_reports_show(
    recipe: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = [("", "正面"), ("<b>很</b>好的一天", "负面"), *clean()]
    path = recipe(train__csv=csv_bytes(spoiled), test__csv=csv_bytes([*spoiled[:2], *clean(seed=1)]))
    _, _, err = doctor(capsys, path)
    page = path.parent / "run" / "doctor.html"
    shown = [line.split("│")[1].strip() for line in err.splitlines() if line.startswith("│")]
    counts = [shown.count(severity) for severity in ("error", "warning")]
    assert counts == [2, 1]
    assert "error: 2 errors and 1 warning " in err.splitlines()[-1]
    html = page.read_text(encoding="utf-8")
    assert [html.count(f'<div class="card {severity}">') for severity in ("error", "warning")] == counts
    found = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert len(found["findings"]) > found["errors"] + found["warnings"] == 3


ROWS = csv_bytes(clean())
SWALLOWED = csv_bytes([*clean(3), ('"很好', "正面"), *clean(5, 1)])

BESIDE = csv_bytes([('"a"b', "正面")])
GB18030 = csv_bytes(clean(), encoding="gb18030")

UNREADABLE: dict[str, tuple[int, dict[str, bytes], tuple[str, ...]]] = {
    "gb18030 in a utf-8 file": (1, {"train__csv": GB18030}, ("row 2", 'data.encoding="gb18030"')),
    "an unbalanced quote": (1, {"train__csv": SWALLOWED}, ("row 5", "quote")),
    "a quote closed too late": (1, {"train__csv": ROWS, "dev__csv": BESIDE}, ("dev.csv row 2",)),
    "a picture": (1, {"train__csv": b"\x89PNG\r\n\x1a\n" + bytes(99)}, ("row 1", "binary")),
    "an empty file": (1, {"train__csv": b""}, ("train.csv", "no rows")),
    "a header alone": (1, {"train__csv": b"text,label\n"}, ("train.csv", "no rows")),
    "an empty jsonl file": (1, {"train__jsonl": b"\n"}, ("train.jsonl", "no rows")),
    "no label column": (2, {"train__csv": b"text,labels\na,b\n"}, ("'label'", "did you mean 'labels'?")),
    "tabs in csv": (1, {"train__csv": csv_bytes(clean(), "\t")}, ("row 1", "rename it to train.tsv")),
    "a field too many": (1, {"train__csv": ROWS + b"a,b,c\n"}, ("row 42", "3 fields")),
    "no json": (1, {"train__jsonl": b'{"text": "a", "label": "b"}\n{"text": \n'}, ("row 2", "JSON")),
    "no parquet": (1, {"train__parquet": b"PAR1"}, ("train.parquet", "parquet")),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_stops_with_one_sentence_and_writes_nothing(
    name: str, recipe: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, files, parts = UNREADABLE[name]
    path = recipe(**files)
    status, out, err = doctor(capsys, path)
    (line,) = err.splitlines()
    assert (status, out) == (expected, "")
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert not (path.parent / "run").exists()


def test_a_folder_of_two_schemas_stops_before_its_rows_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.csv").write_bytes(ROWS)
    (folder / "b.csv").write_bytes(b"content,class\na,b\n")
    (tmp_path / "r.toml").write_text(f'[data]\ntrain = "{folder}"\n[run]\ndirectory = "{tmp_path / "run"}"\n')
    status, _, err = doctor(capsys, tmp_path / "r.toml", "finetune.base_model=scratch")
    assert status == 2
    assert f"no column of {folder / 'b.csv'}, which has 'content', 'class'" in err


@pytest.mark.parametrize("settings", [[], ["data.encoding=gb18030"]])
def test_a_folder_of_two_encodings_is_not_sent_round_in_circles(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.csv").write_bytes(csv_bytes(clean()))
    (folder / "b.csv").write_bytes(GB18030)
    (tmp_path / "r.toml").write_text(f'[data]\ntrain = "{folder}"\n[run]\ndirectory = "{tmp_path / "run"}"\n')
    status, _, err = doctor(capsys, tmp_path / "r.toml", "finetune.base_model=scratch", *settings)
    assert status == 1
    assert "set data.encoding" not in err
    file, other, encoding = ("a.csv", "b.csv", "gb18030") if settings else ("b.csv", "a.csv", "UTF-8")
    assert f"{folder / other} is, so save this file as {encoding} too" in err
    assert f"{folder / file} row 2 is not {encoding.lower()}" in err
    (folder / file).write_bytes((folder / other).read_bytes())
    assert doctor(capsys, tmp_path / "r.toml", "finetune.base_model=scratch", *settings)[0] == 0


def test_the_command_shown_mends_what_was_found(recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    spoiled = [*clean(), clean()[0], ("<b>很</b>好的一天", "负面"), ("我的手机号13812345678请回电", "正面")]
    path = recipe(train__csv=csv_bytes([]), test__csv=csv_bytes(clean(seed=1), encoding="gb18030"))
    given = path.with_name("given rows.csv")
    given.write_bytes(csv_bytes(spoiled, encoding="gb18030"))
    status, _, err = doctor(capsys, path, f"data.train={given}", "data.encoding=gb18030")
    assert status == 0
    (command,) = json.loads((path.parent / "run" / "doctor.json").read_text(encoding="utf-8"))["commands"]
    assert err.splitlines()[-1].strip() == command
    python, *words = shlex.split(command)
    assert Path(python).resolve() == Path(sys.executable).resolve()
    assert words[:4] == ["-m", "train", "prepare", str(path)]
    assert words[4:6] == [f"data.train={given}", "data.encoding=gb18030"]
    assert main(words[2:]) == 0
    folder = capsys.readouterr().out.strip()
    again, _, err = doctor(capsys, path, f"data.prepared={folder}")
    assert (again, "nothing is wrong with them" in err) == (0, True)


def errors_of(page: Path) -> list[tuple[str, list[int]]]:
    found = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["findings"]
    return [(one["check"], one["rows"]) for one in found if one["severity"] == "error"]


def test_a_field_of_ten_megabytes_is_an_error_with_its_row(
    recipe: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(train__csv=csv_bytes([*clean(), ("好" * 3_400_000, "正面")]))
    status, _, err = doctor(capsys, path)
    assert status == 1
    assert "has 3,400,000 characters in 'text', more than 1,000,000" in " ".join(err.replace("│", "").split())
    assert errors_of(path.parent / "run" / "doctor.html") == [("unusable_row", [42])]


@pytest.mark.slow
def test_a_hundred_thousand_labels_are_an_error(recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"第{at}行写着不同的文字", f"类{at}") for at in range(100_000)]
    path = recipe(train__csv=csv_bytes(rows))
    assert doctor(capsys, path, "doctor.near_duplicates=0")[0] == 1
    assert errors_of(path.parent / "run" / "doctor.html") == [("too_many_labels", [2, 3])]


def test_lone_carriage_returns_end_rows(recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(train__csv=csv_bytes(clean(), end="\r"))
    assert doctor(capsys, path)[0] == 0
    found = json.loads((path.parent / "run" / "doctor.json").read_text(encoding="utf-8"))
    assert found["findings"] == []
    assert found["splits"]["train"]["files"][0]["line_ends"] == {"CR": 41}


def test_where_columns_are_swapped_nothing_is_said_of_texts(
    recipe: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = csv_bytes([(label, text) for text, label in clean(60)])
    path = recipe(train__csv=swapped, test__csv=swapped)
    assert doctor(capsys, path)[0] == 1
    found = json.loads((path.parent / "run" / "doctor.json").read_text(encoding="utf-8"))
    assert [one["check"] for one in found["findings"]] == ["swapped_columns"]
    assert doctor(capsys, path, *found["findings"][0]["fix"].split(), "data.test=")[0] == 0


@pytest.mark.parametrize("step", ["accumulate", "findings"])
def test_an_interruption_leaves_the_reports_that_were_there(
    step: str, recipe: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(train__csv=ROWS)
    assert doctor(capsys, path)[0] == 0
    run = path.parent / "run"
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.name != "audit.jsonl"}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Labels, step, interrupt)
    folders: list[Path] = []
    monkeypatch.setattr(
        "train.doctor.Examination", lambda *given: folders.append(given[2]) or _examination(*given)
    )
    status, out, _ = doctor(capsys, path)
    assert (status, out) == (INTERRUPTED, "")
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.name != "audit.jsonl"} == before
    assert len(folders) == 1
    assert not folders[0].exists()


def _examination(*given: Any) -> Any:
    from train.data.checks.finding import Examination

    return Examination(*given)


def test_no_text_is_logged(recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*clean(), clean()[0], ("这一行是秘密13812345678", "正面")]
    status, out, err = doctor(capsys, recipe(train__csv=csv_bytes(rows)))
    assert status == 0
    assert not [text for text, _ in rows if text[:6] in out + err]
    assert "138123" not in err


def test_the_sample_is_read_without_files(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[data]\ntrain = "sample:train"\ntest = "sample:test"\n')
    diagnosis = diagnose(read_recipe(tmp_path / "r.toml", ["finetune.base_model=scratch"]), [Labels])
    assert diagnosis["errors"] == 0
    assert "files" not in diagnosis["splits"]["train"]


@pytest.mark.shared_data
def test_a_published_data_set_has_test_rows_in_train(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "chnsenticorp"
    splits = "\n".join(f'{split} = "{folder / split}.tsv"' for split in ("train", "dev", "test"))
    (tmp_path / "r.toml").write_text(f'[data]\n{splits}\ntext = "text_a"\n', encoding="utf-8")
    diagnosis = diagnose(read_recipe(tmp_path / "r.toml", ["finetune.base_model=bert-mini-chinese"]))
    found = {(one["check"], one["split"]): one for one in diagnosis["findings"]}
    assert diagnosis["splits"]["train"]["rows"] == 9600
    assert (
        "335 of 1,200 rows (27.9%) equal to rows of train, 331 to the letter"
        in found["leakage", "test"]["what"]
    )
    conflicts = found["conflicting_labels", "train"]["what"]
    assert conflicts.startswith("61 rows contradict each other, 13 contradict rows of dev or test;")
    assert conflicts.endswith(", to the letter: 36")
