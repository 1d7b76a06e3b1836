"""Who can read what training writes: its owner, or whoever has the key; it knows no content."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from runtime.envelope import SUFFIX, encrypting
from runtime.keys import read_key
from runtime.manifest import MANIFEST_NAME
from train.config import Recipe
from train.recipe import expanded

logger = logging.getLogger(__name__)

KEY_VARIABLE = "BENTOBERT_KEY"
"""Environment variable with the key, where the recipe names no file."""

IN_THE_OPEN = {
    "README.md",
    "config.json",
    "export.json",
    "metrics.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "training.json",
    MANIFEST_NAME,
}
"""Files of an encrypted model that stay readable: labels, settings and figures, neither texts nor weights."""


def key_of(recipe: Recipe) -> bytes | None:
    """Return the key of a recipe that wants what it writes encrypted, else None.

    Raises
    ------
    ProtectionError
        There is none, others can read it, it lies in the run directory, or it is no key.
    """
    if not recipe.protection.encrypt:
        return None
    return read_key(
        recipe.protection.key_file,
        KEY_VARIABLE,
        setting="protection.key_file",
        protects=expanded(recipe.run.directory),
    )


def is_encrypted(files: Iterable[Path]) -> bool:
    """Tell whether one of several data files is encrypted."""
    return any(path.suffix.lower() == SUFFIX for path in files)


def warn_of_open_copy(recipe: Recipe, read: Iterable[Path], wrote: Path) -> None:
    """Warn where rows that were read encrypted were written in the open."""
    if not recipe.protection.encrypt and is_encrypted(read):
        logger.warning(
            "%s is not encrypted, though the files its rows are from are; set protection.encrypt=true", wrote
        )


def key_settings(recipe: Recipe) -> list[str]:
    """Return the setting, for a command line, by which rows that a recipe writes are read; empty for none."""
    read_with = recipe.labelled().key_file
    written_with = recipe.protection.key_file if recipe.protection.encrypt else read_with
    return [f"data.key_file={written_with or ''}"] if read_with or written_with else []


def private_directory(path: Path) -> None:
    """Make a folder that only its owner may enter; one that exists keeps the permissions it was given."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def close_to_others(path: Path) -> None:
    """Let only the owner read a file, or a folder and everything in it."""
    for found in _tree(path):
        found.chmod(0o700 if found.is_dir() else 0o600)


def open_to_others(path: Path) -> None:
    """Let everybody read a folder and everything in it.

    That is for a model that is to be packed: BentoML's image gives it to its own user, and a cluster may run
    the image as any other.
    """
    for found in _tree(path):
        found.chmod(0o755 if found.is_dir() else 0o644)


def _tree(path: Path) -> list[Path]:
    return [found for found in (path, *path.rglob("*")) if not found.is_symlink()]


def copy_model(source: Path, target: Path, key: bytes | None) -> None:
    """Copy the files of a model into an existing folder; with a key, what is not `IN_THE_OPEN` encrypted.

    Never is anything of that written to the target unencrypted.
    """
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name = path.relative_to(source).as_posix()
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if key is None or name in IN_THE_OPEN:
            shutil.copy2(path, copy)
            continue
        with (
            path.open("rb") as file,
            encrypting(copy.with_name(copy.name + SUFFIX), key, name) as encrypted,
        ):
            shutil.copyfileobj(file, encrypted, 1 << 20)
