"""Texts to token ids by the `tokenizers` library alone; it knows no model and never imports transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import tokenizers

from runtime.errors import InputError, ManifestError, ProtectionError
from runtime.files import is_encrypted, read_file, stored

TOKENIZER_NAME = "tokenizer.json"
PAD_TOKEN = "[PAD]"  # noqa: S105 - a vocabulary entry

TextInput = str | tuple[str, str]
"""One text, or a text and its pair."""

Ids = npt.NDArray[np.int64]

_CHARACTERS_PER_TOKEN = 4
_MOST_WORD_TOKENS = 100
_BEGINNINGS = 2
"""Beginnings of a long text that are tried: where they hold few tokens, the whole is encoded."""
_PAIR_SPECIALS = 3


@dataclass(frozen=True, slots=True)
class Encoding:
    """One text as token ids, special tokens included.

    `truncated` tells that the text was longer than `max_length` tokens and its end was cut off.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    truncated: bool

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a backend sees: three int64 arrays of shape (batch_size, seq_len)."""

    input_ids: Ids
    attention_mask: Ids
    token_type_ids: Ids


class Tokenizer:
    """Encodes texts exactly as `AutoTokenizer(..., truncation=True, max_length=max_length)` does.

    Parameters
    ----------
    backend : tokenizers.Tokenizer
        A WordPiece tokenizer with its special tokens; its own padding and truncation settings are replaced.
    max_length : int
        Most tokens of one encoding, special tokens included.
    """

    def __init__(self, backend: tokenizers.Tokenizer, max_length: int) -> None:
        pad_token_id, self._cls, self._sep = (
            _special_id(backend, token) for token in (PAD_TOKEN, "[CLS]", "[SEP]")
        )
        backend.no_padding()
        backend.enable_truncation(max_length, strategy="longest_first")
        self._backend = backend
        self._specials = backend.num_special_tokens_to_add(False)
        self.max_length = max_length
        self.pad_token_id: int = pad_token_id

    @classmethod
    def load(cls, directory: Path, max_length: int, key: bytes | None = None) -> Self:
        """Read `tokenizer.json` of a model directory.

        Raises
        ------
        ManifestError
            The file is missing or is not a tokenizer with a padding token.
        ProtectionError
            It is encrypted, and the key is missing or another one, or it was changed.
        """
        path = stored(directory, TOKENIZER_NAME)
        if not path.is_file():
            raise ManifestError(f"{path} is missing; a model directory needs the file of a fast tokenizer.")
        try:
            backend = (
                tokenizers.Tokenizer.from_buffer(read_file(directory, TOKENIZER_NAME, key))
                if is_encrypted(directory, TOKENIZER_NAME)
                else tokenizers.Tokenizer.from_file(str(path))
            )
        except ProtectionError:
            raise
        except Exception as error:  # the library raises bare Exception for every malformed file
            raise ManifestError(f"{path} is not a tokenizer ({error}); save the model again.") from error
        return cls(backend, max_length)

    @property
    def largest_id(self) -> int:
        """The highest token id, added tokens included; ids may have gaps."""
        return max(self._backend.get_vocab().values())

    def encode(self, texts: Sequence[TextInput]) -> list[Encoding]:
        """Encode texts without padding, in order.

        Of a text far longer than the model reads, only about what it reads is tokenised.

        Raises
        ------
        InputError
            A text is not a string, or holds a lone surrogate that no encoding can represent.
        """
        for index, text in enumerate(texts):
            _check(text, index)
        encodings = [self._long(text) for text in texts]
        short = [text for text, found in zip(texts, encodings, strict=True) if found is None]
        others = iter(self._backend.encode_batch_fast(short))
        return [_read(next(others)) if found is None else found for found in encodings]

    def _long(self, text: TextInput) -> Encoding | None:
        """Encode what is longer than the model may read; None where the library may do it."""
        if isinstance(text, tuple):
            fits = sum(map(len, text)) <= self.max_length - _PAIR_SPECIALS
            return None if fits else self._pair(*text)
        found = self._beginning(text)
        return None if found is None else _read(found)

    def _beginning(self, text: str) -> tokenizers.Encoding | None:
        """Encode the beginning of a long text that holds more tokens than are read, if there is one.

        Words are tokenised one by one, so a beginning gives the same tokens up to the word that it cuts,
        which has at most 100: WordPiece takes longer words for unknown.
        """
        size = _CHARACTERS_PER_TOKEN * self.max_length
        for _ in range(_BEGINNINGS):
            if size >= len(text):
                return None
            found = self._backend.encode(text[:size])
            tokens = sum(len(part) - self._specials for part in (found, *found.overflowing))
            if tokens >= self.max_length + _MOST_WORD_TOKENS:
                return found
            size *= 2
        return None

    def _pair(self, first: str, second: str) -> Encoding:
        """Encode a pair as the library does with "longest_first", in linear time and memory.

        Where both parts are cut, the library makes an encoding of every combination of their ends: of 16,000
        characters a gigabyte.
        """
        parts = [self._backend.encode(text, add_special_tokens=False) for text in (first, second)]
        tokens = [sum(len(one) for one in (part, *part.overflowing)) for part in parts]
        room = self.max_length - _PAIR_SPECIALS
        kept = _longest_first(tokens[0], tokens[1], room)
        ids = [part.ids[:count] for part, count in zip(parts, kept, strict=True)]
        return Encoding(
            [self._cls, *ids[0], self._sep, *ids[1], self._sep],
            [0] * (len(ids[0]) + 2) + [1] * (len(ids[1]) + 1),
            truncated=sum(tokens) > room,
        )


def _special_id(backend: tokenizers.Tokenizer, token: str) -> int:
    found = backend.token_to_id(token)
    if found is None:
        raise ManifestError(f"the tokenizer has no {token} token; use a tokenizer of the BERT family.")
    return found


def _read(found: tokenizers.Encoding) -> Encoding:
    return Encoding(found.ids, found.type_ids, bool(found.overflowing))


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of each part stay: the longer gives until both are equal, as in `tokenizers`."""
    if first + second <= room:
        return first, second
    shorter = min(first, second)
    longer = max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    return (longer, shorter) if first > second else (shorter, longer)


def pad(encodings: Sequence[Encoding], pad_token_id: int) -> Batch:
    """Pad encodings to the longest of them; padded places have mask 0 and type 0."""
    shape = (len(encodings), max(map(len, encodings), default=0))
    input_ids = np.full(shape, pad_token_id, dtype=np.int64)
    attention_mask = np.zeros(shape, dtype=np.int64)
    token_type_ids = np.zeros(shape, dtype=np.int64)
    for row, encoding in enumerate(encodings):
        length = len(encoding)
        input_ids[row, :length] = encoding.input_ids
        attention_mask[row, :length] = 1
        token_type_ids[row, :length] = encoding.token_type_ids
    return Batch(input_ids, attention_mask, token_type_ids)


def _check(text: object, index: int) -> None:
    parts = text if isinstance(text, tuple) and len(text) == 2 else (text,)
    for part in parts:
        if not isinstance(part, str):
            raise InputError(
                f"text {index} is a {type(part).__name__}; give a string, or two in a tuple for a pair."
            )
        try:
            part.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"text {index} holds a lone surrogate; give text that UTF-8 can encode."
            ) from None
