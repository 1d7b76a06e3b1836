"""What the benchmark flips, mends and counts; the search itself is that of `train noise`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import datasets, noise
from benchmarks.datasets import Splits
from train.data.relabel import Suspect
from train.data.rows import Row

WORDS = {"finance": "股票基金银行", "sports": "足球比赛冠军"}


def titles(count: int, offset: int = 0) -> list[tuple[str, str]]:
    """Return titles whose label follows from their words."""
    labels = list(WORDS)
    return [(labels[at % 2], f"{WORDS[labels[at % 2]]}第{at + offset}篇") for at in range(count)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with both data sets, of one grammar."""
    folder = tmp_path / "data" / "thucnews_titles"
    folder.mkdir(parents=True)
    (folder / "class.txt").write_text("\n".join(WORDS), encoding="utf-8")
    lines = [f"{label}\t{text}" for label, text in titles(100)]
    (folder / "train_1w.txt").write_text("\n".join(lines), encoding="utf-8")
    for name, offset in (("dev", 1000), ("test", 2000)):
        lines = [f"{text}\t{list(WORDS).index(label)}" for label, text in titles(20, offset)]
        (folder / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    noisy = tmp_path / "data" / "cic_dataclue"
    noisy.mkdir()
    for name, count, offset in (("train", 60, 0), ("dev", 20, 1000), ("test_public", 20, 2000)):
        lines = [json.dumps({"label_des": label, "sentence": text}) for label, text in titles(count, offset)]
        (noisy / f"{name}.json").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "data"


def test_a_tenth_of_the_labels_is_flipped_by_seed() -> None:
    rows = titles(100)
    flips = noise.flipped(rows, 1)
    assert len(flips) == 10
    assert all(label != rows[at][0] for at, label in flips.items())
    assert flips == noise.flipped(rows, 1) != noise.flipped(rows, 2)


def test_rows_get_their_new_labels_and_those_without_one_go() -> None:
    given = Splits(titles(4), titles(2), [*titles(1), ("unknown", "x")])
    found = noise.splits_of(given, {0: "sports", 1: None})
    assert [(row.number, row.label) for row in found.train] == [(0, "sports"), (2, "finance"), (3, "sports")]
    assert len(found.test) == 1
    assert found.labels == ("finance", "sports")


def test_a_corrected_list_has_the_truth_and_an_automatic_one_the_suggestions() -> None:
    given = Splits(titles(4), [], [])

    def suspect(number: int, suggested: str, *, is_issue: bool) -> Suspect:
        return Suspect(Row("x", None, "sports", "train", number, number), suggested, 0.1, 0.9, is_issue)

    suspects = [
        suspect(0, "finance", is_issue=True),
        suspect(1, "finance", is_issue=False),
        suspect(2, "sports", is_issue=True),
    ]
    found = noise.mended(given, {0: "sports"}, suspects, suspects[:2])
    assert found == {
        "listed rows corrected": {0: "finance", 1: "sports"},
        "listed: as suggested": {0: "finance", 1: "finance"},
        "flagged: as suggested": {0: "finance", 2: "sports"},
        "flagged rows dropped": {0: None, 2: None},
    }
    assert "listed rows corrected" not in noise.mended(given, {}, suspects, suspects)


def test_both_sets_are_searched_and_stand_in_table_and_json(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        noise.main(
            [
                "--data",
                str(data),
                "--results",
                str(tmp_path / "results"),
                "--seeds",
                "2",
                "prepare.near_duplicates=0",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "1.0000 (1.0000-1.0000)" in printed
    assert "not known" in printed
    (path,) = (tmp_path / "results").glob("*-noise.json")
    found = json.loads(path.read_text(encoding="utf-8"))["findings"]
    assert [(one["dataset"], one["seed"], one["share"]) for one in found] == [
        ("thucnews_titles", 1, 1.0),
        ("thucnews_titles", 2, 1.0),
        ("cic_dataclue", 1, None),
    ]
    assert [arm["labels"] for arm in found[0]["arms"]][:3] == [
        "as they were",
        "10 flipped",
        "listed rows corrected",
    ]
    assert found[0]["arms"][2]["accuracy"] == 1.0


def test_a_missing_set_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert noise.main(["--data", str(tmp_path), "--dataset", "cic_dataclue"]) == 2
    assert "train.json cannot be read" in capsys.readouterr().err
    with pytest.raises(datasets.DatasetError):
        noise.read_noisy(tmp_path)


@pytest.mark.shared_data
@pytest.mark.slow
def test_most_flipped_labels_of_real_titles_are_listed(shared_data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(shared_data), "--results", str(tmp_path), "--seeds", "1"]
    assert noise.main([*arguments, "--dataset", "thucnews_titles"]) == 0
    (path,) = tmp_path.glob("*-noise.json")
    assert json.loads(path.read_text(encoding="utf-8"))["findings"][0]["share"] >= 0.6
