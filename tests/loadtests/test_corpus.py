"""Generated texts are as long as real reviews and the same for the same seed; files are read or refused."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, quantiles

import pytest

from loadtests import corpus


def test_lengths_follow_those_of_real_reviews() -> None:
    lengths = [len(text) for text in corpus.generate(20_000, seed=1)]
    percent = quantiles(lengths, n=100, method="inclusive")
    assert mean(lengths) == pytest.approx(110, rel=0.05)
    for share, length in corpus.LENGTH_QUANTILES[1:-1]:
        assert percent[round(share * 100) - 1] == pytest.approx(length, rel=0.08), share
    assert min(lengths) >= 18
    assert max(lengths) <= 1_992


@pytest.mark.shared_data
def test_the_quantiles_are_those_of_chnsenticorp(shared_data: Path) -> None:
    rows = (shared_data / "chnsenticorp" / "test.tsv").read_text(encoding="utf-8").split("\n")[1:]
    lengths = [len(row.split("\t", 1)[1]) for row in rows if row]
    assert len(lengths) == 1_200
    percent = quantiles(lengths, n=100, method="inclusive")
    for share, length in corpus.LENGTH_QUANTILES[1:-1]:
        assert percent[round(share * 100) - 1] == pytest.approx(length, rel=0.02, abs=1), share
    assert (min(lengths), max(lengths)) == (18, 1_992)


def test_a_seed_fixes_the_texts_and_another_seed_gives_others() -> None:
    assert corpus.generate(50, seed=1) == corpus.generate(50, seed=1)
    assert not set(corpus.generate(50, seed=1)) & set(corpus.generate(50, seed=2))


def test_generated_texts_are_chinese_sentences_without_line_breaks() -> None:
    texts = corpus.texts()
    assert len(texts) == corpus.POOL_SIZE
    assert len(set(texts)) == len(texts)
    characters = "".join(texts)
    assert "\n" not in characters
    assert sum("一" <= character <= "鿿" for character in characters) > 0.8 * len(characters)
    assert all(text.endswith("。") for text in texts)


def test_a_file_gives_its_lines_without_the_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeff第一\r\n\r\n  \n第 二\u2028行\n".encode())
    assert corpus.texts(str(path), seed=5) == ("第一", "第 二\u2028行")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"\n \n", "holds no text"), ("好".encode("gb18030"), "is not UTF-8")],
)
def test_a_file_that_cannot_be_used_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(corpus.CorpusError, match=message):
        corpus.read(path)
