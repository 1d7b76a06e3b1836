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
from train.data.formats import read_encrypted, read_hub, read_parquet
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
