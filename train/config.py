"""The recipe: one frozen typed section per concern, help text beside each field; it knows no files.

`train.recipe.read_recipe` is the way to get one from a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from runtime.backends import BACKENDS, check_precision
from runtime.errors import BackendError, RecipeError
from runtime.manifest import MOST_TOKENS, Precision
from train.data.preparation import (
    AugmentSection,
    DoctorSection,
    NoiseSection,
    PrepareSection,
    PrivacySection,
    ProtectionSection,
)
from train.data.sections import CorpusSection, DataSection
from train.section import MOST, Folder, Section, Text

_TAG_PART = re.compile(r"[a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?")


class FinetuneSection(Section):
    """How the model is trained."""

    base_model: Text = Field(
        "google-bert/bert-base-chinese",
        description='BERT to start from: "bert-mini-chinese" (included), hub id, local folder, or "scratch" '
        "for random weights",
    )
    epochs: int = Field(3, ge=1, le=MOST, description="most passes over the training rows")
    batch_size: int = Field(32, ge=1, le=MOST, description="rows of one forward pass")
    gradient_accumulation: int = Field(1, ge=1, le=MOST, description="forward passes of one optimizer step")
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw",
        description="adamw, or muon: Muon for the encoder's matrices, AdamW for the rest; the better one for "
        "an encoder that was pre-trained so, like bert-mini-chinese",
    )
    learning_rate: float = Field(2e-5, gt=0, description="peak of AdamW's linear schedule")
    muon_learning_rate: float = Field(1e-3, gt=0, description="peak of Muon's linear schedule")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    weight_decay: float = Field(0.01, ge=0, description="weight decay, except on biases and LayerNorm")
    masked: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of the known tokens that show [MASK] in training, drawn anew in every pass; 0.15 "
        "helps where texts are short and passes many",
    )
    max_length: int = Field(
        128, ge=3, le=MOST_TOKENS, description="most tokens of a text, [CLS] and [SEP] included"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="seed of split, initial weights, dropout and order")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the GPU or CPU computes in it, else fp32; weights stay fp32"
    )
    early_stopping_patience: int = Field(
        2, ge=1, le=MOST, description="epochs without a better metric before the end"
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
    vocabulary: Text = Field(
        "gb2312",
        description='entries of the tokenizer: "gb2312", "trained" for what the command vocab made in this '
        "run directory, or a folder with a tokenizer",
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        return self


class VocabSection(Section):
    """The vocabulary that is learned from the corpus."""

    size: int = Field(8000, ge=100, le=MOST, description="most entries, special ones included")
    min_frequency: int = Field(2, ge=1, le=MOST, description="rarer pieces are left out")


class PretrainSection(Section):
    """Masked language modelling."""

    base_model: Text = Field(
        "scratch", description='BERT to continue from: hub id, local folder, or "scratch" for random weights'
    )
    embeddings: Text | None = Field(
        None,
        description="character vectors that start the embeddings of a scratch model: npz file with an "
        "array `embeddings`, beside it vocab.json (character → row)",
    )
    max_length: int = Field(
        512,
        ge=8,
        le=MOST_TOKENS,
        description="most tokens of a row; batches have rows of this, 1/2, 1/4, 1/8",
    )
    batch_tokens: int = Field(4096, ge=8, le=MOST, description="tokens of one optimizer step")
    optimizer: Literal["muon", "adamw"] = Field(
        "muon", description="muon: Muon for the encoder's matrices, AdamW for the rest; adamw for everything"
    )
    muon_learning_rate: float = Field(2e-3, gt=0, description="peak of Muon's schedule")
    adamw_learning_rate: float = Field(1e-3, gt=0, description="peak of AdamW's schedule")
    warmup_ratio: float = Field(0.03, ge=0, lt=1, description="share of the budget in which the rate rises")
    weight_decay: float = Field(0.01, ge=0, description="weight decay, except on biases and LayerNorm")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="dropout while it learns; the encoder's own is left for fine-tuning"
    )
    masked: float = Field(0.2, gt=0, lt=1, description="share of the tokens to guess, by whole words")
    bag_of_words: float = Field(
        0.3, ge=0, description="weight of the second task: [CLS] names the hidden words of its row"
    )
    epochs: float = Field(1.0, gt=0, description="passes over the corpus, each masked anew")
    max_minutes: float | None = Field(
        None, gt=0, description="wall clock after which it ends cleanly, the schedule fitted to it"
    )
    weights: Literal["fp32", "fp16"] = Field(
        "fp32", description="number format of the finished encoder's file; fp16 halves it"
    )
    checkpoint_minutes: float = Field(5.0, gt=0, description="wall clock between two checkpoints")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the GPU or CPU computes in it, else fp32; weights stay fp32"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="seed of initial weights, order and masking")
    resume: bool = Field(
        default=False, description="continue from the newest intact checkpoint (also: --resume)"
    )


class EvaluateSection(Section):
    """What is measured."""

    split: Literal["test", "dev"] = Field("test", description="rows to measure on; without a test file, dev")
    batch_size: int = Field(256, ge=1, le=MOST, description="texts handed to the classifier at once")


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

    directory: Folder = Field(description="folder of this run; unset: runs/<name of the recipe file>")


@dataclass(frozen=True, slots=True)
class Origin:
    """The file and the overrides that a recipe was read from, if it was; none makes two recipes differ."""

    path: Path | None = field(default=None, compare=False)
    overrides: tuple[str, ...] = field(default=(), compare=False)


class Recipe(Section):
    """Everything a command needs to know; one section per concern."""

    data: DataSection | None = None
    corpus: CorpusSection | None = None
    doctor: DoctorSection = DoctorSection()
    prepare: PrepareSection = PrepareSection()
    privacy: PrivacySection = PrivacySection()
    augment: AugmentSection = AugmentSection()
    noise: NoiseSection = NoiseSection()
    protection: ProtectionSection = ProtectionSection()
    finetune: FinetuneSection = FinetuneSection()
    scratch: ScratchSection = ScratchSection()
    vocab: VocabSection = VocabSection()
    pretrain: PretrainSection = PretrainSection()
    evaluate: EvaluateSection = EvaluateSection()
    export: ExportSection = ExportSection()
    store: StoreSection = StoreSection()
    run: RunSection
    _origin: Origin = PrivateAttr(Origin())

    @property
    def origin(self) -> Origin:
        """Where these settings were read, so that a message can name a command that repeats them."""
        return self._origin

    def note_origin(self, path: Path, overrides: Sequence[str]) -> None:
        """Remember where these settings were read."""
        self._origin = Origin(path, tuple(overrides))

    def labelled(self) -> DataSection:
        """Return where the labelled rows are.

        Raises
        ------
        RecipeError
            The recipe has none.
        """
        if self.data is None:
            raise RecipeError('data.train is missing; write train = "data/train.csv" below a line [data].')
        return self.data

    def unlabelled(self) -> CorpusSection:
        """Return where the text for pre-training is.

        Raises
        ------
        RecipeError
            The recipe has none.
        """
        if self.corpus is None:
            raise RecipeError('corpus.files is missing; write files = ["texts.txt"] below a line [corpus].')
        return self.corpus
