from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.envelope import encrypting
from runtime.errors import DataError, ProtectionError, RecipeError
from runtime.keys import new_key, read_key
from train.data.formats import READERS, read_csv, read_encrypted, read_hub, read_parquet
from train.data.sections import DataSection
from train.data.sources import HubDataset

TNEWS = HubDataset("clue/clue", "tnews", "validation")


def test_a_hub_dataset_is_asked_for_by_configuration_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def load(path: str, name: str | None, *, split: str) -> datasets.Dataset:
        asked.append((path, name, split))
        return datasets.Dataset.from_dict({"sentence": ["a", "b"], "label": [1, None]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    table = read_hub(TNEWS)
    assert asked == [("clue/clue", "tnews", "validation")]
    assert table.columns == ["sentence", "label"]
    assert [dict(record.values) for record in table.records] == [
        {"sentence": "a", "label": 1},
        {"sentence": "b", "label": None},
    ]


def test_a_hub_dataset_that_cannot_be_had_is_wrong_usage() -> None:
    with pytest.raises(RecipeError, match="clue/clue/tnews:validation is neither a file here nor") as raised:
        read_hub(TNEWS)
    assert "\n" not in str(raised.value)


ROWS = datasets.Dataset.from_dict(
    {"text": ["很好", None, "太差" * 999], "label": [1, 0, 1], "extra": [[1], [], [2, 3]]},
    features=datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["负面", "正面"]),
            "extra": datasets.List(datasets.Value("int64")),
        }
    ),
)


@pytest.fixture
def encrypted(tmp_path: Path) -> tuple[Path, DataSection]:
    """Return an encrypted parquet file and a section that names its key."""
    (tmp_path / "keys").mkdir()
    key = new_key(tmp_path / "keys" / "key")
    path = tmp_path / "rows" / "train.parquet.enc"
    path.parent.mkdir()
    with encrypting(path, read_key(str(key), "UNSET"), "train.parquet") as file:
        pq.write_table(ROWS.data.table, file, row_group_size=2)
    return path, DataSection(train=str(path), key_file=str(key))


def test_encrypted_rows_are_those_of_the_parquet_file_inside(
    encrypted: tuple[Path, DataSection], tmp_path: Path
) -> None:
    path, data = encrypted
    ROWS.to_parquet(tmp_path / "open.parquet")
    found, expected = read_encrypted(path, data), read_parquet(tmp_path / "open.parquet", data)
    assert list(found.columns) == list(expected.columns) == ["text", "label", "extra"]
    rows = list(found.records)
    assert rows == list(expected.records)
    assert [row.values["label"] for row in rows] == ["正面", "负面", "正面"]


def test_the_key_may_come_from_the_environment(
    encrypted: tuple[Path, DataSection], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = encrypted
    unnamed = data.model_copy(update={"key_file": None})
    with pytest.raises(ProtectionError, match="BENTOBERT_KEY"):
        read_encrypted(path, unnamed)
    monkeypatch.setenv("BENTOBERT_KEY", base64.b64encode(read_key(data.key_file, "UNSET")).decode())
    assert len(list(read_encrypted(path, unnamed).records)) == 3


def test_a_key_beside_the_rows_is_refused(encrypted: tuple[Path, DataSection]) -> None:
    path, data = encrypted
    beside = new_key(path.with_name("key"))
    with pytest.raises(ProtectionError, match="which it protects"):
        read_encrypted(path, data.model_copy(update={"key_file": str(beside)}))


def test_changed_rows_are_refused_when_they_are_reached(encrypted: tuple[Path, DataSection]) -> None:
    path, data = encrypted
    whole = path.read_bytes()
    path.write_bytes(whole[:90] + bytes([whole[90] ^ 1]) + whole[91:])
    with pytest.raises(ProtectionError, match="was changed, cut or renamed"):
        list(read_encrypted(path, data).records)


def test_only_parquet_is_read_encrypted(encrypted: tuple[Path, DataSection]) -> None:
    path, data = encrypted
    with pytest.raises(RecipeError, match=r"is no \.parquet\.enc"):
        read_encrypted(path.rename(path.with_name("train.csv.enc")), data)


def test_what_is_no_parquet_inside_is_told(encrypted: tuple[Path, DataSection]) -> None:
    path, data = encrypted
    with encrypting(path, read_key(data.key_file, "UNSET"), "train.parquet") as file:
        file.write(b"text,label")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        read_encrypted(path, data)
    with encrypting(path, read_key(data.key_file, "UNSET"), "train.parquet") as file:
        pq.write_table(pa.table({"text": ["a"]}), file)
    assert read_encrypted(path, data).columns == ["text"]


def test_an_encrypted_file_may_have_columns_that_nobody_needs(encrypted: tuple[Path, DataSection]) -> None:
    path, data = encrypted
    maps = pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))
    table = pa.Table.from_arrays([maps, pa.array(["a"]), pa.array(["1"]), maps], ["m", "text", "label", "m"])
    with encrypting(path, read_key(data.key_file, "UNSET"), "train.parquet") as file:
        pq.write_table(table, file)
    found = read_encrypted(path, data)
    assert list(found.columns) == ["m", "text", "label", "m"]
    assert [dict(record.values) for record in found.records] == [{"text": "a", "label": "1"}]


def test_a_class_id_without_a_name_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    schema = ROWS.features.arrow_schema.remove(2)
    pq.write_table(pa.table({"text": ["a", "b", "c"], "label": [1, -1, 5]}).cast(schema), path)
    labels = [record.values["label"] for record in read_parquet(path, DataSection(train="x")).records]
    assert labels == ["正面", None, 5]


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.mkdir()  # as even root cannot read that
    with pytest.raises(DataError, match=r"rows\.csv cannot be read \(Is a directory\)"):
        read_csv(path, DataSection(train="x"))


def records(path: Path) -> list[tuple[object, object, int, int]]:
    """Return text, label, number and line of every row of a file."""
    table = READERS[path.suffix](path, DataSection(train="x"))
    return [(row.values["text"], row.values["label"], row.number, row.line) for row in table.records]


def test_line_breaks_within_quotes_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'text,label\r\n"\ra\r\nb\nc","x\ry"\r\nd,"x\ny"\r\n')
    assert records(path) == [("\ra\r\nb\nc", "x\ry", 2, 2), ("d", "x\ny", 3, 7)]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize(
    ("suffix", "lines"),
    [
        (".csv", ["text,label", "a,1", "b,2"]),
        (".tsv", ["text\tlabel", "a\t1", "b\t2"]),
        (".jsonl", ["", '{"text": "a", "label": "1"}', '{"text": "b", "label": "2"}']),
    ],
)
def test_any_line_end_ends_a_row(tmp_path: Path, suffix: str, lines: list[str], end: str) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    assert records(path) == [("a", "1", 2, 2), ("b", "2", 3, 3)]


@pytest.mark.parametrize("name", ["a::b.csv", "zip://a::b.csv", "rows#1?x=%20.csv", "a::b.parquet"])
def test_names_that_look_like_addresses_are_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".csv":
        path.write_text("text,label\nright,1\n", encoding="utf-8")
    else:
        with path.open("wb") as file:
            pq.write_table(pa.table({"text": ["right"], "label": ["1"]}), file)
    assert [row[:2] for row in records(path)] == [("right", "1")]


def test_columns_that_nobody_needs_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    maps = pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))
    late = pa.array([2**62, 1], pa.timestamp("ms"))
    kinds = pa.array(["好", "坏"]).dictionary_encode()
    table = pa.Table.from_arrays(
        [pa.array(["a", "b"]), maps, late, kinds, maps, pa.array([1, 2])],
        names=["text", "extra", "late", "label", "extra", "text.x"],
    )
    pq.write_table(table, path)
    assert records(path) == [("a", "好", 1, 1), ("b", "坏", 2, 2)]


def test_a_needed_column_of_another_type_is_handed_on(tmp_path: Path) -> None:
    maps = pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({"text": maps, "label": ["1"]}), tmp_path / "rows.parquet")
    assert records(tmp_path / "rows.parquet")[0][0] == [("k", 1)]


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"text,label\na,1\n")
    with pytest.raises(DataError, match=r"rows\.parquet cannot be read as parquet"):
        records(path)


def test_a_needed_column_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "text", "label"]), path)
    with pytest.raises(DataError, match=r"rows\.parquet names column 'text' twice; rename one of them"):
        records(path)
