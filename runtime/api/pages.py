"""The pages that one GETs: what is served and its model card; they show what the service hands them."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from runtime.api.errors import ErrorResponse
from runtime.api.schemas import ModelInfo


def pages() -> Starlette:
    """Return the application of the pages, to be mounted; `publish` gives it something to show."""
    return Starlette(routes=[Route("/info", _info), Route("/model-card", _model_card)])


def publish(app: Starlette, info: ModelInfo, card: str | None) -> None:
    """Show this model from now on; `card` is the text of its model card in Markdown."""
    app.state.info = info.model_dump_json()
    app.state.card = card


def served_paths(routes: list[BaseRoute]) -> set[str]:
    """Return every path that these routes serve, files of mounted folders included."""
    paths: set[str] = set()
    for route in routes:
        if isinstance(route, Route):
            paths.add(route.path)
        elif isinstance(route, Mount):
            inside = _files(route.app) if isinstance(route.app, StaticFiles) else served_paths(route.routes)
            paths.update(route.path + path for path in inside)
    return paths


def _files(folder: StaticFiles) -> set[str]:
    roots = [Path(root) for root in folder.all_directories]
    return {f"/{file.relative_to(root).as_posix()}" for root in roots for file in root.rglob("*") if file.is_file()}


async def _info(request: Request) -> Response:
    return Response(request.app.state.info, media_type="application/json")


async def _model_card(request: Request) -> Response:
    card = request.app.state.card
    if card is None:
        return ErrorResponse(404, "This model has no README.md; save it again with `python -m train save`.")
    return Response(card, media_type="text/markdown")
