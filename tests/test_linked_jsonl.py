"""JSON lines of linked text: the schema and the reader agree, every text comes back the same, faults are told."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.linked_jsonl import LinkedJsonLines
from harness.contracts import LinkedMention, LinkedSentence, Parse, TextNotes
from harness.errors import DataError
from harness.testing import TextContract

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "benchmarks" / "corpora" / "linked_sentence.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LINE: dict[str, Any] = {
    "id": "a-1",
    "page": 12,
    "tokens": ["Ann", "Lee", "runs", "Acme"],
    "mentions": [[0, 2, "Ann Lee"], [3, 4, "Q2"]],
    "tags": ["NNP", "NNP", "VBZ", "NNP"],
    "heads": [1, 2, -1, 2],
    "labels": ["compound", "nsubj", "root", "obj"],
}
MENTIONS = LinkedMention(0, 2, "Ann Lee"), LinkedMention(3, 4, "Q2")
SENTENCE = LinkedSentence(
    "a-1", tuple(LINE["tokens"]), MENTIONS, Parse(tuple(LINE["tags"]), tuple(LINE["heads"]), tuple(LINE["labels"]))
)
BARE = {name: LINE[name] for name in ("tokens", "mentions")}


def write(folder: Path, *lines: Any, name: str = "sentences.jsonl") -> Path:
    (folder / name).write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return folder / name


def read(path: Path) -> tuple[list[LinkedSentence], TextNotes]:
    notes = TextNotes()
    return list(LinkedJsonLines().text(path, notes)), notes


def told(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value)


def test_a_line_with_everything(tmp_path: Path) -> None:
    VALIDATOR.validate(LINE)
    write(tmp_path, LINE)
    assert read(tmp_path) == ([SENTENCE], TextNotes())


def test_a_line_with_what_it_needs_is_called_by_its_file_and_number(tmp_path: Path) -> None:
    VALIDATOR.validate(BARE)
    nulls = {name: None for name in LINE if name not in BARE}
    VALIDATOR.validate(BARE | nulls)
    file = write(tmp_path, BARE, LINE, BARE | nulls, name="mine.linked.jsonl")
    assert read(file) == (
        [
            LinkedSentence("mine.linked-1", SENTENCE.tokens, MENTIONS),
            SENTENCE,
            LinkedSentence("mine.linked-3", SENTENCE.tokens, MENTIONS),
        ],
        TextNotes(),
    )


def test_a_sentence_may_have_no_mentions_and_a_number_as_its_identifier(tmp_path: Path) -> None:
    line = {"id": 7, "tokens": ["It", "rains"], "mentions": []}
    VALIDATOR.validate(line)
    write(tmp_path, line)
    assert read(tmp_path)[0] == [LinkedSentence("7", ("It", "rains"), ())]


def test_without_dependency_labels_they_are_root_and_dep(tmp_path: Path) -> None:
    line = {name: value for name, value in LINE.items() if name != "labels"}
    VALIDATOR.validate(line)
    write(tmp_path, line)
    (sentence,), _ = read(tmp_path)
    assert sentence.parse == Parse(tuple(LINE["tags"]), (1, 2, -1, 2), ("dep", "dep", "root", "dep"))


def test_of_mentions_that_overlap_the_first_is_read_and_the_others_remarked(tmp_path: Path) -> None:
    mentions = [[3, 4, "Q2"], [1, 2, "Lee"], [0, 2, "Ann Lee"], [0, 1, "Ann"]]
    write(tmp_path, LINE | {"mentions": mentions}, LINE | {"id": "a-2", "mentions": [[0, 3, "x"], [2, 4, "y"]]})
    sentences, notes = read(tmp_path)
    assert [sentence.mentions for sentence in sentences] == [MENTIONS, (LinkedMention(0, 3, "x"),)]
    assert notes == TextNotes(remarks=["mentions that overlap one before them, and are not used: 3"])


NO_MENTIONS = "a field 'mentions' that is not a list of [start, end, entity ID]"
WRONG: dict[str, tuple[dict[str, Any], str, str, bool]] = {
    # change, reason, what is found, whether the schema tells it too
    "no tokens": ({"tokens": []}, "a sentence without tokens", "", True),
    "tokens in one string": ({"tokens": "Ann"}, "a field 'tokens' that is not a list of strings", "'Ann'", True),
    "an empty token": ({"tokens": ["a", "", "b", "c"]}, "an empty token", "token 1 of 4", True),
    "mentions that are null": ({"mentions": None}, "no field 'mentions'", "", True),
    "mentions by name": ({"mentions": {"0": 2}}, NO_MENTIONS, "{'0': 2}", True),
    "a mention without entity": ({"mentions": [[0, 1]]}, NO_MENTIONS, "[[0, 1]]", True),
    "a mention of four": ({"mentions": [[0, 1, "Q", 1]]}, NO_MENTIONS, "[[0, 1, 'Q', 1]]", True),
    "an entity that is a number": ({"mentions": [[0, 1, 7]]}, NO_MENTIONS, "[[0, 1, 7]]", True),
    "a span of words": ({"mentions": [["0", 1, "Q"]]}, NO_MENTIONS, "[['0', 1, 'Q']]", True),
    "true for 1": ({"mentions": [[0, True, "Q"]]}, NO_MENTIONS, "[[0, True, 'Q']]", True),
    "an entity of blanks": ({"mentions": [[0, 1, " "]]}, "a mention without an entity", "(0, 1)", True),
    "a span before the start": ({"mentions": [[-1, 1, "Q"]]}, "a span outside the sentence", "(-1, 1) of 4 tokens", True),
    "a span beyond the end": ({"mentions": [[3, 5, "Q"]]}, "a span outside the sentence", "(3, 5) of 4 tokens", False),
    "a reversed span": ({"mentions": [[2, 1, "Q"]]}, "a reversed span", "(2, 1) of 4 tokens", False),
    "an empty span": ({"mentions": [[1, 1, "Q"]]}, "an empty argument", "(1, 1) of 4 tokens", False),
    "an identifier with a point": ({"id": 0.5}, "a field 'id' that is not a string or a whole number", "0.5", True),
    "half a pair in the identifier": ({"id": "\ud800"}, "half a pair of surrogates, which is no text", r"'\ud800'", False),
    "half a pair in an entity": (
        {"mentions": [[0, 1, "\ud800"]]}, "half a pair of surrogates, which is no text", r"'\ud800'", False,
    ),
    "tags without heads": ({"heads": None}, "tags or labels without heads", "", False),
    "heads without tags": ({"tags": None}, "a field 'tags' that is not a list of strings", "None", True),
    "heads that are words": ({"heads": ["1"]}, "a field 'heads' that is not a list of whole numbers", "['1']", True),
    "a short parse": ({"heads": [-1]}, "a parse that can't be used", "it is not as long as its sentence", False),
    "a cycle": ({"heads": [1, 0, -1, 2]}, "a parse that can't be used", "it has a cycle", False),
    "an empty tag": (
        {"tags": ["NNP", "", "VBZ", "NNP"]}, "a parse that can't be used", "it has an empty tag or label", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_line_that_cant_be_used_is_left_out_with_its_place(tmp_path: Path, wrong: str) -> None:
    change, reason, found, told_by_schema = WRONG[wrong]
    file = write(tmp_path, BARE, LINE | change, BARE)
    sentences, notes = read(tmp_path)
    assert [sentence.identifier for sentence in sentences] == ["sentences-1", "sentences-3"]
    assert notes.left_out == {reason: 1}
    assert list(map(str, notes.faults)) == [f"{file}, line 2: {reason}" + (f": {found}" if found else "")]
    assert VALIDATOR.is_valid(LINE | change) != told_by_schema


@pytest.mark.parametrize("field", list(BARE))
def test_a_field_that_is_needed_is_missed(tmp_path: Path, field: str) -> None:
    line = {name: value for name, value in BARE.items() if name != field}
    write(tmp_path, line)
    assert read(tmp_path)[1].left_out == {f"no field '{field}'": 1}
    assert not VALIDATOR.is_valid(line)


def test_a_line_that_is_no_object_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, 5)
    assert read(tmp_path)[1].left_out == {"no JSON object": 1}


def test_a_line_that_is_no_json_is_an_error_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, LINE)
    with file.open("a") as lines:
        lines.write('{"tokens": ["Ann", ')
    fault = 'expected one JSON object a line, found a fault: Expecting value: \'{"tokens": ["Ann", \''
    assert told(tmp_path) == f"{file}, line 2: {fault}"


def test_a_folder_without_sentences_and_an_empty_file_are_errors(tmp_path: Path) -> None:
    (tmp_path / "names.tsv").write_text("a\tb\n")
    assert told(tmp_path) == f"{tmp_path}: expected sentences.jsonl, or some of them, found none"
    (tmp_path / "sentences.jsonl").write_bytes(b"")
    assert told(tmp_path) == f"{tmp_path}/sentences.jsonl: expected examples, found an empty file"


# What stands beside the sentences


def test_names_are_read_beside_the_sentences(tmp_path: Path) -> None:
    file = write(tmp_path, BARE)
    names = "A. Lee\tAnn Lee\n\nAC\\DC\tQ1\r\nback\\\\slash\tQ1\na\\tb\tQ\\n\n"
    (tmp_path / "names.tsv").write_text(names, encoding="utf-8", newline="")
    expected = {"A. Lee": "Ann Lee", "AC\\DC": "Q1", "back\\slash": "Q1", "a\tb": "Q\n"}
    assert read(tmp_path)[1] == TextNotes(names=expected)
    assert read(file)[1] == TextNotes()  # a file is read alone


@pytest.mark.parametrize("line", ["Ann", "Ann\tQ1\tQ2", "\tQ1", "Ann\t \\t"])
def test_a_line_that_is_no_name_is_left_out_with_its_place(tmp_path: Path, line: str) -> None:
    write(tmp_path, BARE)
    (tmp_path / "names.tsv").write_text(f"A\tQ1\n{line}\n", encoding="utf-8")
    sentences, notes = read(tmp_path)
    reason = "a line of names that is not a name, a tab and an entity ID"
    assert (len(sentences), notes.names, notes.left_out) == (1, {"A": "Q1"}, {reason: 1})
    assert list(map(str, notes.faults)) == [f"{tmp_path}/names.tsv, line 2: {reason}: {line!r}"]


def test_a_name_of_two_entities_stands_for_the_first(tmp_path: Path) -> None:
    write(tmp_path, BARE)
    (tmp_path / "names.tsv").write_text("A\tQ1\nB\tQ2\nA\tQ1\nA\tQ3\n", encoding="utf-8")
    _, notes = read(tmp_path)
    assert notes.names == {"A": "Q1", "B": "Q2"}
    reason = "a name that stands for another entity already"
    assert notes.left_out == {reason: 1}
    assert list(map(str, notes.faults)) == [f"{tmp_path}/names.tsv, line 4: {reason}: 'A' is 'Q1', not 'Q3'"]


def test_what_was_left_out_before_is_counted_with_what_is_now(tmp_path: Path) -> None:
    file = write(tmp_path, BARE, BARE | {"tokens": []})
    left_out = {"too long": 3, "a sentence without tokens": 2}
    (tmp_path / "notes.json").write_text(json.dumps({"left_out": left_out, "remarks": ["converted"]}))
    _, notes = read(tmp_path)
    assert (notes.left_out, notes.remarks) == ({"too long": 3, "a sentence without tokens": 3}, ["converted"])
    assert len(notes.faults) == 1
    assert read(file)[1].left_out == {"a sentence without tokens": 1}


@pytest.mark.parametrize(
    ("notes", "fault"),
    [
        ("[]", ": expected a JSON object, found []"),
        ('{"left": 1}', ": no field 'left'; did you mean 'left_out'? Known: left_out, remarks"),
        ('{"left_out": {"x": 0}}', ", 'left_out': expected a count above 0 for each reason, found {'x': 0}"),
        ('{"left_out": {"x": 1000000000000}}',
         ", 'left_out': expected a count above 0 for each reason, found {'x': 1000000000000}"),
        ('{"left_out": [3]}', ", 'left_out': expected a count above 0 for each reason, found [3]"),
        ('{"remarks": "none"}', ", 'remarks': expected a list of strings, found 'none'"),
        ('{"remarks": [1]}', ", 'remarks': expected a list of strings, found [1]"),
        ('{"remarks": ["\\ud83d"]}', ": expected text, found half a pair of surrogates, '\\ud83d'"),
        ('{"\\ud83d": 1}', ": expected text, found half a pair of surrogates, '\\ud83d'"),
    ],
)  # fmt: skip
def test_notes_that_are_wrong_are_told(tmp_path: Path, notes: str, fault: str) -> None:
    write(tmp_path, BARE)
    (tmp_path / "notes.json").write_text(notes)
    assert told(tmp_path) == f"{tmp_path}/notes.json{fault}"


def test_files_that_are_not_read_are_remarked(tmp_path: Path) -> None:
    file = write(tmp_path, BARE)
    write(tmp_path, BARE, name="more.jsonl")
    assert read(tmp_path)[1].remarks == [
        "files that are not read, for their names are none of sentences.jsonl, names.tsv: more.jsonl"
    ]
    assert read(file)[1].remarks == []


# There and back

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6).filter(str.strip)
awkward = st.sampled_from(["\\", "\\t", "a\tb", "a\nb", "a\r", "\ufeffa", "\\ufeff", "\u2028a", "\x85a", "\\\\n"])


@st.composite
def sentences(draw: st.DrawFn) -> LinkedSentence:
    tokens = draw(st.lists(words, min_size=1, max_size=8).map(tuple))
    size = len(tokens)
    mentions, at = [], 0
    while at < size and draw(st.booleans()):
        start = draw(st.integers(at, size - 1))
        at = draw(st.integers(start + 1, size))
        mentions.append(LinkedMention(start, at, draw(words | awkward)))
    heads = tuple(draw(st.integers(-1, at - 1)) for at in range(size))  # each hangs from one before it
    column = st.lists(words, min_size=size, max_size=size).map(tuple)
    parse = Parse(draw(column), heads, draw(column)) if draw(st.booleans()) else None
    return LinkedSentence(draw(words), tokens, tuple(mentions), parse)


@given(
    st.lists(sentences(), min_size=1, max_size=5),
    st.dictionaries(words | awkward, words | awkward, max_size=5),
    st.dictionaries(words, st.integers(1, 9), max_size=2),
    st.lists(words, max_size=2),
)
def test_any_text_comes_back_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    text: list[LinkedSentence],
    names: dict[str, str],
    left_out: dict[str, int],
    remarks: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("text")
    notes = TextNotes()

    def told_at_the_end() -> Any:
        yield from text
        notes.names, notes.left_out, notes.remarks = names, Counter(left_out), remarks

    LinkedJsonLines().write_text(told_at_the_end(), notes, folder)
    assert read(folder) == (text, TextNotes(Counter(left_out), [], remarks, names))
    for line in (folder / "sentences.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        VALIDATOR.validate(json.loads(line))


# enwik8


def test_the_sentences_of_enwik8(find_data: FindData) -> None:
    file = find_data("parsed/enwik8.linked.jsonl.gz") / "parsed" / "enwik8.linked.jsonl.gz"
    notes = TextNotes()
    count, entities = 0, Counter[str]()
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for sentence, line in zip(LinkedJsonLines().text(file, notes), lines, strict=True):
            published = json.loads(line)
            assert sentence.identifier == f"enwik8-{count:06}" == published["id"]
            assert list(sentence.tokens) == published["tokens"]
            assert [list(mention) for mention in sentence.mentions] == published["mentions"]
            entities.update(mention.entity for mention in sentence.mentions)
            count += 1
    assert (count, entities.total(), len(entities)) == (69_287, 206_661, 79_084)
    assert notes == TextNotes()


class TestEnwik8(TextContract):
    plugin = LinkedJsonLines

    @pytest.fixture(autouse=True)
    def find(self, find_data: FindData) -> None:
        name = "parsed/enwik8.linked.jsonl.gz"
        self.file = find_data(name) / name

    def folder(self) -> Path:
        return self.file
