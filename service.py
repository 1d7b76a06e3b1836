"""The BentoML service: endpoint, warm-up and wiring; no arithmetic, no tensor, no engine at import."""

# mypy: allow-subclassing-any, allow-untyped-decorators
# BentoML's classes come from a package without type information.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import bentoml
from bentoml.exceptions import BentoMLConfigException, BentoMLException, NotFound
from bentoml.images import Image
from bentoml.models import BentoModel
from pydantic import RootModel

from runtime.api.answers import answer
from runtime.api.errors import ErrorEnvelope
from runtime.api.isolation import Failure, Isolation
from runtime.api.limits import JsonBody
from runtime.api.logs import tidy_the_log
from runtime.api.pages import pages, publish, served_paths
from runtime.api.schemas import PREDICTIONS, Prediction, TextInput, check_pairs, classify_request
from runtime.api.settings import read_settings
from runtime.errors import ModelError, SettingsError
from runtime.manifest import Manifest

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.types import ASGIApp

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
        app: Starlette = super().to_asgi(is_main=is_main)
        return ErrorEnvelope(app, paths=served_paths(app.routes))

    def on_load_bento(self, bento: bentoml.Bento) -> None:
        """Take over what a Bento says; BentoML itself would serve whatever was trained since."""
        super().on_load_bento(bento)
        MODEL.pin(model.tag for model in bento.info.all_models)


class Predictions(bentoml.IODescriptor, RootModel[list[Prediction]]):
    """One prediction per text, in order."""

    @classmethod
    async def to_http_response(cls, obj: Sequence[Prediction | Failure], serde: object) -> Response:  # noqa: ARG003
        """Answer one request with its results, which BentoML has cut out of those of the batch."""
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
    image=Image(base_image="python:3.11-slim", distro="any", python_version="3.11"),
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
        directory = Path(MODEL.resolve().path)
        try:
            Manifest.read(directory).verify(directory)
        except ModelError as error:
            raise BentoMLException(str(error)) from error

    def __init__(self) -> None:
        from runtime.classifier import Classifier
        from runtime.probes import read_probes

        directory = Path(self.model.path)
        device = SETTINGS.device_of((bentoml.server_context.worker_index or 1) - 1)
        classifier = Classifier.load(directory, threads=SETTINGS.threads_per_worker, device=device)
        classifier.warm_up()
        manifest, probes = classifier.manifest, read_probes(directory)[:1]

        def predict(texts: Sequence[TextInput]) -> list[Prediction]:
            check_pairs(texts, wanted=manifest.text_pair)
            return PREDICTIONS.validate_python(classifier.predict(texts))

        self.predictions = Isolation(predict, lambda: classifier.check_probes(probes))
        publish(PAGES, directory, str(self.model.tag), manifest, SETTINGS.limits)

    @bentoml.api(
        batchable=True,
        max_batch_size=SETTINGS.max_batch_size,
        max_latency_ms=60_000,  # lower means 503 for whole bursts; max_concurrency sheds load instead
        input_spec=REQUEST,
        output_spec=Predictions,
    )
    def classify(self, texts: list[TextInput]) -> list[Prediction | Failure]:
        """Return for each text, in order: its label, the scores of all labels, and whether it was cut."""
        return self.predictions(texts)

    def __is_ready__(self) -> bool:
        """Say whether the model still computes what it should; /readyz asks."""
        return self.predictions.is_ready()


# Whoever comes first sees a request first: a check of API keys belongs before the reading of bodies.
BertClassifier.add_asgi_middleware(JsonBody, max_bytes=SETTINGS.max_body_bytes)  # type: ignore[attr-defined]
BertClassifier.mount_asgi_app(PAGES, path="/v1", name="pages")  # type: ignore[attr-defined]
