"""The service that BentoML's and Hugging Face's documentation lead to: what every speed claim stands beside.

Adaptive batching around a text-classification pipeline in float32, nothing tuned. MODEL_PATH names the model.
"""

# BentoML reads annotations when the class is made: no postponed evaluation here.
import os
from typing import Any

import bentoml


@bentoml.service(name="naive_classifier", traffic={"timeout": 300})
class NaiveClassifier:
    """Texts in, the pipeline's labels and scores out."""

    def __init__(self) -> None:
        """Load the pipeline."""
        from transformers import pipeline

        self.pipeline = pipeline("text-classification", model=os.environ["MODEL_PATH"])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)  # type: ignore[untyped-decorator]
    def classify(self, texts: list[str]) -> list[dict[str, Any]]:
        """Return one object with `label` and `score` a text."""
        return self.pipeline(texts, batch_size=32, truncation=True, max_length=512)
