"""Flipped labels come to the top of the list, and a list that was filled in comes back as training rows."""

from __future__ import annotations

import base64
import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import DataError, RecipeError
from runtime.keys import new_key
from train import noise, prepare
from train.__main__ import main
from train.config import Recipe
from train.data.relabel import Suspect
from train.data.rows import Row, read_rows
from train.data.sections import DataSection
from train.recipe import read_recipe
from train.run import RunDirectory
from train.section import SPLITS

Make = Callable[..., Recipe]
FLIPPED = (5, 20, 33, 46)
"""Numbers of rows, the header being row 1."""


@pytest.fixture
def noisy(project: Path) -> Path:
    """Return the recipe with four labels of train.csv flipped; only equal texts count as duplicates."""
    with project.open("a", encoding="utf-8") as file:
        file.write("[prepare]\nnear_duplicates = 0\n")
    path = project.parent / "train.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    other = {"正面": "负面", "负面": "正面"}
    for number in FLIPPED:
        text, label = lines[number - 1].rsplit(",", 1)
        lines[number - 1] = f"{text},{other[label]}"
    path.write_text("\n".join(lines), encoding="utf-8")
    return project


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path, new: dict[int, str]) -> Path:
    """Write new labels into a list, by number of the row."""
    rows = listed(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "new_label": new.get(int(row["row"]), "")} for row in rows)
    return path


def test_flipped_labels_lead_the_list_with_their_right_label(noisy: Path) -> None:
    recipe = read_recipe(noisy)
    path = noise.run(recipe)
    assert path == RunDirectory.of(recipe).label_issues
    rows = listed(path)
    assert len(rows) == 6
    assert {int(row["row"]) for row in rows[:4]} == set(FLIPPED)
    assert all(row["suggested"] != row["label"] and row["issue"] == "yes" for row in rows[:4])
    confidences = [float(row["label_confidence"]) for row in rows]
    assert confidences == sorted(confidences)
    assert not RunDirectory.of(recipe).quick.exists()


def test_a_list_that_somebody_filled_in_is_not_written_over(noisy: Path) -> None:
    path = fill(noise.run(read_recipe(noisy)), {5: "负面"})
    filled = path.read_bytes()
    assert noise.run(read_recipe(noisy)).name == "label_issues-2.csv"
    assert path.read_bytes() == filled
    assert main(["noise", str(noisy), "--apply", " "]) == 2
    assert path.read_bytes() == filled


@pytest.mark.parametrize(("share", "count"), [("0.25", 16), ("1", 64), ("0.001", 1)])
def test_the_share_decides_how_many_are_listed(noisy: Path, share: str, count: int) -> None:
    assert len(listed(noise.run(read_recipe(noisy, [f"noise.share={share}"])))) == count


def test_a_filled_in_list_becomes_training_rows_that_the_recipe_can_name(
    noisy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (noisy.parent / "train.csv").read_bytes()
    path = fill(noise.run(read_recipe(noisy)), {5: "负面", 20: "drop"})
    before = {row.number: row for row in read_rows(read_recipe(noisy).labelled(), "train")}
    assert before[5].label == "正面"
    assert main(["noise", str(noisy), "--apply", str(path)]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written.name == "relabelled.parquet"
    assert (noisy.parent / "train.csv").read_bytes() == given
    rows = read_rows(read_recipe(noisy, [f"data.train={written}"]).labelled(), "train")
    expected = [
        (row.text, "负面" if number == 5 else row.label) for number, row in before.items() if number != 20
    ]
    assert [(row.text, row.label) for row in rows] == expected


def test_figures_before_and_after_are_told_and_texts_are_not(
    noisy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = fill(noise.run(read_recipe(noisy)), dict.fromkeys(FLIPPED, "drop"))
    noise.run(read_recipe(noisy, [f"noise.apply={path}"]))
    for name in ("before", "after"):
        assert any(message.startswith(f"{name}: dev accuracy ") for message in caplog.messages)
    assert "0 rows have a new label, 4 are gone, 0 keep theirs" in caplog.messages
    assert not any(row.text in caplog.text for row in read_rows(read_recipe(noisy).labelled(), "train"))


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ({5: "负面", 20: "drop", 33: "正面 "}, "1 row has a new label, 1 is gone, 1 keeps its own"),
        ({5: "负面", 20: "正面"}, "2 rows have a new label, 0 are gone, 0 keep theirs"),
        ({33: "正面", 5: "正面"}, "0 rows have a new label, 0 are gone, 2 keep theirs"),
    ],
)
def test_labels_that_changed_are_counted_and_not_lines_filled_in(
    noisy: Path, caplog: pytest.LogCaptureFixture, new: dict[int, str], told: str
) -> None:
    caplog.set_level("INFO")
    train = noisy.parent / "train.csv"
    lines = train.read_text(encoding="utf-8").splitlines()
    lines[4], lines[19], lines[32] = (
        f"{lines[number - 1].rsplit(',', 1)[0]},{label}"
        for number, label in ((5, "正面"), (20, "负面"), (33, "正面"))
    )
    train.write_text("\n".join(lines), encoding="utf-8")
    path = fill(noise.run(read_recipe(noisy, ["noise.share=1"])), new)
    noise.run(read_recipe(noisy, [f"noise.apply={path}"]))
    assert told in caplog.messages


def test_the_column_issue_is_explained_as_it_does_not_follow_the_rank(
    noisy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    noise.run(read_recipe(noisy))
    assert (
        "ranked by confidence in the given label; the column issue is the answer of a second method, "
        "which looks at each pair of labels by itself, so it need not follow the rank"
    ) in caplog.messages


def test_a_second_list_does_not_overwrite_the_rows_it_is_applied_to(noisy: Path) -> None:
    path = fill(noise.run(read_recipe(noisy)), {5: "负面"})
    first = noise.run(read_recipe(noisy, [f"noise.apply={path}"]))
    content = first.read_bytes()
    train = f"data.train={first}"
    path = fill(noise.run(read_recipe(noisy, [train])), {19: "drop"})
    second = noise.run(read_recipe(noisy, [train, f"noise.apply={path}"]))
    assert second.name == "relabelled-2.parquet"
    assert first.read_bytes() == content
    rows = read_rows(read_recipe(noisy, [f"data.train={second}"]).labelled(), "train")
    assert len(rows) == 63


def test_rows_that_become_dev_rows_are_written_too(noisy: Path) -> None:
    path = noise.run(read_recipe(noisy, ["data.dev="]))
    first = int(listed(path)[0]["row"])
    written = noise.run(read_recipe(noisy, ["data.dev=", f"noise.apply={fill(path, {first: 'drop'})}"]))
    assert len(read_rows(read_recipe(noisy, [f"data.train={written}"]).labelled(), "train")) == 63


def test_columns_keep_the_names_of_the_recipe(noisy: Path) -> None:
    path = noisy.parent / "train.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace("text,label", "review,mood", 1), encoding="utf-8"
    )
    for name in ("dev", "test"):
        other = noisy.parent / f"{name}.csv"
        other.write_text(
            other.read_text(encoding="utf-8").replace("text,label", "review,mood", 1), encoding="utf-8"
        )
    columns = ["data.text=review", "data.label=mood"]
    filled = fill(noise.run(read_recipe(noisy, columns)), {5: "负面"})
    written = noise.run(read_recipe(noisy, [*columns, f"noise.apply={filled}"]))
    assert len(read_rows(read_recipe(noisy, [*columns, f"data.train={written}"]).labelled(), "train")) == 64


def test_a_label_must_not_lose_its_last_row(noisy: Path) -> None:
    path = fill(
        noise.run(read_recipe(noisy, ["noise.share=1"])),
        {row.number: "正面" for row in read_rows(read_recipe(noisy).labelled(), "train")},
    )
    with pytest.raises(DataError, match="no row would have the label '负面' any more"):
        noise.run(read_recipe(noisy, [f"noise.apply={path}"]))
    assert not RunDirectory.of(read_recipe(noisy)).relabelled.exists()


def test_a_label_that_nothing_else_has_is_not_judged(noisy: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (noisy.parent / "train.csv").open("a", encoding="utf-8") as file:
        file.write("\n独一无二的一句话,其他\n")
    rows = listed(noise.run(read_recipe(noisy, ["noise.share=1"])))
    assert len(rows) == 64
    assert "其他" not in {row["label"] for row in rows}
    assert any(message.startswith("1 row has a label that no other text has") for message in caplog.messages)


def test_the_ranking_finds_flips_in_made_up_probabilities() -> None:
    generator = random.Random(1)
    truth = np.array([generator.randrange(3) for _ in range(300)])
    probabilities = np.full((300, 3), 0.1)
    probabilities[np.arange(300), truth] = 0.8
    given = truth.copy()
    wrong = generator.sample(range(300), 30)
    given[wrong] = (given[wrong] + 1) % 3
    order, issues = noise.ranked(given, probabilities)
    assert set(order[:30].tolist()) == set(wrong)
    assert set(np.flatnonzero(issues).tolist()) == set(wrong)


def test_with_a_key_the_rows_are_encrypted_and_the_list_is_warned_of(
    noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BENTOBERT_KEY", base64.b64encode(bytes(32)).decode())
    secret = "protection.encrypt=true"
    path = fill(noise.run(read_recipe(noisy, [secret])), {5: "负面"})
    assert any("is not encrypted" in message for message in caplog.messages)
    written = noise.run(read_recipe(noisy, [secret, f"noise.apply={path}"]))
    assert written.name == "relabelled.parquet.enc"
    assert not written.with_name("relabelled.parquet").exists()
    rows = read_rows(read_recipe(noisy, [f"data.train={written}"]).labelled(), "train")
    assert len(rows) == 64


@pytest.fixture
def encrypted(noisy: Path) -> list[str]:
    """Return the settings that read the rows from an encrypted folder, with a key file of its own."""
    new_key(noisy.parent / "old.key")
    secret = ["protection.encrypt=true", f"protection.key_file={noisy.parent / 'old.key'}"]
    folder = prepare.run(read_recipe(noisy, [*secret, "prepare.conflicts=keep"]))
    return [f"data.prepared={folder}", f"data.key_file={noisy.parent / 'old.key'}"]


def settings_told(messages: list[str]) -> list[str]:
    (told,) = (message for message in messages if message.startswith("train on it with "))
    return told.removeprefix("train on it with ").split()


def test_what_leaves_encrypted_rows_in_the_clear_is_warned_of(
    noisy: Path, encrypted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = noise.run(read_recipe(noisy, encrypted))
    assert [message for message in caplog.messages if "is not encrypted" in message] == [
        f"{path} has texts and is not encrypted, for people to read; delete it when it is applied"
    ]
    filled = fill(path, {int(listed(path)[0]["row"]): "drop"})
    caplog.clear()
    written = noise.run(read_recipe(noisy, [*encrypted, f"noise.apply={filled}"]))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{written} is not encrypted, though the files its rows are from are; set protection.encrypt=true"
    ]


def test_plain_rows_are_not_warned_of(noisy: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = fill(noise.run(read_recipe(noisy)), {5: "负面"})
    noise.run(read_recipe(noisy, [f"noise.apply={path}"]))
    assert not any("encrypted" in message for message in caplog.messages)


def test_the_rows_are_in_one_file_only_encrypted_or_not(noisy: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "a.key")
    secret = ["protection.encrypt=true", f"protection.key_file={tmp_path / 'a.key'}"]
    path = fill(noise.run(read_recipe(noisy)), {5: "负面"})
    for settings, name in (([], ""), (secret, ".enc"), ([], "")):
        written = noise.run(read_recipe(noisy, [*settings, f"noise.apply={path}"]))
        assert [one.name for one in written.parent.glob("relabelled*")] == [f"relabelled.parquet{name}"]


def test_the_settings_told_name_the_key_of_what_was_written(
    noisy: Path, encrypted: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    new_key(tmp_path / "new.key")
    secret = ["protection.encrypt=true", f"protection.key_file={tmp_path / 'new.key'}"]
    path = fill(noise.run(read_recipe(noisy)), {5: "负面"})
    caplog.clear()
    noise.run(read_recipe(noisy, [*secret, f"noise.apply={path}"]))
    recipe = read_recipe(noisy, settings_told(caplog.messages))
    assert len(read_rows(recipe.labelled(), "train")) == 64
    path = noise.run(read_recipe(noisy, encrypted))
    filled = fill(path, {int(listed(path)[0]["row"]): "drop"})
    with pytest.raises(RecipeError, match=r"new\.key.* is another key than that of .*dev\.parquet\.enc"):
        noise.run(read_recipe(noisy, [*encrypted, *secret, f"noise.apply={filled}"]))
    caplog.clear()
    same = ["protection.encrypt=true", f"protection.key_file={noisy.parent / 'old.key'}"]
    noise.run(read_recipe(noisy, [*encrypted, *same, f"noise.apply={filled}"]))
    recipe = read_recipe(noisy, settings_told(caplog.messages))
    assert recipe.labelled().prepared is None
    for split in SPLITS:
        assert read_rows(recipe.labelled(), split)


def test_rows_of_a_prepared_folder_are_listed_where_a_person_finds_them(
    noisy: Path, encrypted: list[str]
) -> None:
    original = {row.number: row for row in read_rows(read_recipe(noisy).labelled(), "train")}
    plain = [f"data.prepared={prepare.run(read_recipe(noisy, ['prepare.conflicts=keep']))}"]
    path = noise.run(read_recipe(noisy, [*plain, "noise.share=1"]))
    for line in listed(path):
        assert line["file"] == str(noisy.parent / "train.csv")
        assert line["text"] == original[int(line["row"])].text
    at = int(next(line["row"] for line in listed(path) if line["label"] == "正面"))
    written = noise.run(read_recipe(noisy, [*plain, f"noise.apply={fill(path, {at: '负面'})}"]))
    rows = read_rows(read_recipe(noisy, [f"data.train={written}"]).labelled(), "train")
    changed = {row.text for row in rows if row.label == "负面"}
    assert changed - {row.text for row in original.values() if row.label == "负面"} == {original[at].text}


def test_labels_in_the_log_are_cut_and_personal_data_masked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    row = Row("很好", None, "张三13912345678", "a.csv", 2, 2)
    noise._log_findings([Suspect(row, "长" * 100, 0.1, 0.9, is_issue=True)], 1, 0.0)
    assert "13912345678" not in caplog.text
    assert "长" * 31 not in caplog.text
    assert "looks like" in caplog.text


def test_the_run_logs_what_was_read_and_written(noisy: Path) -> None:
    recipe = read_recipe(noisy)
    path = fill(noise.run(recipe), {5: "负面"})
    noise.run(read_recipe(noisy, [f"noise.apply={path}"]))
    lines = (RunDirectory.of(recipe).root / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = (json.loads(line) for line in lines)
    assert [event["command"] for event in (first, second)] == ["noise", "noise"]
    assert [Path(name).name for name in second["read"]] == [
        "label_issues.csv",
        "train.csv",
        "dev.csv",
        "test.csv",
    ]
    assert [Path(name).name for name in second["wrote"]] == ["relabelled.parquet"]


@pytest.mark.slow
def test_the_encoder_finds_flips_too(noisy: Path) -> None:
    recipe = read_recipe(noisy, ["noise.model=encoder", "noise.folds=4", "finetune.epochs=6"])
    assert len({int(row["row"]) for row in listed(noise.run(recipe))}.intersection(FLIPPED)) >= 3
    assert not RunDirectory.of(recipe).model.exists()


def test_rows_of_a_prepared_folder_keep_its_normalizers_and_columns() -> None:
    data = DataSection(
        train="prepared/train.parquet",
        dev="prepared/dev.parquet",
        prepared="prepared",
        text_pair="text_pair",
        group="group",
        key_file="k",
        normalizers=("fold_fullwidth", "mask_pii"),
    )
    settings = noise._overrides(data, Path("relabelled.parquet"), ["data.key_file=k"])
    found = dict(one.split("=", 1) for one in settings)
    assert found["data.prepared"] == ""
    assert found["data.train"] == "relabelled.parquet"
    assert found["data.normalizers"] == "fold_fullwidth,mask_pii"
    assert {name: found[f"data.{name}"] for name in ("dev", "text_pair", "group", "key_file")} == {
        "dev": "prepared/dev.parquet",
        "text_pair": "text_pair",
        "group": "group",
        "key_file": "k",
    }
