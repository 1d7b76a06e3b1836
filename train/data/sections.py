"""The sections of a recipe that say which data there are and what becomes of them; they know no files."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from runtime.normalize import NORMALIZERS
from train.data.prose import CLEANERS
from train.section import Encoding, Normalizers, Section, Text, entries_of

Cleaners = Annotated[tuple[Text, ...], AfterValidator(partial(entries_of, CLEANERS, "cleaner"))]


class DataSection(Section):
    """Where the rows are and which columns matter."""

    train: Text = Field(
        description="training rows: csv, tsv, txt, jsonl or parquet file, a folder of them, a dataset of the "
        "Hugging Face hub (owner/name or owner/name/configuration, :split may follow), or sample:train"
    )
    dev: Text | None = Field(None, description="rows that choose the best epoch; unset: a part of train")
    test: Text | None = Field(None, description="rows that only evaluate sees; unset: evaluate uses dev")
    prepared: Text | None = Field(
        None,
        description="folder that prepare wrote, whose rows, columns and normalizers take the place of those "
        "named here",
    )
    key_file: Text | None = Field(
        None,
        description="file with the key of encrypted files (.parquet.enc); unset: environment variable "
        "BENTOBERT_KEY",
    )
    text: Text = Field("text", description="column with the text")
    label: Text = Field("label", description="column with the label")
    text_pair: Text | None = Field(None, description="column with the second text of a pair")
    group: Text | None = Field(
        None, description="column whose equal values stay on one side of a split: a user, a conversation"
    )
    columns: tuple[Text, ...] | None = Field(None, description="column names of files without a header")
    encoding: Encoding = Field("utf-8", description="character encoding of csv, tsv, txt and jsonl files")
    dev_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of train, of each label, that is dev when dev is unset"
    )
    normalizers: Normalizers = Field(
        ("fold_fullwidth",),
        description=f"steps applied to every text, in training and in serving: {', '.join(NORMALIZERS)}",
    )

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        names = [name for name in (self.text, self.label, self.text_pair, self.group) if name is not None]
        if len(set(names)) < len(names):
            raise ValueError("text, label, text_pair and group must name different columns")
        if self.columns and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")
        return self


class CorpusSection(Section):
    """Unlabelled text to learn a language from."""

    files: tuple[Text, ...] = Field(
        description="files or folders: txt (a paragraph per line, blank lines between documents) or md, "
        "plain or packed as xz or gz; FILE#COLUMN takes a column, by name or number from 1, of csv, tsv, "
        "jsonl or parquet, a document per row; FILE*3 is learned three times in each pass"
    )
    exclude: tuple[Text, ...] = Field(
        (), description="files, written alike, whose texts must not be learned: test sets, for example"
    )
    licences: tuple[Text, ...] = Field((), description="whose texts, on what terms: lines of the model card")
    encoding: Encoding = Field("utf-8", description="character encoding of the files")
    cleaners: Cleaners = Field(
        ("markup", "boilerplate", "foreign"),
        description="steps that drop what is no prose, in this order; each counts what it dropped",
    )
    normalizers: Normalizers = Field(
        ("fold_fullwidth",), description="steps applied to every text; those of data.normalizers"
    )
    near_duplicates: float = Field(
        0.8, ge=0, le=1, description="paragraphs of this Jaccard similarity or more count as one; 0: keep all"
    )
    held_out: float = Field(
        0.005, gt=0, lt=1, description="share of the documents that is only evaluated on, never learned"
    )

    @field_validator("files")
    @classmethod
    def _files_are_named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError('name at least one, like ["texts.txt"]')
        return value
