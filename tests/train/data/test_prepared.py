from __future__ import annotations

import json
import secrets
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.envelope import rewrap
from runtime.errors import RecipeError
from train.data import prepared
from train.data.prepared import (
    COLUMNS,
    DATASHEET,
    DROPPED,
    check_files,
    columns_of,
    digest_of,
    file_of,
    is_prepared,
    read_datasheet,
    section_of,
    write_parquet,
    write_split,
)
from train.data.sections import DataSection
from train.run import write_json

SCHEMA = pa.schema(
    [pa.field("text", pa.string(), nullable=False), ("label", pa.string()), ("number", pa.int64())]
)
RAW = DataSection(
    train="raw.csv", text="t", label="l", columns=("t", "l"), encoding="gb18030", normalizers=()
)


def batch(*texts: str) -> pa.RecordBatch:
    columns = {"number": [7] * len(texts), "label": ["a"] * len(texts), "text": list(texts)}
    return pa.RecordBatch.from_pydict(columns, schema=pa.schema([SCHEMA.field(name) for name in columns]))


def folder_with(path: Path, *splits: str, key: bytes | None = None, **settings: object) -> Path:
    path.mkdir()
    for split in splits:
        write_split(path, split, [batch("好", "坏")], key)  # type: ignore[arg-type]
    write_parquet(path / DROPPED, SCHEMA, [])
    files = {file.name: {"sha256": digest_of(file), "rows": 2} for file in path.iterdir()}
    sheet = {"files": files, "columns": ["text", "label", "number"], "normalizers": ["compose"], **settings}
    write_json(path / DATASHEET, sheet)
    return path


def test_a_split_has_the_known_columns_in_one_order(tmp_path: Path) -> None:
    extra = batch("好").append_column("note", pa.array(["x"]))
    assert write_split(tmp_path, "dev", [extra, extra]) == 2
    table = pq.read_table(file_of(tmp_path, "dev"))
    assert table.column_names == [name for name in COLUMNS if name in {"text", "label", "number"}]
    assert table.column("text").to_pylist() == ["好", "好"]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_equal_rows_give_equal_bytes_however_they_arrive(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("split")
    texts = [f"第{index}天" for index in range(sum(sizes))]
    waiting = iter(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "ROWS_OF_GROUP", 4)
        parts = [batch(*(next(waiting) for _ in range(size))) for size in sizes]
        assert write_split(folder, "train", parts) == len(texts)
        assert write_split(folder, "test", [batch(*texts)]) == len(texts)
    assert file_of(folder, "train").read_bytes() == file_of(folder, "test").read_bytes()
    found = pq.ParquetFile(file_of(folder, "train"))
    assert found.read().column("text").to_pylist() == texts
    assert found.num_row_groups == -(-len(texts) // 4)


def test_a_split_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    def rows() -> list[pa.RecordBatch]:
        yield batch("新")  # type: ignore[misc]
        raise KeyboardInterrupt

    write_split(tmp_path, "train", [batch("旧")])
    with pytest.raises(KeyboardInterrupt):
        write_split(tmp_path, "train", rows())
    assert pq.read_table(file_of(tmp_path, "train")).column("text").to_pylist() == ["旧"]
    assert [path.name for path in tmp_path.iterdir()] == ["train.parquet"]


@pytest.mark.parametrize("batches", [[], [batch("好").select(["text"])]])
def test_a_split_without_rows_or_label_is_refused(tmp_path: Path, batches: list[pa.RecordBatch]) -> None:
    with pytest.raises(ValueError, match="train needs batches with the columns text and label"):
        write_split(tmp_path, "train", batches)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("splits", [("train",), ("train", "dev"), ("train", "dev", "test")])
def test_the_section_reads_what_there_is_with_the_recorded_normalizers(
    tmp_path: Path, splits: tuple[str, ...]
) -> None:
    folder = folder_with(tmp_path / "p", *splits)
    found = section_of(folder, RAW)
    assert {name: getattr(found, name) for name in ("train", "dev", "test")} == {
        name: str(folder / f"{name}.parquet") if name in splits else None for name in ("train", "dev", "test")
    }
    assert (found.text, found.label, found.text_pair, found.group) == ("text", "label", None, None)
    assert (found.columns, found.encoding, found.normalizers) == (None, "utf-8", ("compose",))
    assert found.prepared == str(folder)
    assert found.dev_fraction == RAW.dev_fraction


def test_pair_and_group_come_back_where_they_were(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "p", "train", columns=["text", "text_pair", "label", "group"])
    found = section_of(folder, RAW.model_copy(update={"text_pair": "b", "group": "user"}))
    assert (found.text_pair, found.group) == ("text_pair", "group")
    assert columns_of(RAW) == ("text", "label", "file", "number")
    assert columns_of(found) == COLUMNS


def test_encrypted_files_keep_their_digest_under_a_new_key(tmp_path: Path) -> None:
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    folder = folder_with(tmp_path / "p", "train", key=old)
    found = section_of(folder, RAW)
    assert found.train == str(folder / "train.parquet.enc")
    assert rewrap(folder / "train.parquet.enc", old, new, "train.parquet")
    assert section_of(folder, RAW) == found
    changed = bytearray((folder / "train.parquet.enc").read_bytes())
    changed[-20] ^= 1
    (folder / "train.parquet.enc").write_bytes(changed)
    with pytest.raises(RecipeError, match=r"train\.parquet\.enc was changed"):
        section_of(folder, RAW)


def test_a_folder_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    folder_with(tmp_path / "prepared", "train")
    with pytest.raises(RecipeError, match=r"does not exist; the nearest is .*prepared.*train prepare"):
        section_of(tmp_path / "prepard", RAW)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no datasheet.json"),
        ("{", "cannot be read"),
        ("[]", "is not one that prepare wrote"),
        ('{"files": {}, "columns": []}', "is not one that prepare wrote"),
        ('{"files": {}, "columns": [], "normalizers": []}', "is not one that prepare wrote"),
    ],
)
def test_a_folder_that_prepare_did_not_write_is_one_sentence(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / DATASHEET).write_text(content, encoding="utf-8")
    assert is_prepared(tmp_path) == (content is not None)
    with pytest.raises(RecipeError, match=message) as error:
        section_of(tmp_path, RAW)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("normalizers", [["compose", "compose"], ["gone"], 3])
def test_normalizers_that_no_recipe_may_have_are_one_sentence(tmp_path: Path, normalizers: object) -> None:
    folder = folder_with(tmp_path / "p", "train")
    content = json.loads((folder / DATASHEET).read_text(encoding="utf-8"))
    write_json(folder / DATASHEET, content | {"normalizers": normalizers})
    with pytest.raises(RecipeError, match=r"its normalizers .* prepare the rows again"):
        section_of(folder, RAW)


def test_a_file_that_is_missing_or_changed_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "p", "train", "dev")
    sheet = read_datasheet(folder)
    check_files(folder, sheet)
    write_split(folder, "dev", [batch("别的")])
    with pytest.raises(RecipeError, match=r"dev\.parquet was changed after datasheet\.json was written"):
        section_of(folder, RAW)
    file_of(folder, "dev").unlink()
    with pytest.raises(RecipeError, match=r"dev\.parquet is missing; run `python -m train prepare` again"):
        section_of(folder, RAW)
