from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pyarrow as pa

from train.data.ledger import Ledger, Sources, count_labels
from train.data.sections import DataSection
from train.data.stream import read_batches


def gone(*rows: tuple[str, str]) -> pa.Table:
    return pa.table({"step": [step for step, _ in rows], "reason": [reason for _, reason in rows]})


def test_each_step_starts_from_the_rows_that_the_one_before_left() -> None:
    ledger = Ledger(["unusable", "fold", "blank"])
    ledger.rows_in.update(train=10, dev=5)
    ledger.drop(
        "train", gone(("blank", "shows nothing"), ("unusable", "no label"), ("blank", "shows nothing"))
    )
    ledger.drop("dev", gone(("unusable", "no text")))
    ledger.note.changed["fold"] = 4
    assert ledger.by_step() == [
        {"step": "unusable", "rows": 15, "changed": 0, "dropped": 2},
        {"step": "fold", "rows": 13, "changed": 4, "dropped": 0},
        {"step": "blank", "rows": 13, "changed": 0, "dropped": 2},
    ]
    assert ledger.dropped == Counter(
        {
            ("train", "blank", "shows nothing"): 2,
            ("train", "unusable", "no label"): 1,
            ("dev", "unusable", "no text"): 1,
        }
    )


def test_labels_are_counted_over_batches() -> None:
    counts: Counter[str] = Counter()
    for labels in (["a", "b"], [], ["a"]):
        count_labels(counts, pa.array(labels, pa.string()))
    assert counts == Counter(a=2, b=1)


def test_a_file_has_its_own_digest_and_the_sample_that_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,label\n好,a\n坏,b\n", encoding="utf-8")
    sources = Sources()
    for batch in read_batches(DataSection(train=str(path)), "train"):
        sources.see(batch)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sources.files() == [{"path": str(path), "sha256": digest, "rows": 2}]

    sample = [Sources(), Sources()]
    for one, rows_at_once in zip(sample, (1_000, 10_000), strict=True):
        for batch in read_batches(DataSection(train="sample:train", dev="sample:dev"), "dev", rows_at_once):
            one.see(batch)
    assert sample[0].files() == sample[1].files()
    assert sample[0].files()[0]["path"] == "sample:dev"
    assert sample[0].files()[0]["rows"] == 1_000
