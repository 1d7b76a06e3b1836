"""The model card, from what the run recorded; it measures nothing and adds no opinion of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Template

from runtime.manifest import Manifest
from train.data.masking import row_lengths
from train.report.evaluation import Evaluation, confusions, environment

_FEW_ROWS = 30
_SHOWN_REPORTS = 12
_SHOWN_CONFUSIONS = 5


def model_card(
    tag: str,
    manifest: Manifest,
    training: Mapping[str, Any],
    evaluation: Evaluation,
    *,
    encrypted: bool = False,
) -> str:
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
    encrypted : bool
        Weights and tokenizer are.
    """
    few = [label for label, found in evaluation["classes"].items() if found["support"] < _FEW_ROWS]
    return markdown_template("model_card.md.jinja").render(
        tag=tag,
        manifest=manifest,
        encrypted=encrypted,
        recipe={
            **training["recipe"],
            "export": {"backend": manifest.backend, "precision": manifest.precision},
        },
        data=training["data"],
        datasheet=training.get("datasheet"),
        training=training["training"],
        evaluation=evaluation,
        confusions=confusions(evaluation)[:_SHOWN_CONFUSIONS],
        few=few,
        few_rows=_FEW_ROWS,
    )


def encoder_card(name: str, shape: Mapping[str, Any], report: Mapping[str, Any], base_model: str) -> str:
    """Return the card of a pre-trained encoder as Markdown with the front matter of the hub.

    Parameters
    ----------
    name : str
    shape : mapping
        Content of `config.json`.
    report : mapping
        Content of `pretraining.json`: recipe, corpus and figures of training.
    base_model : str
        What a recipe says to start from it.
    """
    figures, recipe = report["pretraining"], report["recipe"]
    history = figures["history"]
    step = -(-len(history) // _SHOWN_REPORTS)
    return markdown_template("encoder_card.md.jinja").render(
        name=name,
        base_model=base_model,
        shape=shape,
        recipe=recipe,
        corpus=report["corpus"],
        figures=figures,
        tokens=history[-1]["tokens"],
        lengths=row_lengths(recipe["pretrain"]["max_length"]),
        curve=history[::-step][::-1],
    )


def markdown_template(name: str) -> Template:
    """Return a template of a Markdown page, which has the filter `cell`."""
    templates = environment(autoescape=False)
    templates.filters["cell"] = table_cell
    return templates.get_template(name)


def table_cell(value: object) -> str:
    """Return text that stays inside its cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", r"\|")
