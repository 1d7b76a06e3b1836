"""The scheduler under a virtual clock: whatever arrives, everyone is answered once, in time and in turn."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from runtime.scheduler import Item, Job, Scheduler

BUDGET = 100
FOREVER = 1e9

Texts = Sequence[tuple[str, int]]
Queue = Scheduler[str, str]


def put(scheduler: Queue, texts: Texts, deadline: float = FOREVER) -> Job[str, str]:
    """Queue a job of these texts and their tokens; a text is its own payload."""
    job: Job[str, str] = Job(len(texts), deadline)
    scheduler.open(job)
    for place, (text, tokens) in enumerate(texts):
        scheduler.add(job, place, text, text, tokens)
    return job


def bulk(name: str, texts: int, tokens: int = 10) -> Texts:
    return [(f"{name}{number}", tokens) for number in range(texts)]


def texts_of(items: Sequence[Item[str, str]]) -> list[str]:
    return [item.payload for item in items]


def finish(scheduler: Queue, items: Sequence[Item[str, str]]) -> list[Job[str, str]]:
    return scheduler.done(items, [item.payload.upper() for item in items])


@dataclass
class Arrival:
    """A request of the simulation: when it comes, with which texts, how long it waits, when it leaves."""

    at: float
    texts: Texts
    patience: float
    leaves_after: float
    job: Job[str, str] | None = None
    answered: int = 0


@dataclass
class World:
    """Runs arrivals against a scheduler and an engine that needs a second per token; records what happens."""

    arrivals: list[Arrival]
    scheduler: Queue = field(default_factory=lambda: Scheduler(BUDGET))
    batches: list[list[Item[str, str]]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.owner: dict[Job[str, str], Arrival] = {}
        self.events: list[tuple[float, int, int]] = []
        for index, arrival in enumerate(self.arrivals):
            heapq.heappush(self.events, (arrival.at, 0, index))
            heapq.heappush(self.events, (arrival.at + arrival.leaves_after, 1, index))

    def advance(self, until: float) -> None:
        """Let everybody come and go who does so before a moment."""
        while self.events and self.events[0][0] <= until:
            _, leaves, index = heapq.heappop(self.events)
            arrival = self.arrivals[index]
            if leaves:
                assert arrival.job is not None
                self.scheduler.cancel(arrival.job)
            else:
                arrival.job = put(self.scheduler, arrival.texts, arrival.at + arrival.patience)
                self.owner[arrival.job] = arrival
        self.now = until

    def run(self) -> None:
        """Compute until nothing is left and nobody comes any more."""
        while True:
            items = self.scheduler.next(self.now)
            for job in self.scheduler.take_expired():
                assert job.deadline <= self.now
                self.owner[job].answered += 1
            if not items:
                if not self.events:
                    return
                self.advance(max(self.now, self.events[0][0]))
                continue
            self.check(items)
            self.batches.append(items)
            self.advance(self.now + sum(item.tokens for item in items))
            for job in finish(self.scheduler, items):
                self.owner[job].answered += 1

    def check(self, items: Sequence[Item[str, str]]) -> None:
        assert sum(item.tokens for item in items) <= BUDGET or len(items) == 1
        assert len({item.key for item in items}) == len(items)
        for item in items:
            assert item.waiters, "nobody waits for it"
            assert all(job.deadline > self.now and not job.over for job in item.waiters)


TEXT = st.tuples(st.integers(0, 40), st.integers(1, 130)).map(lambda pair: (f"t{pair[0]}-{pair[1]}", pair[1]))
ARRIVALS = st.lists(
    st.builds(
        Arrival,
        at=st.floats(0, 2000),
        texts=st.lists(TEXT, min_size=1, max_size=30),
        patience=st.floats(1, 3000) | st.just(FOREVER),
        leaves_after=st.floats(1, 3000) | st.just(FOREVER),
    ),
    max_size=12,
)


@given(ARRIVALS)
def test_everyone_is_answered_once_and_with_their_own(arrivals: list[Arrival]) -> None:
    world = World(arrivals)
    world.run()
    for arrival in arrivals:
        job = arrival.job
        assert job is not None
        assert job.over
        assert arrival.answered <= 1
        complete = [text.upper() for text, _ in arrival.texts]
        assert all(found in (None, wanted) for found, wanted in zip(job.results, complete, strict=True))
        if arrival.patience == arrival.leaves_after == FOREVER:
            assert job.results == complete
            assert arrival.answered == 1
    assert world.scheduler.queued_tokens == 0
    assert world.scheduler.next(world.now) == []


@given(ARRIVALS)
def test_a_text_is_computed_once_while_somebody_waits_for_it(arrivals: list[Arrival]) -> None:
    for arrival in arrivals:
        arrival.at, arrival.patience, arrival.leaves_after = 0, FOREVER, FOREVER
    world = World(arrivals)
    world.run()
    computed = [item.key for batch in world.batches for item in batch]
    assert sorted(computed) == sorted({text for arrival in arrivals for text, _ in arrival.texts})  # type: ignore[type-var]


@given(
    st.lists(st.tuples(st.integers(2, 50), st.integers(2, BUDGET)), min_size=1, max_size=20),
    st.integers(1, BUDGET),
    st.integers(0, 30),
)
def test_a_single_text_waits_for_one_micro_batch_beyond_the_running_one(
    jobs: list[tuple[int, int]], tokens: int, batches_before: int
) -> None:
    scheduler: Queue = Scheduler(BUDGET)
    for number, (size, each) in enumerate(jobs):
        put(scheduler, bulk(f"bulk{number}-", size, each))
    running = scheduler.next(0)
    for _ in range(batches_before):
        finish(scheduler, running)
        running = scheduler.next(0)
    put(scheduler, [("single", tokens)])
    finish(scheduler, running)
    fits_beside_any = tokens + max(each for _, each in jobs) <= BUDGET
    following = [scheduler.next(0) for _ in range(2 if fits_beside_any else 3)]
    assert "single" in {item.key for items in following for item in items}


@given(st.lists(st.integers(1, 150), min_size=1, max_size=60), st.integers(1, 60))
def test_a_text_is_passed_over_once_at_most(sizes: list[int], jobs: int) -> None:
    scheduler: Queue = Scheduler(BUDGET)
    for start in range(jobs):
        texts = [(f"{start}-{place}", tokens) for place, tokens in enumerate(sizes[start::jobs])]
        if texts:
            put(scheduler, texts)
    promised: list[str] = []
    while items := scheduler.next(0):
        assert texts_of(items)[: len(promised)] == promised
        promised = texts_of(scheduler._promised)
        finish(scheduler, items)
    assert promised == []


def test_ever_new_single_texts_do_not_starve_a_large_job() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    large = put(scheduler, bulk("large", 50))
    for number in range(200):
        for single in range(20):  # twice what one micro-batch takes
            put(scheduler, [(f"{number}-{single}", 10)])
        finish(scheduler, scheduler.next(0))
    assert large.over


def test_large_jobs_share_the_engine() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    put(scheduler, bulk("first", 1000))
    finish(scheduler, scheduler.next(0))
    put(scheduler, bulk("second", 1000))
    served = [text for _ in range(50) for text in texts_of(scheduler.next(0))]
    share = sum(text.startswith("second") for text in served) / len(served)
    assert 0.4 < share < 0.6


def test_a_single_text_is_not_filled_up_with_a_large_job_unless_it_was_just_before() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    put(scheduler, bulk("large", 100))
    sizes = []
    finish(scheduler, scheduler.next(0))
    for number in range(4):
        put(scheduler, [(f"single{number}", 10), (f"other{number}", 10)])
        sizes.append(len(scheduler.next(0)))
    assert sizes == [2, 10, 3, 10]  # the third begins with the job that has waited longest


def test_small_jobs_are_merged() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    for number in range(5):
        put(scheduler, [(f"single{number}", 10)])
    assert len(scheduler.next(0)) == 5


def test_order_inside_a_job_is_kept() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    put(scheduler, bulk("a", 10))
    assert texts_of(scheduler.next(0)) == [text for text, _ in bulk("a", 10)]


def test_a_text_larger_than_the_budget_runs_alone() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    put(scheduler, [("small", 10), ("large", 500), ("next", 10)])
    assert [texts_of(scheduler.next(0)) for _ in range(3)] == [["small", "next"], ["large"], []]


def sharing() -> Queue:
    return Scheduler(100, 40)


def test_a_large_job_alone_has_the_whole_budget() -> None:
    scheduler = sharing()
    put(scheduler, bulk("a", 64))
    assert [len(scheduler.next(0.0)) for _ in range(3)] == [10, 10, 10]


def test_a_large_job_runs_in_short_micro_batches_while_small_ones_come() -> None:
    scheduler = sharing()
    put(scheduler, bulk("a", 64))
    scheduler.next(0.0)
    put(scheduler, [("small", 10)])
    assert texts_of(scheduler.next(0.0)) == ["small"]
    assert [len(scheduler.next(0.0)) for _ in range(3)] == [4, 4, 4]


def test_after_a_while_without_small_ones_it_has_the_whole_budget_again() -> None:
    scheduler = sharing()
    put(scheduler, [("small", 10)])
    scheduler.next(0.0)
    put(scheduler, bulk("a", 400))
    sizes = [len(scheduler.next(0.0)) for _ in range(40)]
    assert set(sizes) == {4, 10}
    assert sizes == sorted(sizes)


def test_a_large_job_that_arrives_in_parts_is_not_taken_for_a_small_one() -> None:
    scheduler = sharing()
    sizes = []
    for number in range(4):
        texts = bulk(f"a{number}-", 32)
        job: Job[str, str] = Job(len(texts), FOREVER)
        scheduler.open(job)
        for part in (texts[:4], texts[4:]):
            for place, (text, tokens) in enumerate(part):
                scheduler.add(job, place, text, text, tokens)
            sizes.append(len(scheduler.next(0.0)))
    # Its first four texts are all that is there; after that, nothing is kept short.
    assert sizes == [4, 10, 10, 10, 10, 10, 10, 10]


def test_small_jobs_among_themselves_have_the_whole_budget() -> None:
    scheduler = sharing()
    for number in range(30):
        put(scheduler, [(f"small{number}", 10)])
    assert [len(scheduler.next(0.0)) for _ in range(3)] == [10, 10, 10]


def test_the_budget_may_change() -> None:
    budget = [20]
    scheduler: Queue = Scheduler(lambda: budget[0])
    put(scheduler, bulk("a", 9))
    sizes = []
    for now, budget[0] in enumerate([20, 50, 0, 100]):
        sizes.append(len(scheduler.next(now)))
    assert sizes == [2, 5, 1, 1]


def test_equal_texts_share_a_result_as_long_as_one_of_them_waits() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    first = put(scheduler, [("same", 10), ("same", 10)])
    second = put(scheduler, [("same", 10)])
    assert scheduler.queued_tokens == 10
    scheduler.cancel(first)
    items = scheduler.next(0)
    third = put(scheduler, [("same", 10)])  # it runs already
    assert finish(scheduler, items) == [second, third]
    assert (second.results, third.results, first.results) == (["SAME"], ["SAME"], [None, None])
    assert scheduler.next(0) == []


def test_a_small_job_does_not_wait_for_a_text_deep_in_a_large_one() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    put(scheduler, bulk("a", 1000))
    finish(scheduler, scheduler.next(0))
    single = put(scheduler, [("a900", 10)])
    finish(scheduler, scheduler.next(0))
    assert single.results == ["A900"]


def test_cancelled_work_is_not_handed_out() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    gone = put(scheduler, bulk("gone", 500))
    put(scheduler, bulk("here", 2))
    scheduler.cancel(gone)
    scheduler.cancel(gone)
    assert scheduler.queued_tokens == 20
    assert texts_of(scheduler.next(0)) == ["here0", "here1"]


def test_a_result_for_a_cancelled_job_goes_nowhere() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    job = put(scheduler, [("a", 1)])
    items = scheduler.next(0)
    scheduler.cancel(job)
    assert finish(scheduler, items) == []
    assert job.results == [None]


def test_late_work_is_reported_once_and_not_handed_out() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    late = put(scheduler, bulk("late", 3), deadline=5)
    assert scheduler.next(5) == []
    assert scheduler.take_expired() == [late]
    assert scheduler.take_expired() == []
    assert late.over


def test_what_is_cleared_is_forgotten_even_while_it_runs() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    job = put(scheduler, bulk("a", 20))
    running = scheduler.next(0)
    assert scheduler.clear() == [job]
    again = put(scheduler, [("a0", 10)])
    assert finish(scheduler, running) == []
    assert again.results == [None]
    assert finish(scheduler, scheduler.next(0)) == [again]
    assert scheduler.queued_tokens == 0


def test_places_can_be_filled_without_the_engine() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    job: Job[str, str] = Job(2, FOREVER)
    scheduler.open(job)
    assert not scheduler.settle(job, 1, "refused")
    scheduler.add(job, 0, "a", "a", 1)
    assert finish(scheduler, scheduler.next(0)) == [job]
    assert job.results == ["A", "refused"]


def test_a_job_may_come_in_pieces() -> None:
    scheduler: Queue = Scheduler(BUDGET)
    job: Job[str, str] = Job(2, FOREVER)
    scheduler.open(job)
    for place in range(2):
        scheduler.add(job, place, place, str(place), 1)
        items = scheduler.next(0)
        assert texts_of(items) == [str(place)]
        finished = finish(scheduler, items)
    assert finished == [job]
