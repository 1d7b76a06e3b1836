"""What `prepare` tells of rows: which went and why, what changed, where they were first, what comes next."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from runtime.errors import DataError
from runtime.keys import new_key
from runtime.pii import Span, find
from tests.train.conftest import dropped, plain, sheet, write_csv
from train import prepare
from train.__main__ import main
from train.data import presidio
from train.data.loader import load_splits
from train.recipe import read_recipe

HEADER = ("text", "label", "user")
LONG = "房间很干净服务也很周到下次还会再来住的{}号楼"


def prepared(
    recipe: Path, rows: list[tuple[str, ...]], *overrides: str, header: tuple[str, ...] = HEADER
) -> Path:
    """Write training rows and prepare them."""
    width = len(rows[0])
    write_csv(recipe.parent / "train.csv", rows, header[:width])
    return prepare.run(read_recipe(recipe, overrides))


def given(recipe: Path, **splits: list[tuple[str, ...]]) -> list[str]:
    """Write more splits and return the settings that name them."""
    paths = {
        name: write_csv(recipe.parent / f"{name}.csv", rows, HEADER[: len(rows[0])])
        for name, rows in splits.items()
    }
    return [f"data.{name}={path}" for name, path in paths.items()]


def labels(folder: Path) -> set[str]:
    return {label for split in ("train", "dev", "test") for label in column(folder, split, "label")}


def column(folder: Path, split: str, name: str) -> list[Any]:
    found: list[Any] = pq.read_table(folder / f"{split}.parquet").column(name).to_pylist()
    return found


def test_labels_in_any_order_become_one_and_are_counted(
    recipe: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["a;b", "b;a", " b ; a ;", "b;b", "c"]
    rows = [(text, names[index % 5]) for index, (text, _) in enumerate(plain(100))]
    folder = prepared(recipe, rows, "prepare.label_separator=;")
    assert labels(folder) == {"a;b", "b", "c"}
    assert [(step["step"], step["changed"]) for step in sheet(folder)["steps"]][:2] == [
        ("unusable", 0),
        ("label_order", 60),
    ]
    told = [message for message in caplog.messages if "finetune" in message]
    assert told == [
        "finetune gives a text one label: of the 3 classes 1 are combinations of labels, like 'a;b'"
    ]
    assert not any("have no row left" in message for message in caplog.messages)


def test_a_separator_that_leaves_nothing_of_a_label_is_refused(recipe: Path) -> None:
    rows = [(text, "好评" if label == "a" else "好") for text, label in plain(40)]
    with pytest.raises(
        DataError, match=r"prepare\.label_separator='好' leaves nothing of the label '好' of 20 train"
    ):
        prepared(recipe, rows, "prepare.label_separator=好")


def test_without_a_separator_labels_stay_as_they_are(recipe: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [(text, "b;a" if label == "a" else "a;b") for text, label in plain(40)]
    folder = prepared(recipe, rows)
    assert labels(folder) == {"a;b", "b;a"}
    assert "finetune" not in "".join(caplog.messages).replace("train on them with", "")


def test_a_group_that_holds_all_rows_is_named_as_the_cause(recipe: Path) -> None:
    rows = [(*row, "one") for row in plain(200)]
    with pytest.raises(
        DataError, match=r"data\.group='user' puts all 200 rows .* into one group.*set data\.dev"
    ):
        prepared(recipe, rows, "data.group=user")


def test_groups_that_are_too_few_are_counted(recipe: Path) -> None:
    rows = [(*row, f"user {index % 2}") for index, row in enumerate(plain(200))]
    with pytest.raises(DataError, match=r"data\.group='user' puts all 200 rows .* into 2 groups"):
        prepared(recipe, rows, "data.group=user")


def test_texts_that_are_all_alike_are_named_as_the_cause(recipe: Path) -> None:
    rows = [(LONG.format(number), f"{number}") for number in range(10, 30)]
    with pytest.raises(
        DataError, match=r"likeness of texts.* puts all 20 rows .* into one group.*near_duplicates=0"
    ):
        prepared(recipe, rows)


def test_samples_show_what_stands_in_the_data_and_never_what_stood_there(recipe: Path) -> None:
    rows = [("请打13812345678找我", "a"), *plain(40)]
    for mode in ("surrogate", "pseudonym"):
        key = recipe.parent / f"{mode}.key"
        folder = prepared(recipe, rows, f"privacy.mode={mode}", f"privacy.key_file={new_key(key)}")
        (sample,) = sheet(folder)["samples"]["privacy"]
        texts = [text for split in ("train", "dev", "test") for text in column(folder, split, "text")]
        assert sample["before"] == "请打【手机号】找我"
        assert sample["after"] in texts
        assert sample["after"] != sample["before"]
        page = (folder / "datasheet.md").read_text(encoding="utf-8")
        assert sample["after"] in page
        assert "13812345678" not in page + json.dumps(sheet(folder))
        assert f"as the {mode}s" in page


def test_samples_hide_the_kinds_that_stay_in_the_data(recipe: Path) -> None:
    rows = [("请打13812345678或写a@qq.com", "a"), *plain(40)]
    folder = prepared(recipe, rows, "privacy.mode=surrogate", "privacy.kinds=email")
    (sample,) = sheet(folder)["samples"]["privacy"]
    assert sample["before"] == "请打【手机号】或写【邮箱】"
    assert sample["after"].startswith("请打【手机号】或写")
    assert sample["after"].endswith("@example.com")


def test_names_that_are_kept_out_of_the_data_are_not_in_what_was_dropped(recipe: Path) -> None:
    rows = [("我叫王小明，电话13812345678", "a"), ("", "我叫李小红"), *plain(40)]
    folder = prepared(recipe, rows, "privacy.mode=drop", "privacy.kinds=name")
    found = {row["step"]: (row["text"], row["label"]) for row in dropped(folder)}
    assert found == {"privacy": ("我叫【姓名】，电话【手机号】", "a"), "unusable": ("", "我叫【姓名】")}


def test_what_presidio_finds_is_hidden_where_texts_are_shown(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_more(text: str, kinds: Sequence[str]) -> list[Span]:
        at = text.find("GB82")
        return [*find(text, kinds), *([Span(at, at + 4, "IBAN_CODE")] if at >= 0 else [])]

    monkeypatch.setattr(presidio, "require", lambda: None)
    monkeypatch.setattr(presidio, "find_more", find_more)
    rows = [("ＩＢＡＮ是GB82", "a"), *plain(40)]
    folder = prepared(recipe, rows, "privacy.mode=drop", "privacy.presidio=true")
    assert [(row["step"], row["text"]) for row in dropped(folder)] == [("privacy", "IBAN是【IBAN_CODE】")]
    assert sheet(folder)["samples"]["fold_fullwidth"] == [
        {"before": "ＩＢＡＮ是【IBAN_CODE】", "after": "IBAN是【IBAN_CODE】"}
    ]


def test_dropped_pairs_are_shown_as_pairs(recipe: Path) -> None:
    rows = [("很好", "好", "a"), ("好", "好", "a"), *[(text, "不错", label) for text, label in plain(40)]]
    folder = prepared(recipe, rows, "data.text_pair=other", header=("text", "other", "label"))
    assert [(row["text"], row["text_pair"]) for row in dropped(folder)] == [("好", "好")]
    assert "text_pair" not in pq.read_schema(prepared(recipe, plain(40)) / "dropped.parquet").names


def test_what_was_dropped_is_encrypted_like_the_rest(recipe: Path) -> None:
    key = new_key(recipe.parent / "a.key")
    settings = ("protection.encrypt=true", f"protection.key_file={key}")
    folder = prepared(recipe, [("好", "独一无二"), *plain(40)], *settings)
    assert (folder / "dropped.parquet.enc").is_file()
    assert not any("独一无二".encode() in path.read_bytes() for path in folder.glob("*.enc"))


def test_reasons_say_which_of_them_it_is(recipe: Path) -> None:
    test = [("测试集里的一行", "a", "u"), (LONG.format(1), "a", "v"), ("还有第三行啊", "b", "w")]
    rows = [
        ("测试集里的一行！", "b", ""),
        (LONG.format(2), "b", ""),
        ("别的什么", "b", "w"),
        ("重复的一行", "a", ""),
        ("重复的一行。", "a", ""),
        (LONG.format("三") + "还有很长的话要说", "a", ""),
        (LONG.format("三") + "还有很长的话要讲", "a", ""),
        *[(*row, "") for row in plain(40)],
    ]
    settings = given(recipe, test=test)
    folder = prepared(recipe, rows, "data.group=user", *settings)
    found = {row["number"]: (row["reason"], row["of_number"]) for row in dropped(folder)}
    assert found == {
        2: ("is a test row too", 2),
        3: ("is nearly a test row", 3),
        4: ("is of the group of a test row", 4),
        6: ("repeats a training row of the same label", 5),
        8: ("nearly repeats a training row of the same label", 7),
    }
    counted = Counter({(entry["step"], entry["reason"]): entry["rows"] for entry in sheet(folder)["dropped"]})
    assert counted == Counter((row["step"], row["reason"]) for row in dropped(folder))


def test_the_place_of_a_row_is_kept_when_it_is_prepared_again(recipe: Path) -> None:
    rows = [("好", "a"), *plain(60), ("1家，太差", "b"), ("1家，太差。", "b")]
    first = prepared(recipe, rows)
    csv, extra = str(recipe.parent / "train.csv"), f"run.directory={recipe.parent}/again"
    again = prepare.run(
        read_recipe(recipe, [f"data.prepared={first}", extra, "prepare.cleaners=foreign,blank"])
    )
    for split in ("train", "dev", "test"):
        places = zip(*(column(again, split, name) for name in ("file", "number", "text")), strict=True)
        for file, number, text in places:
            assert (file, rows[number - 2][0]) == (csv, text)
    assert sheet(again)["sources"]["train"][0]["path"] == str(first / "train.parquet")


def test_dropped_rows_of_a_prepared_set_are_told_by_their_first_place(recipe: Path) -> None:
    rows = [(LONG.format(1), "a"), (LONG.format(2), "a"), *plain(60)]
    first = prepared(recipe, rows, "prepare.near_duplicates=0", "prepare.seed=1", "prepare.test_fraction=0")
    extra = f"run.directory={recipe.parent}/again"
    again = prepare.run(read_recipe(recipe, [f"data.prepared={first}", "data.dev=", extra]))
    (row,) = dropped(again)
    csv = str(recipe.parent / "train.csv")
    assert {(row["file"], row["number"]), (row["of_file"], row["of_number"])} == {(csv, 2), (csv, 3)}


def test_the_next_command_is_told_and_reads_what_was_prepared(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    key, run = new_key(tmp_path / "a key"), tmp_path / "another run"
    settings = (
        "protection.encrypt=true",
        f"protection.key_file={key}",
        f"run.directory={run}",
        "prepare.seed=3",
    )
    folder = prepared(recipe, list(plain(40)), *settings)
    (line,) = [message for message in caplog.messages if message.startswith("train on them with ")]
    _, *command = shlex.split(line.removeprefix("train on them with "))
    assert command[:4] == ["-m", "train", "all", str(recipe)]
    assert command[4:] == [*settings[:3], f"data.prepared={folder}", f"data.key_file={key}"]
    chosen = read_recipe(Path(command[3]), command[4:])
    assert sorted(row.text for row in load_splits(chosen).train) == sorted(
        row.text for row in load_splits(read_recipe(recipe, command[4:])).train
    )
    assert chosen.run.directory == run


def test_a_label_column_of_lists_is_named_as_the_reason(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow as pa

    texts = [text for text, _ in plain(60)]
    pq.write_table(pa.table({"text": texts, "label": [["a"]] * 60}), tmp_path / "lists.parquet")
    assert main(["prepare", str(recipe), f"data.train={tmp_path}/lists.parquet"]) == 1
    assert "has a list as label 'label'" in capsys.readouterr().err
