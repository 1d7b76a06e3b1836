"""`show`: the resolved recipe as TOML that can be saved and run again; it knows no training."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from train.config import Recipe


def run(recipe: Recipe) -> str:
    """Return every section, each setting with its help text and value; unset settings are commented out."""
    sections = {name: getattr(recipe, name) for name in Recipe.model_fields}
    return "\n\n".join(_section(name, section) for name, section in sections.items() if section is not None)


def _section(name: str, section: BaseModel) -> str:
    fields = type(section).model_fields
    lines = [line for key, field in fields.items() for line in _setting(key, field, getattr(section, key))]
    return "\n".join([f"[{name}]", *lines])


def _setting(key: str, field: FieldInfo, value: object) -> list[str]:
    assignment = f"# {key} =" if value is None else f"{key} = {_toml(value)}"
    return [f"# {field.description}", assignment]


def _toml(value: object) -> str:
    # Every value a recipe can hold is written alike in JSON and in TOML, once paths are strings; only
    # TOML wants the delete character escaped.
    text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
