from __future__ import annotations

import json
import re
import shutil
import tomllib
from typing import Any

import bentoml
import pytest
import yaml  # type: ignore[import-untyped]

from runtime.manifest import Manifest
from train.artifact import TRAINING_NAME
from train.config import Recipe
from train.report.card import encoder_card, model_card, table_cell
from train.report.evaluation import Evaluation
from train.run import RunDirectory

TAG = "bert-classifier:1.0"


@pytest.fixture
def parts(finished: Recipe) -> tuple[Manifest, dict[str, object], Evaluation]:
    directory = RunDirectory.of(finished)
    training = json.loads((directory.model / TRAINING_NAME).read_text(encoding="utf-8"))
    return Manifest.read(directory.model), training, json.loads(directory.metrics.read_text(encoding="utf-8"))


Parts = tuple[Manifest, dict[str, object], Evaluation]


def test_the_card_tells_data_results_limits_and_use(parts: Parts, finished: Recipe) -> None:
    card = model_card(TAG, *parts)
    for heading in ("Use", "Intended use", "Results", "Limits", "Data", "Training"):
        assert f"\n## {heading}\n" in card
    for file in parts[1]["data"]["train"]["files"]:  # type: ignore[index]
        assert f"| train | {file['path']} | {file['rows']} | `{file['sha256']}` |" in card
    assert "| 正面 | 32 | 12 | 10 |" in card
    assert f"CLASSIFIER_MODEL={TAG} bentoml serve" in card
    assert f"| accuracy | {parts[2]['accuracy']:.4f} |" in card
    assert "Texts are cut after 24 tokens" in card
    assert "\n\n\n" not in card


def test_the_card_names_the_datasheet_of_prepared_rows(parts: Parts) -> None:
    manifest, training, evaluation = parts
    assert training["datasheet"] is None
    assert "datasheet" not in model_card(TAG, *parts)
    card = model_card(TAG, manifest, {**training, "datasheet": "0123abcd"}, evaluation)
    assert "The rows were prepared; the sha256 of their datasheet is `0123abcd`." in card
    assert "\n\n\n" not in card


def test_the_recipe_of_the_card_can_be_run_again(parts: Parts, finished: Recipe) -> None:
    block = re.search(r"```toml\n(.*?)```", model_card(TAG, *parts), re.DOTALL)
    assert block
    found = tomllib.loads(block[1])
    again = Recipe.model_validate_json(
        json.dumps(found | {"run": {"directory": str(finished.run.directory)}})
    )
    assert again == finished


def test_the_front_matter_is_yaml_and_names_a_base_model_if_there_is_one(parts: Parts) -> None:
    manifest, training, evaluation = parts
    front = yaml.safe_load(model_card(TAG, manifest, training, evaluation).split("---")[1])
    assert front == {"library_name": "transformers", "pipeline_tag": "text-classification"}
    tuned = manifest.model_copy(update={"base_model": "google-bert/bert-base-chinese"})
    card = model_card(TAG, tuned, training, evaluation)
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "google-bert/bert-base-chinese"
    assert "Fine-tuned from google-bert/bert-base-chinese." in card


@pytest.mark.parametrize("number", [0, 1])
def test_the_python_of_the_card_runs(
    parts: Parts,
    finished: Recipe,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    tag = f"card:{number}"
    with bentoml.models.create(tag) as model:
        shutil.copytree(RunDirectory.of(finished).model, model.path, dirs_exist_ok=True)
    blocks = re.findall(r"```python\n(.*?)```", model_card(tag, *parts), re.DOTALL)
    assert len(blocks) == 2
    exec(compile(blocks[number], "card", "exec"), {})  # noqa: S102 - the card's own code
    assert ("Prediction(" in capsys.readouterr().out) == (number == 0)


def test_parity_is_told_where_it_was_measured(parts: Parts) -> None:
    manifest, training, evaluation = parts
    figures = {
        "rows": 24.0,
        "label_agreement": 0.9958,
        "accuracy_drop": 0.25,
        "max_probability_change": 0.0123,
        "neighbour_change": 0.0031,
    }
    served = manifest.model_copy(update={"precision": "bf16", "parity": figures})
    card = model_card(TAG, served, training, evaluation)
    assert "the same label 99.58 % of the time, loses 0.25 points" in card
    assert "what shares a batch with a text changes its probabilities by at most 3e-03" in card
    assert "the same label" not in model_card(TAG, manifest, training, evaluation)


def test_labels_with_few_rows_are_named_as_a_limit(parts: Parts) -> None:
    manifest, training, evaluation = parts
    assert "Fewer than 30 test rows: 正面, 负面." in model_card(TAG, manifest, training, evaluation)
    for found in evaluation["classes"].values():
        found["support"] = 30
    assert "Fewer than" not in model_card(TAG, manifest, training, evaluation)


@pytest.mark.parametrize(("value", "cell"), [("a|b", r"a\|b"), ("a\nb", "a b"), (3, "3")])
def test_cells_stay_cells(value: object, cell: str) -> None:
    assert table_cell(value) == cell


SHAPE = {
    "num_hidden_layers": 4,
    "hidden_size": 320,
    "num_attention_heads": 5,
    "vocab_size": 8000,
    "max_position_embeddings": 512,
}


def pretraining(base_model: str = "scratch", **changes: Any) -> dict[str, Any]:
    """Return what `pretraining.json` holds, of 100 reports."""
    recipe = Recipe.model_validate_json(
        json.dumps(
            {
                "corpus": {"files": ["a|b.txt"], "licences": ["a|b: MIT"], "exclude": ["test.csv#text"]},
                "pretrain": {"base_model": base_model},
                "run": {"directory": "run"},
            }
        )
    )
    counts = dict.fromkeys(("documents", "paragraphs", "characters"), 1234)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "corpus": {
            **counts,
            "dropped_markup": 77,
            **{f"{part}_{name}": 55 for part in ("learned", "held_out") for name in counts},
        },
        "pretraining": {
            "parameters": 7_000_000,
            "corpus_tokens": 2_000_000,
            "steps": 900,
            "seconds": 120.0,
            "device": "cpu",
            "precision": "bf16",
            "held_out": {"loss": 4.321, "masked_accuracy": 0.3},
            "history": [
                {"tokens": 30_000 * (number + 1), "loss": 9 - number / 50, "masked_accuracy": number / 400}
                for number in range(100)
            ],
        }
        | changes,
    }


def test_an_encoders_card_tells_data_training_and_curve() -> None:
    card = encoder_card("mini", SHAPE, pretraining(), "runs/mini/encoder")
    for told in (
        "4 layers × 320",
        "from random weights",
        'base_model = "runs/mini/encoder"',
        r"| a\|b.txt |",
        "- a|b: MIT",
        "| dropped: markup | | 77 | |",
        "test.csv#text",
        "3,000,000, 1.50 passes over 2,000,000",
        "25,000 tokens/s",
        "loss 4.321 nats, 30.0% of the hidden tokens",
        "512, 256, 128, 64 tokens",
    ):
        assert told in card
    curve = re.findall(r"^\| ([\d.]+) M \|", card, re.MULTILINE)
    assert 8 <= len(curve) <= 12
    assert curve[-1] == "3.0"
    assert "base_model" not in yaml.safe_load(card.split("---")[1])


def test_an_adapted_encoders_card_names_its_base() -> None:
    card = encoder_card("mini", SHAPE, pretraining("owner/base", held_out={}), "x")
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "owner/base"
    assert "continued from owner/base" in card
    assert "| held out | loss" not in card
