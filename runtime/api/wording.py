"""What is wrong with a request, in sentences; pydantic's own name branches of types that no client knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from runtime.api.errors import MOST_DETAILS, echo
from runtime.errors import nearest

REQUEST_KEYS = ("texts",)
TEXT_KEYS = ("text", "text_pair")

_SEND = 'send {{"texts": ["…"]}}.'
_SENTENCES = {
    "missing": f"{{where}} is missing; {_SEND}",
    "extra_forbidden": "{where} is unknown; {nearest}",
    "model_type": f"The body is {{kind}}; {_SEND}",
    "list_type": f"{{where}} is {{kind}}; {_SEND}",
    "too_short": "{where} is empty; send at least one text.",
    "too_long": "{where} has {length:,} texts, at most {max_length:,} are allowed; send several requests.",
    "text_type": '{where} is {kind}; each text is a string or {{"text": "…", "text_pair": "…"}}.',
    "string_type": "{where} is {kind}; send a string.",
    "string_too_short": "{where} is empty; send text or leave it out.",
    "blank": "{where} is blank; send text or leave it out.",
    "nul": "{where} holds a NUL character; remove it.",
    "string_too_long": "{where} has {length:,} characters, at most {max_length:,} are allowed; split it.",
}
_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object of other keys",
    type(None): "null",
}


def in_words(error: ValidationError) -> ValidationError:
    """Return the first few problems of a request body, each as one sentence and without the input."""
    # A misspelt key is both unknown and missing: the hint to the right name comes first.
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] == "missing")
    details = [_detail(problem) for problem in problems[:MOST_DETAILS]]
    return ValidationError.from_exception_data(error.title, details)


def _detail(problem: ErrorDetails) -> InitErrorDetails:
    # Position 2 names the branch of the union, which is nothing that a client has written.
    path = [part for position, part in enumerate(problem["loc"]) if position != 2]
    kind = custom(problem["type"], _sentence(problem, path))
    return {"type": kind, "loc": tuple(map(_cut, path)), "input": None}


def custom(kind: str, sentence: str) -> PydanticCustomError:
    """Return an error with this sentence, handed over as a value: braces in a template would be replaced."""
    return PydanticCustomError(kind, "{sentence}", {"sentence": sentence})


def _sentence(problem: ErrorDetails, path: Sequence[str | int]) -> str:
    given: Any = problem["input"]
    allowed = TEXT_KEYS if len(path) > 1 else REQUEST_KEYS
    return _SENTENCES[problem["type"]].format(
        where=_where(path),
        kind=_KINDS.get(type(given), "something else"),
        length=len(given) if isinstance(given, str | list | dict) else 0,
        max_length=problem.get("ctx", {}).get("max_length", 0),
        nearest=nearest(str(_cut(path[-1])), allowed) if path else "",
    )


def _where(path: Sequence[str | int]) -> str:
    """Write a path as a client would: `texts[3].text_pair`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_cut(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def _cut(part: str | int) -> str | int:
    return part if isinstance(part, int) else echo(part)[1:-1]
