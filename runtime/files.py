"""The files of a model directory, in the open or encrypted, by the names they have in the open."""

from __future__ import annotations

from pathlib import Path

from runtime.envelope import SUFFIX, decrypted
from runtime.errors import ProtectionError


def stored(directory: Path, name: str) -> Path:
    """Return where a file lies: under its own name or, encrypted, with `.enc` after it.

    The encrypted one counts where both exist: the manifest names it, and nobody can make one without the key.
    """
    path = directory / name
    encrypted = path.with_name(path.name + SUFFIX)
    return encrypted if encrypted.exists() else path


def is_encrypted(directory: Path, name: str) -> bool:
    """Tell whether a file must be decrypted to be read."""
    return stored(directory, name).name.endswith(SUFFIX)


def read_file(directory: Path, name: str, key: bytes | None) -> bytes:
    """Return the content of a file; that of an encrypted one exists in memory only.

    Raises
    ------
    ProtectionError
        It is encrypted and there is no key or another one, or it was changed.
    OSError
        It cannot be read.
    """
    path = stored(directory, name)
    if not is_encrypted(directory, name):
        return path.read_bytes()
    with decrypted(path, needed(key, directory), name) as file:
        return file.read()


def needed(key: bytes | None, directory: Path) -> bytes:
    """Return the key of an encrypted model.

    Raises
    ------
    ProtectionError
        There is none.
    """
    if key is None:
        raise ProtectionError(
            f"the model in {directory} is encrypted and no key is given; the service takes its file from "
            "CLASSIFIER_KEY_FILE, `Classifier.load` the key itself as key=."
        )
    return key
