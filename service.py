"""The BentoML service: endpoint, warm-up and wiring; no arithmetic, no tensor, no engine at import."""

# mypy: allow-subclassing-any, allow-untyped-decorators
# BentoML's classes come from a package without type information.

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import bentoml
from bentoml.exceptions import BentoMLConfigException, BentoMLException, NotFound
from bentoml.images import Image
from bentoml.models import BentoModel
from pydantic import RootModel

from runtime.api.answers import answer
from runtime.api.errors import ErrorEnvelope
from runtime.api.limits import JsonBody
from runtime.api.pages import pages, publish, served_paths
from runtime.api.schemas import (
    PREDICTIONS,
    Answer,
    Prediction,
    TextInput,
    check_pairs,
    classify_request,
)
from runtime.api.settings import read_settings, variable
from runtime.dispatcher import Dispatcher, application
from runtime.errors import ModelError, ProtectionError, SettingsError
from runtime.isolation import Failure, Isolation
from runtime.keys import find_key
from runtime.logs import tidy_the_log
from runtime.manifest import MANIFEST_NAME, Manifest
from runtime.pipeline import Work

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from runtime.tokenizer import Encoding

# `bentoml build` reads it in the checkout; a Bento and its image have no such folder.
DEPLOY = Path(__file__).with_name("deploy")
INSTALL_ENGINE = DEPLOY / "install-engine.sh"

try:
    SETTINGS = read_settings()
except SettingsError as error:  # an exception of BentoML ends its command line with one sentence
    raise BentoMLConfigException(str(error)) from None


class StoredModel(BentoModel):
    """A model of the store that says what to do where there is none."""

    @property
    def stored(self) -> bentoml.Model:
        """The model as it lies in the store."""
        if found := super().stored:
            return cast("bentoml.Model", found)
        raise NotFound(
            f"There is no model {str(self.tag)!r} in the store; run `make quickstart`, train one with "
            "`python -m train all RECIPE.toml`, or name one of `bentoml models list` in CLASSIFIER_MODEL."
        )

    def pin(self, tags: Iterable[bentoml.Tag]) -> None:
        """Mean, by `latest`, the one of these that has this name."""
        if self.tag.version in (None, "latest"):
            for tag in tags:
                if tag.name == self.tag.name:
                    object.__setattr__(self, "tag", tag)  # BentoML froze the class


class Service(bentoml.Service):
    """BentoML's service, but every error is a JSON object and a Bento serves the model it was built with."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the application of one worker."""
        tidy_the_log()
        app: Starlette = (
            application(self, "classify", is_main=is_main)
            if SETTINGS.dispatcher == "tokens"
            else super().to_asgi(is_main=is_main)
        )
        return ErrorEnvelope(app, paths=served_paths(app.routes))

    def on_load_bento(self, bento: bentoml.Bento) -> None:
        """Take over what a Bento says; BentoML itself would serve whatever was trained since."""
        super().on_load_bento(bento)
        MODEL.pin(model.tag for model in bento.info.all_models)


class ModelImage(Image):
    """An image with what the packed model needs: one engine, and of the model the files of its manifest."""

    def freeze(self, bento: Path, *arguments: object) -> object:
        """Add both to what `bentoml build` writes down for the image."""
        directory = Path(MODEL.resolve().path)
        try:
            manifest = Manifest.read(directory)
        except ModelError as error:
            raise BentoMLException(str(error)) from error
        for extra in manifest.extras:
            self._install(extra)
        served = {*manifest.files, MANIFEST_NAME, "model.yaml"}  # the last is BentoML's
        files = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
        place = "/".join(("models", *directory.parts[-2:]))
        unserved = [f"{place}/{name}\n" for name in sorted(files) if name not in served]
        (bento / ".dockerignore").write_text("".join(unserved), encoding="utf-8")
        return super().freeze(bento, *arguments)

    def _install(self, extra: str) -> None:
        pins = DEPLOY / f"requirements-{extra}.txt"
        if not pins.is_file():
            raise BentoMLException(
                f"{MODEL.tag} wants the engine {extra!r}, for which there is no {pins}; name it in "
                "deploy/requirements.py and run `python -m deploy.requirements`, or pack another model."
            )
        for file in (INSTALL_ENGINE, pins):
            self.scripts[str(file)] = f"./env/docker/{file.name}"
        self.run(f"sh ./env/docker/{INSTALL_ENGINE.name} {extra}")


class Predictions(bentoml.IODescriptor, RootModel[list[Answer]]):
    """One prediction per text, in order, or an error where the engine failed on that text alone."""

    @classmethod
    async def to_http_response(
        cls,
        obj: Sequence[Prediction | Failure | None] | Failure,
        serde: object,  # noqa: ARG003
    ) -> Response:
        """Answer one request with its results, which the dispatcher has cut out of those of the batches."""
        return answer(obj)


MODEL = StoredModel(SETTINGS.model)
PAGES = pages()
REQUEST = classify_request(
    bentoml.IODescriptor, max_texts=SETTINGS.max_texts, max_characters=SETTINGS.max_text_characters
)


@bentoml.service(
    name="bert_classifier",
    service_class=Service,
    # Of a distribution that BentoML does not know it installs no compilers and no git: half a gigabyte less.
    image=ModelImage(base_image="python:3.11-slim", distro="any", python_version="3.11"),
    workers=SETTINGS.workers,
    threads=1,  # one batch at a time: the engine has threads of its own
    traffic={"timeout": SETTINGS.timeout_seconds, "max_concurrency": SETTINGS.max_concurrency},
    tracing={"excluded_urls": None if SETTINGS.tracing else ".*"},
    logging={"access": {"enabled": SETTINGS.access_log}},
    metrics={"duration": {"buckets": [0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0]}},
)
class BertClassifier:
    """Classifies texts with a BERT model made by `python -m train`."""

    model = MODEL

    @bentoml.on_deployment
    def verify() -> None:
        """Check the model once before the workers start; BentoML's exceptions end `bentoml serve`."""
        from runtime.backends import check_engine

        directory = Path(MODEL.resolve().path)
        try:
            manifest = Manifest.read(directory)
            for device in SETTINGS.devices:
                check_engine(manifest.backend, manifest.precision, device)
            manifest.verify(directory, find_key(SETTINGS.key_file, variable("key")))
        except (ModelError, ProtectionError) as error:
            raise BentoMLException(str(error)) from error

    def __init__(self) -> None:
        from runtime.classifier import Classifier
        from runtime.tokenizer import Encoding

        directory = Path(self.model.path)
        device = SETTINGS.device_of((bentoml.server_context.worker_index or 1) - 1)
        key = find_key(SETTINGS.key_file, variable("key"))
        classifier = Classifier.load(directory, threads=SETTINGS.threads_per_worker, device=device, key=key)
        classifier.warm_up()
        manifest, probes = classifier.manifest, classifier.probes[:1]

        def check(texts: Sequence[TextInput]) -> None:
            check_pairs(texts, wanted=manifest.text_pair)

        def predict(inputs: Sequence[TextInput | Encoding]) -> list[Prediction]:
            check([text for text in inputs if not isinstance(text, Encoding)])
            return PREDICTIONS.validate_python(classifier.predict(inputs))

        self.predictions = Isolation(predict, lambda: classifier.check_probes(probes))
        self.classifier, self.check = classifier, check
        self.dispatcher: Dispatcher[TextInput, Encoding, Prediction] | None = None
        running = {
            "model": str(self.model.tag),
            "compute": classifier.compute,
            "dispatcher": SETTINGS.dispatcher,
        }
        publish(PAGES, directory, manifest, running, SETTINGS.limits)
        # Nothing of the start ever becomes garbage, and collections would walk through it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000)

    def connect(
        self, classify: Callable[..., list[Prediction | Failure]], observe: Callable[[int], object]
    ) -> Dispatcher[TextInput, Encoding, Prediction]:
        """Start the dispatcher that batches by tokens: what it runs is `classify` below."""
        classifier = self.classifier
        work = Work(
            encode=classifier.encode,
            classify=classify,
            probe=self.predictions.passes_probe,
            seconds=classifier.cost,
            budget=lambda: SETTINGS.max_batch_tokens or classifier.cost.budget,
            shared_budget=lambda: classifier.cost.shared_budget,
            observe=observe,
            engine_timeout_seconds=SETTINGS.engine_timeout_seconds,
        )
        self.dispatcher = Dispatcher(work, check=self.check, timeout_seconds=SETTINGS.timeout_seconds)
        return self.dispatcher

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Answer what still waits; requests in flight were answered before."""
        if self.dispatcher:
            await self.dispatcher.close()

    @bentoml.api(
        batchable=True,
        max_batch_size=SETTINGS.max_batch_size,
        max_latency_ms=60_000,  # lower means 503 for whole bursts; max_concurrency sheds load instead
        input_spec=REQUEST,
        output_spec=Predictions,
    )
    def classify(self, texts: list[TextInput | Encoding]) -> list[Prediction | Failure]:
        """Return for each text, in order: its label, the scores of all labels, and whether it was cut."""
        return self.predictions(texts)

    def __is_alive__(self) -> bool:
        """Say whether the engine still answers at all; /livez asks."""
        return self.dispatcher is None or self.dispatcher.is_alive()

    def __is_ready__(self) -> bool:
        """Say whether the model still computes what it should; /readyz asks."""
        return self.__is_alive__() and self.predictions.is_ready()


# Whoever comes first sees a request first: a check of API keys belongs before the reading of bodies.
BertClassifier.add_asgi_middleware(JsonBody, max_bytes=SETTINGS.max_body_bytes)  # type: ignore[attr-defined]
BertClassifier.mount_asgi_app(PAGES, path="/v1", name="pages")  # type: ignore[attr-defined]
