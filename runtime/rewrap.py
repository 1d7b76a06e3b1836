"""Gives encrypted files, prepared folders and stored models another key; it decrypts no content.

It may be stopped at any time and run again: files that have the new key already are left alone, and what a
model says about its files is written last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.envelope import SUFFIX, name_of, rewrap
from runtime.errors import ProtectionError
from runtime.manifest import MANIFEST_NAME, Manifest, file_digest


def rewrap_all(paths: Sequence[Path], old: bytes, new: bytes) -> Iterator[Path]:
    """Exchange the key of files and of everything encrypted in folders; yield each file that was changed.

    Raises
    ------
    ProtectionError
        There is nothing encrypted, or it has neither key, or was changed. What was yielded is done.
    ManifestError
        The manifest of a model cannot be read.
    """
    for path in paths:
        _refuse_parts_of_a_model(path)
        if not path.is_dir():
            yield from [path] if rewrap(path, old, new, name_of(path)) else []
        elif (path / MANIFEST_NAME).is_file():
            yield from _model(path, old, new)
        else:
            yield from _folder(path, old, new)


def _model(directory: Path, old: bytes, new: bytes) -> Iterator[Path]:
    """Exchange the keys of a model's files, then write their digests into the manifest and seal it anew."""
    manifest = Manifest.read(directory)
    try:
        manifest.check_seal(directory, old)
    except ProtectionError:
        manifest.check_seal(directory, new)  # it was done before, or has neither
        return
    changed = {}
    for group in ("files", "spare_files"):
        digests = dict(getattr(manifest, group))
        for name in [name for name in digests if name.endswith(SUFFIX) and (directory / name).exists()]:
            path = directory / name
            # A file that differs was done before, or was changed: then the new key does not open it.
            rewrap(path, old if file_digest(path) == digests[name] else new, new, name.removesuffix(SUFFIX))
            yield path
            digests[name] = file_digest(path)
        changed[group] = digests
    manifest.model_copy(update=changed).sealed(new).write(directory)


def _folder(folder: Path, old: bytes, new: bytes) -> Iterator[Path]:
    """Exchange the keys of a folder's models and files; a datasheet knows files by what no key changes."""
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    if not paths:
        raise ProtectionError(f"{folder} holds no file ending in {SUFFIX}; name one that does.")
    models = sorted(path.parent for path in folder.rglob(MANIFEST_NAME))
    for model in models:
        yield from _model(model, old, new)
    loose = (path for path in paths if not any(path.is_relative_to(model) for model in models))
    yield from (path for path in loose if rewrap(path, old, new, name_of(path)))


def _refuse_parts_of_a_model(path: Path) -> None:
    """Refuse what a manifest above it describes: its digests and its seal would be those of the old key."""
    for folder in path.resolve().parents:
        if (folder / MANIFEST_NAME).is_file():
            raise ProtectionError(
                f"{path} is part of the model {folder}; name the folder of the whole model."
            )
