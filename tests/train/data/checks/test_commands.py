from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.data.checks.clean_rows import clean, csv_bytes, sentences
from train.config import Recipe, RunSection
from train.data.checks import finding_of
from train.data.checks.commands import commands, python_name
from train.data.checks.finding import Note
from train.doctor import diagnose
from train.recipe import read_recipe

DROP = Note("duplicates", "what", "prepare drops them", by_prepare=True)
HTML = Note(
    "html_remnant", "what", "", settings={"prepare.cleaners": ["blank", "html_remnant"]}, by_prepare=True
)
URLS = Note("url_only", "what", "", settings={"prepare.cleaners": ["blank", "url_only"]}, by_prepare=True)
FOREIGN = Note("foreign", "what", "", settings={"prepare.cleaners": ["blank", "foreign"]}, by_prepare=True)
PRIVATE = Note("personal_data", "what", "", settings={"privacy.mode": "placeholder"}, by_prepare=True)
CUT = [Note("truncation", "what", "", settings={"finetune.max_length": length}) for length in (96, 160, 128)]
RARE = Note("imbalance", "what", "", settings={"finetune.metric": "macro_f1"})
ENCODING = Note("wrong_encoding", "what", "", settings={"data.encoding": "utf-8"})
UNKNOWN = Note("unknown_label", "what", "correct these labels")
SIMILAR = Note("similar_labels", "what", "give both the same name")


@pytest.fixture
def recipe_of(tmp_path: Path) -> Callable[..., Recipe]:
    """Return a function that reads a recipe, whose name has a space, with overrides."""

    def read(*overrides: str) -> Recipe:
        path = tmp_path / "my data.toml"
        path.write_text('[data]\ntrain = "train.csv"\n', encoding="utf-8")
        return read_recipe(path, overrides)

    return read


def read_again(command: str) -> tuple[str, Recipe]:
    """Return the command's name and what its recipe becomes."""
    python, dash, module, name, path, *overrides = shlex.split(command)
    assert (Path(python).resolve(), dash, module) == (Path(sys.executable).resolve(), "-m", "train")
    return name, read_recipe(Path(path), overrides)


def test_one_command_has_all_settings_and_the_overrides_of_the_user(recipe_of: Callable[..., Recipe]) -> None:
    given = ["data.train=my rows.csv", "data.encoding=gb18030", 'prepare.cleaners=["blank"]']
    notes = [DROP, HTML, PRIVATE, URLS, FOREIGN, SIMILAR]
    (command,) = commands(recipe_of(*given), [finding_of(note) for note in notes])
    name, found = read_again(command)
    assert name == "prepare"
    assert (found.labelled().train, found.labelled().encoding) == ("my rows.csv", "gb18030")
    assert found.prepare.cleaners == ("blank", "html_remnant", "url_only")
    assert found.privacy.mode == "placeholder"
    assert command.count("prepare.cleaners") == 1


def test_what_the_defaults_of_prepare_do_needs_no_setting(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of()
    (command,) = commands(recipe, [finding_of(DROP)])
    assert shlex.split(command)[1:] == ["-m", "train", "prepare", str(recipe.origin.path)]


def test_what_training_needs_is_a_second_command_on_the_prepared_rows(
    recipe_of: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = recipe_of(f"run.directory={tmp_path / 'a run'}", "finetune.max_length=64")
    first, second = commands(recipe, [finding_of(note) for note in (DROP, RARE, *CUT)])
    assert "finetune.metric" not in first
    assert read_again(first)[0] == "prepare"
    _, _, _, name, _, *overrides = shlex.split(second)
    assert name == "finetune"
    assert f"data.prepared={tmp_path / 'a run' / 'prepared'}" in overrides
    assert {"finetune.max_length=160", 'finetune.metric="macro_f1"'} < set(overrides)
    assert "finetune.max_length=64" not in overrides
    (alone,) = commands(recipe, [finding_of(CUT[0])])
    name, found = read_again(alone)
    assert (name, found.finetune.max_length, found.labelled().prepared) == ("finetune", 96, None)


def test_what_prepare_encrypts_is_read_with_its_key(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("protection.encrypt=true", "protection.key_file=my key")
    first, second = commands(recipe, [finding_of(note) for note in (DROP, RARE)])
    assert "data.key_file" not in first
    assert "data.key_file=my key" in shlex.split(second)


def test_no_training_is_proposed_while_an_error_is_left(recipe_of: Callable[..., Recipe]) -> None:
    names = [read_again(one)[0] for one in commands(recipe_of(), [finding_of(UNKNOWN), finding_of(RARE)])]
    assert names == []
    both = commands(recipe_of(), [finding_of(UNKNOWN), finding_of(RARE), finding_of(DROP)])
    assert [read_again(one)[0] for one in both] == ["prepare"]


def test_files_that_are_read_wrongly_are_looked_at_again_first(recipe_of: Callable[..., Recipe]) -> None:
    notes = [finding_of(note) for note in (DROP, ENCODING, HTML)]
    (command,) = commands(recipe_of("data.encoding=gb18030"), notes)
    name, found = read_again(command)
    assert (name, found.labelled().encoding, found.prepare.cleaners) == (
        "doctor",
        "utf-8",
        ("blank", "one_character"),
    )


def test_nothing_is_proposed_where_no_command_helps(recipe_of: Callable[..., Recipe], tmp_path: Path) -> None:
    assert commands(recipe_of(), []) == []
    assert commands(recipe_of(), [finding_of(note) for note in (SIMILAR, FOREIGN)]) == []
    assert commands(Recipe(run=RunSection(directory=tmp_path)), [finding_of(DROP)]) == []


def test_rows_that_prepare_wrote_are_prepared_from_their_source(recipe_for: Callable[..., Any]) -> None:
    from train import prepare

    made = prepare.run(recipe_for(train=clean(), test=clean(seed=1)))
    hidden = [finding_of(DROP)]
    recipe = read_recipe(made.parent.parent / "recipe.toml", [f"data.prepared={made}"])
    (command,) = commands(recipe, hidden)
    name, found = read_again(command)
    assert (name, found.labelled().prepared, Path(found.labelled().train).name) == (
        "prepare",
        None,
        "train.jsonl",
    )


@given(column=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8))
def test_any_name_of_a_column_survives_the_shell(
    column: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "command.toml"
    path.write_text('[data]\ntrain = "train.csv"\n', encoding="utf-8")
    swapped = Note("swapped_columns", "what", "", settings={"data.text": column, "data.label": f"{column}2"})
    (command,) = commands(read_recipe(path), [finding_of(swapped)])
    name, found = read_again(command)
    assert (name, found.labelled().text, found.labelled().label) == ("doctor", column, f"{column}2")


def test_swapped_columns_lead_back_to_the_doctor(recipe_for: Callable[..., Any]) -> None:
    content = csv_bytes([(label, text) for text, label in clean(60)])
    diagnosis = diagnose(recipe_for(train=content, suffix=".csv"))
    (command,) = diagnosis["commands"]
    name, found = read_again(command)
    assert (name, found.labelled().text, found.labelled().label) == ("doctor", "label", "text")
    assert diagnose(found)["errors"] == 0


def test_every_length_of_the_splits_is_covered(recipe_for: Callable[..., Any]) -> None:
    rows = [
        [(text, label) for text, (_, label) in zip(sentences(40, seed, length), clean(), strict=True)]
        for seed, length in ((3, 60), (4, 150))
    ]
    diagnosis = diagnose(recipe_for(train=rows[0], test=rows[1]))
    (command,) = diagnosis["commands"]
    assert read_again(command)[1].finetune.max_length == 160
    assert {one["fix"] for one in diagnosis["findings"]} == {
        "finetune.max_length=64",
        "finetune.max_length=160",
    }


def test_an_interpreter_below_is_called_by_its_path_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert python_name(tmp_path / ".venv" / "bin" / "python") == ".venv/bin/python"
    assert python_name(Path("/usr/bin/python3")) == "/usr/bin/python3"
