from __future__ import annotations

import os
import socket
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


def test_what_is_left_out_of_a_folder_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.csv", "d.csv.gz", ".hidden", "notes.md"):
        (tmp_path / name).touch()
    for name in ("sub", "folder.csv"):
        (tmp_path / name).mkdir()
    caplog.set_level("INFO")
    for _ in range(3):
        assert find(str(tmp_path)) == [tmp_path / "a.csv"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith(": 'd.csv.gz', 'folder.csv/', 'notes.md', 'sub/'")
    for number in range(4):
        (tmp_path / f"{number}.log").touch()
    find(str(tmp_path))
    assert caplog.messages[1].endswith(": '0.log', '1.log', '2.log', '3.log', 'd.csv.gz' and 3 more")


def test_a_folder_of_data_files_alone_needs_no_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / ".hidden").touch()
    caplog.set_level("INFO")
    find(str(tmp_path))
    assert not caplog.messages


def odd(path: Path, kind: str) -> None:
    """Make something that has a name and no rows."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # as the whole path may be too long for one
    else:
        path.symlink_to(path if "loop" in kind else path.parent / "missing")


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a link that leads nowhere", "loop"])
def test_what_is_no_file_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.csv").touch()
    odd(tmp_path / "rows" / "b.csv", kind)
    expected = "a link that leads nowhere" if kind == "loop" else kind
    with pytest.raises(RecipeError, match=rf"data\.train='rows/b\.csv' is {expected}; give a file"):
        find("rows/b.csv")
    with pytest.raises(RecipeError, match=rf"data\.train='rows' has 'b\.csv', which is {expected}; take it"):
        find("rows")


def test_a_device_is_no_file() -> None:
    with pytest.raises(RecipeError, match=r"data\.train='/dev/null' is a device; give a file or a folder"):
        find("/dev/null")


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"data\.train='x{80}…' cannot be looked at \(File name too long\)"):
        find("x" * 5000)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"p\xff.csv")
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(
        RecipeError, match=r"has a file whose name is not UTF-8, 'p\\udcff\.csv'; rename it"
    ) as raised:
        find(str(tmp_path))
    str(raised.value).encode()
