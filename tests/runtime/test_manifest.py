"""A manifest survives writing and reading, and tells every way in which files can contradict it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from runtime.errors import DigestError, ManifestError, ProtectionError
from runtime.manifest import MANIFEST_NAME, Manifest, digest_files

MANIFEST = Manifest(labels=("负面", "正面"), backend="torch", precision="fp32", max_length=64)


def test_writing_and_reading_gives_the_same_manifest(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    assert Manifest.read(tmp_path) == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"labels": ["好"]}, "labels"),
        ({"labels": ["好", "好"]}, "twice"),
        ({"precision": "fp8"}, "precision"),
        ({"format": 2}, "format"),
        ({"normalizers": ["nfkc"]}, "nfkc"),
        ({"surprise": 1}, "surprise"),
        ({"max_length": 2}, "max_length"),
        ({"max_length": 10**9}, "max_length"),
        ({"problem_type": "regression"}, "problem_type"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, object], word: str) -> None:
    fields = json.loads(MANIFEST.model_dump_json()) | change
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(ManifestError, match=word):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_broken_manifest_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        Manifest.read(tmp_path)
    assert MANIFEST_NAME in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_manifest_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="train save"):
        Manifest.read(tmp_path)


def test_a_spare_file_may_be_missing_but_not_changed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"id2label": {"0": "负面", "1": "正面"}}', encoding="utf-8")
    (tmp_path / "spare.bin").write_bytes(b"weights for others")
    digests = digest_files(tmp_path)
    spare = {"spare.bin": digests.pop("spare.bin")}
    manifest = MANIFEST.model_copy(update={"files": digests, "spare_files": spare})
    manifest.verify(tmp_path)
    (tmp_path / "spare.bin").write_bytes(b"others")
    with pytest.raises(DigestError, match=r"spare\.bin has sha256"):
        manifest.verify(tmp_path)
    (tmp_path / "spare.bin").unlink()
    manifest.verify(tmp_path)


def test_digests_cover_every_file_but_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "b.bin").write_bytes(b"b")
    (tmp_path / "a.txt").write_bytes(b"a")
    MANIFEST.write(tmp_path)
    assert list(digest_files(tmp_path)) == ["a.txt", "nested/b.bin"]


@pytest.mark.parametrize("harm", ["change", "delete", "truncate"])
def test_a_harmed_file_is_named(tmp_path: Path, harm: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    write_config(tmp_path, {"0": "负面", "1": "正面"})
    manifest = MANIFEST.model_copy(update={"files": digest_files(tmp_path)})
    manifest.verify(tmp_path)
    if harm == "delete":
        file.unlink()
    else:
        file.write_bytes(b"weightz" if harm == "change" else b"weight")
    with pytest.raises(DigestError, match=r"model\.safetensors"):
        manifest.verify(tmp_path)


def test_a_manifest_cannot_point_outside_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    manifest = MANIFEST.model_copy(update={"files": {"../secret": "0" * 64}})
    with pytest.raises(DigestError, match="outside"):
        manifest.verify(directory)


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DigestError):
        MANIFEST.model_copy(update={"files": {name: "0" * 64}}).verify(tmp_path)


def test_a_manifest_that_records_nothing_proves_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, {"0": "负面", "1": "正面"})
    with pytest.raises(DigestError, match="records no file"):
        MANIFEST.verify(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path, {"0": "负面", "1": "正面"})
    manifest = MANIFEST.model_copy(update={"files": digest_files(tmp_path)})

    def denied(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("runtime.manifest.file_digest", denied)
    with pytest.raises(DigestError, match=r"config\.json' cannot be read \(.*Permission denied"):
        manifest.verify(tmp_path)


@pytest.mark.parametrize(
    "labels", [{"0": "正面", "1": "负面"}, {"0": "负面"}, {"0": "负面", "2": "正面"}, {}, None, 3]
)
def test_other_labels_in_the_config_are_refused(tmp_path: Path, labels: object) -> None:
    write_config(tmp_path, labels)
    with pytest.raises(ManifestError, match=r"config\.json"):
        MANIFEST.model_copy(update={"files": digest_files(tmp_path)}).verify(tmp_path)


def write_config(directory: Path, labels: object) -> None:
    (directory / "config.json").write_text(json.dumps({"id2label": labels}), encoding="utf-8")


KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
ENCRYPTED = MANIFEST.model_copy(
    update={
        "files": {"model.safetensors.enc": "0" * 64},
        "versions": {"b": "1", "a": "2"},
        "parity": {"x": 0.1},
    }
)


def test_a_model_says_itself_that_it_is_encrypted_and_what_it_needs() -> None:
    assert (MANIFEST.is_encrypted, MANIFEST.extras) == (False, ("torch",))
    assert (ENCRYPTED.is_encrypted, ENCRYPTED.extras) == (True, ("torch", "encryption"))


def test_a_seal_is_that_of_its_key(tmp_path: Path) -> None:
    ENCRYPTED.sealed(KEY).write(tmp_path)
    manifest = Manifest.read(tmp_path)
    manifest.check_seal(tmp_path, KEY)
    assert KEY.hex() not in str(manifest.seal)
    with pytest.raises(ProtectionError, match="is encrypted with another key than the one given"):
        manifest.check_seal(tmp_path, OTHER)
    with pytest.raises(ProtectionError, match="is encrypted and no key is given"):
        manifest.check_seal(tmp_path, None)


@pytest.mark.parametrize("name", sorted(set(Manifest.model_fields) - {"seal", "format", "problem_type"}))
def test_every_change_of_a_sealed_manifest_is_seen(tmp_path: Path, name: str) -> None:
    changes = {
        "labels": ["正面", "负面"],
        "backend": "openvino",
        "precision": "int8",
        "max_length": 32,
        "normalizers": ["compose"],
        "text_pair": True,
        "base_model": "x",
        "created": "x",
        "versions": {},
        "parity": {"x": 0.2},
        "files": {"model.safetensors.enc": "1" * 64},
        "spare_files": {"a": "0" * 64},
    }
    ENCRYPTED.sealed(KEY).write(tmp_path)
    path = tmp_path / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {name: changes[name]}), encoding="utf-8")
    with pytest.raises(ProtectionError, match="was changed since it was sealed"):
        Manifest.read(tmp_path).check_seal(tmp_path, KEY)


@pytest.mark.parametrize("seal", ["", ":", "x", "0" * 16, "é"])
def test_a_seal_that_is_none_is_refused(tmp_path: Path, seal: str) -> None:
    with pytest.raises(ProtectionError):
        ENCRYPTED.model_copy(update={"seal": seal}).check_seal(tmp_path, KEY)


def test_an_encrypted_model_without_a_seal_is_no_model(tmp_path: Path) -> None:
    ENCRYPTED.write(tmp_path)
    with pytest.raises(ManifestError, match="there are encrypted files, and no seal"):
        Manifest.read(tmp_path)


def test_with_a_key_no_model_is_taken_that_anybody_could_have_put_there(tmp_path: Path) -> None:
    MANIFEST.check_seal(tmp_path, None)
    with pytest.raises(ProtectionError, match=r"a key is given, and the model in .* is not encrypted"):
        MANIFEST.check_seal(tmp_path, KEY)


def test_a_field_that_a_later_version_adds_breaks_no_seal(tmp_path: Path) -> None:
    class Later(Manifest):
        added: int = 0

    ENCRYPTED.sealed(KEY).write(tmp_path)
    Later.model_validate_json((tmp_path / MANIFEST_NAME).read_bytes()).check_seal(tmp_path, KEY)
