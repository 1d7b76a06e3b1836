"""What ships: an encoder that transformers loads, that has learned something, and that says what from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from train import config
from train.pretrained import included
from train.recipe import read_recipe
from train.report.card import encoder_card

ENCODERS = included()
CONFIGS = Path(config.__file__).parent / "configs"
MOST_BYTES = 20_000_000
SENTENCES = [
    "房间很干净，服务员的态度也很好，下次还会再来。",
    "这本书的内容很丰富，值得一看。",
    "国家鼓励和支持公民依法参加社会公益活动。",
    "皇帝听了大臣的话，非常高兴，赏给他很多黄金。",
    "如果没有配置该参数，系统将使用默认值。",
    "违反本条例规定的，由有关部门责令改正，并处以罚款。",
    "他从小就喜欢读书，长大以后成了一位著名的学者。",
    "用户可以在这个页面查看所有的订单。",
]


def test_the_default_of_the_quickstart_is_included() -> None:
    assert "bert-mini-chinese" in ENCODERS
    assert read_recipe(CONFIGS / "quickstart.toml").finetune.base_model in ENCODERS


@pytest.mark.parametrize("name", ENCODERS)
def test_it_is_small_enough_for_a_repository(name: str) -> None:
    files = list(ENCODERS[name].iterdir())
    assert {"README.md", "config.json", "model.safetensors", "pretraining.json", "tokenizer.json"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


@pytest.mark.parametrize("name", ENCODERS)
def test_it_guesses_hidden_characters(name: str) -> None:
    """Each character of common sentences is hidden alone; the commonest of all is right 1 time in 20."""
    model, found = AutoModelForMaskedLM.from_pretrained(
        ENCODERS[name], dtype=torch.float32, output_loading_info=True
    )
    assert not found["missing_keys"]
    tokenizer = AutoTokenizer.from_pretrained(ENCODERS[name])
    assert len(tokenizer) == model.config.vocab_size
    right = hidden = 0
    for sentence in SENTENCES:
        ids = tokenizer(sentence, return_tensors="pt")["input_ids"][0]
        assert tokenizer.unk_token_id not in ids
        places = torch.arange(1, len(ids) - 1)
        masked = ids.repeat(len(places), 1)
        masked[torch.arange(len(places)), places] = tokenizer.mask_token_id
        with torch.no_grad():
            guesses = model.eval()(masked).logits[torch.arange(len(places)), places].argmax(dim=-1)
        right, hidden = right + int((guesses == ids[places]).sum()), hidden + len(places)
    assert hidden > 150
    assert right / hidden > 0.4


@pytest.mark.parametrize("name", ENCODERS)
def test_its_recipe_is_the_one_it_was_made_with(name: str) -> None:
    recorded = json.loads((ENCODERS[name] / "pretraining.json").read_text(encoding="utf-8"))["recipe"]
    recipe = read_recipe(CONFIGS / f"{name}.toml").model_dump(mode="json")
    for section in ("corpus", "vocab", "pretrain", "scratch"):
        settings = {key: value for key, value in recorded[section].items() if key != "resume"}
        assert settings == {key: recipe[section][key] for key in settings}


@pytest.mark.parametrize("name", ENCODERS)
def test_nothing_that_classifiers_are_evaluated_on_was_learned(name: str) -> None:
    corpus = read_recipe(CONFIGS / f"{name}.toml").unlabelled()
    assert len(corpus.files) >= 3
    assert not [file for file in corpus.files if "dev" in Path(file).name or "test" in Path(file).name]
    assert len(corpus.exclude) >= 10


@pytest.mark.parametrize("name", ENCODERS)
def test_its_card_tells_data_licences_and_curve(name: str) -> None:
    card = (ENCODERS[name] / "README.md").read_text(encoding="utf-8")
    report = json.loads((ENCODERS[name] / "pretraining.json").read_text(encoding="utf-8"))
    for line in (*report["recipe"]["corpus"]["files"], *report["recipe"]["corpus"]["licences"]):
        assert line in card
    assert f"{report['pretraining']['held_out']['loss']:.3f}" in card
    assert "## Limits" in card
    shape = json.loads((ENCODERS[name] / "config.json").read_text(encoding="utf-8"))
    assert card == encoder_card(name, shape, report, name)
