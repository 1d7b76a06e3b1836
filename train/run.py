"""The folder of one run: what lies where, and how a finished directory takes its place at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import RecipeError, UsageError
from train.config import Recipe
from train.protection import close_to_others, private_directory
from train.recipe import expanded

_ASIDE = "old-"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths of a run; none of them need exist."""

    root: Path

    @classmethod
    def of(cls, recipe: Recipe) -> RunDirectory:
        """Return the run directory of a recipe."""
        return cls(expanded(recipe.run.directory))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes from writing models into it until the block ends.

        Raises
        ------
        RecipeError
            It cannot be made.
        UsageError
            Another process is at work in it; a killed one is not.
        """
        try:
            private_directory(self.root)
        except OSError as error:
            raise RecipeError(
                f"run.directory={str(self.root)!r} cannot be made ({error.strerror}); name another folder."
            ) from error
        with (self.root / ".lock").open("w") as file:
            if not _locks(file.fileno()):
                raise UsageError(
                    f"{self.root} is being written by another `python -m train`; wait, or set run.directory."
                )
            yield

    @property
    def prepared(self) -> Path:
        """The rows that `prepare` kept, split and described."""
        return self.root / "prepared"

    @property
    def vocabulary(self) -> Path:
        """The tokenizer that `vocab` made from the corpus."""
        return self.root / "vocabulary"

    @property
    def tokens(self) -> Path:
        """The corpus as token ids, kept for a resumed pre-training."""
        return self.root / "tokens"

    @property
    def pretraining(self) -> Path:
        """States of an unfinished pre-training; gone once the encoder is there."""
        return self.root / "pretraining"

    @property
    def encoder(self) -> Path:
        """The pre-trained encoder, a base model for `finetune`."""
        return self.root / "encoder"

    @property
    def model(self) -> Path:
        """The fine-tuned model, servable in fp32."""
        return self.root / "model"

    @property
    def export(self) -> Path:
        """The model for the backend and precision of the recipe."""
        return self.root / "export"

    @property
    def checkpoints(self) -> Path:
        """States of an unfinished training; gone once the model is there."""
        return self.root / "checkpoints"

    @property
    def metrics(self) -> Path:
        """What `evaluate` measured, for programs."""
        return self.root / "metrics.json"

    @property
    def quick(self) -> Path:
        """States of the models that `noise` and `augment` train; gone once those are done."""
        return self.root / "quick"

    @property
    def label_issues(self) -> Path:
        """Rows whose label `noise` doubts, to be relabelled."""
        return self.root / "label_issues.csv"

    @property
    def relabelled(self) -> Path:
        """The training rows with the labels of such a list."""
        return self.root / "relabelled.parquet"

    @property
    def augmentation(self) -> Path:
        """How training with augmented rows compares with training without."""
        return self.root / "augmentation.json"

    @property
    def augmented(self) -> Path:
        """The rows with augmented ones among those to train on, where that was better."""
        return self.root / "augmented"

    @property
    def errors(self) -> Path:
        """Wrongly classified rows, the most confident first."""
        return self.root / "errors.csv"

    @property
    def doctor(self) -> Path:
        """What `doctor` found in the data, for programs."""
        return self.root / "doctor.json"

    @property
    def doctor_page(self) -> Path:
        """What `doctor` found in the data, for people."""
        return self.root / "doctor.html"

    @property
    def report(self) -> Path:
        """What `evaluate` measured, for people."""
        return self.root / "report.html"


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield an empty directory beside `target` that replaces it when the block ends without an exception.

    Only the owner may read it and what is in it.

    Until then `target` stays as it was. What an earlier, killed process left beside it is removed; where it
    was killed between its two renames, the directory it had moved aside comes back. Whatever `target` holds
    is lost in the end, which its owner must have made sure of.
    """
    private_directory(target.parent)
    for leftover in leftovers(target):
        if (leftover / target.name).exists() and not target.exists():
            (leftover / target.name).rename(target)
        shutil.rmtree(leftover)
    staging = _made_beside(target, "")
    try:
        yield staging
        close_to_others(staging)
        _replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def leftovers(target: Path) -> list[Path]:
    """Return what killed processes left beside `target`, told by a name that only `staged` gives."""
    if not target.parent.is_dir():
        return []
    ours = re.compile(rf"\.{re.escape(target.name)}-(?:{_ASIDE})?[0-9a-f]{{32}}")
    beside = sorted(path for path in target.parent.iterdir() if ours.fullmatch(path.name))
    return [path for path in beside if path.is_dir() and not path.is_symlink()]


def named_files(recipe: Recipe) -> list[Path]:
    """Return the files that a recipe names beside those of its rows: keys, and the file it was read from."""
    sections = (recipe.data, recipe.privacy, recipe.protection)
    keys = [section.key_file for section in sections if section is not None]
    own = [] if recipe.origin.path is None else [recipe.origin.path]
    return [*(expanded(key) for key in keys if key is not None), *own]


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to beside `path`, whose place it takes when the block ends without an exception.

    Only the owner may read it.
    """
    private_directory(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")  # another process may write it too
    try:
        yield beside
        close_to_others(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON that people can read, all of it or nothing; only the owner may read it."""
    with private_file(path) as beside:
        beside.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _locks(descriptor: int) -> bool:
    """Lock an open file for this process, until it is closed; tell whether that was possible."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _replace(staging: Path, target: Path) -> None:
    """Rename over a directory, which no file system does in one step: the old one first steps aside."""
    aside = _made_beside(target, _ASIDE)
    if target.exists():
        target.rename(aside / target.name)
    staging.rename(target)
    shutil.rmtree(aside)


def _made_beside(target: Path, kind: str) -> Path:
    made = target.with_name(f".{target.name}-{kind}{uuid.uuid4().hex}")
    made.mkdir(mode=0o700)
    return made
