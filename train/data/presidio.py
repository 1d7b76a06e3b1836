"""Our recognisers in Presidio and Presidio's beside ours, where it is installed; it knows no recipe.

Presidio ships no recognisers for mainland China, and most of its patterns rely on word boundaries, which do
not exist between a Chinese character and a digit. It adds what stands apart: IBANs, documents of elsewhere.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runtime.errors import RecipeError
from runtime.pii import DEFAULT_KINDS, Span, find

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

_LEFT_OUT = frozenset({"DATE_TIME", "EMAIL_ADDRESS", "URL"})
"""No personal data, or found by ours; and Presidio's check of an address downloads a list of domains."""

_LEAST_SCORE = 0.5
"""Presidio's patterns that nothing confirms score less: any nine digits are a bank account to it."""


def require() -> None:
    """Refuse to go on where Presidio is missing.

    Raises
    ------
    RecipeError
        It is not installed.
    """
    if importlib.util.find_spec("presidio_analyzer") is None:
        raise RecipeError(
            "privacy.presidio=true needs presidio-analyzer, which is not installed; run "
            "`pip install 'presidio-analyzer>=2.2.360,<3'`, or set privacy.presidio=false."
        )


def entity(kind: str) -> str:
    """Return the name of a kind of ours in Presidio's manner, like CN_RESIDENT_ID."""
    return f"CN_{kind.upper()}"


def recognizer(kinds: Sequence[str] = DEFAULT_KINDS, language: str = "zh") -> EntityRecognizer:
    """Return our recognisers as one of Presidio, to be added to a registry.

    Parameters
    ----------
    kinds : sequence of str
        Keys of `RECOGNIZERS`.
    language : str
        Of the texts, as the analyser will be asked.

    Raises
    ------
    RecipeError
        Presidio is not installed.
    """
    require()
    from presidio_analyzer import EntityRecognizer, RecognizerResult

    class Recognizers(EntityRecognizer):  # type: ignore[misc]
        """Finds what check digits, forms and words around decide, hence with the highest score."""

        def load(self) -> None:
            """Load nothing."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:  # noqa: ANN401, ARG002 - Presidio's signature
            wanted = [kind for kind in kinds if not entities or entity(kind) in entities]
            return [
                RecognizerResult(entity(span.kind), span.start, span.end, score=1.0)
                for span in find(text, wanted)
            ]

    return Recognizers(
        supported_entities=[entity(kind) for kind in kinds],
        name="BentobertRecognizer",
        supported_language=language,
    )


def find_more(text: str, kinds: Sequence[str] = DEFAULT_KINDS) -> list[Span]:
    """Find what our recognisers find and, outside of that, what Presidio's own do.

    Returns
    -------
    list of Span
        Sorted; no two overlap. Kinds of Presidio have its names, like IBAN_CODE.
    """
    found = find(text, kinds)
    results = [result for one in _patterns() for result in one.analyze(text, one.supported_entities, None)]
    for result in sorted(results, key=lambda one: (-one.score, one.start - one.end, one.start)):
        is_free = all(result.end <= span.start or span.end <= result.start for span in found)
        if is_free and result.score >= _LEAST_SCORE:
            found.append(Span(result.start, result.end, result.entity_type))
    return sorted(found)


@lru_cache(maxsize=1)
def _patterns() -> list[EntityRecognizer]:
    """Return Presidio's recognisers that need no language model: nothing is downloaded."""
    from presidio_analyzer import PatternRecognizer, RecognizerRegistry

    # It warns of every recogniser of another language.
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    return [
        one
        for one in registry.recognizers
        if isinstance(one, PatternRecognizer) and not _LEFT_OUT.issuperset(one.supported_entities)
    ]
