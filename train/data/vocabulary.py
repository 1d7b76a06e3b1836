"""A Chinese WordPiece vocabulary made in code, for models trained from scratch without any download.

Knows the GB 2312 code table; knows nothing of any pretrained model's vocabulary.
"""

import string
import unicodedata
from collections.abc import Sequence

from transformers import BertTokenizer

__all__ = ["SPECIAL_TOKENS", "build_tokenizer", "gb2312_hanzi", "gb2312_vocabulary"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
EMOJI = "👍👎👌👏🙏💪😀😁😂🤣😊😋😍😘😎😅🤔😐😒😔😡😤😭😱🤮💔💖🎉🌹🔥✨⭐💯"
LATIN_PIECES = """
the and for ing ion ent ver ter app pro max air mini plus book phone iphone pad note watch wifi wi fi usb
cpu gpu ram ssd led lcd ok no yes vip bug nice good bad love er es ed en on in an re at or al
le st is it to of me my i7 i5 4k 5g kg cm mm ml hz gb tb nfc
""".split()  # noqa: SIM905 - a list of quoted pieces would fill a page


def gb2312_hanzi() -> list[str]:
    """Return the 6,763 characters of GB 2312, in the order of its code table (rows 16 to 87)."""
    return _decode_rows(range(0xB0, 0xF8))


def gb2312_vocabulary() -> list[str]:
    """Return the tokens, index = id: specials, hanzi, symbols, emoji, ASCII and Latin pieces, `##` pieces."""
    full_width = (symbol for symbol in _decode_rows(range(0xA3, 0xA4)) if not symbol.isalnum())
    candidates = [*string.punctuation, *_decode_rows(range(0xA1, 0xA2)), *full_width, *"—·", *EMOJI]
    # BERT's lower-casing decomposes characters first and drops the accents: nothing else could be matched.
    symbols = [symbol for symbol in candidates if unicodedata.normalize("NFD", symbol) == symbol]
    words = [*string.ascii_lowercase, *string.digits, *LATIN_PIECES]
    # WordPiece cuts punctuation and hanzi off on its own; every other character can follow another one.
    inside = [f"##{token}" for token in (*words, *symbols) if not _is_cut_off(token)]
    return list(dict.fromkeys([*SPECIAL_TOKENS, *gb2312_hanzi(), *symbols, *words, *inside]))


def build_tokenizer(vocabulary: Sequence[str]) -> BertTokenizer:
    """Build a lower-casing BERT tokenizer; what `save_pretrained` writes reloads with `AutoTokenizer`.

    The vocabulary goes in as `vocab=`: transformers 5 ignores `vocab_file=` and answers [UNK] to everything.
    """
    return BertTokenizer(vocab={token: index for index, token in enumerate(vocabulary)}, do_lower_case=True)


def _decode_rows(rows: range) -> list[str]:
    """Decode all 94 cells of each row, skipping the few that GB 2312 leaves empty."""
    cells = (
        bytes((row, cell)).decode("gb2312", errors="ignore") for row in rows for cell in range(0xA1, 0xFF)
    )
    return [character for character in cells if character.strip()]


def _is_cut_off(token: str) -> bool:
    return token in string.punctuation or unicodedata.category(token[0]).startswith("P")
