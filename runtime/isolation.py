"""Lets one text that cannot be classified fail alone; it knows neither what a text nor what an answer is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from runtime.errors import EngineError, InputError
from runtime.logs import report

logger = logging.getLogger(__name__)

Text = TypeVar("Text")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in the results where a text got no answer.

    `status` is 422 where the text is to blame, 500 where the engine failed on this text alone, 503 where the
    engine is down, 429 where too much is queued; `sentence` says so to the client. `retry_after` are the
    seconds after which to come back, where more is known than that it is soon.
    """

    status: int
    sentence: str
    retry_after: int | None = None


ALONE = Failure(500, "made the engine fail and has no prediction; leave it out and report it.")
DOWN = Failure(503, "has no prediction because the engine is down; send it again after Retry-After seconds.")


class Isolation(Generic[Text, Answer]):
    """Runs batches; where one fails, halves it until the guilty texts stand alone.

    After a failure that is not plainly a text's fault, a probe decides: where it passes, some text made the
    engine fail and is searched for; where it does not, the engine is down and nothing is ready until a probe
    passes again.

    Parameters
    ----------
    predict : callable
        Gives one answer per text, in order. Raises `InputError` for a text it cannot take.
    probe : callable
        Raises when the engine does not compute what it should.
    """

    def __init__(
        self, predict: Callable[[Sequence[Text]], Sequence[Answer]], probe: Callable[[], object]
    ) -> None:
        self._predict = predict
        self._probe = probe
        self._healthy = True
        # Batches come from one thread, readiness checks from another: never both into the engine.
        self._engine = threading.Lock()

    def __call__(self, texts: Sequence[Text]) -> list[Answer | Failure]:
        """Return an answer or a failure for every text, in order."""
        return self._attempt(texts) if self.is_ready() else [DOWN] * len(texts)

    def is_ready(self) -> bool:
        """Say whether the engine works; after a failure, find out."""
        return self._healthy or self.passes_probe()

    def _attempt(self, texts: Sequence[Text]) -> list[Answer | Failure]:
        try:
            return list(self._checked(texts))
        except InputError as error:
            return self._halve(texts, Failure(422, f"cannot be classified: {error}"))
        except Exception as error:  # noqa: BLE001 - whatever a text makes the engine raise, others get answers
            self._tell(texts, error)
        return self._halve(texts, ALONE) if self.passes_probe() else [DOWN] * len(texts)

    def _halve(self, texts: Sequence[Text], failure: Failure) -> list[Answer | Failure]:
        if len(texts) == 1:
            return [failure]
        middle = len(texts) // 2
        return [*self._attempt(texts[:middle]), *self._rest(texts[middle:])]

    def _rest(self, texts: Sequence[Text]) -> list[Answer | Failure]:
        return self._attempt(texts) if self._healthy else [DOWN] * len(texts)

    def _checked(self, texts: Sequence[Text]) -> Sequence[Answer]:
        with self._engine:
            answers = self._predict(texts)
        if len(answers) != len(texts):
            # BentoML cuts results by position: one too few and clients get each other's answers.
            raise EngineError(f"{len(texts)} texts gave {len(answers)} answers.")
        return answers

    def passes_probe(self) -> bool:
        """Ask the engine now whether it computes what it should."""
        was_healthy = self._healthy
        try:
            with self._engine:
                self._probe()
        except Exception as error:  # noqa: BLE001 - any failure of the probe means the same: not ready
            self._healthy = False
            if was_healthy:  # not again whenever /readyz asks
                report(logger, "the engine is down, it fails its probe", error)
        else:
            self._healthy = True
            if not was_healthy:
                logger.warning("the engine is up again, it passes its probe")
        return self._healthy

    @staticmethod
    def _tell(texts: Sequence[Text], error: Exception) -> None:
        if len(texts) == 1:
            report(logger, "the engine failed on one text", error)
        else:
            logger.warning("the engine failed on %d texts: %s", len(texts), type(error).__name__)
