"""Steps that leave the prose of a document, named in one table; it knows no files and no other documents.

Each step takes the paragraphs of a document and gives those it keeps, rewritten or not; applied to its own
result it changes nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator

Document = tuple[str, ...]
"""The paragraphs of a document, in order, none of them empty."""

HANZI = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Ranges of Chinese characters, for a character class."""

_FENCE = re.compile(r"[\s>]*(?:[-*+]\s+|\d+[.)]\s+)?(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_MARKS = re.compile(r"[#>*+\-`~_|<&!\[$:=/{};\\\t]|^\s*\d+[.)]\s")
"""Without any of these a line holds no markup."""

_WORTHLESS = (
    r"[|+].*[|+]",  # a row of a table
    r"[\s|:+=*_~-]+",  # a rule
    r"(?::::|\?\?\?|!!!|===\s|\{%|\{\{|@include).*",  # a directive of a site generator
    r"\[[^\]]+\]:\s*\S+.*",  # the target of a link
    r"(?:[-*+]\s+)?<?(?:https?://|www\.)[^\s{hanzi}]+",  # an address
    r"[$#>]\s(?:sudo|cd|curl|git|docker|kubectl|tiup|pip|npm|brew|apt|yum)\s[^{hanzi}]*",  # a shell command
    r"\"[^\"{hanzi}]+\"\s*:.*",  # JSON
    r"[A-Za-z0-9_.-]+\s*[:=]\s*(?:[\"'\[{].*|[A-Za-z0-9_./-]*)(?:\s+#.*)?",  # configuration
    r"(?://|/\*|\*/|#include|#define).*",
    (
        r"(?:import|return|public|private|static|const|let|var|def|class|int|void|func|if|else|for|while|select"
        r"|insert|update|delete|create|alter|drop|from|where)\b[^{hanzi}]*[;{(,:](?:\s*(?://|#|--).*)?"
    ),
    r"[^{hanzi}]*[;{}](?:\s*(?://|#|--).*)?",  # a statement, its comment included
    r"\$\$.*|\\(?:begin|end|\[|\]).*",  # LaTeX
    r"</?[A-Za-z][^<>]*>",  # a tag alone, of whatever name
)
_DROPPED = re.compile(
    rf"\s*(?:{'|'.join(_WORTHLESS)})\s*".replace("{hanzi}", HANZI),
    re.IGNORECASE,
)
_TAGS = (
    "a|abbr|b|big|blockquote|br|center|code|dd|del|details|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol"
    "|p|pre|q|s|script|small|span|strong|style|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|video"
)
"""HTML elements whose tags go; any other name in angle brackets may be a type or a placeholder."""

_FORMULA = re.compile(r"\$[^$]*\\[^$]*\$")
"""A line loses its sense without such a formula."""

_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"</?(?:{_TAGS})\b[^<>]*>|</[A-Za-z]\w*>|<[A-Za-z]\w*\s[^<>]*=[^<>]*>", re.IGNORECASE), ""),
    (re.compile(r"!\[[^\]]*\]\([^()]*(?:\([^()]*\)[^()]*)*\)"), ""),
    (re.compile(r"\[\^[^\]]*\]:?"), ""),
    (re.compile(r"\[([^\[\]]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)"), r"\1"),
    (re.compile(rf"\$([^$\s{{{HANZI}](?:[^${HANZI}，。、；：]*[^$\s{HANZI}])?)\$"), r"\1"),
    (re.compile(r"`+([^`]*)`+"), r"\1"),
    (re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*"), r"\1"),
    (re.compile(r"(?<![\w@])__(?=[^\W_])(.+?)(?<=\S)__(?!\w)"), r"\1"),
    (re.compile(r"(?<![A-Za-z0-9*])\*(?=[\w“《（「])([^*]+?)(?<=\S)\*"), r"\1"),
    (re.compile(r"(?<![^\W_])_(?=[^\W_])([^_]+?)(?<=\S)_(?![^\W_])"), r"\1"),
    (re.compile(r"\{[#:.%][^{}]*\}"), ""),
    (re.compile(r"\[[ xX]\]\s"), ""),
    (re.compile(r"^\s*(?:#{1,6}(?:\s+|$)|>+|[-*+](?:\s+|$)|\d{1,3}[.)]\s+|`{3,}|~{3,}|-{3,})+"), ""),
    (re.compile(r"\s#+\s*$|\\$"), ""),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~])"), r"\1"),
)
_COMMENT = re.compile(r"<!--.*?-->")
_HANZI = re.compile(f"[{HANZI}]")
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"\s+")
_HEADING = re.compile(
    r"第?\s*[\d一二三四五六七八九十百零〇]{1,5}\s*[章节編编篇卷部回](?:\s+[\w、]{0,20}(?:\s\w{0,10})?)?"
)

_FEWEST_HANZI = 4
_SENTENCE_HANZI = 8
"""From here on a text is one, whatever else it holds."""

_FEWEST_LETTERS = 0.5
_FEWEST_CHINESE = 0.3


def fence_after(line: str, fence: str | None) -> str | None:
    """Return the marks of the code block that is open after a line, given those open before it."""
    if fence is None and "```" not in line and "~~~" not in line:
        return None
    found = _FENCE.match(line)
    if found is None:
        return fence
    if fence and not found["info"].strip() and found["fence"].startswith(fence):
        return None
    return found["fence"] if fence is None or found["fence"][0] == fence[0] else fence


def markup(document: Document) -> Document:
    """Turn Markdown and HTML into prose: blocks, tables, images and code go, words in marks stay."""
    while (cleaned := _without_markup(document)) != document:
        document = cleaned
    return document


def boilerplate(document: Document) -> Document:
    """Drop mere headings, numbers and punctuation, and a document that is a word or two."""
    kept = tuple(text for text in document if not _HEADING.fullmatch(text) and _mostly_letters(text))
    lonely = len(kept) == 1 and len(_HANZI.findall(kept[0])) < _FEWEST_HANZI
    return () if lonely else kept


def foreign(document: Document) -> Document:
    """Drop paragraphs in which fewer than 30 % of the letters are Chinese characters."""
    return tuple(text for text in document if _chinese(text))


CLEANERS: dict[str, Callable[[Document], Document]] = {
    "markup": markup,
    "boilerplate": boilerplate,
    "foreign": foreign,
}
"""Name in `corpus.cleaners` → step."""


def _without_markup(document: Document) -> Document:
    if not any(_MARKS.search(text) for text in document):
        return document
    lines = _outside_comments(_outside_code(_after_front_matter(document)))
    return tuple(filter(None, map(_plain, lines)))


def _after_front_matter(document: Document) -> Document:
    """Return a document without the settings between two lines `---` at its head."""
    if document[0].strip() != "---":
        return document
    closing = (index for index, text in enumerate(document) if index and text.strip() == "---")
    return document[next(closing, 0) + 1 :]


def _outside_code(lines: Iterable[str]) -> Iterator[str]:
    fence: str | None = None
    for line in lines:
        before, fence = fence, fence_after(line, fence)
        if before is None and fence is None:
            yield line


def _outside_comments(lines: Iterable[str]) -> Iterator[str]:
    """Cut out HTML comments, also from one line to a later one."""
    inside = False
    for line in lines:
        rest = line
        if inside:
            _, closed, rest = line.partition("-->")
            if not closed:
                continue
        rest, opened, _ = _COMMENT.sub("", rest).partition("<!--")
        inside = bool(opened)
        yield rest


def _plain(line: str) -> str:
    """Return the words of a line, or nothing where it is no prose."""
    if not _MARKS.search(line):
        return line.strip()
    if _DROPPED.fullmatch(line) or _FORMULA.search(line):
        return ""
    for pattern, replacement in _INLINE:
        line = pattern.sub(replacement, line)
    return _SPACE.sub(" ", html.unescape(line)).strip()


def _mostly_letters(text: str) -> bool:
    return len(_HANZI.findall(text)) >= _SENTENCE_HANZI or len(
        _LETTER.findall(text)
    ) >= _FEWEST_LETTERS * len(_SPACE.sub("", text))


def _chinese(text: str) -> bool:
    return len(_HANZI.findall(text)) >= _FEWEST_CHINESE * len(_LETTER.findall(text))
