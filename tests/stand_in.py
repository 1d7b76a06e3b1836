"""An engine that does what its texts say and what lies in its folder, for tests of everything around it.

A text that begins with 炸 raises, 拒 is refused, 少 gets no answer, 非 gets a score that is no number; any
other is labelled with itself. While the file `down` lies in the folder the engine fails altogether, while
`hold` does it waits. It writes the size of each batch into `batches`, and how it was loaded into `loaded`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.batching import Cost
from runtime.classifier import Classifier, Prediction
from runtime.errors import EngineError, InputError
from runtime.manifest import Manifest
from runtime.probes import read_probes
from runtime.tokenizer import Encoding, TextInput

FOLDER_VARIABLE = "STAND_IN_FOLDER"
_HOLD_SECONDS = 30


@contextmanager
def lying(file: Path) -> Iterator[None]:
    """Tell the stand-in something for as long as the block lasts."""
    file.touch()
    try:
        yield
    finally:
        file.unlink()


class Spoken(Encoding):
    """Takes the place of the tokens of a text: the text, with one token per character and two around it."""

    __slots__ = ("text",)

    def __init__(self, text: TextInput) -> None:
        super().__init__([0] * (len(text) + 2), [0] * (len(text) + 2), truncated=False)
        object.__setattr__(self, "text", text)

    text: TextInput


class StandIn:
    """Takes the place of a `Classifier`; `load` has its signature."""

    compute = "nothing computes here"

    def __init__(self, directory: Path, folder: Path) -> None:
        self.manifest = Manifest.read(directory)
        self.probes = read_probes(directory)
        self.folder = folder
        self.cost = Cost()

    @classmethod
    def load(
        cls, path: str | Path, *, threads: int | None = None, device: str = "cpu", key: bytes | None = None
    ) -> StandIn:
        assert key is None, "the stand-in opens nothing"
        folder = Path(os.environ[FOLDER_VARIABLE])
        (folder / "loaded").write_text(json.dumps({"threads": threads, "device": device}), encoding="utf-8")
        return cls(Path(path), folder)

    def warm_up(self) -> None:
        """Be warm already."""

    check_probes = Classifier.check_probes

    def logits(self, texts: Sequence[TextInput]) -> npt.NDArray[np.float32]:
        self._obey(texts)
        recorded = {probe.input: probe.logits for probe in self.probes}
        return np.array([recorded[text] for text in texts], dtype=np.float32)

    def encode(self, texts: Sequence[TextInput]) -> list[Encoding]:
        if any(str(text).startswith("拒") for text in texts):
            raise InputError("it is refused.")
        return [Spoken(text) for text in texts]

    def predict(self, inputs: Sequence[TextInput | Encoding]) -> list[Prediction]:
        with (self.folder / "batches").open("a", encoding="utf-8") as file:
            file.write(f"{len(inputs)}\n")
        texts = [given.text if isinstance(given, Spoken) else str(given) for given in inputs]
        self._obey(texts)
        return [_prediction(text) for text in map(str, texts) if not text.startswith("少")]

    def _obey(self, texts: Sequence[TextInput]) -> None:
        deadline = time.monotonic() + _HOLD_SECONDS
        while (self.folder / "hold").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        if (self.folder / "down").exists():
            raise EngineError(f"down, and therefore not {texts}")
        for text in map(str, texts):
            if text.startswith("炸"):
                raise RuntimeError(f"cannot compute {text}")
            if text.startswith("拒"):
                raise InputError("it is refused.")


def _prediction(text: str) -> Prediction:
    score = float("nan") if text.startswith("非") else 0.75
    return Prediction(text, score, {text: score, "": 0.25}, truncated=False)
