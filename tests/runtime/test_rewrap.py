"""Another key for a model or a prepared folder: the old one opens nothing any more, all else stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime import rewrap as module
from runtime.classifier import Classifier
from runtime.envelope import content_digest, decrypted, encrypting
from runtime.errors import ManifestError, ProtectionError
from runtime.manifest import MANIFEST_NAME, Manifest
from runtime.rewrap import rewrap_all

NEW = bytes(range(100, 132))
OLD = bytes(range(32))
TEXTS = ["房间很好", "太差了"]


@pytest.fixture
def model(encrypted_model: tuple[Path, bytes], tmp_path: Path) -> Path:
    assert encrypted_model[1] == OLD
    return Path(shutil.copytree(encrypted_model[0], tmp_path / "model"))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_model_answers_the_same_under_its_new_key_and_not_at_all_under_the_old(model: Path) -> None:
    expected, before = Classifier.load(model, key=OLD).logits(TEXTS), contents(model)
    changed = list(rewrap_all([model], OLD, NEW))
    encrypted = [name for name in before if name.endswith(".enc")]
    assert sorted(path.name for path in changed) == sorted(encrypted)
    assert len(encrypted) >= 3
    assert (Classifier.load(model, key=NEW).logits(TEXTS) == expected).all()
    with pytest.raises(ProtectionError, match="another key"):
        Classifier.load(model, key=OLD)
    after = contents(model)
    assert {name for name in after if after[name] != before[name]} == {*encrypted, MANIFEST_NAME}
    assert {len(after[name]) - len(before[name]) for name in encrypted} == {0}
    assert list(rewrap_all([model], OLD, NEW)) == []


@pytest.mark.parametrize("calls", range(4))
def test_an_exchange_that_was_stopped_is_finished_by_the_next(
    model: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    real, done = module.rewrap, []

    def stopping(path: Path, old: bytes, new: bytes, name: str) -> bool:
        if len(done) == calls:
            raise KeyboardInterrupt
        done.append(path)
        return real(path, old, new, name)

    with monkeypatch.context() as patch:
        patch.setattr(module, "rewrap", stopping)
        stopped = False
        try:
            list(rewrap_all([model], OLD, NEW))
        except KeyboardInterrupt:
            stopped = True
    assert stopped == (calls < 3)
    list(rewrap_all([model], OLD, NEW))
    assert Classifier.load(model, key=NEW).predict(TEXTS)


def test_a_model_of_neither_key_is_left_alone(model: Path) -> None:
    before = contents(model)
    with pytest.raises(ProtectionError, match="another key"):
        list(rewrap_all([model], bytes(32), NEW))
    assert contents(model) == before


def test_a_harmed_model_gets_no_new_seal(model: Path) -> None:
    path = model / "probes.jsonl.enc"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    before = (model / MANIFEST_NAME).read_bytes()
    with pytest.raises(ProtectionError):
        list(rewrap_all([model], OLD, NEW))
    assert (model / MANIFEST_NAME).read_bytes() == before


def test_a_model_whose_labels_were_exchanged_gets_no_new_seal(model: Path) -> None:
    manifest = Manifest.read(model)
    manifest.model_copy(update={"labels": manifest.labels[::-1]}).write(model)
    with pytest.raises(ProtectionError, match="was changed since it was sealed"):
        list(rewrap_all([model], OLD, OLD))


def prepared(folder: Path) -> Path:
    folder.mkdir()
    for name in ("train", "dev"):
        with encrypting(folder / f"{name}.parquet.enc", OLD, f"{name}.parquet") as file:
            file.write(name.encode() * 100)
    (folder / "datasheet.json").write_text("{}", encoding="utf-8")
    return folder


def test_a_prepared_folder_keeps_its_rows_and_the_digests_of_its_datasheet(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "prepared")
    before = {path.name: content_digest(path) for path in folder.glob("*.enc")}
    assert list(rewrap_all([folder], OLD, NEW)) == [folder / "dev.parquet.enc", folder / "train.parquet.enc"]
    assert {path.name: content_digest(path) for path in folder.glob("*.enc")} == before
    for name in ("train", "dev"):
        with decrypted(folder / f"{name}.parquet.enc", NEW, f"{name}.parquet") as file:
            assert file.read() == name.encode() * 100
    assert {path.name for path in folder.iterdir()} == {*before, "datasheet.json"}


def test_a_prepared_folder_that_was_left_half_done_is_finished(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "prepared")
    assert next(rewrap_all([folder], OLD, NEW)).name == "dev.parquet.enc"
    assert [path.name for path in rewrap_all([folder], OLD, NEW)] == ["train.parquet.enc"]
    assert list(rewrap_all([folder], OLD, NEW)) == []


def test_a_single_file_is_enough_and_one_of_neither_key_is_refused(tmp_path: Path) -> None:
    path = prepared(tmp_path / "prepared") / "dev.parquet.enc"
    assert list(rewrap_all([path], OLD, NEW)) == [path]
    with pytest.raises(ProtectionError, match="another key"):
        list(rewrap_all([path], OLD, OLD))


def test_what_holds_nothing_encrypted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtectionError, match=r"holds no file ending in \.enc"):
        list(rewrap_all([tmp_path], OLD, NEW))
    (tmp_path / MANIFEST_NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(ManifestError):
        list(rewrap_all([tmp_path], OLD, NEW))


def test_a_folder_of_models_is_models_and_a_part_of_one_is_refused(
    encrypted_model: tuple[Path, bytes], tmp_path: Path
) -> None:
    store = tmp_path / "name"
    shutil.copytree(encrypted_model[0], store / "version")
    changed = list(rewrap_all([store], OLD, NEW))
    assert changed
    assert list(rewrap_all([store / "version"], OLD, NEW)) == []
    Manifest.read(store / "version").check_seal(store / "version", NEW)
    with pytest.raises(ProtectionError, match="is part of the model"):
        list(rewrap_all([changed[0]], NEW, OLD))
