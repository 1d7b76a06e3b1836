from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime.backends import BACKENDS
from runtime.errors import RecipeError
from train import config
from train.config import Recipe
from train.export import EXPORTERS
from train.recipe import read_recipe
from train.section import Section

RECIPES = sorted((Path(config.__file__).parent / "configs").glob("*.toml"))
SECTIONS = [getattr(config, f"{name.capitalize()}Section") for name in Recipe.model_fields]
SETTINGS = [(section, name) for section in SECTIONS for name in section.model_fields]


@pytest.mark.parametrize(("section", "name"), SETTINGS, ids=lambda value: getattr(value, "__name__", value))
def test_every_setting_has_help(section: type[Section], name: str) -> None:
    assert section.model_fields[name].description


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_included_recipe_is_valid(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.run.directory == Path("runs") / path.stem


def test_the_recipe_of_the_classic_model_is_included() -> None:
    assert "bert-base-chinese" in {path.stem for path in RECIPES}


def test_sections_cannot_be_changed(project: Path) -> None:
    recipe = read_recipe(project)
    with pytest.raises(ValidationError):
        recipe.finetune.epochs = 9  # type: ignore[misc]


def test_every_backend_that_can_be_chosen_has_an_exporter() -> None:
    assert set(EXPORTERS) == set(BACKENDS)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("finetune.epochs=0", "greater than or equal to 1"),
        ("finetune.epochs=true", "integer"),
        ("finetune.epochs=2.5", "integer"),
        ("finetune.learning_rate=nan", "finite"),
        ("finetune.precision=fp16", "'auto', 'fp32' or 'bf16'"),
        ("finetune.max_length=2", "greater than or equal to 3"),
        ("finetune.batch_size=99999999999999999999", "less than or equal to 2147483647"),
        ("scratch.heads=3", "not a multiple"),
        ("export.backend=torhc", "did you mean 'torch'?"),
        ("pretrain.masked=1", "less than 1"),
        ("pretrain.max_minutes=0", "greater than 0"),
        ("pretrain.optimizer=sgd", "'muon' or 'adamw'"),
        ("vocab.size=99", "greater than or equal to 100"),
        ("store.name=Bert", "a-z"),
        ("store.name=" + "a" * 64, "at most 63"),
        ("store.version=latest", 'not "latest"'),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(project: Path, override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=r"tiny\.toml") as raised:
        read_recipe(project, ["corpus.files=texts.txt", override])
    assert reason in str(raised.value)
    assert override.partition("=")[0].split(".")[0] in str(raised.value)
