from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertForMaskedLM

from runtime.errors import BentobertError, DataError, RecipeError
from train import finetune, pretrain, vocab
from train.checkpoint import is_intact
from train.config import Recipe
from train.recipe import read_recipe
from train.run import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["房间", "很好", "早餐", "不错", "服务", "太差", "位置", "方便", "价格", "便宜"]

RARE = "\n\n".join(f"房间㐀㐁㐂㐃，第{number}天很好" for number in range(500))

RECIPE = """
[corpus]
files = ["{folder}/texts.txt"]
near_duplicates = 0.0
held_out = 0.1
[vocab]
size = 4200
[pretrain]
epochs = 2
batch_tokens = 512
max_length = 64
adamw_learning_rate = 2e-3
precision = "fp32"
seed = 3
[finetune]
base_model = "{folder}/run/encoder"
epochs = 1
max_length = 24
precision = "fp32"
[scratch]
vocabulary = "gb2312"
hidden_size = 32
layers = 1
heads = 2
intermediate_size = 64
dropout = 0.2
[run]
directory = "{folder}/run"
"""


def sentences(count: int) -> list[str]:
    return [
        f"{WORDS[i % 10]}，{WORDS[(i // 10) % 10]}，{WORDS[(i * 7) % 10]}，住了{i}天，下次再来。"
        for i in range(count)
    ]


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    (tmp_path / "texts.txt").write_text("\n\n".join(sentences(600)), encoding="utf-8")
    path = tmp_path / "mini.toml"
    path.write_text(RECIPE.replace("{folder}", str(tmp_path)), encoding="utf-8")
    return path


def read(path: Path, *overrides: str, resume: bool = False) -> Recipe:
    return read_recipe(path, overrides, resume=resume)


def test_text_in_an_encoder_out_that_transformers_and_finetune_read(
    recipe_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="train"):
        folder = pretrain.run(read(recipe_path))
    assert folder == recipe_path.parent / "run" / "encoder"
    model, found = BertForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings == 64
    assert model.config.hidden_dropout_prob == model.config.attention_probs_dropout_prob == 0.2
    assert len(AutoTokenizer.from_pretrained(folder)) == model.config.vocab_size
    report = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    assert report["pretraining"]["held_out"]["loss"] < 9
    assert report["pretraining"]["corpus_tokens"] > 10_000
    assert report["corpus"]["documents"] == 600
    assert report["recipe"]["pretrain"]["seed"] == 3
    assert not (folder.parent / "pretraining").exists()
    assert "tokens/s, loss" in caplog.text
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}

    rows = recipe_path.parent / "rows.csv"
    rows.write_text(
        "text,label\n" + "".join(f"{text},{i % 2}\n" for i, text in enumerate(sentences(40))),
        encoding="utf-8",
    )
    model_folder = finetune.run(read(recipe_path, f"data.train={rows}"))
    assert (model_folder / "manifest.json").is_file()


def test_weights_in_half_precision_take_half_the_room(recipe_path: Path) -> None:
    whole = load_file(pretrain.run(read(recipe_path)) / "model.safetensors")
    half = load_file(pretrain.run(read(recipe_path, "pretrain.weights=fp16")) / "model.safetensors")
    assert {weight.dtype for weight in half.values()} == {torch.float16}
    assert whole.keys() == half.keys()
    assert all(torch.equal(whole[name].half(), half[name]) for name in whole)


def test_an_encoder_goes_on_learning_and_keeps_its_vocabulary(recipe_path: Path) -> None:
    first = pretrain.run(read(recipe_path))
    before = json.loads((first / "pretraining.json").read_text(encoding="utf-8"))["pretraining"]["held_out"]
    second = pretrain.run(
        read(recipe_path, f"pretrain.base_model={first}", f"run.directory={recipe_path.parent / 'more'}")
    )
    after = json.loads((second / "pretraining.json").read_text(encoding="utf-8"))["pretraining"]["held_out"]
    assert after["loss"] < before["loss"]
    vocabularies = [AutoTokenizer.from_pretrained(folder).get_vocab() for folder in (first, second)]
    assert vocabularies[0] == vocabularies[1]


def test_a_killed_training_goes_on_where_it_was(recipe_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = load_file(pretrain.run(read(recipe_path)) / "model.safetensors")
    elsewhere = f"run.directory={recipe_path.parent / 'killed'}"
    directory = RunDirectory.of(read(recipe_path, elsewhere))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("train.schedule.Budget.on_save", killed, raising=False)
        with pytest.raises(KeyboardInterrupt):
            pretrain.run(read(recipe_path, elsewhere, "pretrain.checkpoint_minutes=1e-9"))
    assert not directory.encoder.exists()
    assert [path.name for path in directory.pretraining.glob("checkpoint-*")] == ["checkpoint-1"]

    with monkeypatch.context() as patch:
        patch.setattr("train.pretrain.load_corpus", killed)  # its tokens lie in the run directory
        resumed = load_file(pretrain.run(read(recipe_path, elsewhere, resume=True)) / "model.safetensors")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert not list(directory.root.glob(".encoder-*"))


def test_resuming_a_finished_training_does_nothing(
    recipe_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pretrain.run(read(recipe_path))
    monkeypatch.setattr("train.pretrain.build_language_model", None)
    assert pretrain.run(read(recipe_path, resume=True)) == folder


def test_resuming_with_other_settings_is_refused(recipe_path: Path) -> None:
    pretrain.run(read(recipe_path))
    with pytest.raises(RecipeError, match=r"pretrain.adamw_learning_rate was 0.002 and is now 0.001"):
        pretrain.run(read(recipe_path, "pretrain.adamw_learning_rate=1e-3", resume=True))


def test_a_changed_corpus_is_tokenised_anew(recipe_path: Path) -> None:
    pretrain.run(read(recipe_path))
    (recipe_path.parent / "texts.txt").write_text("\n\n".join(sentences(500)), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"the contents of the data files changed"):
        pretrain.run(read(recipe_path, resume=True))
    report = json.loads((pretrain.run(read(recipe_path)) / "pretraining.json").read_text(encoding="utf-8"))
    assert report["corpus"]["documents"] == 500


def test_a_file_learned_more_often_is_another_corpus(recipe_path: Path) -> None:
    folder = pretrain.run(read(recipe_path))
    once = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))["pretraining"]
    twice = f"corpus.files={recipe_path.parent / 'texts.txt'}*2"
    with pytest.raises(RecipeError, match=r"how often each of corpus.files is learned was \[1\] and is now"):
        pretrain.run(read(recipe_path, twice, resume=True))
    report = json.loads((pretrain.run(read(recipe_path, twice)) / "pretraining.json").read_text("utf-8"))
    assert report["pretraining"]["corpus_tokens"] == 2 * once["corpus_tokens"]
    assert report["pretraining"]["held_out_tokens"] == once["held_out_tokens"]


def test_a_vocabulary_of_ones_own(recipe_path: Path) -> None:
    trained = vocab.run(read(recipe_path))
    folder = pretrain.run(read(recipe_path, "scratch.vocabulary=trained"))
    assert (
        AutoTokenizer.from_pretrained(folder).get_vocab()
        == AutoTokenizer.from_pretrained(trained).get_vocab()
    )


@pytest.mark.parametrize(
    ("text", "overrides", "kind", "message"),
    [
        ("", [], DataError, "corpus.files leave nothing to learn from"),
        (
            "很好，早餐不错。\n\n服务也很好，房间太差。\n\n价格便宜，位置方便。",
            [],
            DataError,
            "fill no batch of 512; lower pretrain.batch_tokens",
        ),
        (None, ["scratch.vocabulary=trained"], RecipeError, "run the command vocab with this recipe first"),
        (None, ["scratch.vocabulary=nowhere/at/all"], RecipeError, "nowhere/at/all does not exist"),
        (
            None,
            ["pretrain.base_model=nowhere/at/all"],
            RecipeError,
            "pretrain.base_model='nowhere/at/all' does",
        ),
        (None, ["pretrain.embeddings=none.npz"], RecipeError, "none.npz does not exist"),
        (None, ["corpus.files=none.txt"], RecipeError, "none.txt"),
        (RARE, [], DataError, "of the tokens .* are unknown to the vocabulary, above all"),
    ],
)
def test_what_cannot_be_learned_is_told_in_a_sentence(
    recipe_path: Path, text: str | None, overrides: list[str], kind: type[BentobertError], message: str
) -> None:
    if text is not None:
        (recipe_path.parent / "texts.txt").write_text(text, encoding="utf-8")
    recipe = read(recipe_path, *overrides)
    with pytest.raises(kind, match=message) as caught:
        pretrain.run(recipe)
    assert "\n" not in str(caught.value)
    assert not (recipe_path.parent / "run" / "encoder").exists()


def test_a_base_model_with_another_vocabulary_is_refused(recipe_path: Path, tmp_path: Path) -> None:
    base = pretrain.run(read(recipe_path))
    vocab.run(read(recipe_path, "vocab.size=4130"))
    other = read(recipe_path, f"pretrain.base_model={base}", "scratch.vocabulary=trained")
    with pytest.raises(
        RecipeError, match=r"differs from scratch.vocabulary='trained'.*leave scratch.vocabulary"
    ):
        pretrain.run(other)


def test_a_recipe_without_a_corpus_is_told_what_to_write(project: Path) -> None:
    with pytest.raises(RecipeError, match=r"corpus.files is missing; write files"):
        pretrain.run(read_recipe(project))


def test_a_recipe_without_rows_is_told_what_to_write(recipe_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"data.train is missing; write train"):
        finetune.run(read(recipe_path, "finetune.base_model=scratch"))


def test_a_process_killed_outright_leaves_what_can_be_resumed(recipe_path: Path) -> None:
    straight = load_file(pretrain.run(read(recipe_path)) / "model.safetensors")
    elsewhere = f"run.directory={recipe_path.parent / 'killed'}"
    directory = RunDirectory.of(read(recipe_path, elsewhere))
    command = [sys.executable, "-m", "train", "pretrain", str(recipe_path), elsewhere]
    process = subprocess.Popen(
        [*command, "pretrain.checkpoint_minutes=1e-9"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while not any(is_intact(path) for path in directory.pretraining.glob("checkpoint-*")):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert not directory.encoder.exists()
    folder = pretrain.run(read(recipe_path, elsewhere, resume=True))
    resumed = load_file(folder / "model.safetensors")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    left = sorted(path.name for path in directory.root.iterdir())
    assert left == [".lock", "audit.jsonl", "encoder", "tokens"]
