"""Documents come out of files as they stand, clean, without repeats, and split by their text alone."""

from __future__ import annotations

import codecs
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import DataError, RecipeError
from train.data.corpus import Corpus, Document, load_corpus, read_documents, times_of
from train.data.sections import CorpusSection

SENTENCES = tuple(
    f"{who}{when}{what}。"
    for who in ("县级以上人民政府", "楚国的使者", "数据库管理员", "隔壁的老王", "远洋货轮的船长")
    for when in ("在清晨的大雾里", "趁着夜色", "于第二年春天", "冒着倾盆大雨", "听完汇报以后")
    for what in (
        "重新丈量了全部土地",
        "写信请求援军",
        "恢复了昨天的备份",
        "卖掉了心爱的自行车",
        "决定改走北方航线",
    )
)
Write = Callable[[str, str | bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file and returns its path."""

    def written(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return written


def section(*files: str, **settings: object) -> CorpusSection:
    """Return a corpus section; strict types want a tuple of files."""
    return CorpusSection(files=files, **settings)  # type: ignore[arg-type]


def read(*files: str, **settings: object) -> list[Document]:
    """Return all documents of files."""
    return list(read_documents(files, section(*files, **settings).encoding))


def paragraphs(corpus: Corpus) -> set[str]:
    """Return every paragraph of a corpus."""
    return {text for document in (*corpus.learned, *corpus.held_out) for text in document}


def test_a_blank_line_ends_a_document_of_a_text_file(write: Write) -> None:
    file = write("a.txt", "\ufeff一\n二\n\n\n三\r\n \n四")
    assert read(file) == [("一", "二"), ("三",), ("四",)]


def test_a_markdown_file_is_one_document(write: Write) -> None:
    assert read(write("a.md", "# 题\n\n一\n\n二\n")) == [("# 题", "一", "二")]


def test_a_block_of_code_is_not_cut_at_its_blank_lines(write: Write) -> None:
    file = write("a.txt", "前\n\n```sql\n甲\n\n乙\n```\n\n后\n")
    assert read(file) == [("前",), ("```sql", "甲", "乙", "```"), ("后",)]


def test_a_block_that_is_never_closed_does_not_swallow_the_file(write: Write) -> None:
    file = write("a.txt", "```\n" + "行\n\n" * 2000)
    assert len(read(file)) > 700


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_packed_files_read_like_plain_ones(write: Write, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    content = "一\n二\n\n三\n".encode()
    assert read(write(f"a.txt{suffix}", pack(content))) == read(write("a.txt", content))
    assert read(write(f"a.MD{suffix}", pack(content))) == [("一", "二", "三")]


def test_a_folder_stands_for_its_text_files_in_order(write: Write, tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "c/d.txt", "e.csv"):
        write(f"folder/{name}", name)
    assert read(str(tmp_path / "folder")) == [("a.md",), ("b.txt",), ("c/d.txt",)]


@pytest.mark.parametrize("column", ["text", "2"])
def test_a_column_gives_a_document_per_row(write: Write, tmp_path: Path, column: str) -> None:
    rows = [("1", "甲\n乙"), ("2", "丙"), ("3", "")]
    expected = [("甲", "乙"), ("丙",)]
    quoted = "".join(f'{number},"{text}"\n' for number, text in rows)
    header = "id,text\n" if column == "text" else ""
    assert read(write("a.csv", header + quoted) + f"#{column}") == expected
    lines = "".join(f'{{"id": {n}, "text": "{t}"}}\n'.replace("甲\n", "甲\\n") for n, t in rows)
    assert read(write("a.jsonl", lines) + f"#{column}") == expected
    table = pa.table({"id": [n for n, _ in rows], "text": [t or None for _, t in rows]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(f"{tmp_path / 'a.parquet'}#{column}") == expected


def test_a_number_means_a_file_without_header(write: Write) -> None:
    file = write("a.tsv", "体育\t球赛\n财经\t股市\n")
    assert read(f"{file}#2") == [("球赛",), ("股市",)]
    assert read(f"{file}#球赛") == [("股市",)]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_the_encoding_is_taken_from_the_recipe(write: Write, encoding: str) -> None:
    text = "一\n二\n\n三\n"
    assert read(write("a.txt", text.encode(encoding)), encoding=encoding) == [("一", "二"), ("三",)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "missing.txt",
            "files names .*missing.txt., which does not exist; the nearest is .*there.txt",
        ),
        ("a.pdf", "is no file ending in .txt, .txt.xz"),
        ("table.csv", "names the table .*table.csv without a column; write .*table.csv#COLUMN."),
        ("table.csv#texd", "names column 'texd' of .*, which has 2 columns; did you mean 'text'"),
        ("table.csv#3", "names column '3' of .*, which has 2 columns; allowed: id, text"),
        ("there.txt.xz#1", "is no file ending in .csv, .tsv"),
        ("empty", "names the folder .*empty, which holds no file ending in"),
    ],
)
def test_a_wrong_name_is_one_sentence(write: Write, tmp_path: Path, name: str, said: str) -> None:
    for file in ("there.txt", "a.pdf", "there.txt.xz"):
        write(file, "一")
    write("table.csv", "id,text\n1,一\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match=said):
        read(str(tmp_path / name))


@pytest.mark.parametrize("pack", [bytes, lzma.compress])
def test_wrong_bytes_are_told_with_their_place_and_encoding(
    write: Write, pack: Callable[[bytes], bytes]
) -> None:
    content = b"a line\n" + "你好，世界，这是另一种编码的文字\n".encode("gb18030") * 20
    file = write("a.txt" if pack is bytes else "a.txt.xz", pack(content))
    with pytest.raises(
        DataError, match=r'line 2 is not utf-8: byte 0xc4 at offset 7; set corpus.encoding="gb18030"'
    ):
        read(file)


def test_wrong_bytes_of_a_table_name_the_setting_of_the_corpus(write: Write) -> None:
    file = write("a.csv", "id,text\n1,你好，世界，这是另一种编码的文字\n".encode("gb18030") * 20)
    with pytest.raises(DataError, match=r'set corpus\.encoding="gb18030"'):
        read(f"{file}#text")


@pytest.mark.parametrize(
    "content",
    [
        "文字\0文字",
        bytes(range(256)) * 50,
        "文字\x01\x02" * 100,
        "文\ufffd\n" * 100,
        lzma.compress(b"a" * 9999),
    ],
)
def test_what_is_no_text_is_refused(write: Write, content: str | bytes) -> None:
    with pytest.raises(DataError, match="is not text; take it out of"):
        read(write("a.txt", content))


def test_a_byte_order_mark_and_an_emoji_are_text(write: Write) -> None:
    assert read(write("a.txt", codecs.BOM_UTF8 + "好👍\n".encode())) == [("好👍",)]


@pytest.mark.parametrize("name", ["a.txt.xz", "a.txt.gz"])
def test_a_broken_package_is_refused(write: Write, name: str) -> None:
    packed = (lzma if name.endswith("xz") else gzip).compress(b"text\n" * 1000)
    for content in (packed[:-10], b"no package"):
        with pytest.raises(DataError, match="cannot be unpacked"):
            read(write(name, content))


def test_each_step_counts_what_it_drops(write: Write) -> None:
    texts = [
        SENTENCES[0],
        "第一章 总则",
        "<br>",
        "only some English words here 四个汉字",
        SENTENCES[1],
        SENTENCES[0],
        SENTENCES[2],
    ]
    excluded = write("test.tsv", f"1\t{SENTENCES[1]}！\n")
    settings = {"exclude": (f"{excluded}#2",), "held_out": 1e-9}
    corpus = load_corpus(section(write("a.txt", "\n\n".join(texts)), **settings))
    assert corpus.counts == {
        "documents": 7,
        "paragraphs": 7,
        "characters": sum(map(len, texts)),
        "dropped_markup": 1,
        "dropped_boilerplate": 1,
        "dropped_foreign": 1,
        "dropped_excluded": 1,
        "dropped_duplicates": 1,
        "learned_documents": 2,
        "learned_paragraphs": 2,
        "learned_characters": len(SENTENCES[0] + SENTENCES[2]),
        "held_out_documents": 0,
        "held_out_paragraphs": 0,
        "held_out_characters": 0,
    }
    assert corpus.learned == [(SENTENCES[0],), (SENTENCES[2],)]


def test_only_the_chosen_steps_run(write: Write) -> None:
    file = write("a.txt", "第一章 总则\n\n**重点**内容")
    corpus = load_corpus(section(file, cleaners=("boilerplate",)))
    assert paragraphs(corpus) == {"**重点**内容"}


def test_near_duplicates_of_an_excluded_text_go_too(write: Write) -> None:
    file = write("a.txt", "\n\n".join(SENTENCES[:3]))
    near = write("test.txt", SENTENCES[1].replace("援军", "支援"))
    for threshold, kept in ((0.6, 2), (0.99, 3)):
        corpus = load_corpus(section(file, exclude=(near,), near_duplicates=threshold))
        assert (len(paragraphs(corpus)), corpus.counts["dropped_excluded"]) == (kept, 3 - kept)


def test_without_a_threshold_repeats_stay_but_excluded_texts_do_not(write: Write) -> None:
    file = write("a.txt", "\n\n".join((SENTENCES[0], SENTENCES[0], SENTENCES[1])))
    corpus = load_corpus(section(file, exclude=(write("t.txt", SENTENCES[1]),), near_duplicates=0.0))
    assert sorted((*corpus.learned, *corpus.held_out)) == [(SENTENCES[0],)] * 2
    assert corpus.counts["dropped_duplicates"] == 0


@given(st.sets(st.sampled_from(SENTENCES), min_size=1), st.sets(st.sampled_from(SENTENCES), min_size=1))
def test_the_side_of_a_document_depends_on_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, first: set[str], second: set[str]
) -> None:
    sides: list[dict[str, bool]] = []
    for texts in (first, first | second):
        path = tmp_path_factory.mktemp("split") / "a.txt"
        path.write_text("\n\n".join([*sorted(texts), "总是留下的另一个文档。"]), encoding="utf-8")
        corpus = load_corpus(section(str(path), held_out=0.3, near_duplicates=1.0))
        sides.append({text: (text,) in corpus.held_out for text in texts})
    assert sides[0].items() <= sides[1].items()


def test_the_share_held_out_is_as_asked_and_never_learned(write: Write) -> None:
    file = write("a.txt", "\n\n".join(SENTENCES))
    corpus = load_corpus(section(file, held_out=0.4, near_duplicates=1.0))
    assert len(SENTENCES) == 125
    assert 30 <= len(corpus.held_out) <= 70
    assert len(corpus.held_out) + len(corpus.learned) == 125
    assert set(corpus.held_out).isdisjoint(corpus.learned)


def test_a_file_is_learned_as_often_as_asked_one_time_after_the_other(write: Write) -> None:
    often, once = write("a.txt", "\n\n".join(SENTENCES[:3])), write("b*2.txt", SENTENCES[3])
    corpus = load_corpus(section(f"{often}*3", once, held_out=1e-9))
    three = [(text,) for text in SENTENCES[:3]]
    assert corpus.learned == [*three, *three, *three, (SENTENCES[3],)]
    assert (corpus.counts["documents"], corpus.counts["learned_documents"]) == (4, 10)


def test_what_is_held_out_of_a_file_learned_often_is_held_out_once(write: Write) -> None:
    file = write("a.txt", "\n\n".join(SENTENCES))
    corpus = load_corpus(section(f"{file}*2", held_out=0.4, near_duplicates=1.0))
    assert len(corpus.learned) == 2 * len(set(corpus.learned))
    assert len(corpus.held_out) == len(set(corpus.held_out)) == 125 - len(set(corpus.learned))


@pytest.mark.parametrize(
    ("name", "expected"), [("a#2*8", ("a#2", 8)), ("a*0", ("a*0", 1)), ("*3", ("*3", 1))]
)
def test_only_a_number_of_times_is_taken_from_a_name(name: str, expected: tuple[str, int]) -> None:
    assert times_of(name) == expected


@pytest.mark.parametrize("content", ["", "\n \n", "<br>\n\nonly English words"])
def test_an_empty_corpus_is_one_sentence_with_counts(write: Write, content: str) -> None:
    with pytest.raises(DataError, match=r"leave nothing to learn from: documents \d, .*; give more text\.$"):
        load_corpus(section(write("a.txt", content)))


@pytest.mark.shared_data
def test_titles_survive_the_cleaners(shared_data: Path) -> None:
    corpus = load_corpus(section(f"{shared_data}/csl_category/train.tsv#2"))
    assert corpus.counts["documents"] == 8000
    assert corpus.counts["learned_documents"] + corpus.counts["held_out_documents"] > 7900
