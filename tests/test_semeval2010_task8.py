"""The reader of SemEval-2010 Task 8: what it keeps, what it leaves out, and the task's official scores."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import pytest
from conftest import FindData
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.corpora.semeval2010_task8 import SemEval2010Task8
from harness.contracts import Corpus, RelationMention, Span
from harness.errors import DataError
from harness.scoring import score

TRAIN, TEST = SemEval2010Task8.files
SENTENCE = "The <e1>author</e1> isn't the <e2>book club</e2>."


def example(sentence: str = SENTENCE, label: str = "Other", number: int = 1, comment: str = "Comment:\n") -> str:
    return f'{number}\t"{sentence}"\n{label}\n{comment}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with one good example in each part."""
    write(tmp_path, TRAIN, example())
    write(tmp_path, TEST, example("<e1>Rain</e1> makes <e2>mud</e2>", "Cause-Effect(e1,e2)", 2))
    return tmp_path


def write(folder: Path, name: str, *examples: str) -> Path:
    (folder / name).write_bytes("".join(examples).encode())
    return folder / name


def read(path: Path) -> Corpus:
    return SemEval2010Task8().read(path)


def argument(mention: RelationMention, span: Span) -> str:
    return " ".join(mention.tokens[slice(*span)])


def test_an_example_becomes_a_mention_without_its_marks(folder: Path) -> None:
    write(folder, TRAIN, example(label="Member-Collection(e2,e1)", number=7))
    assert read(folder).mentions[0] == RelationMention(
        identifier="7",
        tokens=("The", "author", "is", "n't", "the", "book", "club", "."),
        first=Span(1, 2),
        second=Span(5, 7),
        label="Member-Collection(e2,e1)",
        part="train",
    )


def test_the_two_files_are_the_two_parts(folder: Path) -> None:
    corpus = read(folder)
    assert [(m.identifier, m.label, m.part) for m in corpus.mentions] == [
        ("1", "Other", "train"),
        ("2", "Cause-Effect(e1,e2)", "test"),
    ]
    assert (corpus.left_out, corpus.remarks, corpus.faults, corpus.about) == ({}, (), (), None)


@pytest.mark.parametrize(
    ("sentence", "tokens", "first", "second"),
    [
        ("<e1>A</e1><e2>B</e2>", ("A", "B"), Span(0, 1), Span(1, 2)),
        ("a pod of<e1>moles</e1>, <e2>non</e2>-rats", ("a", "pod", "of", "moles", ",", "non", "-rats"), Span(3, 4), Span(5, 6)),
        ('"<e1> Ann\'s </e1>" <e2>"hat"</e2>', ('"', "Ann", "'s", '"', '"', "hat", '"'), Span(1, 3), Span(4, 7)),
        ("<e1>1,000</e1> <i>\t<e2>¿x?</e2>", ("1,000", "<", "i", ">", "¿x", "?"), Span(0, 1), Span(4, 6)),
    ],
)  # fmt: skip
def test_the_edges_of_arguments_are_edges_of_tokens(
    folder: Path, sentence: str, tokens: tuple[str, ...], first: Span, second: Span
) -> None:
    mention = read(write(folder, TRAIN, example(sentence))).mentions[0]
    assert (mention.tokens, mention.first, mention.second) == (tokens, first, second)


def test_windows_line_ends_change_nothing(folder: Path) -> None:
    write(folder, TRAIN, example(), example("no marks", number=5), example(SENTENCE + " Yes", number=6))
    before = read(folder)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read(folder) == before


def test_comments_are_not_needed_nor_empty_lines_between_examples(folder: Path) -> None:
    text = example(comment="") + example(SENTENCE + " Yes", number=5) + example(SENTENCE + " No", number=6)
    for packed in (text, text.replace("\n\n", "\n"), "\n \n" + text.replace("\n\n", "\n\t\n\n")):
        corpus = read(write(folder, TRAIN, packed))
        assert [mention.identifier for mention in corpus.mentions] == ["1", "5", "6"]
        assert corpus.left_out == {}


def test_a_path_may_name_one_file(folder: Path) -> None:
    assert [mention.part for mention in read(folder / TEST).mentions] == ["test"]
    assert [mention.part for mention in read(folder / TRAIN).mentions] == ["train"]
    assert [mention.part for mention in read(write(folder, "mine.txt", example())).mentions] == ["train"]


def test_a_packed_file_is_the_same(folder: Path) -> None:
    before = read(folder)
    (folder / f"{TEST}.gz").write_bytes(gzip.compress((folder / TEST).read_bytes()))
    (folder / TEST).unlink()
    assert read(folder) == before


def test_a_sentence_of_both_parts_stays_where_it_is_scored(folder: Path) -> None:
    write(folder, TEST, example(number=2))
    corpus = read(folder)
    assert [(mention.identifier, mention.part) for mention in corpus.mentions] == [("2", "test")]
    assert corpus.left_out == {"the same sentence and arguments again, with the same label": 1}


LINE = 'a line that is not N<TAB>"SENTENCE": '
MARKS = "marks that are not <e1> </e1> <e2> </e2> in this order: "
LABEL = "a label that is neither Other nor RELATION(e1,e2) nor RELATION(e2,e1): "
FAULTS = {
    "no number": ('"Rain"\nOther\n', {1: LINE + "'\"Rain\"'"}),
    "no quotes": ("3\tRain\nOther\n", {1: LINE + r"'3\tRain'"}),
    "a quote too few": ('3\t"Rain\nOther\n', {1: LINE + "'3\\t\"Rain'"}),
    "a long line": (80 * "x", {1: f"{LINE}'{56 * 'x'}..."}),
    "a line too many": (example()[:-1] + "more\n", {4: LINE + "'more'"}),
    "a second comment": (example()[:-1] + "Comment: more\n", {4: LINE + "'Comment: more'"}),
    "no marks": (example("Rain"), {1: MARKS + "''"}),
    "a mark that is missing": (example("<e1>Ann</e1> runs <e2>Acme"), {1: MARKS + "'<e1> </e1> <e2>'"}),
    "a mark too many": (example(SENTENCE + "</e2>"), {1: MARKS + "'<e1> </e1> <e2> </e2> </e2>'"}),
    "e2 before e1": (example("<e2>Ann</e2> <e1>Acme</e1>"), {1: MARKS + "'<e2> </e2> <e1> </e1>'"}),
    "marks that cross": (example("<e1>a <e2>b</e1> c</e2>"), {1: MARKS + "'<e1> <e2> </e1> </e2>'"}),
    "an empty argument": (example("<e1>Ann</e1> runs <e2> </e2>"), {1: "an empty argument: (2, 2) of 2 tokens"}),
    "a label without direction": (example(label="Cause-Effect"), {1: LABEL + "'Cause-Effect'"}),
    "one direction twice": (example(label="Cause-Effect(e1,e1)"), {1: LABEL + "'Cause-Effect(e1,e1)'"}),
    "a direction alone": (example(label="(e1,e2)"), {1: LABEL + "'(e1,e2)'"}),
    "no label but a comment": (f'1\t"{SENTENCE}"\nComment:\n', {1: LABEL + "'Comment:'"}),
    "no label at the end": (f'1\t"{SENTENCE}"', {1: LABEL + "''"}),
    "no label but the next": (f'8\t"{SENTENCE}"\n9\t"{SENTENCE}"\n', {1: LABEL + "''", 2: LABEL + "''"}),
    "an empty line in an example": (f'8\t"{SENTENCE}"\n\nOther\n', {1: LABEL + "''", 3: LINE + "'Other'"}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_example_that_cannot_be_used_is_left_out_with_its_place_and_the_next_is_read(
    folder: Path, fault: str
) -> None:
    text, faults = FAULTS[fault]
    file = write(folder, TRAIN, text, "\n", example("<e1>A</e1> and <e2>B</e2>", number=99))
    corpus = read(file)
    told = [f"{file}, line {line}: {found}" for line, found in faults.items()]
    assert [str(found) for found in corpus.faults] == told
    assert sum(corpus.left_out.values()) == len(told)
    assert corpus.mentions[-1].identifier == "99"


def test_a_number_that_is_another_examples_is_made_another_one(folder: Path) -> None:
    file = write(folder, TRAIN, example(), example(SENTENCE + " Yes", number=3), example(SENTENCE + " No"))
    corpus = read(file)
    assert [mention.identifier for mention in corpus.mentions] == ["1", "3", "train/1"]
    assert (corpus.left_out, corpus.faults) == ({}, ())
    made = "an identifier that is another example's, and was made another one"
    assert f"{made}: 1 (the first: {file}, line 9)" in corpus.remarks


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ": expected examples, found an empty file"),
        (b"\r\n \r\n", ": expected examples, found an empty file"),
        (
            example().encode() + b"caf\xe9",
            ", line 5: expected UTF-8 text, found the byte 0xe9 (unexpected end of data). "
            f"If it is Latin-1: iconv -f latin1 -t utf-8 {TRAIN} > NEW",
        ),
    ],
)
def test_a_damaged_file_is_told(folder: Path, content: bytes, told: str) -> None:
    (folder / TRAIN).write_bytes(content)
    with pytest.raises(DataError) as raised:
        read(folder)
    assert str(raised.value) == f"{folder / TRAIN}{told}"


def test_a_folder_without_the_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    assert str(raised.value) == f"{tmp_path}: expected {TRAIN}, {TEST}, or some of them, found none"


NONSENSE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).filter(str.strip)


@given(st.lists(NONSENSE | st.integers(0, 9), unique=True))
def test_nonsense_between_examples_costs_none_of_them(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str | int]
) -> None:
    numbers = [part for part in parts if isinstance(part, int)]
    texts = [
        f"{part}\n" if isinstance(part, str) else example(f"{SENTENCE} {part}", number=part)[:-1] for part in parts
    ]
    file = write(tmp_path_factory.getbasetemp(), "nonsense.txt", *texts, "\n", example(number=99))
    corpus = read(file)
    assert [mention.identifier for mention in corpus.mentions] == [*map(str, numbers), "99"]
    assert bool(corpus.faults) == (len(numbers) < len(parts))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A small file with a few bytes that are lost, changed or added."""
    data = bytearray((example() + example('"<e1>A</e1>" é <e2>B</e2>', "A-B(e2,e1)", 2)).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | st.sampled_from([b"\n", b"<e1>", b'"']))
    return bytes(data)


def outcome(file: Path) -> Corpus | str:
    """The corpus, or what a DataError says."""
    try:
        return read(file)
    except DataError as error:
        return str(error)


@settings(max_examples=300)
@given(damaged())
def test_a_damaged_file_is_a_corpus_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "damaged.txt"
    file.write_bytes(data)
    corpus = outcome(file)
    if isinstance(corpus, str):
        assert corpus.startswith(str(file))
        return
    assert len(corpus.mentions) + sum(corpus.left_out.values()) > 0
    for mention in corpus.mentions:
        (start_1, end_1), (start_2, end_2) = mention.first, mention.second
        assert 0 <= start_1 < end_1 <= start_2 < end_2 <= len(mention.tokens)
        assert all(token == token.strip() != "" for token in mention.tokens)


@pytest.fixture(scope="module")
def original_folder(find_data: FindData) -> Path:
    return find_data(*(f"semeval2010_task8/{name}" for name in SemEval2010Task8.files)) / "semeval2010_task8"


@pytest.fixture(scope="module")
def original(original_folder: Path) -> Corpus:
    """The original files, where HARNESS_DATA has them."""
    return read(original_folder)


def test_counts_of_the_original(original: Corpus) -> None:
    assert Counter(mention.part for mention in original.mentions) == {"train": 8_000, "test": 2_717}
    assert [mention.identifier for mention in original.mentions] == [str(number) for number in range(1, 10_718)]
    assert original.left_out == {}
    assert original.faults == ()
    assert original.remarks == ("sentences in more than one official part, with other arguments, and kept: 15",)
    assert sum(len(mention.tokens) for mention in original.mentions) == 204_557


def test_labels_of_the_original(original: Corpus) -> None:
    labels = Counter((mention.part, mention.label) for mention in original.mentions)
    assert {label for _, label in labels} == {"Other"} | {
        f"{relation}({direction})"
        for relation in "Cause-Effect Component-Whole Content-Container Entity-Destination Entity-Origin "
        "Instrument-Agency Member-Collection Message-Topic Product-Producer".split()
        for direction in ("e1,e2", "e2,e1")
    }
    assert (labels["train", "Other"], labels["test", "Other"]) == (1_410, 454)
    assert labels["train", "Entity-Destination(e2,e1)"] == labels["test", "Entity-Destination(e2,e1)"] == 1
    scarce = ("Entity-Destination", "Member-Collection", "Message-Topic")
    early, late = (
        sum(mention.label.startswith(scarce) for mention in original.mentions[start:end])
        for start, end in ((0, 7_109), (7_109, 8_000))
    )
    assert (early, late) == (2_143, 26)


def test_sentences_and_arguments_of_the_original(original_folder: Path, original: Corpus) -> None:
    text = "".join((original_folder / name).read_bytes().decode() for name in SemEval2010Task8.files)
    written = re.findall(r'^\d+\t"(.*)" *\r\n(.*)\r$', text, re.MULTILINE)
    for mention, (sentence, label) in zip(original.mentions, written, strict=True):
        first, second = (re.findall(rf"<{e}>(.*)</{e}>", sentence)[0].split() for e in ("e1", "e2"))
        assert "".join(mention.tokens) == "".join(re.sub("</?e[12]>", "", sentence).split())
        assert argument(mention, mention.first).replace(" ", "") == "".join(first)
        assert argument(mention, mention.second).replace(" ", "") == "".join(second)
        assert mention.label == label


# The official scorer (v1.2): its four recorded outputs


def answers(file: Path) -> dict[str, str]:
    return dict(line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())


@pytest.mark.parametrize("run", [1, 2, 3, 5])
def test_the_official_scorers_recorded_output_is_reproduced(find_data: FindData, run: int) -> None:
    names = [
        f"semeval2010_task8/scorer_examples/{kind}{run}.txt"
        for kind in ("answer_key", "proposed_answer", "result_scores")
    ]
    key, proposed, result = (find_data("semeval2010_task8/TRAIN_FILE.TXT", *names) / name for name in names)
    gold, guessed = answers(key), answers(proposed)
    relations = {label.partition("(")[0] for label in gold.values()}
    # As the scorer has it, what is skipped counts as Other, and so does a relation that the key has not.
    guesses = [guessed.get(number, "Other") for number in gold]
    guesses = [label if label.partition("(")[0] in relations else "Other" for label in guesses]
    classes = sorted({"Other", *gold.values(), *guesses})
    rows = {label: row for row, label in enumerate(classes)}
    scores = score([rows[label] for label in gold.values()], [rows[label] for label in guesses], classes, "Other")

    recorded = result.read_text(encoding="utf-8")
    (official,) = re.findall(r"<<< The official score .* macro-averaged F1 = ([0-9.]+)% >>>", recorded)
    directed, _, with_direction = re.findall(
        r"(?:Micro|MACRO)-averaged result \(excluding Other\):\nP .*?F1 = +([0-9.]+)%\n\nM.*\nP.*F1 = +([0-9.]+)%",
        recorded,
    )
    assert f"{100 * scores['macro_f1_relations']:.2f}" == official == with_direction[1]
    assert f"{100 * scores['micro_f1_positive']:.2f}" == with_direction[0]
    assert f"{100 * scores['macro_f1_positive']:.2f}" == directed[1]
