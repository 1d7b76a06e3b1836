"""What a model directory says about itself, and whether that is still true; it knows no engine."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runtime.envelope import SUFFIX
from runtime.errors import DigestError, ManifestError, ProtectionError
from runtime.files import needed
from runtime.keys import derived, key_id
from runtime.normalize import NORMALIZERS

MANIFEST_NAME = "manifest.json"
MOST_TOKENS = 1 << 17
"""More than any BERT has positions, and little enough to try out when a model is loaded."""

Precision = Literal["fp32", "bf16", "int8"]

_CHUNK_BYTES = 1 << 20


class Manifest(BaseModel):
    """The contract between training and serving: everything `runtime` needs to know of a model directory.

    `labels[i]` names column `i` of the logits. `files` maps every file of the directory except the manifest
    itself, by its path with forward slashes, to the hexadecimal sha256 of its bytes. `spare_files` maps those
    that serving does not read, such as weights for transformers beside those of another engine: they may be
    missing.

    Files whose name ends in `.enc` are encrypted. `seal`, present where there are any, is an HMAC-SHA256 of
    all the rest by their key, after the id of that key: without it nobody can exchange files or labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    labels: tuple[str, ...] = Field(min_length=2)
    problem_type: Literal["single_label_classification"] = "single_label_classification"
    backend: str
    precision: Precision
    max_length: int = Field(ge=3, le=MOST_TOKENS, description="tokens, [CLS] and [SEP] included")
    normalizers: tuple[str, ...] = ()
    text_pair: bool = False
    base_model: str = ""
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    parity: dict[str, float] | None = None
    files: dict[str, str] = Field(default_factory=dict)
    spare_files: dict[str, str] = Field(default_factory=dict)
    seal: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels stand twice")
        unknown = [name for name in self.normalizers if name not in NORMALIZERS]
        if unknown:
            raise ValueError(f"unknown normalizers {unknown}; allowed: {', '.join(NORMALIZERS)}")
        if self.is_encrypted and self.seal is None:
            raise ValueError("there are encrypted files, and no seal")
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether a key is needed to load the model."""
        return any(name.endswith(SUFFIX) for name in self.files)

    @property
    def extras(self) -> tuple[str, ...]:
        """The optional dependencies of this project that serving needs."""
        return (self.backend, "encryption") if self.is_encrypted else (self.backend,)

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read `manifest.json` of a model directory.

        Raises
        ------
        ManifestError
            The file is missing, not JSON, of another format, or holds unknown or contradictory values.
        """
        path = directory / MANIFEST_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(
                f"{path} cannot be read ({error}); a model directory is written by `python -m train save`."
            ) from error
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ManifestError(
                f"{path} is not valid: {_first_problem(error)}; save the model again."
            ) from error

    def write(self, directory: Path) -> None:
        """Write `manifest.json` atomically: beside, then renamed."""
        path = directory / MANIFEST_NAME
        beside = path.with_suffix(".json.part")
        beside.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        beside.replace(path)

    def sealed(self, key: bytes) -> Manifest:
        """Return it with the seal that only this key makes."""
        # Read back, so that it knows of the same fields as whoever reads the file.
        complete = self.model_validate_json(self.model_copy(update={"seal": ""}).model_dump_json())
        return complete.model_copy(update={"seal": _seal(complete, key)})

    def check_seal(self, directory: Path, key: bytes | None) -> None:
        """Check that key and manifest belong together; nothing is to be checked where there is neither.

        Raises
        ------
        ProtectionError
            One of them is missing, the seal is of another key, or something was changed since.
        """
        if key is None and self.seal is None:
            return
        key = needed(key, directory)
        if self.seal is None:
            raise ProtectionError(
                f"a key is given, and the model in {directory} is not encrypted: anybody could have put it "
                "there; save it with protection.encrypt=true, or give no key."
            )
        if not hmac.compare_digest(self.seal.partition(":")[0].encode(), key_id(key).hex().encode()):
            raise ProtectionError(
                f"the model in {directory} is encrypted with another key than the one given; give its own."
            )
        if not hmac.compare_digest(self.seal.encode(), _seal(self, key).encode()):
            raise ProtectionError(
                f"{directory / MANIFEST_NAME} was changed since it was sealed; copy or save the model again."
            )

    def verify(self, directory: Path, key: bytes | None = None) -> None:
        """Compare every recorded digest with the file on disk, and the labels with those of `config.json`.

        A key is compared with the seal first.

        Raises
        ------
        DigestError
            No file is recorded, or one that serving needs is missing, or one lies outside the directory,
            cannot be read, or its bytes have changed.
        ManifestError
            `config.json` names other labels, or the same in another order.
        ProtectionError
            Key and seal do not belong together.
        """
        self.check_seal(directory, key)
        if not self.files:
            raise DigestError(f"the manifest of {directory} records no file; save the model again.")
        for name, recorded in self.files.items():
            _verify_file(directory, name, recorded)
        for name, recorded in self.spare_files.items():
            _verify_file(directory, name, recorded, may_be_missing=True)
        self._verify_labels(directory / "config.json")

    def _verify_labels(self, path: Path) -> None:
        try:
            id2label = json.loads(path.read_text(encoding="utf-8"))["id2label"]
            named = tuple(id2label[str(index)] for index in range(len(id2label)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ManifestError(f"{path} names no labels ({error!r}); save the model again.") from error
        if named != self.labels:
            raise ManifestError(
                f"{path} names the labels {', '.join(map(str, named))}, its manifest "
                f"{', '.join(self.labels)}; save the model again."
            )


def _seal(manifest: Manifest, key: bytes) -> str:
    # What a later version adds to the class does not stand in the file, and must not count.
    content = json.loads(manifest.model_dump_json(exclude={"seal"}, exclude_unset=True))
    told = json.dumps(content, sort_keys=True).encode()
    return f"{key_id(key).hex()}:{hmac.digest(derived(key, 'manifest seal'), told, 'sha256').hex()}"


def _verify_file(directory: Path, name: str, recorded: str, *, may_be_missing: bool = False) -> None:
    path = directory / name
    try:
        if not path.resolve().is_relative_to(directory.resolve()):
            raise DigestError(
                f"the manifest of {directory} names {name} outside of it; save the model again."
            )
        if may_be_missing and not path.exists():
            return
        if not path.is_file():
            raise DigestError(
                f"{path} is missing although the manifest lists it; copy or save the model again."
            )
        found = file_digest(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DigestError(f"{str(path)!r} cannot be read ({error}); copy or save the model again.") from error
    if found != recorded:
        raise DigestError(
            f"{path} has sha256 {found[:12]}…, the manifest says {recorded[:12]}…; "
            "copy or save the model again."
        )


def file_digest(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digest_files(directory: Path) -> dict[str, str]:
    """Return path → sha256 of every file below a directory except its own manifest, sorted by path."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    names = ((path.relative_to(directory).as_posix(), path) for path in files)
    return {name: file_digest(path) for name, path in names if name != MANIFEST_NAME}


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
