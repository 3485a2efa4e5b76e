"""KBP37's reader: what it keeps, what it leaves out and counts, what it says of a file that is not KBP37's."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import FindData

from benchmarks.corpora.kbp37 import Kbp37
from harness.contracts import Corpus, Fault, Place, RelationMention, Span
from harness.datasets.sources import Request, content_digest, read_corpus
from harness.datasets.splits import split
from harness.errors import DataError

TITLE = "<e1> Ann </e1> is the <e2> chief engineer </e2> of Acme"


def example(sentence: str = TITLE, label: str = "per:title(e1,e2)", number: int = 0) -> str:
    return f'{number}\t" {sentence} "\n{label}\n\n\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good example in each part."""
    for number, part in enumerate(("train", "dev", "test")):
        write(tmp_path, part, example(f"<e1> Ann </e1> runs <e2> Acme {part} </e2>", number=number))
    return tmp_path


def write(folder: Path, part: str, *examples: str) -> None:
    (folder / f"{part}.txt").write_bytes("".join(examples).encode())


def read(folder: Path) -> Corpus:
    return Kbp37().read(folder)


def kept(corpus: Corpus, sentence: str) -> list[RelationMention]:
    """The mentions of a marked sentence."""
    words = tuple(word for word in sentence.split() if not word.startswith(("<e", "</e")))
    return [mention for mention in corpus.mentions if mention.tokens == words]


def test_an_example_becomes_a_mention_without_its_marks(folder: Path) -> None:
    write(folder, "train", example(number=7))
    assert read(folder).mentions[0] == RelationMention(
        identifier="7",
        tokens=("Ann", "is", "the", "chief", "engineer", "of", "Acme"),
        first=Span(0, 1),
        second=Span(3, 5),
        label="per:title(e1,e2)",
        part="train",
    )


def test_parts_and_file_order_are_kept(folder: Path) -> None:
    write(folder, "train", example(), example(TITLE + " too", "no_relation", 5))
    corpus = read(folder)
    assert [(m.identifier, m.part, m.label) for m in corpus.mentions] == [
        ("0", "train", "per:title(e1,e2)"),
        ("5", "train", "no_relation"),
        ("1", "dev", "per:title(e1,e2)"),
        ("2", "test", "per:title(e1,e2)"),
    ]
    assert corpus.left_out == {}
    assert corpus.remarks == ()


def test_adjacent_mentions_have_nothing_between(folder: Path) -> None:
    write(folder, "train", example("<e1> Acme 's </e1> <e2> Ann </e2>"))
    mention = read(folder).mentions[0]
    assert (mention.first, mention.second) == (Span(0, 2), Span(2, 3))


def test_windows_line_ends_change_nothing(folder: Path) -> None:
    before = read(folder)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read(folder) == before


def test_an_empty_argument_is_left_out_and_counted(folder: Path) -> None:
    write(
        folder,
        "dev",
        example("<e1> </e1> runs <e2> Acme </e2>"),
        example("<e1> Ann </e1> runs <e2> </e2>"),
        example(number=7),
    )
    corpus = read(folder)
    assert corpus.left_out == {"an empty argument": 2}
    assert corpus.faults == (
        Fault(Place(folder / "dev.txt", 1), "an empty argument", "<e1> </e1> runs <e2> Acme </e2>"),
        Fault(Place(folder / "dev.txt", 5), "an empty argument", "<e1> Ann </e1> runs <e2> </e2>"),
    )
    assert [mention.part for mention in corpus.mentions] == ["train", "dev", "test"]


AGAIN = "the same sentence and arguments again, with "


@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        (("train", "dev"), "dev"),
        (("train", "test"), "test"),
        (("dev", "test"), "test"),
        (("train", "dev", "test"), "test"),
    ],
)
def test_of_doubles_the_one_in_the_part_scored_last_stays(folder: Path, parts: tuple[str, ...], stays: str) -> None:
    for part in parts:
        write(folder, part, example(number=len(part)))
    corpus = read(folder)
    assert [mention.part for mention in kept(corpus, TITLE)] == [stays]
    assert corpus.left_out == {f"{AGAIN}the same label": len(parts) - 1}
    assert [fault.place for fault in corpus.faults] == [Place(folder / f"{part}.txt", 1) for part in parts[:-1]]


def test_of_doubles_within_a_part_the_first_stays(folder: Path) -> None:
    write(folder, "dev", example(number=11), example(label="no_relation", number=12), example(number=13))
    corpus = read(folder)
    assert [(mention.identifier, mention.label) for mention in kept(corpus, TITLE)] == [("11", "per:title(e1,e2)")]
    assert corpus.left_out == {f"{AGAIN}the same label": 1, f"{AGAIN}another label": 1}
    assert corpus.faults == (
        Fault(
            Place(folder / "dev.txt", 5),
            f"{AGAIN}another label",
            "'no_relation'; '11' in dev has 'per:title(e1,e2)'",
        ),
        Fault(
            Place(folder / "dev.txt", 9),
            f"{AGAIN}the same label",
            "'per:title(e1,e2)'; '11' in dev has 'per:title(e1,e2)'",
        ),
    )


def test_doubles_with_another_label_are_counted_apart(folder: Path) -> None:
    write(folder, "train", example())
    write(folder, "test", example(label="per:title(e2,e1)", number=7))
    corpus = read(folder)
    assert [(mention.part, mention.label) for mention in kept(corpus, TITLE)] == [("test", "per:title(e2,e1)")]
    assert corpus.left_out == {f"{AGAIN}another label": 1}


def test_a_sentence_in_two_parts_with_other_arguments_is_kept_and_told(folder: Path) -> None:
    other = "Ann is the <e1> chief engineer </e1> of <e2> Acme </e2>"
    write(folder, "train", example())
    write(folder, "test", example(other, number=7))
    corpus = read(folder)
    assert sorted(mention.part for mention in kept(corpus, TITLE)) == ["test", "train"]
    assert corpus.left_out == {}
    assert corpus.remarks == ("sentences in more than one official part, with other arguments, and kept: 1",)


def test_a_sentence_twice_in_one_part_with_other_arguments_is_no_remark(folder: Path) -> None:
    write(folder, "train", example(), example("Ann is the <e1> chief engineer </e1> of <e2> Acme </e2>", number=7))
    corpus = read(folder)
    assert len(corpus.mentions) == 4
    assert corpus.remarks == ()


def test_a_number_that_is_another_examples_is_made_another_one(folder: Path) -> None:
    write(folder, "train", example(), example(TITLE + " too"))
    corpus = read(folder)
    assert [mention.identifier for mention in corpus.mentions] == ["0", "train/0", "1", "2"]
    assert (corpus.left_out, corpus.faults) == ({}, ())
    made = "an identifier that is another example's, and was made another one"
    assert corpus.remarks == (f"{made}: 1 (the first: {folder / 'train.txt'}, line 5)",)


MARKS = "expected the marks <e1> </e1> <e2> </e2> in this order, found"
EXAMPLE = 'expected N<TAB>" SENTENCE ", found'
LABEL = "expected a label such as per:title(e1,e2) or no_relation, found"
FAULTS = {
    "no quotes": ("3\tAnn runs Acme\nno_relation\n", 1, f"{EXAMPLE} '3\\tAnn runs Acme'"),
    "no number": ('" Ann runs Acme "\n', 1, f"{EXAMPLE} '\" Ann runs Acme \"'"),
    "a line too many": (example() + "no_relation\n", 5, f"{EXAMPLE} 'no_relation'"),
    "a long line": (80 * "x", 1, f"{EXAMPLE} '{60 * 'x'}'"),
    "e2 before e1": (example("<e2> Ann </e2> runs <e1> Acme </e1>"), 1, f"{MARKS} <e2> </e2> <e1> </e1>"),
    "marks that cross": (example("<e1> Ann <e2> runs </e1> Acme </e2>"), 1, f"{MARKS} <e1> <e2> </e1> </e2>"),
    "a mark that is missing": (example() + example("<e1> Ann </e1> runs <e2> Acme"), 5, f"{MARKS} <e1> </e1> <e2>"),
    "a mark too many": (example(TITLE + " <e1>"), 1, f"{MARKS} <e1> </e1> <e2> </e2> <e1>"),
    "marks within words": (example("<e1>Ann</e1> runs <e2>Acme</e2>"), 1, f"{MARKS} none"),
    "a label without direction": (example(label="per:title"), 2, f"{LABEL} 'per:title'"),
    "a label of two words": (example(label="per: title(e1,e2)"), 2, f"{LABEL} 'per: title(e1,e2)'"),
    "an empty label": (example(label=""), 2, f"{LABEL} ''"),
    "no label at the end": (example() + f'1\t" {TITLE} "', 6, f"{LABEL} ''"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_file_and_line(folder: Path, fault: str) -> None:
    text, line, told = FAULTS[fault]
    write(folder, "dev", text)
    with pytest.raises(DataError) as raised:
        read(folder)
    assert str(raised.value) == f"{folder / 'dev.txt'}, line {line}: {told}"


def test_an_empty_file_is_told(folder: Path) -> None:
    write(folder, "test")
    with pytest.raises(DataError, match=r"test\.txt: expected examples, found an empty file"):
        read(folder)


def test_a_file_that_is_not_utf_8_is_told(folder: Path) -> None:
    (folder / "train.txt").write_bytes(example().encode() + b'1\t" caf\xe9')
    with pytest.raises(DataError) as raised:
        read(folder)
    assert str(raised.value) == (
        f"{folder / 'train.txt'}, line 5: expected UTF-8 text, found the byte 0xe9 (unexpected end of data). "
        "If it is Latin-1: iconv -f latin1 -t utf-8 train.txt > NEW"
    )


def test_a_missing_corpus_says_where_it_was_looked_for_and_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "a"))
    with pytest.raises(DataError) as raised:
        read_corpus("kbp37", tmp_path / "home")
    assert str(raised.value) == (
        "corpus 'kbp37' is not here: expected kbp37/train.txt, kbp37/dev.txt, kbp37/test.txt below one of "
        f"{tmp_path / 'a'}, {tmp_path / 'home' / 'data'}. Fetch it: python -m harness data fetch kbp37; or get it from "
        "https://github.com/zhangdongxu/kbp37 and point HARNESS_DATA at the folder that has kbp37/train.txt"
    )


def test_a_folder_that_is_not_whole_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (tmp_path / "kbp37").mkdir()
    write(tmp_path / "kbp37", "train", example())
    with pytest.raises(DataError) as raised:
        read_corpus("kbp37", tmp_path / "home")
    assert str(raised.value) == f"corpus 'kbp37' is not whole in {tmp_path / 'kbp37'}: missing dev.txt, test.txt"


def test_a_path_may_hold_some_of_the_files_packed_or_be_one_of_them(folder: Path) -> None:
    write(folder, "train", example(), example(TITLE + " too", "no_relation", 5))
    (folder / "dev.txt").unlink()
    (folder / "test.txt.gz").write_bytes(gzip.compress((folder / "test.txt").read_bytes()))
    (folder / "test.txt").unlink()
    some = read_corpus(Request("kbp37", path=str(folder)), folder).corpus
    assert [(mention.identifier, mention.part) for mention in some.mentions] == [
        ("0", "train"),
        ("5", "train"),
        ("2", "test"),
    ]
    one = read_corpus(Request("kbp37", path=str(folder / "train.txt")), folder).corpus
    assert one.mentions == some.mentions[:2]


def test_strictly_an_empty_argument_is_an_error(folder: Path) -> None:
    write(folder, "dev", example("<e1> </e1> runs <e2> Acme </e2>"))
    with pytest.raises(DataError) as raised:
        read_corpus(Request("kbp37", path=str(folder), strict=True), folder)
    assert str(raised.value) == (
        f"corpus 'kbp37' in {folder}: strictly, expected no example that can't be used, found 1:\n"
        f"  {folder / 'dev.txt'}, line 1: an empty argument: <e1> </e1> runs <e2> Acme </e2>"
    )


@pytest.fixture(scope="module")
def original(find_data: FindData) -> Corpus:
    """The original files, where HARNESS_DATA has them."""
    return read(find_data(*(f"kbp37/{file}" for file in Kbp37.files)) / "kbp37")


def test_counts_of_the_original(original: Corpus) -> None:
    assert len(original.mentions) == 20_892
    assert Counter(mention.part for mention in original.mentions) == {"train": 15_800, "dev": 1_713, "test": 3_379}
    assert original.left_out == {"an empty argument": 146, f"{AGAIN}the same label": 5, f"{AGAIN}another label": 3}
    assert original.remarks[0].endswith(": 69")
    assert Counter(fault.reason for fault in original.faults) == original.left_out


def test_the_digest_of_the_original(original: Corpus) -> None:
    assert content_digest(original) == "828b6ff759afe05e"


def test_labels_of_the_original(original: Corpus) -> None:
    labels = Counter(mention.label for mention in original.mentions)
    assert len(labels) == 37
    assert labels.total() - labels["no_relation"] == 18_743
    relations = {label.partition("(")[0] for label in labels} - {"no_relation"}
    assert set(labels) == {"no_relation"} | {f"{r}({d})" for r in relations for d in ("e1,e2", "e2,e1")}


def test_none_of_the_original_is_trained_on_and_scored(original: Corpus) -> None:
    assert len({(mention.tokens, mention.first, mention.second) for mention in original.mentions}) == 20_892


def test_the_papers_split_of_the_original(original: Corpus) -> None:
    among = np.flatnonzero([mention.label != "no_relation" for mention in original.mentions])
    parts = split([mention.part for mention in original.mentions], "paper", 0, 9150, among)
    assert [len(part) for part in (parts.train, parts.dev, parts.test)] == [6405, 915, 1830]
