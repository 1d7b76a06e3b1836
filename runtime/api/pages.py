"""The pages that one GETs: what is served and its model card; they show what the service hands them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from pydantic import BaseModel, JsonValue, TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from runtime.api.errors import ErrorResponse
from runtime.api.schemas import Limits, ModelInfo

_SERVING_PACKAGES = ("bentoml", "numpy", "tokenizers")
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def pages() -> Starlette:
    """Return the application of the pages, to be mounted; `publish` gives it something to show."""
    return Starlette(routes=[Route("/info", _info), Route("/model-card", _model_card)])


def publish(
    app: Starlette, directory: Path, manifest: BaseModel, running: Mapping[str, str], limits: Limits
) -> None:
    """Show this model from now on: what its manifest says, its metrics and card, how it runs, and the limits.

    `running` holds the tag (`model`), what computes (`compute`) and who makes batches (`dispatcher`).
    """
    facts = manifest.model_dump(include=set(ModelInfo.model_fields))
    trained = facts.pop("versions", {})
    facts |= {
        **running,
        "limits": limits,
        "versions": {"training": trained, "serving": _installed({*_SERVING_PACKAGES, facts["backend"]})},
        "metrics": _read_json(directory / "metrics.json"),
    }
    info = ModelInfo.model_validate(facts)
    card = directory / "README.md"
    app.state.info = info.model_dump_json()
    app.state.card = card.read_text(encoding="utf-8") if card.is_file() else None


def served_paths(routes: Iterable[BaseRoute]) -> set[str]:
    """Return every path that these routes serve, files of mounted folders included."""
    paths: set[str] = set()
    for route in routes:
        if isinstance(route, Route):
            paths.add(route.path)
        elif isinstance(route, Mount):
            inside = _files(route.app) if isinstance(route.app, StaticFiles) else served_paths(route.routes)
            paths.update(route.path + path for path in inside)
    return paths


async def _info(request: Request) -> Response:
    return Response(request.app.state.info, media_type="application/json")


async def _model_card(request: Request) -> Response:
    if request.app.state.card is None:
        return ErrorResponse(404, "This model has no README.md; save it again with `python -m train save`.")
    return Response(request.app.state.card, media_type="text/markdown")


def _installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of those of these packages that are installed here."""
    found = {"python": python_version()}
    for package in sorted(packages):
        with suppress(PackageNotFoundError):  # what training needed need not be here
            found[package] = version(package)
    return found


def _read_json(path: Path) -> JsonValue:
    return _JSON.validate_json(path.read_bytes()) if path.is_file() else None


def _files(folder: StaticFiles) -> Iterator[str]:
    for root in map(Path, folder.all_directories):
        yield from (f"/{file.relative_to(root).as_posix()}" for file in root.rglob("*") if file.is_file())
