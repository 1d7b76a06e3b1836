from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runtime.errors import DataError
from runtime.keys import new_key
from runtime.manifest import Manifest, file_digest
from tests.train.conftest import Make, dropped, plain, sheet, write_csv
from train import finetune, prepare
from train.__main__ import main
from train.artifact import TRAINING_NAME
from train.data.clusters import partition
from train.data.loader import load_splits
from train.data.prepared import SPLITS
from train.recipe import read_recipe

Rows = Sequence[tuple[str, ...]]
Prepare = Callable[..., Path]

FILES = tuple(f"{name}.parquet" for name in (*SPLITS, "dropped"))
LONG = "房间很干净服务也很周到下次还会再来住的{}号楼"


@pytest.fixture
def prepared(recipe: Path) -> Prepare:
    """Return a function that writes splits as csv and prepares them."""

    def run(*overrides: str, header: tuple[str, ...] = ("text", "label"), **splits: Rows) -> Path:
        paths = {name: recipe.parent / f"{name}.csv" for name in splits}
        given = [f"data.{name}={write_csv(paths[name], rows, header)}" for name, rows in splits.items()]
        return prepare.run(read_recipe(recipe, [*given, *overrides]))

    return run


def texts(folder: Path, split: str) -> list[str]:
    found: list[str] = pq.read_table(folder / f"{split}.parquet").column("text").to_pylist()
    return found


def test_every_dropped_row_is_written_down_with_place_step_and_reason(prepared: Prepare) -> None:
    folder = prepared(
        train=[
            ("很好吃的饭", "a"),
            ("", "a"),
            ("\u200b", "a"),
            ("好", "a"),
            ("很好吃的饭！", "a"),
            ("说不清楚", "a"),
            ("说不清楚", "b"),
            ("在开发集里", "a"),
            ("在测试集里", "b"),
            ("很难吃的饭", "b"),
        ],
        dev=[("在开发集里", "a"), ("测试集也有", "a")],
        test=[("在测试集里", "b"), ("测试集也有", "b"), ("在测试集里", "b")],
    )
    assert texts(folder, "train") == ["很好吃的饭", "很难吃的饭"]
    assert texts(folder, "dev") == ["在开发集里"]
    assert texts(folder, "test") == ["在测试集里", "测试集也有", "在测试集里"]
    found = {(row["split"], row["number"]): (row["step"], row["of_number"]) for row in dropped(folder)}
    assert found == {
        ("train", 3): ("unusable", None),
        ("train", 4): ("blank", None),
        ("train", 5): ("one_character", None),
        ("train", 6): ("duplicate", 2),
        ("train", 7): ("conflict", 8),
        ("train", 8): ("conflict", 7),
        ("train", 9): ("in_dev", 2),
        ("train", 10): ("in_test", 2),
        ("dev", 3): ("in_test", 3),
    }
    assert all(row["reason"] and Path(row["file"]).name == f"{row['split']}.csv" for row in dropped(folder))
    assert Path(dropped(folder)[-1]["of_file"]).name == "test.csv"


@pytest.mark.parametrize(
    ("conflicts", "kept"),
    [
        ("drop", []),
        ("majority", [("说不清楚", "a")]),
        ("keep", [("说不清楚", "a"), ("说不清楚", "b")]),
    ],
)
def test_conflicts_are_dropped_or_voted_on_or_kept(
    prepared: Prepare, conflicts: str, kept: list[tuple[str, str]]
) -> None:
    rows = [("说不清楚", "a"), ("说不清楚", "b"), ("说不清楚。", "a"), *plain(6)]
    folder = prepared(f"prepare.conflicts={conflicts}", train=rows, dev=plain(2, 50), test=plain(2, 60))
    found = pq.read_table(folder / "train.parquet").to_pylist()
    assert [(row["text"], row["label"]) for row in found if "说" in row["text"]] == kept


def test_near_duplicates_are_found_by_choice(prepared: Prepare) -> None:
    rows = [(LONG.format(1), "a"), (LONG.format(2), "a"), *plain(8)]
    given = {"train": rows, "dev": plain(2, 50), "test": plain(2, 60)}
    assert [row["step"] for row in dropped(prepared(**given))] == ["duplicate"]
    assert dropped(prepared("prepare.near_duplicates=0", **given)) == []


def test_one_file_becomes_three_splits_that_share_no_group(prepared: Prepare) -> None:
    rows = [(*row, f"user {index // 3}") for index, row in enumerate(plain(90))]
    folder = prepared(
        "data.group=user", "data.dev_fraction=0.2", train=rows, header=("text", "label", "user")
    )
    tables = {split: pq.read_table(folder / f"{split}.parquet") for split in SPLITS}
    sizes = {split: len(table) for split, table in tables.items()}
    assert sum(sizes.values()) == 90
    assert 15 <= sizes["dev"] <= 21
    assert 6 <= sizes["test"] <= 12
    groups = [set(table.column("group").to_pylist()) for table in tables.values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 30
    assert sheet(folder)["cut_from_train"] == {"dev": 0.2, "test": 0.1}


def test_beside_a_given_dev_a_test_is_cut_only_if_asked(prepared: Prepare) -> None:
    given = {"train": plain(40), "dev": plain(4, 50)}
    assert not (prepared(**given) / "test.parquet").exists()
    assert len(texts(prepared("prepare.test_fraction=0.25", **given), "test")) == 10


def test_each_of_several_labels_is_in_every_split(prepared: Prepare) -> None:
    rows = [(plain(1, index)[0][0], ["a|b", "b|c", "c|a"][index % 3]) for index in range(60)]
    folder = prepared("prepare.label_separator=|", train=rows)
    for split in SPLITS:
        counts = sheet(folder)["labels"]["after"][split]
        assert set(counts) == {"a", "b", "c"}
        assert max(counts.values()) - min(counts.values()) <= 2


def test_pairs_stay_pairs(prepared: Prepare) -> None:
    rows = [
        ("很好", "不错", "a"),
        ("很好", "不错！", "a"),
        ("很好不", "错", "a"),
        ("很差", "\u200b", "b"),
        ("好", "好的", "b"),
        ("ＡＢ", "１２", "b"),
    ]
    header = ("text", "other", "label")
    other = {"dev": [("一", "二", "a"), ("三", "四四", "b")], "test": [("五", "六六", "a")]}
    folder = prepared("data.text_pair=other", train=rows, header=header, **other)
    found = pq.read_table(folder / "train.parquet").select(["text", "text_pair"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("很好", "不错"),
        ("很好不", "错"),
        ("好", "好的"),
        ("AB", "12"),
    ]
    assert Counter(row["step"] for row in dropped(folder)) == Counter(duplicate=1, blank=1, one_character=1)


def test_placeholders_are_repeated_when_serving_and_surrogates_are_not(
    prepared: Prepare, recipe: Path
) -> None:
    given = {"train": [("请打13812345678找我", "a"), *plain(20)], "dev": plain(2, 50), "test": plain(2, 60)}
    folder = prepared("privacy.mode=placeholder", **given)
    assert sheet(folder)["normalizers"] == ["fold_fullwidth", "mask_pii"]
    assert "请打【手机号】找我" in texts(folder, "train")
    assert sheet(folder)["personal_data"] == {"mode": "placeholder", "found": {"mobile": 1}}
    assert read_recipe(recipe, [f"data.prepared={folder}"]).labelled().normalizers == (
        "fold_fullwidth",
        "mask_pii",
    )
    folder = prepared("privacy.mode=surrogate", **given)
    assert sheet(folder)["normalizers"] == ["fold_fullwidth"]
    changed = texts(folder, "train")[0]
    assert changed.startswith("请打1")
    assert "13812345678" not in changed
    folder = prepared("privacy.mode=drop", **given)
    assert [(row["number"], row["step"]) for row in dropped(folder)] == [(2, "privacy")]
    for name in ("datasheet.json", "datasheet.md"):
        assert "13812345678" not in (folder / name).read_text(encoding="utf-8")


def test_training_reads_exactly_the_prepared_rows(prepared: Prepare, recipe: Path) -> None:
    folder = prepared(train=[*plain(60), ("好", "a"), ("一家，太差", "a")])
    splits = load_splits(read_recipe(recipe, [f"data.prepared={folder}"]))
    assert [row.text for row in splits.train] == texts(folder, "train")
    assert [row.text for row in splits.dev] == texts(folder, "dev")
    assert [row.text for row in splits.test] == texts(folder, "test")
    assert splits.labels == ("a", "b")


TEXT = st.one_of(
    st.text("好坏不很ＡＢab，。！1２\u200b\u3000 ", max_size=6),
    st.integers(0, 3).map(lambda number: LONG.format("第" * number)),
)
ROW = st.tuples(TEXT, st.sampled_from(["a", "b", ""])).filter(lambda row: any(map(str.strip, row)))
SPLIT = st.lists(ROW, max_size=12)
ANCHORS = {"train": ("训练集的一行甲", "a"), "dev": ("开发集的另一行", "b"), "test": ("测试集的第三行", "a")}


@settings(
    max_examples=6,
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(SPLIT, SPLIT, SPLIT, st.sampled_from(["drop", "majority", "keep"]), st.sampled_from(["0", "0.7"]))
def test_rows_in_are_rows_out_and_dropped_no_cluster_straddles_and_twice_drops_nothing(
    prepared: Prepare, train: Rows, dev: Rows, test: Rows, conflicts: str, near: str
) -> None:
    given = {
        "train": [*train, ANCHORS["train"]],
        "dev": [*dev, ANCHORS["dev"]],
        "test": [*test, ANCHORS["test"]],
    }
    chosen = [
        f"prepare.conflicts={conflicts}",
        f"prepare.near_duplicates={near}",
        "data.normalizers=fold_fullwidth,collapse_whitespace,remove_invisible",
    ]
    folder = prepared(*chosen, **given)
    content = sheet(folder)
    rows_in = sum(map(len, given.values()))
    rows = {split: texts(folder, split) for split in SPLITS}
    assert content["rows"]["in"] == {split: len(given[split]) for split in SPLITS}
    assert content["rows"]["out"] == {split: len(rows[split]) for split in SPLITS}
    assert rows_in == sum(map(len, rows.values())) + len(dropped(folder))
    left = [count["rows"] - count["dropped"] for count in content["steps"]]
    assert [count["rows"] for count in content["steps"]] == [rows_in, *left[:-1]]
    assert left[-1] == sum(map(len, rows.values()))
    assert Counter(row["step"] for row in dropped(folder)) == Counter(
        {count["step"]: count["dropped"] for count in content["steps"] if count["dropped"]}
    )
    everything = [text for split in SPLITS for text in rows[split]]
    place = [split for split in SPLITS for _ in rows[split]]
    related = partition(everything, float(near) or None).related
    assert all(place[index] == place[first] for index, first in enumerate(related.tolist()))
    again = prepared(*chosen, f"data.prepared={folder}", f"run.directory={folder.parent.parent}/again")
    assert sheet(again)["rows"]["dropped"] == 0
    assert {split: texts(again, split) for split in SPLITS} == rows


def test_a_second_run_gives_the_same_bytes(prepared: Prepare, tmp_path: Path) -> None:
    rows = [*plain(300), (LONG.format(1), "a"), (LONG.format(2), "a")]
    first = prepared(train=rows)
    second = prepared(f"run.directory={tmp_path}/second", train=rows)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(("datasheet.json", "datasheet.md", *FILES))
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    other = prepared("prepare.seed=7", f"run.directory={tmp_path}/third", train=rows)
    assert texts(other, "test") != texts(first, "test")


def test_only_the_owner_may_read_what_was_prepared(prepared: Prepare) -> None:
    folder = prepared(train=plain(40))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_command_line_prints_the_folder_and_the_counts(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(tmp_path / "train.csv", plain(40))
    assert main(["prepare", str(recipe)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path}/run/prepared\n"
    assert "duplicate" in captured.err
    line = json.loads((tmp_path / "run" / "audit.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert line["command"] == "prepare"
    assert list(line["read"]) == [f"{tmp_path}/train.csv"]
    assert list(line["wrote"]) == [f"{tmp_path}/run/prepared"]


def test_encrypted_rows_are_read_with_the_key_only(
    prepared: Prepare, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_key(tmp_path / "key")
    folder = prepared("protection.encrypt=true", f"protection.key_file={tmp_path}/key", train=plain(40))
    assert {path.name for path in folder.iterdir()} == {
        *("datasheet.json", "datasheet.md", "dropped.parquet.enc"),
        *(f"{split}.parquet.enc" for split in SPLITS),
    }
    assert not any("太差".encode() in path.read_bytes() for path in folder.iterdir())
    splits = load_splits(read_recipe(recipe, [f"data.prepared={folder}", f"data.key_file={tmp_path}/key"]))
    assert sorted(row.text for row in [*splits.train, *splits.dev, *splits.test]) == sorted(
        text for text, _ in plain(40)
    )
    assert main(["prepare", str(recipe), "protection.encrypt=true"]) != 0
    assert "there is no key" in capsys.readouterr().err


def test_its_own_result_is_no_input(
    recipe: Path, prepared: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepared(train=plain(40))
    assert main(["prepare", str(recipe), f"data.prepared={folder}"]) == 2
    assert "add data.prepared= to the command" in capsys.readouterr().err


def test_a_result_that_lost_much_is_told(prepared: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*plain(2), *[("好", "c")] * 9]
    prepared(train=rows, dev=plain(2, 50), test=plain(2, 60))
    assert any(
        message.startswith("9 of 15 rows were dropped (one_character 9)") for message in caplog.messages
    )
    assert "1 of the 3 labels of train have no row left there: 'c'" in caplog.messages


def test_dropped_rows_are_there_to_be_read_and_hide_what_the_data_hide(prepared: Prepare) -> None:
    twice = [("我的电话是13812345678请回电给我", "a")] * 2
    for mode, shown in (
        ("detect", "13812345678"),
        ("surrogate", "【手机号】"),
        ("placeholder", "【手机号】"),
    ):
        folder = prepared(f"privacy.mode={mode}", train=[("好", "a"), *twice, *plain(20)], test=plain(2, 60))
        found = {row["step"]: (row["text"], row["label"]) for row in dropped(folder)}
        assert found == {
            "one_character": ("好", "a"),
            "duplicate": (f"我的电话是{shown}请回电给我", "a"),
        }


def test_rows_of_one_label_are_warned_of(prepared: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    prepared(train=[(text, "a") for text, _ in plain(20)], test=[(text, "a") for text, _ in plain(2, 60)])
    assert "all training rows have one label" in caplog.text


def test_the_commonest_reason_is_told_where_nothing_is_left(prepared: Prepare) -> None:
    with pytest.raises(DataError, match="unusable 2; the commonest reason: has no label in 'label'"):
        prepared(train=[("很好", ""), ("太差", "")], test=plain(2, 60))


def test_too_few_rows_to_cut_from_are_refused(prepared: Prepare) -> None:
    with pytest.raises(DataError, match=r"too few to cut a share of 0\.1 for dev from"):
        prepared(train=plain(1))


@pytest.mark.slow
def test_the_model_of_prepared_rows_names_their_datasheet_and_repeats_their_normalizers(make: Make) -> None:
    folder = prepare.run(make("privacy.mode=placeholder"))
    recipe = make(f"data.prepared={folder}", "finetune.epochs=1")
    model = finetune.run(recipe)
    report = json.loads((model / TRAINING_NAME).read_text(encoding="utf-8"))
    assert report["datasheet"] == file_digest(folder / "datasheet.json")
    assert report["data"]["train"]["rows"] == sheet(folder)["rows"]["out"]["train"]
    assert Manifest.read(model).normalizers == ("fold_fullwidth", "mask_pii")
