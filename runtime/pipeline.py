"""Two threads between requests and engine: one tokenises what arrives, one computes; they know no HTTP."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

from runtime.errors import InputError
from runtime.isolation import ALONE, Failure, Isolation
from runtime.logs import report
from runtime.scheduler import Item, Job, Scheduler

logger = logging.getLogger(__name__)

LEAST_CALLS_PER_DEADLINE = 20
"""How many times the predicted seconds of a micro-batch the engine may take before it counts as hung."""

_TEXTS_PER_TURN = 16
_TEXTS_PER_ROUND = 256
_CHARACTERS_PER_TURN = 16_384
_CHARACTERS_PER_ROUND = 131_072
"""So that whoever comes while long texts are tokenised waits for a few of them alone."""
_SMOOTHING = 0.2


class Sized(Protocol):
    """A text made ready for the engine; its length is its tokens."""

    def __len__(self) -> int: ...


Text = TypeVar("Text", bound=Hashable)
Encoding = TypeVar("Encoding", bound=Sized)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Work(Generic[Text, Encoding, Answer]):
    """What the threads do.

    Parameters
    ----------
    encode : callable
        Makes texts ready, in order; raises `InputError` where one cannot be classified.
    classify : callable
        Runs the engine on one micro-batch; gives an answer or a failure for each, in order.
    probe : callable
        Tells whether the engine computes what it should; asked after a call that took too long.
    seconds : callable
        Predicts the seconds of a forward pass from its tokens and those of its longest text.
    budget, shared_budget : callable
        Tokens of one micro-batch, and of one of a large request while small ones come.
    observe : callable
        Told the number of texts of every micro-batch.
    engine_timeout_seconds : float
        How long a micro-batch may take at least before the engine counts as hung.
    """

    encode: Callable[[Sequence[Text]], Sequence[Encoding]]
    classify: Callable[[Sequence[Encoding]], Sequence[Answer | Failure]]
    probe: Callable[[], bool]
    seconds: Callable[[int, int], float]
    budget: Callable[[], int]
    shared_budget: Callable[[], int]
    observe: Callable[[int], object]
    engine_timeout_seconds: float


class Request(Job[Encoding, Answer | Failure], Generic[Text, Encoding, Answer]):
    """A job with its texts; `prepared` counts those that are tokenised or dropped."""

    __slots__ = ("prepared", "texts")

    def __init__(self, texts: Sequence[Text], deadline: float) -> None:
        super().__init__(len(texts), deadline)
        self.texts = texts
        self.prepared = 0


class Pipeline(Generic[Text, Encoding, Answer]):
    """Takes requests from one thread, answers them from its own.

    Tokenising what arrived overlaps the forward pass of what came before. Nothing polls: each thread sleeps
    until there is something to do.

    Parameters
    ----------
    work : Work
    finish : callable
        Told every request that has all its results or is too late; called by the threads, once per
        micro-batch.
    fail : callable
        Told that a thread died.
    """

    def __init__(
        self,
        work: Work[Text, Encoding, Answer],
        finish: Callable[[Sequence[Job[Encoding, Answer | Failure]]], object],
        fail: Callable[[], object],
    ) -> None:
        self._work = work
        self._finish = finish
        self._fail = fail
        self._run: Isolation[Encoding, Answer | Failure] = Isolation(work.classify, lambda: None)
        self._scheduler: Scheduler[Encoding, Answer | Failure] = Scheduler(work.budget, work.shared_budget)
        self._arrived: SimpleQueue[Request[Text, Encoding, Answer] | None] = SimpleQueue()
        self._lock = threading.Condition()
        self._closing = False
        self._dead = False
        self._generation = 0
        self._encoding_until = math.inf
        self._computing_until = math.inf
        self._texts_taken = 0
        self._texts_prepared = 0
        self._tokens_per_text = 64.0
        self._slowness = 1.0
        names = (("prepare", self._prepare), ("engine", self._compute))
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), name=name, daemon=True)
            for name, body in names
        ]
        for thread in self._threads:
            thread.start()

    def put(self, request: Request[Text, Encoding, Answer]) -> None:
        """Take a request."""
        self._texts_taken += request.size
        self._arrived.put(request)

    def cancel(self, request: Request[Text, Encoding, Answer]) -> None:
        """Forget a request; what nobody else waits for is not computed."""
        with self._lock:
            self._scheduler.cancel(request)

    def abandon(self) -> None:
        """Forget everything that waits or runs; the caller answers it."""
        with self._lock:
            self._generation += 1
            self._scheduler.clear()

    def close(self, seconds: float) -> None:
        """End the threads; wait so long for what is running."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._arrived.put(None)
        for thread in self._threads:
            thread.join(seconds)

    @property
    def queued_seconds(self) -> float:
        """Predicted seconds until everything that waits now has been computed, in full micro-batches."""
        unprepared = self._texts_taken - self._texts_prepared
        tokens = self._scheduler.queued_tokens + unprepared * self._tokens_per_text
        mean = self._tokens_per_text
        batch = max(self._work.budget(), mean)
        return self._slowness * tokens / batch * self._work.seconds(int(batch), int(mean))

    @property
    def overdue_at(self) -> float:
        """When what is running now counts as hung, by `time.monotonic`; infinite where nothing runs."""
        return min(self._encoding_until, self._computing_until)

    def is_alive(self) -> bool:
        """Tell whether both threads live and neither is overdue."""
        return (
            not self._dead
            and time.monotonic() <= self.overdue_at
            and all(thread.is_alive() for thread in self._threads)
        )

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - whatever ends the thread, nobody may wait for it
            self._dead = True
            report(logger, f"the {threading.current_thread().name} thread died", error)
            self._fail()

    def _prepare(self) -> None:
        waiting: deque[Request[Text, Encoding, Answer]] = deque()
        while self._collect(waiting):
            fresh, seen = self._deal(waiting)
            texts = list(fresh)
            self._encoding_until = time.monotonic() + self._work.engine_timeout_seconds
            encodings = self._encode(texts) if texts else []
            self._encoding_until = math.inf
            if texts:
                self._queue(fresh, encodings)
            self._texts_prepared += seen

    def _collect(self, waiting: deque[Request[Text, Encoding, Answer]]) -> bool:
        """Add what has arrived, waiting for it where nothing is left to do; False at the end."""
        while not waiting or not self._arrived.empty():
            request = self._arrived.get()
            if request is None:
                return False
            waiting.append(request)
        return True

    def _deal(
        self, waiting: deque[Request[Text, Encoding, Answer]]
    ) -> tuple[dict[Text, list[tuple[Request[Text, Encoding, Answer], int]]], int]:
        """Take a few texts of each request in turn; return those to tokenise and how many were dealt with."""
        fresh: dict[Text, list[tuple[Request[Text, Encoding, Answer], int]]] = {}
        seen = characters = 0
        with self._lock:
            for _ in range(len(waiting)):
                request = waiting.popleft()
                start, end = request.prepared, _turn_end(request)
                if request.over:
                    end = request.size
                elif start == 0:
                    self._scheduler.open(request)
                for place in range(start, 0 if request.over else end):
                    text = request.texts[place]
                    if not self._scheduler.attach(request, place, text):
                        fresh.setdefault(text, []).append((request, place))
                request.prepared = end
                seen += end - start
                if end < request.size:
                    waiting.append(request)
                characters += sum(map(_characters, request.texts[start:end]))
                if seen >= _TEXTS_PER_ROUND or characters >= _CHARACTERS_PER_ROUND:
                    break
        return fresh, seen

    def _encode(self, texts: Sequence[Text]) -> Sequence[Encoding | Failure]:
        """Make texts ready; where that fails, each alone, so that only the guilty ones have a failure."""
        try:
            return self._work.encode(texts)
        except InputError as error:
            if len(texts) == 1:
                return [Failure(422, f"cannot be classified: {error}")]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the tokenizer's Rust is no Exception
            if len(texts) == 1:
                report(logger, "the tokenizer failed on one text", error)
                return [ALONE]
        return [found for text in texts for found in self._encode([text])]

    def _queue(
        self,
        fresh: dict[Text, list[tuple[Request[Text, Encoding, Answer], int]]],
        encodings: Sequence[Encoding | Failure],
    ) -> None:
        finished: list[Job[Encoding, Answer | Failure]] = []
        with self._lock:
            for (text, places), encoding in zip(fresh.items(), encodings, strict=True):
                for request, place in places:
                    if request.over:
                        continue
                    if isinstance(encoding, Failure):
                        if self._scheduler.settle(request, place, encoding):
                            finished.append(request)
                    else:
                        self._scheduler.add(request, place, text, encoding, len(encoding))
            self._lock.notify_all()
        tokens = [len(encoding) for encoding in encodings if not isinstance(encoding, Failure)]
        if tokens:
            self._tokens_per_text += _SMOOTHING * (sum(tokens) / len(tokens) - self._tokens_per_text)
        if finished:
            self._finish(finished)

    def _compute(self) -> None:
        while items := self._take():
            generation = self._generation
            tokens, start = sum(item.tokens for item in items), time.monotonic()
            predicted = self._work.seconds(tokens, max(item.tokens for item in items))
            allowed = max(self._work.engine_timeout_seconds, LEAST_CALLS_PER_DEADLINE * predicted)
            self._computing_until = start + allowed
            results = self._run([item.payload for item in items])
            seconds = max(time.monotonic() - start, 1e-6)
            with self._lock:
                abandoned = generation != self._generation
                finished = [] if abandoned else self._scheduler.done(items, results)
            if finished:
                self._finish(finished)
            if abandoned and not self._work.probe():
                return  # still overdue: not alive until restarted
            self._computing_until = math.inf
            self._work.observe(len(items))
            # What else the machine does slows small and large micro-batches alike: a rate would mix the two.
            self._slowness += _SMOOTHING * (seconds / max(predicted, 1e-6) - self._slowness)

    def _take(self) -> list[Item[Encoding, Answer | Failure]]:
        """Wait for something to compute; nothing at the end."""
        with self._lock:
            while not self._closing:
                items = self._scheduler.next(time.monotonic())
                if expired := self._scheduler.take_expired():
                    self._finish(expired)
                if items:
                    return items
                self._lock.wait()
        return []


def _turn_end(request: Request[Text, Encoding, Answer]) -> int:
    """Return where the next few texts of a request end: after so many, or so many characters."""
    characters = 0
    most = min(request.prepared + _TEXTS_PER_TURN, request.size)
    for place in range(request.prepared, most):
        characters += _characters(request.texts[place])
        if characters >= _CHARACTERS_PER_TURN:
            return place + 1
    return most


def _characters(text: Hashable) -> int:
    """Return the length of a text, or of both of a pair."""
    if isinstance(text, tuple):
        return sum(map(len, text))
    return len(text) if isinstance(text, str) else 1
