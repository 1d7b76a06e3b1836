"""The sections of a recipe that say how data are looked at, cleaned and protected; they know no rows."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from runtime.pii import DEFAULT_KINDS, RECOGNIZERS
from train.data.augment import AUGMENTERS
from train.data.clean import CLEANERS
from train.section import MOST, Section, Text, entries_of

Methods = Annotated[tuple[Text, ...], AfterValidator(partial(entries_of, AUGMENTERS, "way to augment"))]
Judge = Literal["linear", "encoder"]
JUDGES = "linear: character n-grams, seconds; encoder: fine-tuning of the base model, minutes or hours"
PrivateKinds = Annotated[
    tuple[Text, ...],
    Field(min_length=1),
    AfterValidator(partial(entries_of, RECOGNIZERS, "kind of personal data")),
]
RowCleaners = Annotated[tuple[Text, ...], AfterValidator(partial(entries_of, CLEANERS, "cleaner"))]

Seed = Field(42, ge=0, lt=2**32, description="seed of whatever is drawn")


class DoctorSection(Section):
    """What the doctor looks at."""

    near_duplicates: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Jaccard similarity of character pairs from which texts count as one; "
        "0: equal texts only",
    )


class PrepareSection(Section):
    """What becomes of the rows."""

    cleaners: RowCleaners = Field(
        ("blank", "one_character"),
        description="steps that drop rows, in this order; each counts what it dropped: "
        f"{', '.join(CLEANERS)}",
    )
    near_duplicates: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Jaccard similarity of character pairs from which texts count as one; "
        "0: equal texts only",
    )
    conflicts: Literal["drop", "majority", "keep"] = Field(
        "drop",
        description="training rows of one text and several labels: drop all, keep those of the most frequent "
        "label, or keep all",
    )
    test_fraction: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of train that is test when data.test is unset, 0 for none; unset: 0.1 when "
        "data.dev is unset too, else 0",
    )
    label_separator: Text | None = Field(
        None, description="what stands between the labels of a row with several, each of which is stratified"
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="where rows are cleaned: in this process, or on Ray, whose cluster RAY_ADDRESS names; "
        "the result is the same",
    )
    licences: tuple[Text, ...] = Field((), description="whose texts, on what terms: lines of the datasheet")
    seed: int = Seed


class PrivacySection(Section):
    """What becomes of personal data."""

    mode: Literal["detect", "placeholder", "pseudonym", "surrogate", "drop"] = Field(
        "detect",
        description="detect: count only; placeholder: 【手机号】 in its place, in serving too; pseudonym: "
        "keyed, equal for equal values; surrogate: an invented value; drop: the row goes",
    )
    kinds: PrivateKinds = Field(
        DEFAULT_KINDS, description=f"what is looked for, all but names unless set: {', '.join(RECOGNIZERS)}"
    )
    presidio: bool = Field(
        default=False,
        description="look with the recognisers of Presidio too; for the modes detect, pseudonym and drop",
    )
    key_file: Text | None = Field(
        None,
        description="file with the key of pseudonyms and surrogates, 32 bytes in base64; unset: environment "
        "variable BENTOBERT_PRIVACY_KEY",
    )
    seed: int = Field(
        42, ge=0, lt=2**32, description="seed of surrogates where there is no key; who knows it can undo them"
    )

    @model_validator(mode="after")
    def _presidio_can_do_it(self) -> Self:
        if self.presidio and self.mode in ("placeholder", "surrogate"):
            raise ValueError(
                f"presidio=true does not go with mode={self.mode!r}, as serving cannot repeat what it finds; "
                "use the mode detect, pseudonym or drop"
            )
        return self


class AugmentSection(Section):
    """Training rows made from training rows."""

    methods: Methods = Field(
        ("punctuation", "swap", "delete", "homophone", "synonym"),
        description=f"how a row is changed, one way drawn for each: {', '.join(AUGMENTERS)} (the last by the "
        "base model)",
    )
    up_to: Literal["median", "largest", "any"] = Field(
        "median",
        description="classes that get rows, and until when: those below the median class, those below the "
        "largest, or any",
    )
    per_class: float = Field(
        1.0, gt=0, le=100, description="most rows that are made of a class, for each row that it has"
    )
    most_rows: int = Field(
        5000, ge=1, le=MOST, description="more training rows are refused: they hardly ever gain from more"
    )
    judge: Judge = Field("encoder", description=f"{JUDGES}, that is trained with and without the new rows")
    seeds: int = Field(3, ge=1, le=100, description="trainings with, and as many without")
    seed: int = Seed


class NoiseSection(Section):
    """How wrong labels are looked for."""

    model: Judge = Field("linear", description=f"{JUDGES}, that judges the labels it has not seen")
    folds: int = Field(5, ge=2, le=100, description="parts of the rows, each judged by a model of the others")
    share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="share of the training rows that the list shows, the most suspicious first",
    )
    apply: Text | None = Field(
        None, description="list with new labels filled in, which are put into the rows (also: --apply FILE)"
    )
    drop_word: Text = Field("drop", description="what stands in place of a new label where the row is to go")
    seed: int = Seed


class ProtectionSection(Section):
    """How what is written is protected at rest."""

    encrypt: bool = Field(default=False, description="write prepared data and the stored model encrypted")
    key_file: Text | None = Field(
        None, description="file with the key, 32 bytes in base64; unset: environment variable BENTOBERT_KEY"
    )
