from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    PreTrainedTokenizerBase,
)

from runtime.classifier import Classifier
from runtime.errors import RecipeError, TrainingError
from runtime.manifest import Manifest
from train import finetune
from train.artifact import TRAINING_NAME
from train.config import Recipe
from train.dropout import TokenDropout
from train.pretrained import read_config, read_tokenizer
from train.progress import LineProgress
from train.recipe import read_recipe
from train.run import RunDirectory

Make = Callable[..., Recipe]


def report(directory: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((directory / TRAINING_NAME).read_text(encoding="utf-8"))
    return found


def weights_digest(directory: Path) -> str:
    return Manifest.read(directory).files["model.safetensors"]


def interrupt_at(monkeypatch: pytest.MonkeyPatch, event: str, occurrence: int = 1) -> None:
    """Have training raise KeyboardInterrupt at the n-th event of Trainer."""
    seen = 0

    def interrupt(self: object, *arguments: object, **keywords: object) -> None:
        nonlocal seen
        seen += 1
        if seen == occurrence:
            raise KeyboardInterrupt

    monkeypatch.setattr(LineProgress, event, interrupt, raising=True)


def test_a_finished_model_loads_with_transformers_and_gives_the_served_logits(finished: Recipe) -> None:
    directory = RunDirectory.of(finished).model
    served = Classifier.load(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    inputs = tokenizer(["房间很好，第3天", "AB 太差"], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).logits.numpy()
    np.testing.assert_allclose(served.logits(["房间很好，第3天", "ＡＢ　太差"]), expected, atol=1e-5)
    assert tuple(model.config.id2label.values()) == served.manifest.labels == ("正面", "负面")
    cut = tokenizer(["字" * 60], truncation=True)["input_ids"][0]
    assert len(cut) == served.manifest.max_length == 24


def test_the_manifest_repeats_the_recipe(finished: Recipe) -> None:
    manifest = Manifest.read(RunDirectory.of(finished).model)
    assert manifest.normalizers == finished.data.normalizers
    assert (manifest.backend, manifest.precision, manifest.base_model) == ("torch", "fp32", "scratch")
    assert not manifest.text_pair
    assert {"torch", "transformers", "python"} <= set(manifest.versions)


def test_no_file_of_a_model_is_a_pickle(finished: Recipe) -> None:
    files = [path for path in RunDirectory.of(finished).model.rglob("*") if path.is_file()]
    assert len(files) >= 7
    for path in files:
        if path.suffix == ".safetensors":
            assert load_file(path)
        else:
            assert path.suffix in (".json", ".jsonl")
            assert path.read_text(encoding="utf-8").startswith("{")


def test_checkpoints_are_gone_when_the_model_is_there(finished: Recipe) -> None:
    assert not RunDirectory.of(finished).checkpoints.exists()


def test_the_report_tells_rows_labels_and_figures(finished: Recipe) -> None:
    found = report(RunDirectory.of(finished).model)
    data, training = found["data"], found["training"]
    assert {split: part["rows"] for split, part in data.items()} == {"train": 64, "dev": 24, "test": 20}  # type: ignore[attr-defined]
    assert data["train"]["labels"] == {"正面": 32, "负面": 32}  # type: ignore[index]
    assert training["dev"]["accuracy"] == 1.0  # type: ignore[index]
    assert training["epochs"] == 3  # type: ignore[index]
    assert training["unknown_tokens"] == 0.0  # type: ignore[index]


def test_an_interrupted_training_resumes_to_the_same_model(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finetune.run(make(f"run.directory={tmp_path / 'whole'}"))
    parts = f"run.directory={tmp_path / 'parts'}"
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_log", occurrence=12)
        with pytest.raises(KeyboardInterrupt):
            finetune.run(make(parts))
    assert list((tmp_path / "parts" / "checkpoints").glob("checkpoint-*"))
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {".lock", "checkpoints"}
    resumed = finetune.run(make(parts, resume=True))
    assert weights_digest(resumed) == weights_digest(whole)
    assert (resumed / "probes.jsonl").read_bytes() == (whole / "probes.jsonl").read_bytes()
    again = (resumed / TRAINING_NAME).stat().st_mtime_ns
    assert finetune.run(make(parts, resume=True)) == resumed
    assert (resumed / TRAINING_NAME).stat().st_mtime_ns == again


def test_resuming_what_left_no_checkpoint_says_that_it_starts(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="train"):
        finetune.run(make("finetune.epochs=1", f"run.directory={tmp_path / 'new'}", resume=True))
    assert f"{tmp_path / 'new'} holds no finished epoch to resume from, so training starts" in caplog.text


def test_encrypted_rows_and_an_open_model_are_warned_of(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [tmp_path / "train.parquet.enc"]
    finetune._warn_of_an_open_model(make(), [tmp_path / "train.parquet"])
    finetune._warn_of_an_open_model(make("protection.encrypt=true"), rows)
    assert caplog.text == ""
    finetune._warn_of_an_open_model(make(), rows)
    assert "the model made of them will not be; add protection.encrypt=true" in caplog.text


def test_a_training_that_was_through_but_for_the_last_step_is_only_finished(
    make: Make, finished: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(finetune, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finetune.run(make())
    monkeypatch.setattr(finetune, "_train", interrupted)
    directory = finetune.run(make(resume=True))
    assert Classifier.load(directory).predict(["房间很好"])[0].label == "正面"
    uninterrupted = report(RunDirectory.of(finished).model)["training"]
    assert report(directory)["training"].keys() == uninterrupted.keys()  # type: ignore[attr-defined]


def test_an_interruption_keeps_the_model_that_was_there(
    run_copy: tuple[Path, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, directory = run_copy
    before = weights_digest(directory.model)
    interrupt_at(monkeypatch, "on_log")
    with pytest.raises(KeyboardInterrupt):
        finetune.run(read_recipe(path, ["finetune.seed=9"]))
    assert Classifier.load(directory.model).predict(["房间很好"])[0].label == "正面"
    assert weights_digest(directory.model) == before


def test_resuming_under_other_settings_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_log")
        with pytest.raises(KeyboardInterrupt):
            finetune.run(make())
    with pytest.raises(RecipeError, match=r"finetune\.learning_rate was 0\.005 and is now 0\.001"):
        finetune.run(make("finetune.learning_rate=1e-3", resume=True))


def test_resuming_a_finished_training_under_other_settings_is_refused(
    run_copy: tuple[Path, RunDirectory],
) -> None:
    path, directory = run_copy
    before = weights_digest(directory.model)
    with pytest.raises(RecipeError, match=r"finetune\.seed was \d+ and is now 9"):
        finetune.run(read_recipe(path, ["finetune.seed=9"], resume=True))
    assert weights_digest(directory.model) == before


def test_the_best_epoch_is_kept_and_patience_ends_training(make: Make) -> None:
    directory = finetune.run(
        make("finetune.epochs=8", "finetune.learning_rate=1e-12", "finetune.early_stopping_patience=2")
    )
    training = report(directory)["training"]
    assert training["epochs"] < 8  # type: ignore[index]
    assert training["best_epoch"] == training["epochs"] - 2  # type: ignore[index]


def test_pairs_are_trained_and_served_as_pairs(make: Make, project: Path) -> None:
    for name in ("train", "dev"):
        rows = [
            f'{{"a": "第{i}天", "b": "{"很好" if i % 2 else "太差"}", "label": {i % 2}}}' for i in range(24)
        ]
        (project.parent / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    directory = finetune.run(
        make(
            f"data.train={project.parent / 'train.jsonl'}",
            f"data.dev={project.parent / 'dev.jsonl'}",
            "data.test=",
            "data.text=a",
            "data.text_pair=b",
            "finetune.epochs=1",
        )
    )
    manifest = Manifest.read(directory)
    assert manifest.text_pair
    assert manifest.labels == ("0", "1")
    logits = Classifier.load(directory).logits([("第3天", "很好"), ("很好", "第3天")])
    assert not np.allclose(logits[0], logits[1], atol=1e-6)


def test_a_finished_model_can_be_trained_further(make: Make, finished: Recipe, tmp_path: Path) -> None:
    base = RunDirectory.of(finished).model
    directory = finetune.run(
        make(f"finetune.base_model={base}", "finetune.epochs=1", f"run.directory={tmp_path / 'further'}")
    )
    assert Manifest.read(directory).base_model == str(base)
    assert report(directory)["training"]["history"][0]["loss"] < 0.5  # type: ignore[index]


def test_many_unknown_tokens_are_warned_of(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = "".join(f"ᚠᚢᚦ ᚨᚱᚲ {'很好' if i % 2 else '太差'},{i % 2}\n" for i in range(20))
    (project.parent / "runes.csv").write_text("text,label\n" + lines, encoding="utf-8")
    interrupt_at(monkeypatch, "on_log")
    path = project.parent / "runes.csv"
    with pytest.raises(KeyboardInterrupt):
        finetune.run(make(f"data.train={path}", "data.dev=", "data.test=", "finetune.batch_size=4"))
    assert any("unknown to the vocabulary" in message for message in caplog.messages)


def test_too_little_memory_names_what_to_lower(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, *arguments: object, **keywords: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(LineProgress, "on_train_begin", fail)
    with pytest.raises(TrainingError, match=r"batches of 8; halve finetune\.batch_size"):
        finetune.run(make())


def test_hidden_tokens_change_what_is_trained(make: Make, finished: Recipe, tmp_path: Path) -> None:
    found = finetune.run(make("finetune.masked=0.3", f"run.directory={tmp_path / 'masked'}"))
    assert weights_digest(found) != weights_digest(RunDirectory.of(finished).model)


def test_what_frames_a_text_is_never_hidden(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[TokenDropout] = []
    monkeypatch.setattr(finetune, "_train", lambda *arguments: built.append(arguments[-1]))
    recipe = make("finetune.masked=0.3")
    with pytest.raises(TrainingError, match="no intact checkpoint"):
        finetune.run(recipe)
    tokenizer = read_tokenizer(recipe, read_config(recipe))
    special = {tokenizer.convert_tokens_to_ids(one) for one in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    assert [(one.share, one.mask_id, set(one.special_ids)) for one in built] == [
        (0.3, tokenizer.mask_token_id, special)
    ]


def test_a_vocabulary_without_a_mask_is_refused_before_anything_is_lost(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_mask(recipe: Recipe, config: BertConfig) -> PreTrainedTokenizerBase:
        tokenizer = read_tokenizer(recipe, config)
        tokenizer.mask_token = None
        return tokenizer

    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_log", 12)
        with pytest.raises(KeyboardInterrupt):
            finetune.run(make())
    checkpoints = RunDirectory.of(make()).checkpoints
    before = sorted(checkpoints.rglob("*"))
    assert any(path.name.startswith("checkpoint-") for path in before)
    monkeypatch.setattr(finetune, "read_tokenizer", without_mask)
    with pytest.raises(RecipeError, match=r"finetune\.masked=0\.3 needs a \[MASK\] token.*; set it to 0\."):
        finetune.run(make("finetune.masked=0.3"))
    assert sorted(checkpoints.rglob("*")) == before
