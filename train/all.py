"""`all`: the four steps from rows to a stored model, in order."""

from __future__ import annotations

from pathlib import Path

from train import evaluate, export, finetune, save
from train.config import Recipe
from train.protection import key_of


def run(recipe: Recipe) -> Path:
    """Fine-tune, evaluate, export and save; return the stored model."""
    key_of(recipe)  # where it is missing, hours would be lost at the last step
    finetune.run(recipe)
    evaluate.run(recipe)
    export.run(recipe)
    return save.run(recipe)
