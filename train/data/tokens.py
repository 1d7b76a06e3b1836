"""Documents become one long array of token ids that knows where words begin; it knows no model and no batch.

Words are those of jieba's dictionary: in Chinese a token is a character, and guessing one character of a word
whose others can be read is too easy to learn from (whole-word masking, Cui et al., arXiv 1906.08101).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import rjieba

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_PARAGRAPHS_AT_ONCE = 2_000
_SMALL_VOCABULARY = 1 << 16


@dataclass(frozen=True, slots=True)
class TokenStream:
    """All tokens of a corpus in its order, `[SEP]` after every document.

    Attributes
    ----------
    ids : unsigned integers of shape (tokens,)
    starts : bool of shape (tokens,)
        Whether a word begins here; a separator is a word of its own.
    """

    ids: npt.NDArray[np.unsignedinteger]
    starts: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def share_of(self, token_id: int) -> float:
        """Return which share of all tokens is this one."""
        return float(np.count_nonzero(self.ids == token_id)) / max(1, len(self))

    def save(self, folder: Path) -> None:
        """Write both arrays into a folder that exists."""
        np.save(folder / "ids.npy", self.ids, allow_pickle=False)
        np.save(folder / "starts.npy", self.starts, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> TokenStream:
        """Map the arrays of `save` into memory; pages are read when they are used."""
        ids, starts = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("ids", "starts")
        )
        return cls(ids, starts)


def tokenize(documents: Iterable[tuple[str, ...]], tokenizer: Tokenizer, separator_id: int) -> TokenStream:
    """Tokenise documents, each a tuple of paragraphs, without cutting any.

    Parameters
    ----------
    documents : iterable of tuple of str
    tokenizer : tokenizers.Tokenizer
        Without truncation and padding.
    separator_id : int
        Follows the last paragraph of every document.
    """
    kind: np.dtype[np.unsignedinteger] = np.dtype(
        np.uint16 if tokenizer.get_vocab_size() <= _SMALL_VOCABULARY else np.uint32
    )
    ids: list[npt.NDArray[np.unsignedinteger]] = []
    starts: list[npt.NDArray[np.bool_]] = []
    separator = np.array([separator_id], dtype=kind), np.array([True])
    for paragraphs in _chunks(_marked(documents)):
        encodings = iter(
            tokenizer.encode_batch([text for text in paragraphs if text], add_special_tokens=False)
        )
        for text in paragraphs:
            found = _tokens(text, next(encodings), kind) if text else separator
            ids.append(found[0])
            starts.append(found[1])
    if not ids:
        return TokenStream(np.zeros(0, dtype=kind), np.zeros(0, dtype=np.bool_))
    return TokenStream(np.concatenate(ids), np.concatenate(starts))


def word_starts(text: str) -> npt.NDArray[np.bool_]:
    """Return for every character of a text, and for its end, whether a word begins there."""
    lengths = [len(word) for word in rjieba.cut(text)]
    starts = np.zeros(len(text) + 1, dtype=np.bool_)
    starts[0] = True
    starts[np.cumsum(lengths, dtype=np.int64)] = True
    return starts


def _marked(documents: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the paragraphs, and an empty text after each document."""
    for document in documents:
        yield from (paragraph for paragraph in document if paragraph)
        yield ""


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(texts, _PARAGRAPHS_AT_ONCE)):
        yield chunk


def _tokens(
    text: str, encoding: Encoding, kind: np.dtype[np.unsignedinteger]
) -> tuple[npt.NDArray[np.unsignedinteger], npt.NDArray[np.bool_]]:
    begins = np.fromiter((begin for begin, _ in encoding.offsets), dtype=np.int64, count=len(encoding))
    return np.array(encoding.ids, dtype=kind), word_starts(text)[begins]
