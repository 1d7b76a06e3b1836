"""A file of a model is read by its own name, whether it lies in the open or encrypted."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.envelope import encrypting
from runtime.errors import ProtectionError
from runtime.files import is_encrypted, needed, read_file, stored

KEY = bytes(range(32))


def encrypt(directory: Path, name: str, content: bytes) -> None:
    with encrypting(directory / f"{name}.enc", KEY, name) as file:
        file.write(content)


def test_a_file_in_the_open_needs_no_key(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"open")
    assert not is_encrypted(tmp_path, "a.bin")
    assert stored(tmp_path, "a.bin") == tmp_path / "a.bin"
    assert read_file(tmp_path, "a.bin", None) == b"open"


def test_an_encrypted_file_is_found_by_its_own_name_and_counts_before_one_in_the_open(tmp_path: Path) -> None:
    encrypt(tmp_path, "a.bin", b"secret")
    for _ in range(2):
        assert is_encrypted(tmp_path, "a.bin")
        assert read_file(tmp_path, "a.bin", KEY) == b"secret"
        (tmp_path / "a.bin").write_bytes(b"put there by somebody")


def test_an_encrypted_file_needs_the_key(tmp_path: Path) -> None:
    encrypt(tmp_path, "a.bin", b"secret")
    with pytest.raises(ProtectionError, match=r"no key is given; .* CLASSIFIER_KEY_FILE, .* key="):
        read_file(tmp_path, "a.bin", None)
    with pytest.raises(ProtectionError, match="another key"):
        read_file(tmp_path, "a.bin", bytes(32))


def test_an_encrypted_file_of_another_name_is_refused(tmp_path: Path) -> None:
    encrypt(tmp_path, "a.bin", b"secret")
    (tmp_path / "a.bin.enc").rename(tmp_path / "b.bin.enc")
    with pytest.raises(ProtectionError, match="changed, cut or renamed"):
        read_file(tmp_path, "b.bin", KEY)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.bin"):
        read_file(tmp_path, "a.bin", KEY)


def test_a_key_that_is_there_is_returned(tmp_path: Path) -> None:
    assert needed(KEY, tmp_path) == KEY
