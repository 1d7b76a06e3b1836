from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import RecipeError, UsageError
from train import prepare
from train.config import Recipe
from train.recipe import expanded, nearest_path, read_recipe
from train.show import run

MINIMAL = '[data]\ntrain = "train.csv"\n'


def read(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path, overrides)


def test_prepared_rows_take_the_place_of_those_that_are_named(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMAL).labelled().train == "train.csv"
    with pytest.raises(RecipeError, match=r"data\.prepared='.*/none' does not exist"):
        read(tmp_path, MINIMAL, f"data.prepared={tmp_path}/none")
    folder = prepare.run(read(tmp_path, '[data]\ntrain = "sample:dev"', f"run.directory={tmp_path}/run"))
    found = read(tmp_path, MINIMAL + 'text = "t"', f"data.prepared={folder}").labelled()
    assert (found.train, found.test) == (f"{folder}/train.parquet", f"{folder}/test.parquet")
    assert (found.text, found.prepared) == ("text", str(folder))


def test_a_recipe_knows_where_it_was_read_and_is_the_same_wherever_that_was(tmp_path: Path) -> None:
    recipe = read(tmp_path, MINIMAL, "finetune.epochs=5")
    other = tmp_path / "other.toml"
    other.write_text(f"{MINIMAL}[finetune]\nepochs = 5\n[run]\ndirectory = 'runs/recipe'", encoding="utf-8")
    assert recipe.origin is not None
    assert (recipe.origin.path, recipe.origin.overrides) == (tmp_path / "recipe.toml", ("finetune.epochs=5",))
    assert read_recipe(other) == recipe
    assert recipe.model_copy(update={}).origin == recipe.origin
    assert "origin" not in recipe.model_dump_json()


@pytest.mark.parametrize(
    ("override", "section", "name", "value"),
    [
        ("finetune.epochs=5", "finetune", "epochs", 5),
        ("finetune.learning_rate=3e-5", "finetune", "learning_rate", 3e-5),
        ("finetune.learning_rate=1", "finetune", "learning_rate", 1.0),
        ("finetune.resume=true", "finetune", "resume", True),
        ("finetune.base_model=hfl/rbt3", "finetune", "base_model", "hfl/rbt3"),
        ('finetune.base_model="a = b"', "finetune", "base_model", "a = b"),
        ("data.label=1", "data", "label", "1"),
        ("data.train=a=b.csv", "data", "train", "a=b.csv"),
        ("store.version=1.2", "store", "version", "1.2"),
        ("data.columns=label,text", "data", "columns", ("label", "text")),
        ('data.columns=["la,bel", "text"]', "data", "columns", ("la,bel", "text")),
        ("data.normalizers=[]", "data", "normalizers", ()),
        ("run.directory=somewhere else", "run", "directory", Path("somewhere else")),
    ],
)
def test_an_override_takes_the_type_of_its_setting(
    tmp_path: Path, override: str, section: str, name: str, value: object
) -> None:
    found = getattr(getattr(read(tmp_path, MINIMAL, override), section), name)
    assert found == value
    assert type(found) is type(value) or isinstance(value, Path)


def test_an_empty_override_restores_the_default(tmp_path: Path) -> None:
    text = MINIMAL + 'dev = "dev.csv"\n[finetune]\nepochs = 9\n'
    recipe = read(tmp_path, text, "data.dev=", "finetune.epochs=", "data.test=")
    assert recipe.data.dev is None
    assert recipe.finetune.epochs == read(tmp_path, MINIMAL).finetune.epochs


def test_the_last_of_two_overrides_counts(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMAL, "finetune.epochs=2", "finetune.epochs=4").finetune.epochs == 4


def test_an_override_cannot_smuggle_in_a_second_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="valid integer"):
        read(tmp_path, MINIMAL, "finetune.epochs=3\nseed = 9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "[finetune]\nepocks = 3\n", "finetune.epocks is not a setting; did you mean 'epochs'?"),
        (MINIMAL + "[finetun]\nepochs = 3\n", "[finetun] is not a section; did you mean 'finetune'?"),
        (MINIMAL + "epochs = 3\n", "data.epochs is not a setting; did you mean 'finetune.epochs'?"),
        ("epochs = 3\n" + MINIMAL, "[epochs] is not a section; did you mean 'finetune.epochs'?"),
        ("[data]\ntrian = 'a.csv'\n", "data.trian is not a setting; did you mean 'train'?"),
        ("", "data.train is missing"),
        ("data = 3\n", "data = 3 is not allowed"),
        ("run = 3\n" + MINIMAL, "run is not a section"),
        ("[data\n", "not TOML"),
        (MINIMAL + "[finetune]\nepochs = 1979-05-27\n", "finetune.epochs = "),
        (
            MINIMAL + "[finetune]\nepochs = 0\n",
            "epochs = 0 is not allowed; give a value greater than or equal to 1.",
        ),
        (
            MINIMAL + "[finetune]\nmetric = 'f1'\n",
            "metric = \"f1\" is not allowed; give 'macro_f1' or 'accuracy'.",
        ),
        (
            MINIMAL + "[prepare]\ncleaners = ['no']\n",
            "is not allowed: 'no' is not a cleaner; allowed: blank, ",
        ),
        (MINIMAL + "[finetune]\nepochs = " + "9" * 5000 + "\n", "not TOML"),
        (MINIMAL + "columns = " + "[" * 5000 + "\n", "not TOML"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)
    assert "recipe.toml" in str(raised.value) or message.startswith("run is")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("override", ["finetune.epochs", "epochs=3", "=3", ".=3", "finetune.=3"])
def test_an_override_of_another_form_is_wrong_usage(tmp_path: Path, override: str) -> None:
    with pytest.raises(UsageError, match=r"section\.key=value"):
        read(tmp_path, MINIMAL, override)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000])
def test_a_value_that_python_refuses_to_read_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(RecipeError, match=r"finetune\.epochs = .*valid integer"):
        read(tmp_path, MINIMAL, f"finetune.epochs={value}")


def test_an_override_of_other_bytes_than_utf8_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'data\.train=\\udcff' is not UTF-8"):
        read(tmp_path, MINIMAL, "data.train=\udcff")


def test_the_home_of_an_unknown_user_is_refused_unless_something_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/model") == Path("/home/me/model")
    with pytest.raises(RecipeError, match="begins with '~nobody-of-this-name', the home folder of no user"):
        expanded("~nobody-of-this-name/model")
    (tmp_path / "~nobody-of-this-name").mkdir()
    assert expanded("~nobody-of-this-name/model") == Path("~nobody-of-this-name/model")


@pytest.mark.parametrize("name", ["privacy.key_file", "run.directory", "noise.apply", "protection.key_file"])
def test_the_character_that_ends_names_is_refused(tmp_path: Path, name: str) -> None:
    section, _, key = name.partition(".")
    with pytest.raises(RecipeError, match=rf"{name} = .* is not allowed: it has the character NUL") as raised:
        read(tmp_path, f'{MINIMAL}[{section}]\n{key} = "a\\u0000b"\n')
    assert "\0" not in str(raised.value)


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [("fintune.epochs=1", "'finetune'"), ("finetune.label=x", "'data.label'"), ("data.lable=x", "'label'")],
)
def test_a_misspelt_override_names_the_nearest(tmp_path: Path, override: str, suggestion: str) -> None:
    with pytest.raises(RecipeError, match=f"did you mean {suggestion}"):
        read(tmp_path, MINIMAL, override)


def test_a_missing_recipe_names_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(MINIMAL, encoding="utf-8")
    (tmp_path / "recipes.txt").touch()
    with pytest.raises(RecipeError, match=r"recipe\.toml"):
        read_recipe(tmp_path / "recipes.toml")


def test_a_misspelt_included_recipe_names_the_included_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train/configs/bert-base-chinese\.toml"):
        read_recipe(tmp_path / "bert-base-chines.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe[\x00", "[data]\ntrain = '中'".encode("gb18030")])
def test_a_recipe_in_another_encoding_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="not UTF-8"):
        read_recipe(path)


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(MINIMAL, encoding="utf-8-sig")
    assert read_recipe(path).data.train == "train.csv"


def test_a_missing_folder_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    assert nearest_path(tmp_path / "dataset" / "train.csv").endswith("datasets")


def test_an_empty_folder_is_called_empty(tmp_path: Path) -> None:
    assert nearest_path(tmp_path / "train.csv") == f"{tmp_path} is empty"


@settings(max_examples=25, deadline=None)
@given(
    epochs=st.integers(1, 10**6),
    rate=st.floats(1e-9, 1.0),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
        lambda name: name not in ("text", "label")
    ),
)
def test_values_survive_the_way_through_an_override(
    tmp_path_factory: pytest.TempPathFactory, epochs: int, rate: float, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "given.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    quoted = json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
    overrides = [
        f"finetune.epochs={epochs}",
        f"finetune.learning_rate={rate!r}",
        f"data.text_pair={quoted}",
    ]
    recipe = read_recipe(path, overrides)
    assert (recipe.finetune.epochs, recipe.finetune.learning_rate) == (epochs, rate)
    assert recipe.data.text_pair == name
    path.write_text(run(recipe), encoding="utf-8")
    assert read_recipe(path) == recipe
