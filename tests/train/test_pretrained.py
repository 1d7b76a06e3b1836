from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from runtime.errors import RecipeError
from train.config import Recipe
from train.pretrained import build_language_model, build_model, included, read_config, read_tokenizer

Make = Callable[..., Recipe]
LABELS = ("a", "b", "c")


@pytest.fixture
def base(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """Return a folder with a BERT that may be changed."""
    folder = tmp_path / "base"
    shutil.copytree(tiny_model_dir, folder)
    return folder


def change_config(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")


def test_a_local_model_keeps_its_encoder_and_gets_a_new_head(make: Make, base: Path) -> None:
    recipe = make(f"finetune.base_model={base}")
    model = build_model(recipe, read_config(recipe), LABELS)
    stored, found = load_file(base / "model.safetensors"), model.state_dict()
    kept = [name for name in stored if not name.startswith("classifier.")]
    assert len(kept) > 20
    assert all(torch.equal(stored[name], found[name]) for name in kept)
    assert found["classifier.weight"].shape == (3, 32)
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert model.config.label2id == {"a": 0, "b": 1, "c": 2}
    assert model.dtype == torch.float32


def test_weights_stored_in_half_precision_are_trained_in_full(make: Make, base: Path) -> None:
    path = base / "model.safetensors"
    save_file({name: value.bfloat16() for name, value in load_file(path).items()}, path, {"format": "pt"})
    change_config(base, dtype="bfloat16")
    recipe = make(f"finetune.base_model={base}")
    assert build_model(recipe, read_config(recipe), LABELS).dtype == torch.float32


def test_the_seed_decides_the_new_weights(make: Make) -> None:
    found = [
        build_model(recipe, read_config(recipe), LABELS).state_dict()["bert.pooler.dense.weight"]
        for recipe in (make("finetune.seed=1"), make("finetune.seed=1"), make("finetune.seed=2"))
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_model_from_scratch_has_the_shape_of_the_recipe(make: Make) -> None:
    recipe = make("scratch.hidden_size=24", "scratch.layers=2", "scratch.heads=3", "scratch.dropout=0.25")
    config = read_config(recipe)
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (24, 2, 3)
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.25, 0.25)
    assert (config.intermediate_size, config.max_position_embeddings) == (64, 24)
    assert config.vocab_size == len(read_tokenizer(recipe, config))


def test_a_model_of_another_type_is_refused_by_its_configuration_alone(make: Make, base: Path) -> None:
    change_config(base, model_type="roberta")
    (base / "model.safetensors").unlink()
    with pytest.raises(RecipeError, match="is of type 'roberta', only 'bert'"):
        read_config(make(f"finetune.base_model={base}"))


def test_more_tokens_than_positions_are_refused(make: Make, base: Path) -> None:
    fits = read_config(make(f"finetune.base_model={base}", "finetune.max_length=512"))
    assert fits.max_position_embeddings == 512
    with pytest.raises(RecipeError, match="max_length=513 is more than the 512 positions"):
        read_config(make(f"finetune.base_model={base}", "finetune.max_length=513"))


def test_a_missing_folder_names_the_nearest(make: Make, base: Path) -> None:
    with pytest.raises(RecipeError, match=f"does not exist; the nearest is {base}"):
        read_config(make(f"finetune.base_model={base}s"))


def test_a_model_folder_below_the_home_folder_is_found(
    make: Make, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(base.parent))
    recipe = make(f"finetune.base_model=~/{base.name}")
    config = read_config(recipe)
    assert len(read_tokenizer(recipe, config)) == config.vocab_size
    assert build_model(recipe, config, LABELS).num_parameters() > 0


def test_weights_cut_short_are_refused(make: Make, base: Path) -> None:
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RecipeError, match="cannot be read"):
        read_all(make(f"finetune.base_model={base}"))


def test_a_shape_beyond_the_memory_is_refused(make: Make) -> None:
    with pytest.raises(RecipeError, match=r"\[scratch\] .* make the model smaller"):
        read_all(make("scratch.hidden_size=2000000000"))


def test_a_hub_model_that_cannot_be_had_is_wrong_usage(make: Make) -> None:
    with pytest.raises(RecipeError, match="'google-bert/bert-base-chinese' cannot be read") as raised:
        read_config(make("finetune.base_model=google-bert/bert-base-chinese"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused(make: Make, base: Path, name: str) -> None:
    (base / name).unlink()
    (base / "tokenizer_config.json").unlink()
    recipe = make(f"finetune.base_model={base}")
    message = "tokenizer of .* has 5 entries" if name == "tokenizer.json" else "cannot be read"
    with pytest.raises(RecipeError, match=message):
        read_all(recipe)


def read_all(recipe: Recipe) -> None:
    config = read_config(recipe)
    read_tokenizer(recipe, config)
    build_model(recipe, config, LABELS)


def test_a_checkpoint_without_an_encoder_is_refused(make: Make, base: Path) -> None:
    path = base / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if "encoder.layer.1." not in name}
    save_file(weights, path, {"format": "pt"})
    recipe = make(f"finetune.base_model={base}")
    with pytest.raises(RecipeError, match=r"lacks 16 weights of a BERT, bert\.encoder\.layer\.1\."):
        build_model(recipe, read_config(recipe), LABELS)


def test_an_included_encoder_is_found_by_its_name_without_network(make: Make) -> None:
    for name in included():
        recipe = make(f"finetune.base_model={name}")
        config = read_config(recipe)
        assert len(read_tokenizer(recipe, config)) == config.vocab_size
        assert build_model(recipe, config, LABELS).dtype == torch.float32
    assert included()


def test_what_cannot_be_read_names_what_is_included(make: Make, base: Path) -> None:
    (base / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"or what is included: .*bert-mini-chinese"):
        read_config(make(f"finetune.base_model={base}"))


def test_a_folder_gives_the_vocabulary_of_a_model_from_scratch(make: Make, tiny_model_dir: Path) -> None:
    recipe = make(f"scratch.vocabulary={tiny_model_dir}")
    config = read_config(recipe)
    stored = json.loads((tiny_model_dir / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    assert config.vocab_size == len(read_tokenizer(recipe, config)) == stored


def test_a_vocabulary_that_does_not_exist_is_told(make: Make) -> None:
    with pytest.raises(RecipeError, match=r"scratch.vocabulary='nowhere': .*\"gb2312\" and \"trained\""):
        read_config(make("scratch.vocabulary=nowhere"))


def test_a_language_model_keeps_the_encoder_and_gets_a_new_head(make: Make, base: Path) -> None:
    recipe = make(f"pretrain.base_model={base}", "pretrain.max_length=16")
    model = build_language_model(recipe, read_config(recipe, "pretrain"))
    stored, found = load_file(base / "model.safetensors"), model.state_dict()
    kept = [name for name in stored if name.startswith("bert.") and "pooler" not in name]
    assert len(kept) > 15
    assert all(torch.equal(stored[name], found[name]) for name in kept)
    assert "cls.predictions.transform.dense.weight" in found


def test_weights_of_something_else_are_no_language_model(make: Make, base: Path) -> None:
    path = base / "model.safetensors"
    weights = {name: weight for name, weight in load_file(path).items() if "layer.0." not in name}
    save_file(weights, path, {"format": "pt"})
    recipe = make(f"pretrain.base_model={base}", "pretrain.max_length=16")
    with pytest.raises(RecipeError, match=r"pretrain.base_model=.* lacks \d+ weights of a BERT"):
        build_language_model(recipe, read_config(recipe, "pretrain"))
