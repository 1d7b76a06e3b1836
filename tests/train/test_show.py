from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from train.config import Recipe
from train.recipe import read_recipe
from train.show import run

OVERRIDES = [
    (),
    (
        "data.columns=a,b",
        'data.text_pair="q\\"uote\\nline"',
        "finetune.learning_rate=3e-05",
        "store.version=1.2",
    ),
    ("corpus.files=a.txt,b.csv#text", "pretrain.max_minutes=1.5", "corpus.held_out=0.5"),
    ("data.dev=", "data.normalizers=[]", "finetune.resume=true", "run.directory=中文 路径"),
]


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_what_is_shown_reads_as_the_same_recipe(project: Path, overrides: tuple[str, ...]) -> None:
    recipe = read_recipe(project, overrides)
    shown = project.with_name("shown.toml")
    shown.write_text(run(recipe), encoding="utf-8")
    assert read_recipe(shown) == recipe


def test_every_setting_stands_below_its_help(project: Path) -> None:
    lines = run(read_recipe(project, ["corpus.files=texts.txt"])).splitlines()
    settings = 0
    for name, section in Recipe.model_fields.items():
        assert f"[{name}]" in lines
        assert section.annotation
        model = next(
            kind for kind in (section.annotation, *get_args(section.annotation)) if isinstance(kind, type)
        )
        for key, field in model.model_fields.items():
            at = lines.index(f"# {field.description}")
            assert lines[at + 1].removeprefix("# ").startswith(f"{key} =")
            settings += 1
    assert settings > 30


def test_unset_settings_are_comments(project: Path) -> None:
    shown = run(read_recipe(project))
    assert "# text_pair =" in shown.splitlines()
    assert "text_pair" not in tomllib.loads(shown)["data"]
