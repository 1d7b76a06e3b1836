from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import RecipeError
from train.data.formats import READERS
from train.data.sections import DataSection
from train.data.sources import SUFFIXES, HubDataset, Sample, find_source


def find(given: str, split: str = "train") -> object:
    return find_source(DataSection.model_validate({"train": "x", split: given}), split)  # type: ignore[arg-type]


def test_a_folder_that_prepare_wrote_is_no_folder_of_one_split(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").touch()
    assert find(str(tmp_path)) == [tmp_path / "train.parquet"]
    (tmp_path / "datasheet.json").touch()
    with pytest.raises(RecipeError, match=r"data\.train=.* holds all splits; set data\.prepared="):
        find(str(tmp_path))


def test_every_suffix_has_a_reader() -> None:
    assert set(SUFFIXES) == set(READERS)


@pytest.mark.parametrize(
    ("given", "split", "found"),
    [
        ("owner/name", "train", HubDataset("owner/name", None, "train")),
        ("owner/name", "dev", HubDataset("owner/name", None, "validation")),
        ("owner/name", "test", HubDataset("owner/name", None, "test")),
        ("owner/name:extra", "dev", HubDataset("owner/name", None, "extra")),
        ("clue/clue/tnews:test", "test", HubDataset("clue/clue", "tnews", "test")),
        ("sample:dev", "train", Sample("dev")),
    ],
)
def test_what_is_no_file_is_a_hub_dataset_or_the_sample(given: str, split: str, found: object) -> None:
    assert find(given, split) == found


def test_a_hub_dataset_is_named_as_it_is_given() -> None:
    assert str(find("clue/clue/tnews:test")) == "clue/clue/tnews:test"


def test_a_file_comes_before_a_hub_dataset_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "name.csv").touch()
    monkeypatch.chdir(tmp_path)
    assert find("owner/name.csv") == [Path("owner/name.csv")]
    assert find("owner") == [Path("owner/name.csv")]


@pytest.mark.parametrize("given", ["data/trian.csv", "data/trian", "data"])
def test_a_missing_file_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").touch()
    (tmp_path / "data" / "dev.csv").touch()
    if given == "data":
        given = "daten"
    with pytest.raises(RecipeError) as raised:
        find(given)
    expected = "data/train.csv" if "/" in given else "the nearest is data."
    assert f"data.train={given!r} does not exist" in str(raised.value)
    assert expected in str(raised.value)


@pytest.mark.parametrize(("given", "message"), [("rows.xlsx", "convert it"), ("empty", "holds no file")])
def test_what_cannot_be_read_as_rows_is_refused(tmp_path: Path, given: str, message: str) -> None:
    (tmp_path / "rows.xlsx").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match=message):
        find(str(tmp_path / given))


def test_a_misspelt_part_of_the_sample_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'sample:test'"):
        find("sample:tets")
