"""Nothing that `prepare` did not write is ever replaced by what it writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime.keys import new_key
from tests.train.conftest import plain, write_csv
from train.__main__ import main


def files(folder: Path) -> dict[str, bytes]:
    """Return everything below a folder, apart from the log."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    ours = ("audit.jsonl", ".lock")
    return {name: path.read_bytes() for name, path in found.items() if path.name not in ours}


def refused(recipe: Path, capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
    """Return the sentence that refuses to prepare, once nothing was touched."""
    before = files(recipe.parent)
    assert main(["prepare", str(recipe), *overrides]) == 2
    assert files(recipe.parent) == before
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where the recipe prepares to; training rows lie elsewhere."""
    write_csv(tmp_path / "train.csv", plain(40))
    (tmp_path / "run" / "prepared").mkdir(parents=True)
    return tmp_path / "run" / "prepared"


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_rows_in_the_folder_to_replace_are_refused_and_left(
    split: str, recipe: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = write_csv(target / "raw.csv", plain(40, 100))
    assert f"{raw} is to be read and lies in {target}" in refused(recipe, capsys, f"data.{split}={raw}")
    way_round = target.parent / ".." / "run" / "prepared" / "raw.csv"
    assert "is to be read" in refused(recipe, capsys, f"data.{split}={way_round}")
    assert "is to be read" in refused(recipe, capsys, f"data.{split}={target}")


def test_a_link_to_rows_in_it_is_followed_and_one_in_it_is_kept(
    recipe: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = write_csv(target / "raw.csv", plain(40))
    (tmp_path / "link.csv").symlink_to(raw)
    assert "is to be read" in refused(recipe, capsys, f"data.train={tmp_path}/link.csv")
    raw.unlink()
    raw.symlink_to(tmp_path / "train.csv")
    assert "is to be read" in refused(recipe, capsys, f"data.train={raw}")


def test_one_split_of_an_earlier_result_is_no_input(
    recipe: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", str(recipe)]) == 0
    assert "is to be read" in refused(recipe, capsys, f"data.train={target}/train.parquet")
    elsewhere = [f"data.train={target}/train.parquet", f"run.directory={tmp_path}/b"]
    assert main(["prepare", str(recipe), *elsewhere]) == 0


@pytest.mark.parametrize("setting", ["data.key_file", "privacy.key_file"])
def test_a_key_in_it_is_refused_and_left(
    setting: str, recipe: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_key(target / "my.key")
    assert f"{key} is to be read" in refused(recipe, capsys, f"{setting}={key}", "privacy.mode=surrogate")


def test_a_recipe_in_it_is_refused_and_left(
    recipe: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.move(recipe, target / "mine.toml"))
    assert "mine.toml is to be read" in refused(moved, capsys)


def test_a_folder_of_another_is_not_replaced(
    recipe: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (target / "my_notes.txt").write_text("notes", encoding="utf-8")
    sentence = refused(recipe, capsys)
    assert f"{target} is to be replaced and holds 'my_notes.txt', which no datasheet.json" in sentence
    assert sentence.endswith("move it, or set run.directory to another folder.")
    (target / "datasheet.json").write_text('{"mine": 1}', encoding="utf-8")
    assert "holds 'datasheet.json' and 1 more" in refused(recipe, capsys)


def test_what_somebody_put_beside_prepared_rows_is_not_deleted(
    recipe: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", str(recipe)]) == 0
    assert main(["prepare", str(recipe)]) == 0
    (target / "my_notes.txt").write_text("notes", encoding="utf-8")
    assert "holds 'my_notes.txt', which" in refused(recipe, capsys)


def test_a_file_of_that_name_is_not_replaced(
    recipe: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target.rmdir()
    target.write_text("mine", encoding="utf-8")
    assert f"{target} is no folder" in refused(recipe, capsys)


def test_folders_whose_names_begin_alike_stay(recipe: Path, target: Path) -> None:
    for name in (".prepared-notes", ".prepared-mynotes1", ".prepared-old-notes"):
        (target.parent / name).mkdir()
        (target.parent / name / "mine.txt").write_text("mine", encoding="utf-8")
    before = files(target.parent)
    assert main(["prepare", str(recipe)]) == 0
    assert before.items() <= files(target.parent).items()


def test_an_empty_folder_is_no_obstacle(recipe: Path, target: Path) -> None:
    assert main(["prepare", str(recipe)]) == 0
    assert (target / "datasheet.json").is_file()
