"""An image is only believed in when the engine has it."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import image
from deploy.engine import DeployError
from deploy.image import ROOT, build_bento, build_image, image_size_bytes, tag_latest


def test_a_bento_is_built_in_the_project_and_its_tag_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(*arguments: str, **options: Any) -> str:
        seen.update(options, arguments=arguments[1:])
        return "Locking\n__tag__:bert_classifier:abc\n"

    monkeypatch.setattr(image, "command", run)
    assert build_bento() == "bert_classifier:abc"
    assert seen == {"arguments": ("-m", "bentoml", "build", "--output", "tag"), "cwd": ROOT}


def test_a_build_without_a_tag_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "command", lambda *_, **__: "nothing of use")
    with pytest.raises(DeployError, match="printed no tag:\nnothing of use"):
        build_bento()


def test_an_image_is_built_with_the_build_configuration(
    monkeypatch: pytest.MonkeyPatch, make_engine: Any
) -> None:
    seen: dict[str, Any] = {}

    def run(*arguments: str, environment: dict[str, str]) -> str:
        seen.update(arguments=arguments[3:], environment=environment)
        return ""

    monkeypatch.setattr(image, "command", run)
    assert build_image(make_engine({}), "bert_classifier:abc") == "bert_classifier:abc"
    assert seen == {
        "arguments": (
            *("containerize", "bert_classifier:abc", "--backend", "fake"),
            *("--image-tag", "bert_classifier:abc"),
        ),
        "environment": {"RUN": "1", "BUILD": "1", "DOCKER_BUILDKIT": "1"},
    }


def test_the_latest_image_has_the_name_that_deployments_use(make_engine: Any) -> None:
    engine = make_engine({})
    tag_latest(engine, "bert_classifier:abc")
    assert engine.asked == ["tag bert_classifier:abc bert_classifier:latest"]


def test_a_build_that_left_no_image_is_an_error(monkeypatch: pytest.MonkeyPatch, make_engine: Any) -> None:
    monkeypatch.setattr(image, "command", lambda *_, **__: "Encountered exception")
    engine = make_engine({"image inspect": DeployError("no such image")})
    with pytest.raises(DeployError, match="made no image:\nEncountered exception"):
        build_image(engine, "bert_classifier:abc")


def test_the_size_is_that_of_all_layers(make_engine: Any) -> None:
    assert image_size_bytes(make_engine({"image inspect": "12345\n"}), "x") == 12345
