"""Everything the README shows is generated from the code or executed here.

`make readme` rewrites the generated blocks: `<!-- begin: NAME -->` to `<!-- end: NAME -->`.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def command_output(*command: str) -> str:
    """Run a command at the root and return what it prints, in a fenced block."""
    environment = os.environ | {"COLUMNS": "110"}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return f"```text\n{found.stdout.rstrip()}\n```"


def recipe_table() -> str:
    """Render every setting of a recipe with its default and its description."""
    from train.config import Recipe

    rows = []
    for section, field in Recipe.model_fields.items():
        for name, setting in _fields(field.annotation).items():
            rows.append((f"`{section}.{name}`", _default(setting), setting.description))
    return _table(("setting", "default", "meaning"), rows)


def settings_table() -> str:
    """Render every operator setting with its default and its description."""
    from runtime.api.settings import Settings, variable

    rows = [
        (f"`{variable(name)}`", _default(setting), setting.description)
        for name, setting in Settings.model_fields.items()
    ]
    return _table(("variable", "default", "meaning"), rows)


def engines_table() -> str:
    """Render what every engine runs, and what an export may differ from the original."""
    from runtime.backends import BACKENDS
    from train.parity import LIMITS

    devices = {"torch": "CPU, NVIDIA GPU", "openvino": "CPU"}
    rows = [
        (
            f"`{name}`",
            f"`{precision}`",
            devices[name],
            f"{LIMITS[precision].label_agreement:.1%}",
            f"{LIMITS[precision].neighbour_change:g}",
        )
        for name, engine in BACKENDS.items()
        for precision in engine.precisions
    ]
    fields = ("`export.backend`", "`export.precision`")
    return _table((*fields, "runs on", "equal labels, at least", "neighbours, at most"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "make": lambda: command_output("make", "--no-print-directory", "help"),
    "commands": lambda: command_output(sys.executable, "-m", "train", "--help"),
    "recipe": recipe_table,
    "engines": engines_table,
    "settings": settings_table,
}


def _fields(section: Any) -> dict[str, Any]:
    model = next(part for part in (section, *get_args(section)) if hasattr(part, "model_fields"))
    found: dict[str, Any] = model.model_fields
    return found


def _default(field: Any) -> str:
    if field.is_required() or field.default is None:
        return ""
    return f"`{json.dumps(field.default, ensure_ascii=False, default=str)}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _block_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- begin: {name} -->\n)(.*?)(<!-- end: {name} -->)", re.DOTALL)


def readme_blocks() -> dict[str, str]:
    return {
        name: match.group(2).strip()
        for name in re.findall(r"<!-- begin: (\S+) -->", README.read_text(encoding="utf-8"))
        if (match := _block_pattern(name).search(README.read_text(encoding="utf-8")))
    }


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def command_lines() -> list[str]:
    joined = "\n".join(fenced("bash")).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def test_every_generated_block_is_known() -> None:
    assert set(readme_blocks()) == set(BLOCKS)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_generated_block_is_what_the_code_says(name: str) -> None:
    assert readme_blocks()[name] == BLOCKS[name](), "the README is behind the code; run `make readme`"


def test_the_two_first_commands_come_first() -> None:
    assert command_lines()[:2] == ["make quickstart", "make test"]


def make_targets() -> list[str]:
    return [line.split()[1] for line in command_lines() if line.startswith("make ")]


def test_every_make_target_shown_exists() -> None:
    targets = make_targets()
    assert len(targets) >= 4
    for target in targets:
        found = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr


def test_every_command_shown_is_covered_here() -> None:
    known = ("make ", ".venv/bin/python -m train ", ".venv/bin/bentoml serve", "curl ", ".venv/bin/locust ")
    known += (".venv/bin/python -m loadtests ", ".venv/bin/python -m runtime.tune ")
    known += (
        ".venv/bin/python -m runtime.keys new ",
        "CLASSIFIER_KEY_FILE=$PWD/bentobert.key .venv/bin/bentoml serve",
    )
    lines = command_lines()
    assert len(lines) >= 8
    assert [line for line in lines if not line.startswith(known)] == []


def test_every_path_named_exists() -> None:
    text = README.read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:train|runtime|loadtests|deploy|benchmarks|tests)/[\w./-]*)`", text))
    assert len(paths) >= 8
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_every_line_of_the_tree_exists() -> None:
    [tree] = [block for block in fenced("text") if "service.py" in block and "runtime/" in block]
    folder = Path()
    seen = []
    for line in filter(None, tree.splitlines()):
        name = line.split()[0]
        path = ROOT / (folder / name if line.startswith(" ") else name)
        assert path.exists(), path
        folder = folder if line.startswith(" ") else Path(name)
        seen.append(path)
    assert len(seen) >= 25


def write_corpus(folder: Path, recipe: str) -> None:
    """Write the recipe for texts without labels, and the files that it names."""
    (folder / "domain.toml").write_text(recipe, encoding="utf-8")
    lines = [json.dumps({"text": f"第{number}天，房间很干净，早餐也不错。"}) for number in range(60)]
    (folder / "reviews.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "notes").mkdir()
    notes = "\n\n".join(f"这家酒店的第{number}间房太吵，睡不好。" for number in range(60))
    (folder / "notes" / "a.txt").write_text(notes, encoding="utf-8")


def write_project(folder: Path) -> None:
    """Write the recipes that the README shows, and the files that they name."""
    recipe, domain = fenced("toml")
    assert tomllib.loads(recipe)["data"]["text"] == "review"
    (folder / "mine.toml").write_text(recipe, encoding="utf-8")
    write_corpus(folder, domain)
    for name, count in (("train", 48), ("test", 16), ("dev", 16)):
        write_reviews(folder / f"{name}.csv", count)


def fill_in(path: Path) -> None:
    """Write what a person would who agrees with the first row of the list."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, *rest = list(csv.DictReader(file))
    first["new_label"] = first["suggested"]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, first)
        writer.writeheader()
        writer.writerows([first, *rest])


ONE_AFTER_THE_OTHER = """
import json, sys
from train.__main__ import main
for arguments in json.load(sys.stdin):
    if status := main(arguments):
        sys.exit(status)
"""
"""Runs commands of `train` in one process: importing PyTorch for each of them takes most of their time."""


def made_small(command: list[str], base_model: Path) -> list[str]:
    """Return what stands behind `python`, for a small base model and few steps where it trains."""
    if "train" not in command:
        return command[1:]
    given = [f"finetune.base_model={base_model}", *command[5:]]
    small = ["finetune.epochs=1", "finetune.max_length=32", "pretrain.max_length=32"]
    return [*command[1:5], *given, *small, "pretrain.batch_tokens=64"]


def run_python(arguments: list[str], folder: Path, given: str = "") -> list[str]:
    """Run Python in a folder, with a store of its own there, and return the lines that it prints."""
    found = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "BENTOML_HOME": str(folder / "bentoml")},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, (arguments, found.stderr)
    return found.stdout.splitlines()


DATA_COMMANDS = ("doctor", "prepare", "noise", "augment", "audit", "runtime.keys")


def train_commands(*, of_data: bool) -> list[list[str]]:
    """Return the commands about data and their protection, or the others."""
    lines = [line for line in command_lines() if " -m train " in line or " -m runtime.keys " in line]
    return [shlex.split(line) for line in lines if any(name in line for name in DATA_COMMANDS) == of_data]


def test_the_recipe_shown_trains_a_model(tmp_path: Path, tiny_model_dir: Path) -> None:
    write_project(tmp_path)
    commands = train_commands(of_data=False)
    assert len(commands) >= 4
    # `export` and `save` follow `all`; what is fine-tuned again has no metrics yet.
    commands.sort(key=lambda command: "finetune" in command)
    assert sum("pretrain" in command for command in commands) == 1
    arguments = [made_small(command, tiny_model_dir)[2:] for command in commands]
    made = run_python(["-c", ONE_AFTER_THE_OTHER], tmp_path, json.dumps(arguments))
    assert len(made) == len(commands)
    assert all((tmp_path / path).exists() for path in made)
    training = json.loads((tmp_path / "runs" / "domain" / "encoder" / "pretraining.json").read_text("utf-8"))
    assert training["recipe"]["pretrain"]["base_model"] == "bert-mini-chinese"
    assert (tmp_path / "bentoml" / "models" / "bert-classifier" / "latest").is_file()


@pytest.mark.slow
def test_the_data_commands_shown_work_one_after_the_other(tmp_path: Path, tiny_model_dir: Path) -> None:
    write_project(tmp_path)
    commands = train_commands(of_data=True)
    assert len(commands) >= 10
    for command in commands:
        if "--apply" in command:
            fill_in(tmp_path / command[-1])
        made = run_python(made_small(command, tiny_model_dir), tmp_path)
        assert "audit" in command or (tmp_path / made[-1]).exists()
    models = tmp_path / "bentoml" / "models" / "bert-classifier"
    assert list((models / (models / "latest").read_text().strip()).glob("*.enc"))


def test_the_tuning_shown_names_what_the_recipe_makes(tmp_path: Path, tiny_model_dir: Path) -> None:
    [line] = [line for line in command_lines() if " -m runtime.tune " in line]
    command = shlex.split(line)[1:]
    for folder in ("runs/mine/model", "runs/mine/export"):
        assert folder in command
        shutil.copytree(tiny_model_dir, tmp_path / folder)
    found = subprocess.run(
        [sys.executable, *command, "--threads", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "texts/s at p95 < 300 ms" in found.stdout


def test_the_key_shown_is_one_that_the_service_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.api.settings import read_settings

    [line] = [line for line in command_lines() if line.startswith("CLASSIFIER_")]
    name, _, value = line.split()[0].partition("=")
    monkeypatch.setenv(name, value.replace("$PWD", str(tmp_path)))
    assert read_settings().key_file == str(tmp_path / "bentobert.key")


def write_reviews(path: Path, count: int) -> None:
    from train.data.sample import reviews

    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("review", "sentiment"), *islice(reviews(path.stem), count)])


def curl_request() -> tuple[str, dict[str, str], str]:
    """Return path, headers and body of the README's curl command."""
    [line] = [line for line in command_lines() if line.startswith("curl ")]
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    parser.add_argument("url")
    given = parser.parse_args(shlex.split(line)[1:])
    return "/" + given.url.partition("/")[2], dict(part.split(": ") for part in given.headers), given.body


def test_the_texts_shown_are_those_the_quickstart_asks() -> None:
    from train.data.sample import DEMO

    assert set(json.loads(curl_request()[2])["texts"]) <= set(DEMO)


def test_the_request_shown_is_answered_as_shown(tiny_model_store: Path) -> None:
    from loadtests.server import bentoml_server

    path, headers, body = curl_request()
    with bentoml_server(model="bert-classifier:tiny", home=tiny_model_store) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        connection.request("POST", path, body.encode(), headers)
        answer = connection.getresponse()
        assert answer.status == 200
        found = json.loads(answer.read())
        connection.close()
    assert len(found) == len(json.loads(body)["texts"])
    [shown] = fenced("json")
    [example] = json.loads(shown.replace(", …", ""))
    assert list(found[0]) == list(example)


def update() -> None:
    """Rewrite every generated block."""
    text = README.read_text(encoding="utf-8")
    for name, render in BLOCKS.items():
        content = f"\n{render()}\n\n"
        text = _block_pattern(name).sub(lambda match, content=content: match[1] + content + match[3], text)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    update()
