"""The sections of a recipe that say how data are looked at, cleaned and protected; they know no rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from train.section import Section, Text

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

    cleaners: tuple[Text, ...] = Field(
        ("blank", "one_character"),
        description="steps that drop rows, in this order; each counts what it dropped",
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
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of the rows that is test when data.test is unset"
    )
    seed: int = Seed


class PrivacySection(Section):
    """What becomes of personal data."""

    mode: Literal["detect", "placeholder", "pseudonym", "surrogate", "drop"] = Field(
        "detect",
        description="detect: count only; placeholder: 【手机号】 in its place, in serving too; pseudonym: "
        "keyed, equal for equal values; surrogate: an invented value; drop: the row goes",
    )
    key_file: Text | None = Field(
        None, description="file with the key of pseudonyms; unset: environment variable BENTOBERT_PRIVACY_KEY"
    )
    seed: int = Seed


class AugmentSection(Section):
    """Training rows made from training rows."""


class NoiseSection(Section):
    """How wrong labels are looked for."""


class ProtectionSection(Section):
    """How what is written is protected at rest."""

    encrypt: bool = Field(default=False, description="write prepared data and the stored model encrypted")
    key_file: Text | None = Field(
        None, description="file with the key, 32 bytes in base64; unset: environment variable BENTOBERT_KEY"
    )
