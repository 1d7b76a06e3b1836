"""Batches by tokens where BentoML batches by requests; the one file that knows BentoML's insides."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol

from bentoml.exceptions import BentoMLConfigException
from starlette.middleware import Middleware

from runtime.api.connection import Watch
from runtime.api.deadline import LATE, Deadline
from runtime.errors import InputError
from runtime.isolation import Failure
from runtime.pipeline import Answer, Encoding, Pipeline, Request, Text, Work
from runtime.scheduler import Job

if TYPE_CHECKING:
    from starlette.applications import Starlette

HUNG = Failure(503, "The engine does not answer; send the request again after Retry-After seconds.")
STOPPING = Failure(503, "The server is stopping; send the request again after Retry-After seconds.")
TOO_LATE = Failure(504, LATE)
LEFT = Failure(499, "The client closed the connection before the answer was there.")

Results = list[Any] | Failure
"""Of a request: an answer, a failure or None per text, in order, or one failure for all of it."""

_CLOSE_SECONDS = 5.0


class Dispatcher(Generic[Text, Encoding, Answer]):
    """The event loop's side: requests wait here until the threads have answered them.

    Every method but `is_alive` belongs to the event loop.

    Parameters
    ----------
    work : Work
        What the threads do.
    check : callable
        Raises `InputError` where one of some texts is not for this model; asked before they queue.
    timeout_seconds : float
        How long a request may wait. While what is queued needs longer, further requests are refused.
    """

    def __init__(
        self,
        work: Work[Text, Encoding, Answer],
        *,
        check: Callable[[Sequence[Text]], object],
        timeout_seconds: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._check = check
        self._timeout_seconds = timeout_seconds
        self._engine_timeout_seconds = work.engine_timeout_seconds
        self._waiting: dict[Job[Encoding, Answer | Failure], asyncio.Future[Results]] = {}
        self._guard: asyncio.TimerHandle | None = None
        self._closed = False
        self._pipeline = Pipeline(work, self._finish, lambda: self._soon(self._fail_all, HUNG))

    async def submit(self, texts: Sequence[Text]) -> Results:
        """Return the results of one request; leave the queue where the caller is cancelled.

        None stands for a text that was not computed because another one makes the whole request fail.
        """
        if refusal := self._refuse(texts):
            return refusal
        request: Request[Text, Encoding, Answer] = Request(texts, time.monotonic() + self._timeout_seconds)
        future: asyncio.Future[Results] = self._loop.create_future()
        self._waiting[request] = future
        if self._guard is None:
            self._guard = self._loop.call_later(self._engine_timeout_seconds, self._look)
        watch = Watch(self._loop, partial(self._leave, request))
        self._pipeline.put(request)
        try:
            return await future
        except asyncio.CancelledError:
            self._pipeline.cancel(request)
            raise
        finally:
            watch.end()
            self._waiting.pop(request, None)

    def is_alive(self) -> bool:
        """Tell whether the threads still answer; any thread may ask."""
        return self._pipeline.is_alive()

    async def close(self) -> None:
        """Answer what still waits and end the threads; a hung one is left behind."""
        self._closed = True
        if self._guard:
            self._guard.cancel()
        self._fail_all(STOPPING)
        await asyncio.to_thread(self._pipeline.close, _CLOSE_SECONDS if self.is_alive() else 0)

    def _refuse(self, texts: Sequence[Text]) -> Results | None:
        if self._closed:
            return STOPPING
        if not self._pipeline.is_alive():
            return HUNG
        excess = self._pipeline.queued_seconds - self._timeout_seconds
        if excess > 0:
            return Failure(
                429,
                "More texts are queued than this server computes within the time that a request may take; "
                "send it again after Retry-After seconds.",
                retry_after=max(1, math.ceil(excess)),
            )
        try:
            self._check(texts)
        except InputError:
            return [self._refuse_one(text) for text in texts]
        return None

    def _refuse_one(self, text: Text) -> Failure | None:
        try:
            self._check([text])
        except InputError as error:
            return Failure(422, f"cannot be classified: {error}")
        return None

    def _finish(self, jobs: Sequence[Job[Encoding, Answer | Failure]]) -> None:
        self._soon(self._answer, jobs)

    def _soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the event loop call a function; where the loop is closed, nobody waits any more."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _answer(self, jobs: Sequence[Job[Encoding, Answer | Failure]]) -> None:
        for job in jobs:
            future = self._waiting.get(job)
            if future and not future.done():
                future.set_result(TOO_LATE if job.missing else job.results)

    def _leave(self, request: Request[Text, Encoding, Answer]) -> None:
        self._pipeline.cancel(request)
        future = self._waiting.get(request)
        if future and not future.done():
            future.set_result(LEFT)

    def _fail_all(self, failure: Failure) -> None:
        self._pipeline.abandon()
        for job, future in self._waiting.items():
            job.over = True
            if not future.done():
                future.set_result(failure)

    def _look(self) -> None:
        """See whether the engine is overdue, at the moment when it would be and at no other."""
        self._guard = None
        if not self._pipeline.is_alive():
            self._fail_all(HUNG)
        elif self._waiting:
            until_overdue = self._pipeline.overdue_at - time.monotonic()
            delay = min(max(until_overdue, 0) + 0.01, self._engine_timeout_seconds)
            self._guard = self._loop.call_later(delay, self._look)


class Connects(Protocol):
    """A service whose endpoint can be served by a dispatcher of ours."""

    def connect(
        self, classify: Callable[..., Any], observe: Callable[[int], object]
    ) -> Dispatcher[Any, Any, Any]:
        """Return a running dispatcher, given the endpoint's method and who counts the texts of a batch."""


def application(service: Any, name: str, *, is_main: bool) -> Starlette:  # noqa: ANN401 - BentoML has no types
    """Build the application of a service as BentoML does, with our dispatcher for one batchable endpoint.

    Raises
    ------
    BentoMLConfigException
        BentoML does not do any more what this relies on, or the endpoint cannot be served so.
    """
    from _bentoml_impl.server.app import ServiceAppFactory  # type: ignore[import-untyped]
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    service.inject_config()
    factory = ServiceAppFactory(service, is_main=is_main)
    if name not in getattr(factory, "dispatchers", {}):
        raise BentoMLConfigException(
            f"This BentoML keeps no dispatcher for {name!r}; set CLASSIFIER_DISPATCHER=bentoml."
        )
    if service.apis[name].ctx_param is not None:
        raise BentoMLConfigException(
            f"{name!r} takes a context, and a batch of several requests has none; remove the parameter or "
            "set CLASSIFIER_DISPATCHER=bentoml."
        )
    factory.dispatchers[name] = Plug(factory, name)
    _resolve_injection(factory)
    application: Starlette = factory()
    theirs: Any = TimeoutMiddleware
    application.user_middleware = [
        Middleware(Deadline, timeout=factory.timeout) if layer.cls is theirs else layer
        for layer in application.user_middleware
    ]
    return application


def _resolve_injection(factory: Any) -> None:  # noqa: ANN401 - BentoML has no types
    """Bind once what BentoML looks up for the headers of every answer."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    add = inspect.unwrap(type(factory)._add_response_headers)  # noqa: SLF001 - there is no public way
    factory._add_response_headers = partial(  # noqa: SLF001
        add, factory, logging_format=BentoMLContainer.logging_formatting.get()
    )


class Plug:
    """Stands where BentoML keeps its `CorkDispatcher` and is called as that is: `plug(callback)(texts)`."""

    def __init__(self, factory: Any, name: str) -> None:  # noqa: ANN401 - BentoML has no types
        self._factory = factory
        self._name = name
        self._instance: Connects | None = None
        self._submit: Callable[[Sequence[Any]], Coroutine[Any, Any, Results]]

    def __call__(self, _: object) -> Callable[[Sequence[Any]], Coroutine[Any, Any, Results]]:
        """Return what answers one request; BentoML's callback, which merges whole requests, is not called."""
        instance: Connects = self._factory._service_instance  # noqa: SLF001 - there is no public way
        if instance is not self._instance:
            method = getattr(instance, self._name)
            # BentoML looks it up twice per request, and each time inspects its signature anew.
            vars(instance)[self._name] = method
            self._submit = instance.connect(_as_function(method.local), self._observer()).submit
            self._instance = instance
        return self._submit

    def _observer(self) -> Callable[[int], object]:
        from bentoml._internal.context import server_context

        if not self._factory.enable_metrics:
            return lambda _: None
        histogram = self._factory.adaptive_batch_size_hist.labels(
            runner_name=self._factory.service.name,
            worker_index=server_context.worker_index,
            method_name=self._name,
            service_version=server_context.bento_version,
            service_name=server_context.bento_name,
        )
        observe: Callable[[int], object] = histogram.observe
        return observe


def _as_function(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that a thread can call, even where it is a coroutine of the event loop."""
    if not inspect.iscoroutinefunction(inspect.unwrap(method)):
        return method
    loop = asyncio.get_running_loop()
    return lambda texts: asyncio.run_coroutine_threadsafe(method(texts), loop).result()
