"""What one class of checks finds in rows that a test writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from train.config import Recipe
from train.data.checks.finding import Check, Finding
from train.doctor import diagnose
from train.recipe import read_recipe

Rows = Sequence[tuple[str, str]]


@pytest.fixture
def recipe_for(tmp_path: Path) -> Callable[..., Recipe]:
    """Return a function that writes the rows, or the bytes, of splits and returns a recipe for them."""

    def make(*overrides: str, suffix: str = ".jsonl", **splits: Rows | bytes) -> Recipe:
        lines = ["[data]"]
        for split, rows in splits.items():
            path = tmp_path / f"{split}{suffix}"
            path.write_bytes(rows if isinstance(rows, bytes) else _jsonl(rows))
            lines.append(f'{split} = "{path}"')
        lines += ["[finetune]", 'base_model = "scratch"', "max_length = 48"]
        lines += ["[run]", f'directory = "{tmp_path / "run"}"']
        (tmp_path / "recipe.toml").write_text("\n".join(lines), encoding="utf-8")
        return read_recipe(tmp_path / "recipe.toml", overrides)

    return make


@pytest.fixture
def find(recipe_for: Callable[..., Recipe]) -> Callable[..., list[Finding]]:
    """Return a function that returns the findings of one class of checks."""

    def found(
        kind: type[Check], *overrides: str, suffix: str = ".jsonl", **splits: Rows | bytes
    ) -> list[Finding]:
        return diagnose(recipe_for(*overrides, suffix=suffix, **splits), [kind])["findings"]

    return found


def _jsonl(rows: Rows) -> bytes:
    return "".join(f"{json.dumps(dict(zip(('text', 'label'), row, strict=True)))}\n" for row in rows).encode()
