from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bentoml
import pytest
from bentoml.exceptions import NotFound
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from runtime.classifier import Classifier
from runtime.errors import DigestError, ProbeError, ProtectionError, TrainingError, UsageError
from runtime.keys import new_key, read_key
from runtime.manifest import Manifest, digest_files
from train import evaluate, export, finetune, save
from train.artifact import record_digests
from train.recipe import read_recipe
from train.run import RunDirectory

Save = Callable[..., Path]


@pytest.fixture
def exported(run_copy: tuple[Path, RunDirectory]) -> tuple[Path, RunDirectory]:
    """Return a recipe file and its run, ready to be saved."""
    export.run(read_recipe(run_copy[0]))
    return run_copy


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name in the store that no other test uses."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip("-")


def stored(name: str) -> bentoml.Model:
    return bentoml.models.get(f"{name}:latest")


def test_a_stored_model_is_found_by_bentoml_and_proves_itself(
    exported: tuple[Path, RunDirectory], name: str
) -> None:
    path = save.run(read_recipe(exported[0], [f"store.name={name}"]))
    model = stored(name)
    assert Path(model.path) == path
    assert Classifier.load(path).predict(["房间很好"])[0].label == "正面"
    assert AutoModelForSequenceClassification.from_pretrained(path).config.id2label == {0: "正面", 1: "负面"}
    assert AutoTokenizer.from_pretrained(path)("很好")["input_ids"]


def test_an_encrypted_model_holds_neither_weights_nor_texts_and_answers_the_same(
    exported: tuple[Path, RunDirectory], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_key(tmp_path / "key")
    settings = ["protection.encrypt=true", f"protection.key_file={key}", f"store.name={name}"]
    path = save.run(read_recipe(exported[0], settings))
    weights = (exported[1].export / "model.safetensors").read_bytes()
    pieces = [
        weights[start : start + 64]
        for start in range(len(weights) // 2, len(weights) - 64, len(weights) // 20)
    ]
    held = [found.read_bytes() for found in path.parent.rglob("*") if found.is_file()]
    assert len(held) >= 10
    assert len(pieces) >= 9
    assert [piece for piece in [*pieces, "房间".encode()] if any(piece in content for content in held)] == []
    found = Classifier.load(path, key=read_key(str(key), "UNSET")).logits(["房间很好", "太差"])
    assert (found == Classifier.load(exported[1].export).logits(["房间很好", "太差"])).all()
    with pytest.raises(ProtectionError, match="is encrypted and no key is given"):
        Classifier.load(path)
    card = (path / save.CARD_NAME).read_text(encoding="utf-8")
    assert "CLASSIFIER_KEY_FILE=/absolute/path/of/the.key bentoml serve" in card
    assert "from_pretrained" not in card
    [python] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    exec(compile(python.replace('"the.key"', repr(str(key))), "card", "exec"), {})  # noqa: S102 - our own code
    assert "Prediction(" in capsys.readouterr().out
    assert str(key) not in "".join(content.decode("utf-8", "replace") for content in held)


def test_nothing_is_saved_where_the_key_is_missing(
    exported: tuple[Path, RunDirectory], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENTOBERT_KEY", raising=False)
    with pytest.raises(ProtectionError, match="there is no key"):
        save.run(read_recipe(exported[0], ["protection.encrypt=true", f"store.name={name}"]))
    with pytest.raises(NotFound):
        stored(name)


def test_a_stored_model_can_be_packed_for_any_user_but_only_its_owner_finds_it(
    exported: tuple[Path, RunDirectory], name: str
) -> None:
    path = save.run(read_recipe(exported[0], [f"store.name={name}"]))
    modes = {found.stat().st_mode & 0o777 for found in path.rglob("*") if found.is_file()}
    assert (modes, path.stat().st_mode & 0o777) == ({0o644}, 0o755)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_labels_and_metadata_tell_what_is_inside(exported: tuple[Path, RunDirectory], name: str) -> None:
    save.run(read_recipe(exported[0], [f"store.name={name}"]))
    info = stored(name).info
    assert info.labels == {"task": "text-classification", "backend": "torch", "precision": "fp32"}
    metrics = json.loads(exported[1].metrics.read_text(encoding="utf-8"))
    assert info.metadata["accuracy"] == metrics["accuracy"]
    assert info.metadata["macro_f1"] == metrics["macro_f1"]
    assert info.metadata["labels"] == ["正面", "负面"]


def test_every_file_is_listed_with_its_digest(exported: tuple[Path, RunDirectory], name: str) -> None:
    path = save.run(read_recipe(exported[0], [f"store.name={name}"]))
    files = Manifest.read(path).files
    expected = {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "metrics.json",
        "README.md",
        "probes.jsonl",
    }
    assert expected <= set(files)
    on_disk = digest_files(path)
    del on_disk["model.yaml"]  # BentoML's own, written last
    assert files == on_disk
    (path / "README.md").write_text("changed", encoding="utf-8")
    with pytest.raises(DigestError, match=r"README\.md"):
        Classifier.load(path)


def test_a_version_can_be_chosen_and_only_once(exported: tuple[Path, RunDirectory], name: str) -> None:
    recipe = read_recipe(exported[0], [f"store.name={name}", "store.version=1.0"])
    assert save.run(recipe).name == "1.0"
    with pytest.raises(UsageError, match=f"{name}:1.0 is in the store already; set store.version"):
        save.run(recipe)


def test_latest_is_what_was_saved_last(exported: tuple[Path, RunDirectory], name: str) -> None:
    recipe = read_recipe(exported[0], [f"store.name={name}"])
    first = save.run(recipe)
    second = save.run(recipe)
    assert first != second
    assert Path(stored(name).path) == second
    assert len(bentoml.models.list(name)) == 2


def test_metrics_of_other_weights_are_refused(exported: tuple[Path, RunDirectory], name: str) -> None:
    recipe = read_recipe(exported[0], [f"store.name={name}", "finetune.seed=8", "finetune.epochs=1"])
    finetune.run(recipe)
    export.run(recipe)
    with pytest.raises(UsageError, match=r"was measured on weights .*run `python -m train evaluate`"):
        save.run(recipe)
    evaluate.run(recipe)
    assert save.run(recipe).is_dir()


def test_an_export_of_older_weights_is_refused(exported: tuple[Path, RunDirectory], name: str) -> None:
    recipe = read_recipe(exported[0], [f"store.name={name}", "finetune.seed=9", "finetune.epochs=1"])
    finetune.run(recipe)
    with pytest.raises(
        UsageError, match=r"was made of weights .* has others since; run `python -m train eval"
    ):
        save.run(recipe)


@pytest.mark.parametrize(("missing", "command"), [("export", "export"), ("metrics.json", "evaluate")])
def test_what_is_missing_names_the_command_that_makes_it(
    exported: tuple[Path, RunDirectory], name: str, missing: str, command: str
) -> None:
    path, directory = exported
    (directory.root / missing).rename(directory.root / "gone")
    with pytest.raises(UsageError, match=f"run `python -m train {command}` first"):
        save.run(read_recipe(path, [f"store.name={name}"]))


def test_a_model_that_does_not_prove_itself_is_not_stored(
    exported: tuple[Path, RunDirectory], name: str
) -> None:
    path, directory = exported
    probes = directory.export / "probes.jsonl"
    lines = [json.loads(line) for line in probes.read_text(encoding="utf-8").splitlines()]
    lines[0]["logits"][0] += 3
    probes.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    recipe = read_recipe(path, [f"store.name={name}"])
    with pytest.raises(DigestError):
        save.run(recipe)
    record_digests(directory.export, Manifest.read(directory.export))
    with pytest.raises(ProbeError):
        save.run(recipe)
    with pytest.raises(bentoml.exceptions.NotFound):
        stored(name)
    assert not list(Path(os.environ["BENTOML_HOME"]).glob(".saving-*"))


def test_abandoned_staging_is_removed_after_a_day(exported: tuple[Path, RunDirectory], name: str) -> None:
    home = Path(os.environ["BENTOML_HOME"])
    old, young = home / ".saving-old", home / ".saving-young"
    for folder in (old, young):
        (folder / "model").mkdir(parents=True)
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    save.run(read_recipe(exported[0], [f"store.name={name}"]))
    assert not old.exists()
    assert young.exists()
    (young / "model").rmdir()
    young.rmdir()


@pytest.mark.parametrize(("number", "error"), [(errno.EXDEV, TrainingError), (errno.ENOTEMPTY, UsageError)])
def test_a_rename_that_fails_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number))

    (tmp_path / "made").mkdir()
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(error, match="final"):
        save._publish(tmp_path / "made", tmp_path / "store" / "final")


def test_two_that_save_at_once_do_not_share_a_file(tmp_path: Path) -> None:
    others = tmp_path / "store" / "model"
    others.mkdir(parents=True)
    (others / ".latest.part").write_text("of somebody else", encoding="utf-8")
    (tmp_path / "staging" / "model" / "version").mkdir(parents=True)
    save._publish(tmp_path / "staging" / "model" / "version", others / "version")
    assert (others / "latest").read_text(encoding="utf-8") == "version"
    assert (others / ".latest.part").read_text(encoding="utf-8") == "of somebody else"


def test_every_file_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "staging" / "model" / "version"
    (made / "nested").mkdir(parents=True)
    for name in ("a", "nested/b"):
        (made / name).touch()
    wanted = {path.stat().st_ino for path in (made, *made.rglob("*"))}
    flushed: set[int] = set()

    def fsync(descriptor: int) -> None:
        assert made.exists()
        flushed.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    save._publish(made, tmp_path / "store" / "model" / "version")
    assert flushed == wanted
    assert len(wanted) == 4


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_metrics_that_evaluate_did_not_write_are_refused(
    exported: tuple[Path, RunDirectory], content: str
) -> None:
    recipe, run = exported
    run.metrics.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="run `python -m train evaluate` again"):
        save.run(read_recipe(recipe))


KILLER = """
import os, signal, sys, traceback
from pathlib import Path

import torch

torch.set_num_threads(1)
import bentoml

from runtime.classifier import Classifier
from train import save
from train.artifact import record_digests
from train.recipe import read_recipe

HOME = os.environ["BENTOML_HOME"]
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.symlink", "shutil.rmtree"}
recipe = read_recipe(Path(sys.argv[1]))


def changes_the_store(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        return HOME in str(path) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    return event in CHANGES and any(HOME in str(argument) for argument in arguments)


def save_until(last):
    '''Save in a child that kills itself before its `last`-th change; return the changes it made, or None.'''
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        made = 0

        def count(event, arguments):
            nonlocal made
            if changes_the_store(event, arguments):
                made += 1
                if made == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            save.run(recipe)
        except BaseException:
            traceback.print_exc()
            os._exit(3)
        os.write(writer, str(made).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    made = os.read(reader, 99)
    os.close(reader)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return int(made) if made else None


save_until(-1)  # the first one also makes the folders of the store
total = save_until(-1)
versions = {model.tag for model in bentoml.models.list("bert-classifier")}
for moment in range(1, total + 1):
    assert save_until(moment) is None, moment
    latest = bentoml.models.get("bert-classifier:latest")
    found = {model.tag: model.path for model in bentoml.models.list("bert-classifier")}
    assert latest.tag in found, moment
    assert versions <= set(found) and len(found) <= len(versions) + 1, (moment, found)
    for tag in {latest.tag} | set(found) - versions:
        Classifier.load(found[tag])
    versions = set(found)
assert len(versions) > 2, "no process was killed between putting a model in place and the end"
assert save_until(-1) == total
bentoml.models.get("bert-classifier:latest")
print(total)
"""


def test_a_save_killed_at_any_change_leaves_a_latest_that_loads(
    exported: tuple[Path, RunDirectory], bentoml_home: Path, project_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(exported[0])],
        cwd=project_root,
        env=os.environ | {"BENTOML_HOME": str(bentoml_home), "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 18
