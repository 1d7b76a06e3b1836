"""What goes in and what comes out, as types with their limits; they know no model and no framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    JsonValue,
    ModelWrapValidatorHandler,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from runtime.api.errors import MOST_DETAILS, ErrorResponse, echo
from runtime.api.isolation import Failure
from runtime.errors import InputError, nearest

TextInput = str | tuple[str, str]
"""One text, or a text and its pair, as a classifier takes it."""

_MOST_KEYS = 8
_ONE_TEXT = 'a string or an object with the keys "text" and "text_pair"'
_JSON_NAMES: dict[type, str] = {
    bool: "a boolean", int: "a number", float: "a number", str: "a string",
    list: "a list", dict: "an object", type(None): "null",
}


class Prediction(BaseModel):
    """The answer for one text."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    label: str = Field(description="The most probable label.")
    score: FiniteFloat = Field(description="Probability of that label.")
    scores: dict[str, FiniteFloat] = Field(description="Probability of every label.")
    truncated: bool = Field(description="The text was longer than the model reads; its end was cut off.")


class ModelInfo(BaseModel):
    """What is served: the answer of GET /v1/info."""

    model: str = Field(description="Tag in the BentoML model store.")
    labels: tuple[str, ...]
    text_pair: bool = Field(description="The model takes two texts at a time.")
    backend: str
    precision: str
    max_length: int = Field(description="Most tokens that the model reads of one text.")
    normalizers: tuple[str, ...]
    base_model: str
    created: str
    limits: dict[str, float] = Field(description="What one request may hold, and how many the server takes.")
    versions: dict[str, dict[str, str]] = Field(description="Packages at training and at serving.")
    parity: dict[str, float] | None = Field(description="How far the export is from the trained model.")
    metrics: JsonValue = Field(description="Quality on held-out data, as `evaluate` measured it.")


PREDICTIONS: TypeAdapter[list[Prediction]] = TypeAdapter(list[Prediction])


def respond(results: Sequence[Prediction | Failure]) -> tuple[bytes, None] | ErrorResponse:
    raise NotImplementedError
