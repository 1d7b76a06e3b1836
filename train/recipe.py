"""A TOML file and `section.key=value` overrides become a `Recipe`; it knows names and types, no meaning."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from runtime.errors import RecipeError, UsageError, nearest
from train.config import Recipe
from train.section import Text

Tables = dict[str, Any]

_INCLUDED = Path(__file__).parent / "configs"
_MISSING = {
    "data.train": 'write train = "data/train.csv" below a line [data]',
    "corpus.files": 'write files = ["texts.txt"] below a line [corpus]',
}
_PYDANTIC_SAYS = "Input should be "
_COMPARISONS = ("greater", "less")
_TEXT_TYPES = (str, Path, Text | None)


def read_recipe(path: Path, overrides: Sequence[str] = (), *, resume: bool = False) -> Recipe:
    """Read a recipe and put the overrides, each `section.key=value`, on top.

    Raises
    ------
    RecipeError
        The file is missing or not TOML, or a name, type or value is wrong.
    UsageError
        An override is not of the form `section.key=value`.
    """
    tables = _read_toml(path)
    for override in overrides:
        _apply(tables, override)
    for section in ("finetune", "pretrain") if resume else ():
        _table(tables, section)["resume"] = True
    _table(tables, "run").setdefault("directory", f"runs/{path.stem}")
    try:
        # JSON keeps the strict types of TOML and lets arrays become tuples, strings paths.
        recipe = Recipe.model_validate_json(json.dumps(tables, default=str))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_sentence(error.errors(include_url=False))}") from error
    recipe.note_origin(path, overrides)
    if recipe.data is None and recipe.corpus is None:
        raise RecipeError(f"{path}: data.train is missing; {_MISSING['data.train']}.")
    return _with_prepared_rows(recipe)


def _with_prepared_rows(recipe: Recipe) -> Recipe:
    """Put what `prepare` wrote in place of the files that the recipe names, where it says so."""
    if recipe.data is None or recipe.data.prepared is None:
        return recipe
    from train.data.prepared import section_of

    return recipe.model_copy(update={"data": section_of(recipe.data.prepared, recipe.data)})


def nearest_path(path: Path, *others: Path) -> str:
    """Return a half-sentence naming the existing path most like `path`: beside it, or among `others`."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    missing = path.absolute().relative_to(folder).parts[0]
    beside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    candidates = [*beside, *(other for other in others if other.exists())]
    alike = [entry for entry in candidates if entry.suffix == Path(missing).suffix] or candidates
    if not alike:
        return f"{folder} is empty"
    best = max(alike, key=lambda entry: SequenceMatcher(None, missing, entry.name).ratio())
    return f"the nearest is {best.relative_to(Path.cwd()) if best.is_relative_to(Path.cwd()) else best}"


def expanded(path: str | Path) -> Path:
    """Return a path with a leading `~` or `~user` replaced by a home folder.

    Raises
    ------
    RecipeError
        There is no such user, and nothing here has that name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        first = Path(path).parts[0]
        if os.path.lexists(first):
            return Path(path)
        raise RecipeError(
            f"{str(path)!r} begins with {first!r}, the home folder of no user here; write the path in full."
        ) from None


def encodable(text: str) -> bool:
    """Tell whether UTF-8 can hold a text: not where it has half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_toml(path: Path) -> Tables:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        nearest_one = nearest_path(path, *_INCLUDED.glob("*.toml"))
        raise RecipeError(f"recipe {path} does not exist; {nearest_one}.") from None
    except OSError as error:
        raise RecipeError(f"recipe {path} cannot be read ({error.strerror}); give a TOML file.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"recipe {path} is not UTF-8 at byte {error.start}; save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:  # also what TOML allows and Python refuses to read
        raise RecipeError(f"recipe {path} is not TOML: {error}; correct that place.") from error


def _apply(tables: Tables, override: str) -> None:
    name, equals, text = override.partition("=")
    section, dot, key = name.partition(".")
    if not (equals and dot and section and key):
        raise UsageError(f"{override!r} is not an override; write section.key=value, like finetune.epochs=5.")
    if not encodable(override):
        raise UsageError(f"{override!r} is not UTF-8; write it in the encoding of this terminal.")
    _check_known(section, key)
    if text:
        _table(tables, section)[key] = _value(text, _fields(section)[key].annotation)
    else:
        _table(tables, section).pop(key, None)


def _value(text: str, annotation: object) -> object:
    """Read the right-hand side as TOML; where the field holds text, or it is not TOML, take it as written."""
    if annotation in _TEXT_TYPES and text[0] not in "\"'":
        return text
    if "tuple" in str(annotation) and not text.startswith("["):
        return text.split(",")
    try:
        tables = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return tables["value"] if len(tables) == 1 else text


def _table(tables: Tables, section: str) -> Tables:
    table = tables.setdefault(section, {})
    if not isinstance(table, dict):
        raise RecipeError(f"{section} is not a section here; write its settings below a line [{section}].")
    return table


def _fields(section: str) -> dict[str, FieldInfo]:
    annotation = Recipe.model_fields[section].annotation
    models = [part for part in (annotation, *get_args(annotation)) if isinstance(part, type)]
    return cast(type[BaseModel], models[0]).model_fields


def _check_known(section: str, key: str | None = None) -> None:
    """Refuse a name that no recipe has, naming the nearest one that exists."""
    if section not in Recipe.model_fields:
        suggestion = _elsewhere(section) or nearest(section, Recipe.model_fields)
        raise RecipeError(f"[{section}] is not a section; {suggestion}")
    if key is not None and key not in _fields(section):
        raise RecipeError(
            f"{section}.{key} is not a setting; {_elsewhere(key) or nearest(key, _fields(section))}"
        )


def _elsewhere(key: str) -> str | None:
    """Name the section that does have this key, if any."""
    homes = [section for section in Recipe.model_fields if key in _fields(section)]
    return f"did you mean '{homes[0]}.{key}'?" if homes else None


def _sentence(problems: Sequence[ErrorDetails]) -> str:
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or list(problems))[0]
    where = [str(part) for part in problem["loc"]]
    if unknown:
        try:
            _check_known(*where[:2])
        except RecipeError as error:
            return str(error)
    name = ".".join(where)
    if problem["type"] == "missing":
        return f"{name} is missing; {_MISSING[name]}."
    return f"{name} = {_shown(problem['input'])} is not allowed{_remedy(problem)}"


def _remedy(problem: ErrorDetails) -> str:
    """Turn pydantic's "Input should be ..." into what to do; a validator of ours has said it itself."""
    cause = problem.get("ctx", {}).get("error")
    text = str(cause or problem["msg"])
    if text.startswith(_PYDANTIC_SAYS):
        allowed = text.removeprefix(_PYDANTIC_SAYS)
        return f"; give {'a value ' if allowed.startswith(_COMPARISONS) else ''}{allowed}."
    text = text if cause else text[0].lower() + text[1:]
    return f": {text}" if text.endswith("?") else f": {text}."


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"
