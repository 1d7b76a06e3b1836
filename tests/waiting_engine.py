"""An engine for the tests of pipeline and dispatcher that waits, fails and dies when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from runtime.errors import InputError
from runtime.isolation import Failure
from runtime.pipeline import Work

PATIENCE = 20.0


class Panic(BaseException):
    """What a library written in Rust raises when it panics."""


class Engine:
    """Its encodings are the texts, its answers their capitals.

    A text with `refused` or `broken` cannot be encoded; one with `bad` raises, with `lost` gets no answer,
    with `dead` ends the thread. While `go` is not set, the engine waits; `started` is set when it does.
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()
        self.encoded: list[list[str]] = []
        self.encoded_some = threading.Event()
        self.batches: list[list[str]] = []
        self.sizes: list[int] = []
        self.probe_passes = True
        self.probed = threading.Event()

    def encode(self, texts: Sequence[str]) -> Sequence[str]:
        self.encoded.append(list(texts))
        self.encoded_some.set()
        for index, text in enumerate(texts):
            if "refused" in text:
                raise InputError(f"text {index} is refused.")
            if "panic" in text:
                raise Panic(text)
            if "broken" in text:
                raise ValueError(text)
        return texts

    def classify(self, encodings: Sequence[str]) -> Sequence[str | Failure]:
        self.batches.append(list(encodings))
        self.started.set()
        assert self.go.wait(PATIENCE), "held for ever"
        if any("dead" in text for text in encodings):
            raise SystemExit
        if any("bad" in text for text in encodings):
            raise RuntimeError("bad")
        return [text.upper() for text in encodings if "lost" not in text]

    def probe(self) -> bool:
        self.probed.set()
        return self.probe_passes

    def work(self, *, budget: int = 1000, engine_timeout: float = PATIENCE, token: float = 1e-6) -> Any:
        """Return what a pipeline is given."""
        seconds: Callable[[int, int], float] = lambda tokens, _: tokens * token  # noqa: E731
        return Work(
            encode=self.encode,
            classify=self.classify,
            probe=self.probe,
            seconds=seconds,
            budget=lambda: budget,
            shared_budget=lambda: budget,
            observe=self.sizes.append,
            engine_timeout_seconds=engine_timeout,
        )
