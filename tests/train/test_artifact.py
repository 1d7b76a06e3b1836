from __future__ import annotations

import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.classifier import Classifier
from runtime.errors import ProbeError
from runtime.manifest import Manifest, digest_files
from runtime.probes import PROBES_NAME, read_probes
from train.artifact import finish, probe_rows
from train.data.rows import Row


def rows(texts: list[tuple[str, str]]) -> list[Row]:
    return [Row(text, None, label, "dev.csv", i + 2, i + 2) for i, (text, label) in enumerate(texts)]


DEV = rows([("字" * (1 + i), "负面" if i % 3 else "正面") for i in range(90)])


@pytest.fixture
def unfinished(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """Return weights and tokenizer without manifest and probes."""
    directory = tmp_path / "model"
    shutil.copytree(tiny_model_dir, directory)
    (directory / PROBES_NAME).unlink()
    return directory


def manifest_of(directory: Path) -> Manifest:
    return Manifest.read(directory).model_copy(update={"files": {}})


def test_a_finished_directory_lists_every_file_and_loads(unfinished: Path) -> None:
    manifest = finish(unfinished, manifest_of(unfinished), DEV)
    assert manifest == Manifest.read(unfinished)
    assert manifest.files == digest_files(unfinished)
    assert {PROBES_NAME, "model.safetensors", "tokenizer.json", "config.json"} <= set(manifest.files)
    classifier = Classifier.load(unfinished)
    probes = read_probes(unfinished)
    assert len(probes) == 32
    assert classifier.check_probes(read_probes(unfinished)) < 1e-4


def test_probes_hold_logits_of_this_very_model(unfinished: Path) -> None:
    finish(unfinished, manifest_of(unfinished), DEV)
    path = unfinished / PROBES_NAME
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[7]["logits"][0] += 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(ProbeError, match="probe 8 changed"):
        Classifier.load(unfinished, verify=False).check_probes(read_probes(unfinished))


def test_probes_are_spread_over_labels_and_lengths() -> None:
    chosen = probe_rows(DEV, 32)
    assert Counter(row.label for row in chosen) == {"正面": 16, "负面": 16}
    for label in ("正面", "负面"):
        lengths = sorted(len(row.text) for row in chosen if row.label == label)
        everything = sorted(len(row.text) for row in DEV if row.label == label)
        assert lengths[0] == everything[0]
        gaps = [after - before for before, after in pairwise(lengths)]
        assert lengths[-1] >= 0.9 * everything[-1]
        assert max(gaps) <= 15


def test_a_rare_label_has_its_probes() -> None:
    dev = rows([("字" * i, "rare" if i in (10, 50) else "common") for i in range(1, 200)])
    assert Counter(row.label for row in probe_rows(dev, 32))["rare"] == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from("abc")), min_size=1, max_size=80))
def test_probes_do_not_depend_on_the_order_of_rows(texts: list[tuple[str, str]]) -> None:
    given_rows = rows(texts)
    chosen = probe_rows(given_rows, 32)
    assert len(chosen) == len(set(chosen)) == min(32, len(given_rows))
    again = probe_rows(given_rows[::-1], 32)
    assert [(row.text, row.label) for row in again] == [(row.text, row.label) for row in chosen]
