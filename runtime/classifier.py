"""The one definition of text → normalise → tokenise → micro-batches → logits → labels; it knows no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from runtime.backends import Backend, BackendOptions, load_backend
from runtime.batching import Cost, measure, plan
from runtime.errors import EngineError, ManifestError
from runtime.manifest import Manifest
from runtime.normalize import normalize_input
from runtime.probes import Probe, check_probes, read_probes, softmax
from runtime.tokenizer import Encoding, TextInput, Tokenizer, pad

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text.

    `scores` holds the probability of every label, `score` that of `label`; `truncated` tells that the text
    was longer than the model reads and its end was not seen.
    """

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool


class Classifier:
    """A model ready to classify; `load` is the way to get one.

    Parameters
    ----------
    manifest : Manifest
        Labels, normalisers and limits.
    tokenizer : Tokenizer
    backend : Backend
        Gives logits with one column per label of the manifest.
    """

    def __init__(
        self, manifest: Manifest, tokenizer: Tokenizer, backend: Backend, cost: Cost | None = None
    ) -> None:
        self.manifest = manifest
        self.tokenizer = tokenizer
        self.backend = backend
        self.cost = cost or Cost()
        self.probes: tuple[Probe, ...] = ()
        """What was recorded and replayed, where that was wanted."""

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        threads: int | None = None,
        device: str = "cpu",
        key: bytes | None = None,
        verify: bool = True,
    ) -> Self:
        """Load a model directory and prove that it still computes what was saved.

        Parameters
        ----------
        path : str or Path
            Model directory with its manifest.
        threads : int, optional
            Threads of one forward pass; None leaves the engine's default.
        device : str
            "cpu", "cuda", "cuda:N" or "auto".
        key : bytes, optional
            Opens an encrypted model, which is decrypted into memory; with a key, no other model is loaded.
        verify : bool
            Compare digests and replay the probes. False is for the step that is about to write them.

        Raises
        ------
        ModelError
            Digests, labels, normalisers, limits or probes do not match, or the engine cannot load the files.
        ProtectionError
            The model is encrypted, and the key is missing or another one, or something was changed; or a key
            is given, and the model is not encrypted.
        """
        directory = Path(path)
        manifest = Manifest.read(directory)
        if verify:
            manifest.verify(directory, key)
        options = BackendOptions(precision=manifest.precision, device=device, threads=threads, key=key)
        tokenizer = Tokenizer.load(directory, manifest.max_length, key)
        backend = load_backend(manifest.backend, directory, options)
        classifier = cls(manifest, tokenizer, backend)
        classifier._check_limits(directory)
        if verify:
            classifier.probes = tuple(read_probes(directory, key))
            classifier.check_probes(classifier.probes)
        return classifier

    def check_probes(self, probes: Sequence[Probe]) -> float:
        """Replay recorded probes and return the largest change of a probability.

        Raises
        ------
        ProbeError
            A probability changed by more than the precision allows.
        """
        return check_probes(probes, self.logits([probe.input for probe in probes]), self.manifest.precision)

    @property
    def compute(self) -> str:
        """What really computes here: precision, device, threads and library."""
        return self.backend.compute

    def warm_up(self) -> None:
        """Run inputs of several shapes, so that no client pays for allocations, and learn what they cost.

        From then on micro-batches are cut for this machine.
        """
        self.cost = Cost.fit(measure(self._run_lengths, self.manifest.max_length))

    def encode(self, texts: Sequence[TextInput]) -> list[Encoding]:
        """Normalise and tokenise, in order; no other thread waits meanwhile for the interpreter.

        Raises
        ------
        InputError
            A text is not a string or cannot be encoded.
        """
        names = self.manifest.normalizers
        return self.tokenizer.encode([normalize_input(text, names) for text in texts])

    def logits(self, texts: Sequence[TextInput | Encoding]) -> Matrix:
        """Return float32 of shape (number of texts, num_labels), in the order of the texts."""
        return self._run(self._encoded(texts))

    def predict_proba(self, texts: Sequence[TextInput | Encoding]) -> Matrix:
        """Return probabilities, float32 of shape (number of texts, num_labels); each row sums to 1."""
        return softmax(self.logits(texts))

    def predict(self, texts: Sequence[TextInput | Encoding]) -> list[Prediction]:
        """Return one prediction per text, in order; what `encode` gave is not encoded again.

        Raises
        ------
        InputError
            A text is not a string or cannot be encoded.
        EngineError
            The engine failed or gave a result of the wrong shape.
        """
        encodings = self._encoded(texts)
        scores = softmax(self._run(encodings))
        return [
            self._prediction(row, encoding.truncated) for row, encoding in zip(scores, encodings, strict=True)
        ]

    def _encoded(self, texts: Sequence[TextInput | Encoding]) -> list[Encoding]:
        encodings: list[Encoding | None] = [text if isinstance(text, Encoding) else None for text in texts]
        fresh = iter(self.encode([text for text in texts if not isinstance(text, Encoding)]))
        return [encoding or next(fresh) for encoding in encodings]

    def _run_lengths(self, lengths: Sequence[int]) -> None:
        """Run one micro-batch of texts of these lengths, whatever their tokens."""
        token = self.tokenizer.largest_id
        self._micro_batch([Encoding([token] * length, [0] * length, truncated=False) for length in lengths])

    def _run(self, encodings: Sequence[Encoding]) -> Matrix:
        logits = np.empty((len(encodings), len(self.manifest.labels)), dtype=np.float32)
        for positions in plan([len(encoding) for encoding in encodings], self.cost, self.cost.most_tokens):
            logits[positions] = self._micro_batch([encodings[position] for position in positions])
        return logits

    def _micro_batch(self, encodings: Sequence[Encoding]) -> Matrix:
        found = self.backend.logits(pad(encodings, self.tokenizer.pad_token_id))
        expected = (len(encodings), len(self.manifest.labels))
        if found.shape != expected:
            raise EngineError(f"the engine gave logits of shape {found.shape}, expected {expected}.")
        return found

    def _prediction(self, scores: Matrix, truncated: bool) -> Prediction:
        best = int(scores.argmax())
        labels = self.manifest.labels
        values = scores.tolist()
        return Prediction(labels[best], values[best], dict(zip(labels, values, strict=True)), truncated)

    def _check_limits(self, directory: Path) -> None:
        """Run the longest input of the highest ids: it fails where tokenizer and weights do not fit."""
        length = self.manifest.max_length
        largest = Encoding(
            [self.tokenizer.largest_id] * length, [int(self.manifest.text_pair)] * length, truncated=False
        )
        try:
            width = self.backend.logits(pad([largest], self.tokenizer.pad_token_id)).shape[1]
        except EngineError as error:
            raise ManifestError(f"{directory} contradicts itself: {error}") from error
        if width != len(self.manifest.labels):
            raise ManifestError(
                f"{directory} names {len(self.manifest.labels)} labels but its weights give {width} logits; "
                "save the model again."
            )
