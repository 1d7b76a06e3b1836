"""Encrypted rows and models leave no plaintext where they are used, and files are private to their owner."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.envelope import encrypting
from runtime.errors import ProtectionError
from runtime.files import read_file
from runtime.keys import new_key, read_key
from runtime.manifest import digest_files
from tests.train.conftest import labelled
from train import finetune
from train.config import Recipe
from train.protection import (
    IN_THE_OPEN,
    KEY_VARIABLE,
    close_to_others,
    copy_model,
    is_encrypted,
    key_of,
    key_settings,
    open_to_others,
    private_directory,
)
from train.recipe import read_recipe
from train.run import RunDirectory

Make = Callable[..., Recipe]
KEY = bytes(range(32))
MARK = "稀有标记"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key")


def test_a_key_is_wanted_only_where_something_is_to_be_encrypted(make: Make, key_file: Path) -> None:
    assert key_of(make()) is None
    assert key_of(make(f"protection.key_file={key_file}")) is None
    found = key_of(make("protection.encrypt=true", f"protection.key_file={key_file}"))
    assert found == read_key(str(key_file), "UNSET")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], []),
        (["data.key_file=old"], ["data.key_file=old"]),
        (["protection.key_file=new"], []),
        (["protection.encrypt=true"], []),
        (["protection.encrypt=true", "protection.key_file=new"], ["data.key_file=new"]),
        (["data.key_file=old", "protection.encrypt=true", "protection.key_file=new"], ["data.key_file=new"]),
        (["data.key_file=old", "protection.encrypt=true"], ["data.key_file="]),
    ],
)
def test_the_setting_told_names_the_key_of_what_is_written(
    make: Make, overrides: list[str], told: list[str]
) -> None:
    assert key_settings(make(*overrides)) == told


def test_files_are_encrypted_by_their_suffix() -> None:
    assert is_encrypted([Path("a.csv"), Path("b.parquet.ENC")])
    assert not is_encrypted([Path("a.csv"), Path("enc.parquet")])


def test_the_key_comes_from_the_environment_where_no_file_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(ProtectionError, match=f"environment variable {KEY_VARIABLE}"):
        key_of(make("protection.encrypt=true"))
    monkeypatch.setenv(KEY_VARIABLE, base64.b64encode(KEY).decode())
    assert key_of(make("protection.encrypt=true")) == KEY


def test_a_key_in_the_run_directory_is_refused(make: Make) -> None:
    root = RunDirectory.of(make()).root
    root.mkdir()
    key = new_key(root / "key")
    with pytest.raises(ProtectionError, match="which it protects"):
        key_of(make("protection.encrypt=true", f"protection.key_file={key}"))


def test_a_new_folder_is_private_and_an_old_one_keeps_its_permissions(tmp_path: Path) -> None:
    private_directory(tmp_path / "a" / "new")
    assert (tmp_path / "a" / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "a" / "new").chmod(0o755)
    private_directory(tmp_path / "a" / "new")
    assert (tmp_path / "a" / "new").stat().st_mode & 0o777 == 0o755


def test_a_tree_is_closed_and_opened_but_not_what_its_links_point_to(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "deep").mkdir(parents=True)
    for path in (tree / "deep" / "file", outside):
        path.write_bytes(b"")
        path.chmod(0o640)
    (tree / "link").symlink_to(outside)
    for change, modes in ((close_to_others, [0o700, 0o700, 0o600]), (open_to_others, [0o755, 0o755, 0o644])):
        change(tree)
        paths = (tree, tree / "deep", tree / "deep" / "file")
        assert [path.stat().st_mode & 0o777 for path in paths] == modes
    assert outside.stat().st_mode & 0o777 == 0o640


def test_a_model_is_copied_as_it_is_without_a_key(tiny_model_dir: Path, tmp_path: Path) -> None:
    copy_model(tiny_model_dir, tmp_path, None)
    assert digest_files(tmp_path) == digest_files(tiny_model_dir)


def test_with_a_key_only_harmless_files_are_copied_in_the_open(tiny_model_dir: Path, tmp_path: Path) -> None:
    copy_model(tiny_model_dir, tmp_path, KEY)
    names = {path.name for path in tiny_model_dir.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "probes.jsonl"} <= names - IN_THE_OPEN
    expected = {name if name in IN_THE_OPEN else f"{name}.enc" for name in names}
    assert {path.name for path in tmp_path.iterdir()} == expected
    for name in names:
        assert read_file(tmp_path, name, KEY) == (tiny_model_dir / name).read_bytes()


def encrypted_rows(project: Path, key: Path) -> list[str]:
    """Encrypt the rows of a project, those of train with a mark, remove the others; return the overrides."""
    for split, rows in (("train", 64), ("dev", 24)):
        mark = MARK if split == "train" else ""
        texts, labels = zip(*labelled(rows), strict=True)
        table = pa.table({"text": [text + mark for text in texts], "label": labels})
        path = project.parent / f"{split}.parquet.enc"
        with encrypting(path, read_key(str(key), "UNSET"), f"{split}.parquet") as file:
            pq.write_table(table, file, compression="none")
    for path in project.parent.glob("*.csv"):
        path.unlink()
    files = [f"data.{split}={project.parent / f'{split}.parquet.enc'}" for split in ("train", "dev")]
    return [*files, "data.test=", f"data.key_file={key}"]


def places_of(mark: str, *folders: Path) -> list[Path]:
    """Return the files below folders that hold a text, in one of the encodings that are likely."""
    forms = [mark.encode(code) for code in ("utf-8", "utf-16-le", "utf-32-le", "unicode_escape", "gb18030")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(form in path.read_bytes() for form in forms)]


def test_finetuning_on_encrypted_rows_leaves_no_plaintext_anywhere(
    project: Path, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = encrypted_rows(project, key_file)
    caches = [Path(os.environ[name]) for name in ("HF_HOME", "HF_DATASETS_CACHE")]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recipe = read_recipe(project, [*overrides, "finetune.epochs=1"])
    made = finetune.run(recipe)
    assert places_of(MARK, tmp_path, *caches) == []
    assert places_of("房间", made) == [made / "probes.jsonl"]  # texts of dev, as the README says


@pytest.mark.slow
def test_a_process_that_finetunes_on_encrypted_rows_leaves_no_plaintext_in_its_home(
    project: Path, key_file: Path, tmp_path: Path, project_root: Path
) -> None:
    homes = {name: tmp_path / name.lower() for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for home in homes.values():
        home.mkdir()
    command = ["finetune", str(project), *encrypted_rows(project, key_file), "finetune.epochs=1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-m", "train", *command],
        cwd=project_root,
        env=kept | {name: str(home) for name, home in homes.items()} | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert MARK not in done.stderr
    assert places_of(MARK, tmp_path) == []
