"""The model card, from what the run recorded; it measures nothing and adds no opinion of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.manifest import Manifest
from train.report.evaluation import Evaluation, confusions, environment

_FEW_ROWS = 30
_SHOWN_CONFUSIONS = 5


def model_card(tag: str, manifest: Manifest, training: Mapping[str, Any], evaluation: Evaluation) -> str:
    """Return the card as Markdown with the front matter of the Hugging Face hub.

    Parameters
    ----------
    tag : str
        `name:version` in the model store.
    manifest : Manifest
    training : mapping
        Content of `training.json`: recipe, data and figures of training.
    evaluation : Evaluation
        Content of `metrics.json`.
    """
    template_environment = environment(autoescape=False)
    template_environment.filters["cell"] = table_cell
    few = [label for label, found in evaluation["classes"].items() if found["support"] < _FEW_ROWS]
    return template_environment.get_template("model_card.md.jinja").render(
        tag=tag,
        manifest=manifest,
        recipe={
            **training["recipe"],
            "export": {"backend": manifest.backend, "precision": manifest.precision},
        },
        data=training["data"],
        training=training["training"],
        evaluation=evaluation,
        confusions=confusions(evaluation)[:_SHOWN_CONFUSIONS],
        few=few,
        few_rows=_FEW_ROWS,
    )


def table_cell(value: object) -> str:
    """Return text that stays inside its cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", r"\|")
