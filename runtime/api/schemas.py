"""What goes in and what comes out, as types with their limits; they know no model and no framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self, TypeVar, cast

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
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType

from runtime.api.wording import TEXT_KEYS, custom, in_words
from runtime.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
TextInput = str | tuple[str, str]
"""One text, or a text and its pair, as a classifier takes it."""

_MOST_KEYS = 8
Limits = dict[str, int | float]

_EXAMPLE: JsonDict = {"texts": ["房间很干净,服务也好。", "物流太慢了,包装还是坏的"]}


class Prediction(BaseModel):
    """The answer for one text."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    label: str = Field(description="The most probable label.")
    score: FiniteFloat = Field(description="Probability of that label.")
    scores: dict[str, FiniteFloat] = Field(description="Probability of every label.")
    truncated: bool = Field(description="The text was longer than the model reads; its end was cut off.")


class TextError(BaseModel):
    """The answer for one text that made the engine fail, beside the predictions of the others."""

    error: str = Field(description="Which text it was, why it has no prediction, and what to do.")


PREDICTIONS: TypeAdapter[list[Prediction]] = TypeAdapter(list[Prediction])
# A named type, because BentoML shows only the first of several types that have no name together.
Answer = TypeAliasType("Answer", Prediction | TextError)
ANSWERS: TypeAdapter[list[Prediction | TextError]] = TypeAdapter(list[Answer])


class ModelInfo(BaseModel):
    """What is served: the answer of GET /v1/info."""

    model: str = Field(description="Tag in the BentoML model store.")
    labels: tuple[str, ...]
    text_pair: bool = Field(description="The model takes two texts at a time.")
    backend: str
    precision: str = Field(description="What the model was exported in.")
    compute: str = Field(description="What computes here: precision, device, threads, engine.")
    dispatcher: str = Field(description="Who makes batches.")
    max_length: int = Field(description="Most tokens that the model reads of one text.")
    normalizers: tuple[str, ...]
    base_model: str
    created: str
    limits: Limits = Field(description="What one request may hold and how many are taken at once.")
    versions: dict[str, dict[str, str]] = Field(description="Packages at training and at serving.")
    parity: dict[str, float] | None = Field(description="How far the export is from the trained model.")
    metrics: JsonValue = Field(description="Quality on held-out data, as `evaluate` measured it.")


class _Request(BaseModel):
    """Keeps what is said about a wrong request short, in sentences, and free of its texts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - any JSON
        # One error per unknown key would turn a hostile body of 4 MB into seconds of work.
        if isinstance(given, dict) and len(given) > _MOST_KEYS:
            raise custom("too_many_keys", f'The body has {len(given):,} keys; send only "texts".')
        try:
            return handler(given)
        except ValidationError as error:
            raise in_words(error) from None


def classify_request(base: type[Model], *, max_texts: int, max_characters: int) -> type[Model]:
    """Return the model of a request body: `{"texts": [text, …]}` within these limits.

    Each text is a string, or an object whose `text_pair` makes a tuple of two; valid items are `TextInput`.

    Parameters
    ----------
    base : subclass of BaseModel
        What the web framework wants its models to be.
    max_texts, max_characters : int
        Most texts of one request, most characters of one text.
    """
    text: Any = Annotated[
        str, StringConstraints(min_length=1, max_length=max_characters), AfterValidator(_check_characters)
    ]
    text_object: Any = create_model(
        "Text",
        __config__=ConfigDict(extra="forbid"),
        text=(text, Field(description="The text.")),
        text_pair=(text | None, Field(default=None, description="The second text, for models of pairs.")),
    )
    item: Any = Annotated[
        Annotated[text, Tag("string")] | Annotated[text_object, AfterValidator(_as_input), Tag("object")],
        Discriminator(_kind, custom_error_type="text_type", custom_error_message="no text"),
    ]
    # A named type, because BentoML applies the annotations of an element of a list twice.
    named: Any = TypeAliasType("Item", item)
    texts: Any = Annotated[list[named], Field(min_length=1, max_length=max_texts)]
    bases: Any = (_Request, base)
    request: Any = create_model("ClassifyRequest", __base__=bases, texts=(texts, ...))
    return cast("type[Model]", request)


def check_pairs(texts: Sequence[TextInput], *, wanted: bool) -> None:
    """Check that each text is a pair where the model takes pairs, and is none where it does not.

    Raises
    ------
    InputError
        One is not.
    """
    if any(isinstance(text, tuple) != wanted for text in texts):
        raise InputError(
            'this model compares two texts; add a "text_pair".'
            if wanted
            else 'it has a "text_pair" and this model takes one text; leave the pair out.'
        )


def _kind(given: object) -> str | None:
    if isinstance(given, str):
        return "string"
    return "object" if isinstance(given, dict) and len(given) <= len(TEXT_KEYS) else None


def _check_characters(text: str) -> str:
    if not text.strip():
        raise custom("blank", "blank")
    if "\0" in text:
        raise custom("nul", "NUL")
    return text


def _as_input(given: Any) -> TextInput:  # noqa: ANN401 - its class depends on the limits
    return given.text if given.text_pair is None else (given.text, given.text_pair)
