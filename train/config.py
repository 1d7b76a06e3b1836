"""The recipe: one frozen typed section per concern, help text beside each field; it knows no files.

`train.recipe.read_recipe` is the way to get one from a file.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from runtime.backends import BACKENDS, check_precision
from runtime.errors import BackendError, nearest
from runtime.manifest import MOST_TOKENS, Precision
from runtime.normalize import NORMALIZERS

Split = Literal["train", "dev", "test"]
Text = Annotated[str, Field(min_length=1)]

_MOST = 2**31 - 1
"""What the libraries beneath can count."""

_TAG_PART = re.compile(r"[a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?")


class Section(BaseModel):
    """A table of the recipe: immutable, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataSection(Section):
    """Where the rows are and which columns matter."""

    train: Text = Field(
        description="training rows: csv, tsv, txt, jsonl or parquet file, a folder of them, a dataset of the "
        "Hugging Face hub (owner/name or owner/name/configuration, :split may follow), or sample:train"
    )
    dev: Text | None = Field(None, description="rows that choose the best epoch; unset: a part of train")
    test: Text | None = Field(None, description="rows that only evaluate sees; unset: evaluate uses dev")
    text: Text = Field("text", description="column with the text")
    label: Text = Field("label", description="column with the label")
    text_pair: Text | None = Field(None, description="column with the second text of a pair")
    columns: tuple[Text, ...] | None = Field(None, description="column names of files without a header")
    encoding: Text = Field("utf-8", description="character encoding of csv, tsv, txt and jsonl files")
    dev_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of train, of each label, that is dev when dev is unset"
    )
    normalizers: tuple[Text, ...] = Field(
        ("fold_fullwidth",),
        description=f"steps applied to every text, in training and in serving: {', '.join(NORMALIZERS)}",
    )

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            b"a".decode(value, errors="replace")  # refuses codecs of something else than text, like base64
            return codecs.lookup(value).name
        except (LookupError, UnicodeError):
            raise ValueError("not a text encoding; common ones are utf-8, gb18030, big5 and utf-16") from None

    @field_validator("normalizers")
    @classmethod
    def _normalizers_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in NORMALIZERS:
                raise ValueError(f"{name!r} is not a normalizer; {nearest(name, NORMALIZERS)}")
        return value

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if len({self.text, self.label, self.text_pair}) < 3:
            raise ValueError("text, label and text_pair must name different columns")
        if self.columns and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")
        return self


class FinetuneSection(Section):
    """How the model is trained."""

    base_model: Text = Field(
        "google-bert/bert-base-chinese",
        description='BERT to start from: hub id, local folder, or "scratch" for random weights',
    )
    epochs: int = Field(3, ge=1, le=_MOST, description="most passes over the training rows")
    batch_size: int = Field(32, ge=1, le=_MOST, description="rows of one forward pass")
    gradient_accumulation: int = Field(1, ge=1, le=_MOST, description="forward passes of one optimizer step")
    learning_rate: float = Field(2e-5, gt=0, description="peak of the linear schedule")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay, except on biases and LayerNorm")
    max_length: int = Field(
        128, ge=3, le=MOST_TOKENS, description="most tokens of a text, [CLS] and [SEP] included"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="seed of split, initial weights, dropout and order")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the GPU or CPU computes in it, else fp32; weights stay fp32"
    )
    early_stopping_patience: int = Field(
        2, ge=1, le=_MOST, description="epochs without a better metric before the end"
    )
    metric: Literal["macro_f1", "accuracy"] = Field(
        "macro_f1", description="dev metric that chooses the epoch"
    )
    resume: bool = Field(
        default=False, description="continue from the newest intact checkpoint (also: --resume)"
    )


class ScratchSection(Section):
    """Shape of a BERT with random weights, used when finetune.base_model is "scratch"."""

    hidden_size: int = Field(256, ge=1, description="width of a token's vector; a multiple of heads")
    layers: int = Field(4, ge=1, description="encoder layers")
    heads: int = Field(4, ge=1, description="attention heads of a layer")
    intermediate_size: int = Field(1024, ge=1, description="width of the feed-forward layer")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of hidden states, attention and classifier")
    vocabulary: Literal["gb2312"] = Field("gb2312", description="entries of the tokenizer")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        return self


class EvaluateSection(Section):
    """What is measured."""

    split: Literal["test", "dev"] = Field("test", description="rows to measure on; without a test file, dev")
    batch_size: int = Field(256, ge=1, le=_MOST, description="texts handed to the classifier at once")


class ExportSection(Section):
    """What is served."""

    backend: Text = Field("torch", description=f"engine that serves the model: {', '.join(BACKENDS)}")
    precision: Precision = Field(
        "fp32",
        description="number format of weights and arithmetic; int8 (openvino only) is fitted to "
        "300 training texts",
    )

    @model_validator(mode="after")
    def _engine_runs_precision(self) -> Self:
        try:
            check_precision(self.backend, self.precision)
        except BackendError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return self


class StoreSection(Section):
    """Where the model goes."""

    name: Text = Field("bert-classifier", description="name in the BentoML model store")
    version: Text | None = Field(None, description="version in the store; unset: BentoML makes one")

    @field_validator("name", "version")
    @classmethod
    def _fits_a_tag(cls, value: str | None) -> str | None:
        if value is not None and (value == "latest" or not _TAG_PART.fullmatch(value)):
            raise ValueError(
                'use at most 63 of a-z, 0-9, "-", "_" and ".", a letter or digit at both ends, not "latest"'
            )
        return value


class RunSection(Section):
    """Where intermediate results go."""

    directory: Path = Field(description="folder of this run; unset: runs/<name of the recipe file>")


class Recipe(Section):
    """Everything a command needs to know; one section per concern."""

    data: DataSection
    finetune: FinetuneSection = FinetuneSection()
    scratch: ScratchSection = ScratchSection()
    evaluate: EvaluateSection = EvaluateSection()
    export: ExportSection = ExportSection()
    store: StoreSection = StoreSection()
    run: RunSection
