"""What every table of a recipe is made of: the frozen section, and the types that several of them use."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from runtime.errors import nearest
from runtime.normalize import NORMALIZERS

P = TypeVar("P", str, Path)
Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def without_nul(value: P) -> P:
    """Refuse a text or path with the character that ends every name for the operating system."""
    if "\0" in str(value):
        raise ValueError("it has the character NUL, which no name and no path can have; take it out")
    return value


Text = Annotated[str, Field(min_length=1), AfterValidator(without_nul)]
Folder = Annotated[Path, AfterValidator(without_nul)]

MOST = 2**31 - 1
"""What the libraries beneath can count."""


def text_encoding(name: str) -> str:
    """Return the canonical name of a character encoding; refuse what is none."""
    try:
        b"a".decode(name, errors="replace")  # refuses codecs of something else than text, like base64
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise ValueError("not a text encoding; common ones are utf-8, gb18030, big5 and utf-16") from None


def entries_of(table: Mapping[str, object], kind: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names if all of them stand in the table, each named once.

    Raises
    ------
    ValueError
        One does not, and the message names the nearest that does; or one is named twice.
    """
    for at, name in enumerate(names):
        if name in names[:at]:
            raise ValueError(f"{name!r} stands there twice; name each {kind} once")
        if name not in table:
            raise ValueError(f"{name!r} is not a {kind}; {nearest(name, table)}")
    return names


Encoding = Annotated[Text, AfterValidator(text_encoding)]
Normalizers = Annotated[tuple[Text, ...], AfterValidator(partial(entries_of, NORMALIZERS, "normalizer"))]


class Section(BaseModel):
    """A table of the recipe: immutable, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
