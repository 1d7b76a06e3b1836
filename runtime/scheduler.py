"""Which texts the engine computes next; it knows tokens and times, but no text, thread, clock or engine."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Payload = TypeVar("Payload")
Result = TypeVar("Result")

QUEUED, PROMISED, RUNNING, GONE = range(4)

_LONGEST_WAITING_EVERY = 4
_MOST_PROMISED = 4
_SHARED_TURNS = 32
"""Micro-batches after which nobody expects another small job."""
_FULL_ENOUGH = 7 / 8


class Job(Generic[Payload, Result]):
    """One request: a place for each of its results, in order, and until when they are of use.

    `over` is true from the moment nobody waits any more: answered, cancelled or too late.
    """

    __slots__ = (
        "deadline",
        "in_tag_order",
        "in_wait_order",
        "items",
        "missing",
        "number",
        "over",
        "queue",
        "results",
        "seen",
        "size",
        "tag",
        "tokens",
    )

    def __init__(self, size: int, deadline: float) -> None:
        self.size = size
        self.deadline = deadline
        self.results: list[Result | None] = [None] * size
        self.missing = size
        self.seen = 0
        self.over = False
        self.in_tag_order = False
        self.in_wait_order = False
        self.number = -1
        self.tag = 0
        self.tokens = 0
        self.items: list[Item[Payload, Result]] = []
        self.queue: deque[Item[Payload, Result]] = deque()

    def is_small(self, budget: int) -> bool:
        """Tell whether all its texts are there and fit into one micro-batch together."""
        return self.seen == self.size and self.tokens <= budget


@dataclass(eq=False, slots=True)
class Item(Generic[Payload, Result]):
    """One text to compute, however many places of however many jobs wait for it."""

    key: Hashable
    payload: Payload
    tokens: int
    state: int = QUEUED
    waiters: dict[Job[Payload, Result], list[int]] = field(default_factory=dict)


class Scheduler(Generic[Payload, Result]):
    """Start-time fair queueing of jobs by tokens, cut into micro-batches of a token budget.

    Every job carries a tag that grows by the tokens it was served; the least tag comes next, and a new job
    starts at the tag served last; among equal tags the job of fewer texts comes first. So a job of one text
    waits for what is running and for at most one more micro-batch, whatever jobs of many texts are queued;
    where it is longer than half the budget, for two. As small jobs wait for all of their micro-batch, it is
    filled up with large ones only every other time; and as they wait for the end of what is running, those
    that large jobs begin are kept to the shared budget for a while after small ones were served. Lest ever
    new small jobs starve a large one, the job that has waited longest comes first in every fourth
    micro-batch. A text that does not fit is passed over once and heads the next micro-batch; one that is
    larger than the budget runs alone. Equal keys in flight are computed once.

    Every method costs O(log n) per text it touches. None may be called from two threads at once.

    Parameters
    ----------
    budget : int or callable
        Most tokens of one micro-batch, asked anew for each.
    shared_budget : int or callable, optional
        Most tokens of one that a large job begins while small ones come; by default the same.
    """

    def __init__(
        self, budget: int | Callable[[], int], shared_budget: int | Callable[[], int] | None = None
    ) -> None:
        self._budget = budget if callable(budget) else lambda: budget
        shared = budget if shared_budget is None else shared_budget
        self._shared_budget = shared if callable(shared) else lambda: shared
        self._small_served = -_SHARED_TURNS
        self.queued_tokens = 0
        self._virtual_time = 0
        self._turns = 0
        self._ended_early = False
        self._counter = itertools.count(1)
        self._clear()

    def _clear(self) -> None:
        self._jobs: dict[int, Job[Payload, Result]] = {}
        self._in_flight: dict[Hashable, Item[Payload, Result]] = {}
        self._by_tag: list[tuple[int, int, int, Job[Payload, Result]]] = []
        self._by_wait: deque[Job[Payload, Result]] = deque()
        self._by_deadline: list[tuple[float, int]] = []
        self._promised: list[Item[Payload, Result]] = []
        self._expired: list[Job[Payload, Result]] = []
        self.queued_tokens = 0

    def open(self, job: Job[Payload, Result]) -> None:
        """Let a job in; its texts follow, in any number of steps."""
        job.number = next(self._counter)
        self._jobs[job.number] = job
        heapq.heappush(self._by_deadline, (job.deadline, job.number))

    def attach(self, job: Job[Payload, Result], place: int, key: Hashable) -> bool:
        """Let a place wait for a text that is in flight already; False where there is none."""
        item = self._in_flight.get(key)
        if item is None:
            return False
        job.seen += 1
        places = item.waiters.get(job)
        if places is not None:
            places.append(place)
            return True
        item.waiters[job] = [place]
        job.items.append(item)
        if item.state == QUEUED:
            job.queue.append(item)
            job.tokens += item.tokens
            self._activate(job)
        return True

    def add(
        self, job: Job[Payload, Result], place: int, key: Hashable, payload: Payload, tokens: int
    ) -> None:
        """Queue a text for a place of an open job."""
        if key not in self._in_flight:
            self._in_flight[key] = Item(key, payload, tokens)
            self.queued_tokens += tokens
        self.attach(job, place, key)

    def settle(self, job: Job[Payload, Result], place: int, result: Result) -> bool:
        """Fill a place that never was queued; True where the job has all its results now."""
        job.results[place] = result
        job.seen += 1
        job.missing -= 1
        if job.missing == 0:
            self._close(job)
        return job.over

    def cancel(self, job: Job[Payload, Result]) -> None:
        """Forget a job; texts that nobody else waits for are never handed out."""
        if not job.over:
            self._close(job)

    def clear(self) -> list[Job[Payload, Result]]:
        """Forget everything, what is running included; return the jobs that were waiting."""
        jobs = list(self._jobs.values())
        for job in jobs:
            self._close(job)
        for item in self._in_flight.values():
            item.state = GONE
        self._clear()
        return jobs

    def take_expired(self) -> list[Job[Payload, Result]]:
        """Return the jobs that `next` found too late, each once."""
        expired, self._expired = self._expired, []
        return expired

    def done(
        self, items: Sequence[Item[Payload, Result]], results: Sequence[Result]
    ) -> list[Job[Payload, Result]]:
        """Hand results, in order, to everyone who waits; return the jobs that have all of theirs now."""
        finished = []
        for item, result in zip(items, results, strict=True):
            if item.state != RUNNING:
                continue  # forgotten meanwhile
            item.state = GONE
            del self._in_flight[item.key]
            waiters, item.waiters = item.waiters, {}
            for job, places in waiters.items():
                for place in places:
                    job.results[place] = result
                job.missing -= len(places)
                if job.missing == 0:
                    self._close(job)
                    finished.append(job)
        return finished

    def next(self, now: float) -> list[Item[Payload, Result]]:
        """Return the texts to compute now, none where nothing is queued."""
        self._expire(now)
        batch: _Batch[Payload, Result] = _Batch(max(1, self._budget()))
        promised, self._promised = self._promised, []
        for item in promised:
            if item.state == PROMISED:
                batch.offer(item)
        self._turns += 1
        if self._turns % _LONGEST_WAITING_EVERY == 0 and (job := self._longest_waiting()):
            self._offer_first(job, batch)
        self._fill(batch)
        self._promised = batch.promised
        self.queued_tokens -= batch.tokens
        return batch.items

    def _fill(self, batch: _Batch[Payload, Result]) -> None:
        """Fill a micro-batch by tags; one that small jobs begin ends with them, but not twice in turn."""
        may_end = not self._ended_early
        self._ended_early = False
        small_began: bool | None = None
        while not batch.full and (job := self._least_tag()):
            is_small = job.is_small(batch.budget)
            if may_end and small_began and not is_small:
                self._ended_early = True
                return
            if small_began is None:
                small_began = is_small
                self._share(batch, is_small=is_small)
            if not batch.promised:  # what comes after is ahead of its turn
                self._virtual_time = job.tag
            self._offer_first(job, batch)

    def _share(self, batch: _Batch[Payload, Result], *, is_small: bool) -> None:
        """Keep a micro-batch that a large job begins short, where a small one may come while it runs."""
        if is_small:
            self._small_served = self._turns
        elif self._turns - self._small_served < _SHARED_TURNS:
            batch.budget = min(batch.budget, max(1, self._shared_budget()))

    def _offer_first(self, job: Job[Payload, Result], batch: _Batch[Payload, Result]) -> None:
        item = job.queue[0]
        batch.offer(item)
        if item.state != QUEUED:
            job.queue.popleft()
            job.tag += item.tokens

    def _longest_waiting(self) -> Job[Payload, Result] | None:
        while self._by_wait:
            if _first(self._by_wait[0]):
                return self._by_wait[0]
            self._by_wait.popleft().in_wait_order = False
        return None

    def _least_tag(self) -> Job[Payload, Result] | None:
        """Return the job whose turn it is; tags in the heap may be older than those of the jobs."""
        while self._by_tag:
            tag, _, _, job = self._by_tag[0]
            if not _first(job):
                heapq.heappop(self._by_tag)
                job.in_tag_order = False
            elif tag != job.tag:
                heapq.heapreplace(self._by_tag, (job.tag, job.size, job.number, job))
            else:
                return job
        return None

    def _activate(self, job: Job[Payload, Result]) -> None:
        if not job.in_tag_order:
            job.in_tag_order = True
            job.tag = max(job.tag, self._virtual_time)
            heapq.heappush(self._by_tag, (job.tag, job.size, job.number, job))
        if not job.in_wait_order:
            job.in_wait_order = True
            self._by_wait.append(job)

    def _expire(self, now: float) -> None:
        while self._by_deadline:
            deadline, number = self._by_deadline[0]
            job = self._jobs.get(number)
            if job is not None:
                if deadline > now:
                    break
                self._close(job)
                self._expired.append(job)
            heapq.heappop(self._by_deadline)

    def _close(self, job: Job[Payload, Result]) -> None:
        job.over = True
        self._jobs.pop(job.number, None)
        for item in job.items:
            item.waiters.pop(job, None)
            if not item.waiters and item.state in (QUEUED, PROMISED):
                item.state = GONE
                del self._in_flight[item.key]
                self.queued_tokens -= item.tokens
        job.items.clear()
        job.queue.clear()


@dataclass(slots=True)
class _Batch(Generic[Payload, Result]):
    """A micro-batch while it is filled."""

    budget: int
    items: list[Item[Payload, Result]] = field(default_factory=list)
    promised: list[Item[Payload, Result]] = field(default_factory=list)
    tokens: int = 0
    promised_tokens: int = 0
    full: bool = False

    def offer(self, item: Item[Payload, Result]) -> None:
        """Take a text in, or promise it to the next micro-batch, or be full."""
        if not self.items or self.tokens + item.tokens <= self.budget:
            item.state = RUNNING
            self.items.append(item)
            self.tokens += item.tokens
            self.full = self.tokens >= self.budget
        elif self._may_promise(item):
            item.state = PROMISED
            self.promised.append(item)
            self.promised_tokens += item.tokens
        else:
            self.full = True

    def _may_promise(self, item: Item[Payload, Result]) -> bool:
        # All that is passed over must fit into the next micro-batch: nothing is passed over twice.
        return self.tokens < _FULL_ENOUGH * self.budget and (
            not self.promised
            or (self.promised_tokens + item.tokens <= self.budget and len(self.promised) < _MOST_PROMISED)
        )


def _first(job: Job[Payload, Result]) -> bool:
    """Drop what others have had computed meanwhile; tell whether the job still has a text to offer."""
    while job.queue and job.queue[0].state != QUEUED:
        job.queue.popleft()
    return bool(job.queue)
