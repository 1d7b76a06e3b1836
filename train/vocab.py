"""The command `vocab`: learns a WordPiece vocabulary from the corpus; it knows no weights."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from runtime.errors import DataError, RecipeError
from train.data.corpus import Document, load_corpus
from train.data.prose import HANZI
from train.data.vocabulary import SPECIAL_TOKENS, build_tokenizer, gb2312_hanzi, gb2312_vocabulary
from train.run import RunDirectory, staged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from train.config import Recipe, VocabSection

__all__ = ["check_coverage", "learn", "run", "unknown_share"]

LEVEL_1_HANZI = 3755
"""Characters of GB 2312 in daily use; its table has them first."""

MOST_UNKNOWN = 0.01
_MOST_DOCUMENTS = 10_000
_SHOWN_CHARACTERS = 10
_INSIDE = "##"
_REPEATED_AT_ONCE = 1000
_UNIT = re.compile(f"[{HANZI}]|[^\\s{HANZI}]+")

logger = logging.getLogger(__name__)


def run(recipe: Recipe) -> Path:
    """Learn the vocabulary of a recipe's corpus and write the tokenizer; return its folder.

    Raises
    ------
    RecipeError
        A file does not exist, or the size holds less than what is always in.
    DataError
        The corpus is empty, or the vocabulary leaves too much of it unknown.
    """
    directory = RunDirectory.of(recipe)
    section = recipe.unlabelled()
    _check_size(recipe.vocab)
    corpus = load_corpus(section)
    with directory.locked():
        tokens = learn(corpus.learned, recipe.vocab)
        tokenizer = build_tokenizer(tokens)
        check_coverage(tokenizer, corpus.held_out or corpus.learned, ", ".join(section.files))
        target = directory.root / "vocabulary"
        with staged(target) as folder:
            tokenizer.save_pretrained(folder)
    learned = len(tokens) - len(_always())
    logger.info("%s entries in %s, %s of them learned", f"{len(tokens):,}", target, f"{learned:,}")
    if not learned:
        logger.warning("nothing was learned: no piece occurs %d times; add text", recipe.vocab.min_frequency)
    logger.info("`pretrain` takes it with scratch.vocabulary=trained and pretrain.base_model=scratch")
    return target


def learn(documents: Iterable[Document], vocab: VocabSection) -> list[str]:
    """Return the tokens, index = id: what is always in, then characters and pieces, the commonest first.

    Parameters
    ----------
    documents : iterable of tuple of str
    vocab : VocabSection
        `size` is the most tokens; one that occurs fewer than `min_frequency` times is left out.

    Returns
    -------
    list of str
    """
    _check_size(vocab)
    words = _words(documents)
    always = _always()
    letters = _letters(words, vocab.min_frequency)
    pieces = _pieces(words, letters, vocab)
    candidates = list(dict.fromkeys([*always, *letters, *pieces]))
    frequency = _frequency(words, candidates)
    known = set(always)
    learned = [
        token for token in candidates if token not in known and frequency[token] >= vocab.min_frequency
    ]
    learned.sort(key=lambda token: (-frequency[token], token))
    return [*always, *learned][: vocab.size]


def unknown_share(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """Return the share of the tokens of texts that are [UNK]; 0 where there are no tokens."""
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    tokens = Counter(chain.from_iterable(ids))
    return tokens[tokenizer.unk_token_id] / max(1, tokens.total())


def check_coverage(tokenizer: PreTrainedTokenizerBase, documents: Sequence[Document], name: str) -> None:
    """Refuse a tokenizer to which more than 1 % of a corpus is unknown, judged by a sample of documents.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    documents : sequence of tuple of str
    name : str
        Of the corpus, for the message.

    Raises
    ------
    DataError
        It is; the message names the commonest characters without a token.
    """
    step = -(-len(documents) // _MOST_DOCUMENTS) or 1
    texts = [text for document in documents[::step] for text in document]
    share = unknown_share(tokenizer, texts)
    if share > MOST_UNKNOWN:
        raise DataError(
            f"{share:.1%} of the tokens of {name} are unknown to the vocabulary, above all "
            f"{' '.join(_uncovered(tokenizer, texts))}; make a vocabulary from this corpus, or a larger one."
        )
    logger.info("%.3f %% of the tokens of %s are unknown", 100 * share, name)


def _always() -> list[str]:
    """Return the tokens that every vocabulary has: all but the rarer hanzi and the words of the fixed one."""
    hanzi = gb2312_hanzi()
    single = [token for token in gb2312_vocabulary() if len(token.removeprefix(_INSIDE)) == 1]
    rarer = set(hanzi[LEVEL_1_HANZI:])
    symbols = [token for token in single if token not in rarer]
    return list(dict.fromkeys([*SPECIAL_TOKENS, *symbols]))


def _check_size(vocab: VocabSection) -> None:
    fewest = len(_always())
    if vocab.size < fewest:
        raise RecipeError(
            f"vocab.size={vocab.size} is less than the {fewest} entries that are always in (common "
            f"characters, digits, letters, punctuation); give {fewest} or more."
        )


def _normalizer() -> normalizers.BertNormalizer:
    return normalizers.BertNormalizer(lowercase=True)


def _words(documents: Iterable[Document]) -> Counter[str]:
    """Count what BERT's rules cut texts into before WordPiece; each distinct unit is normalised only once."""
    units: Counter[str] = Counter()
    for document in documents:
        for text in document:
            units.update(_UNIT.findall(text))
    normalizer, splitter = _normalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for unit, count in units.items():
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(unit)):
            words[word] += count
    return words


def _letters(words: Counter[str], min_frequency: int) -> list[str]:
    """Return the characters that begin a word and, marked, those inside of one, in a fixed order."""
    found: Counter[str] = Counter()
    for word, count in words.items():
        for position, character in enumerate(word):
            found[_INSIDE + character if position else character] += count
    return sorted(letter for letter, count in found.items() if count >= min_frequency)


def _pieces(words: Counter[str], letters: Sequence[str], vocab: VocabSection) -> list[str]:
    """Learn pieces of more than one character, which are Latin and digits: hanzi always stand alone.

    All letters go in as special tokens: those that the trainer finds by itself get ids in the order of a hash
    table, and it breaks ties between equally common pairs by id.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - not a password
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    specials = list(dict.fromkeys([*SPECIAL_TOKENS, *letters]))
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(specials) + vocab.size,
        min_frequency=vocab.min_frequency,
        special_tokens=specials,
        show_progress=False,
    )
    allowed = set(letters)
    tokenizer.train_from_iterator(_repeated(words, allowed), trainer)
    known = set(specials)
    vocabulary = tokenizer.get_vocab()
    return [token for token in sorted(vocabulary, key=vocabulary.__getitem__) if token not in known]


def _repeated(words: Counter[str], letters: set[str]) -> Iterator[str]:
    """Yield every word of several known characters as often as it occurs, in a fixed order."""
    for word, count in sorted(words.items()):
        marked = [word[0], *(_INSIDE + character for character in word[1:])]
        if len(word) > 1 and letters.issuperset(marked):
            for start in range(0, count, _REPEATED_AT_ONCE):
                yield " ".join(repeat(word, min(_REPEATED_AT_ONCE, count - start)))


def _frequency(words: Counter[str], tokens: Sequence[str]) -> Counter[str]:
    """Count how often each token would be used with all of them in the vocabulary."""
    vocabulary = {token: index for index, token in enumerate(tokens)}
    model = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)  # noqa: S106
    used: Counter[str] = Counter()
    for word, count in words.items():
        for token in model.tokenize(word):
            used[token.value] += count
    return used


def _uncovered(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[str]:
    """Return the commonest characters, as written, that have no token."""
    vocabulary = tokenizer.get_vocab()
    characters = Counter(chain.from_iterable(texts))
    normalizer = _normalizer()
    missing = [
        character
        for character, _ in characters.most_common()
        if any(form not in vocabulary for form in normalizer.normalize_str(character).split())
    ]
    return missing[:_SHOWN_CHARACTERS]
