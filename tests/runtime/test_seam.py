"""What `runtime.dispatcher` relies on in BentoML, checked so that an upgrade which changes it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import bentoml
import pytest
from _bentoml_impl.server.app import ServiceAppFactory
from bentoml.exceptions import BentoMLConfigException

from runtime.dispatcher import Plug, _as_function, application


class Served:
    """What `Plug` needs of an instance of a service."""

    def __init__(self) -> None:
        self.connected: list[tuple[Callable[..., Any], Callable[[int], object]]] = []

    def connect(self, classify: Callable[..., Any], observe: Callable[[int], object]) -> Any:
        self.connected.append((classify, observe))
        return self

    async def submit(self, texts: Sequence[str]) -> Sequence[str]:
        return texts


class Sizes:
    """In the place of the factory's histogram, of which one process can have only one."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def labels(self, **_: str) -> Sizes:
        return self

    def observe(self, size: int) -> None:
        self.seen.append(size)


def service(classify: Callable[..., Any], **options: Any) -> Any:
    kind = type("Seam", (Served,), {"classify": bentoml.api(batchable=True, **options)(classify)})
    return bentoml.service(kind)


def plugged(given: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the factory whose application was built, with our plug in it."""
    factories = []
    build = ServiceAppFactory.__call__
    monkeypatch.setattr(ServiceAppFactory, "__call__", lambda self: factories.append(self) or build(self))
    application(given, "classify", is_main=True)
    return factories[0]


def test_bentoml_still_calls_a_dispatcher_as_ours_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red after an upgrade of BentoML? Read its `ServiceAppFactory` again: `Plug` relies on what follows."""

    def classify(self: Any, texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]

    given = service(classify)
    factory = plugged(given, monkeypatch)
    assert list(factory.dispatchers) == ["classify"], (
        "it keeps one dispatcher per batchable endpoint, by name"
    )
    assert isinstance(factory.dispatchers["classify"], Plug)
    factory._service_instance = instance = given()
    factory.adaptive_batch_size_hist = Sizes()
    results = asyncio.run(factory.batch_infer("classify", (), {"texts": ["a", "b"]}))
    assert results == ["a", "b"], (
        "it calls `dispatchers[name](callback)(value)` and hands on what that returns"
    )
    asyncio.run(factory.batch_infer("classify", (["c"],), {}))
    assert len(instance.connected) == 1
    method, observe = instance.connected[0]
    assert method(["a"]) == ["A"], "`.local` of an endpoint is the method itself"
    observe(3)
    assert factory.adaptive_batch_size_hist.seen == [3]
    factory._service_instance = another = given()
    asyncio.run(factory.batch_infer("classify", (), {"texts": ["a"]}))
    assert len(another.connected) == 1, "an instance of the next start has a dispatcher of its own"


def test_bentoml_still_has_the_timeout_that_ours_takes_the_place_of() -> None:
    """Red after an upgrade of BentoML? Then two timeouts run, or none."""

    def classify(self: Any, texts: list[str]) -> list[str]:
        return texts

    given = service(classify)
    theirs = [layer.cls.__name__ for layer in bentoml.Service.to_asgi(given).user_middleware]
    ours = [layer.cls.__name__ for layer in application(given, "classify", is_main=True).user_middleware]
    assert "TimeoutMiddleware" in theirs
    assert ours == [name.replace("TimeoutMiddleware", "Deadline") for name in theirs]


def test_the_bentoml_that_was_read_is_the_one_that_is_pinned() -> None:
    assert version("bentoml") == "1.4.39", (
        "runtime/dispatcher.py relies on BentoML's insides: read ServiceAppFactory.batch_infer, "
        "create_instance and _add_response_headers, Service.to_asgi and TimeoutMiddleware of the new "
        "version, then change the number here and in pyproject.toml"
    )


def test_an_endpoint_with_a_context_is_refused() -> None:
    def classify(self: Any, texts: list[str], ctx: bentoml.Context) -> list[str]:
        return texts

    with pytest.raises(BentoMLConfigException, match="set CLASSIFIER_DISPATCHER=bentoml"):
        application(service(classify), "classify", is_main=True)


def test_an_endpoint_without_batches_is_refused() -> None:
    def classify(self: Any, texts: list[str]) -> list[str]:
        return texts

    given = bentoml.service(type("Seam", (), {"classify": bentoml.api(classify)}))
    with pytest.raises(BentoMLConfigException, match="set CLASSIFIER_DISPATCHER=bentoml"):
        application(given, "classify", is_main=True)


def test_a_coroutine_is_run_by_the_event_loop() -> None:
    async def classify(texts: Sequence[str]) -> Sequence[str]:
        await asyncio.sleep(0)
        return texts

    async def test() -> None:
        assert await asyncio.to_thread(_as_function(classify), ["a"]) == ["a"]

    asyncio.run(test())
