"""FewRel's reader: what it makes of the original, what it leaves out and counts, what it says of files that are not so."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.fewrel import FewRel
from harness.contracts import Corpus, Fault, LinkedMention, LinkedSentence, Place, RelationMention, Span, TextNotes
from harness.datasets.sources import read_corpus
from harness.errors import DataError

TOKENS = ["The", "Wye", "is", "crossed", "by", "Wilton", "Bridge", "."]
HEAD = ["wilton bridge", "Q8023362", [[5, 6]]]
TAIL = ["wye", "Q19695", [[1]]]
NAMES = {"P177": ["crosses", "obstacle which this bridge crosses"], "P26": ["spouse", "married to"]}


def an_example(*more: str, **changed: Any) -> dict[str, Any]:
    """A good example; `more` are words at its end, `changed` its fields."""
    return {"tokens": [*TOKENS, *more], "h": HEAD, "t": TAIL} | changed


def write(folder: Path, value: Any, names: Any = NAMES, file: str = "val_wiki.json") -> Path:
    (folder / file).write_text(json.dumps(value), encoding="utf-8")
    if names is not None:
        (folder / "pid2name.json").write_text(json.dumps(names), encoding="utf-8")
    return folder / file


def read(path: Path) -> Corpus:
    return FewRel().read(path)


def told(path: Path) -> str:
    """What is said of files that can't be read."""
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value)


def test_an_example_becomes_a_mention_in_text_order(tmp_path: Path) -> None:
    write(tmp_path, {"P177": [an_example()]})
    assert read(tmp_path) == Corpus(
        (
            RelationMention(
                identifier="P177-1",
                tokens=tuple(TOKENS),
                first=Span(1, 2),
                second=Span(5, 7),
                label="P177 crosses",
                part="train",
                head="second",
                first_entity="Q19695",
                second_entity="Q8023362",
            ),
        )
    )


def test_a_head_that_stands_first_is_the_first(tmp_path: Path) -> None:
    write(tmp_path, {"P177": [an_example(h=TAIL, t=HEAD)]})
    (mention,) = read(tmp_path).mentions
    assert (mention.head, mention.first, mention.first_entity) == ("first", Span(1, 2), "Q19695")


def test_of_several_occurrences_the_first_is_taken(tmp_path: Path) -> None:
    tail = ["wye", "Q19695", [[1], [8], [9, 10]]]
    write(tmp_path, {"P177": [an_example("Wye", "Wye", "Wye", t=tail)]})
    assert read(tmp_path).mentions[0].first == Span(1, 2)


def test_order_and_identifiers_are_those_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"P26": [an_example("a"), an_example("b")], "P177": [an_example("c")]})
    mentions = read(tmp_path).mentions
    assert [(m.identifier, m.tokens[-1], m.label, m.part) for m in mentions] == [
        ("P26-1", "a", "P26 spouse", "train"),
        ("P26-2", "b", "P26 spouse", "train"),
        ("P177-1", "c", "P177 crosses", "train"),
    ]


@pytest.mark.parametrize("names", [None, {}, {"P26": NAMES["P26"]}])
def test_a_relation_without_a_name_is_called_by_its_p_id(tmp_path: Path, names: Any) -> None:
    write(tmp_path, {"P177": [an_example()]}, names)
    assert [mention.label for mention in read(tmp_path).mentions] == ["P177"]


def test_a_path_may_be_a_file_of_any_name_with_the_names_beside_it(tmp_path: Path) -> None:
    file = write(tmp_path, {"P177": [an_example()]}, file="mine.json")
    assert [mention.label for mention in read(file).mentions] == ["P177 crosses"]


def test_packed_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"P177": [an_example()]})
    plain = read(tmp_path)
    for file in list(tmp_path.iterdir()):
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert read(tmp_path) == plain


# What is left out

PLACES = "that are not lists of places of tokens"
FAULTS: dict[str, tuple[Any, str, str]] = {
    "no object": (5, "no JSON object", "5"),
    "null": (None, "no JSON object", "None"),
    "no tokens": ({"h": HEAD, "t": TAIL}, "no field 'tokens'", "fields 'h', 't'"),
    "a sentence": (an_example(tokens="Wye"), "a field 'tokens' that is not a list of strings", "'Wye'"),
    "a token that is none": (an_example(tokens=["Wye", 5]), "a field 'tokens' that is not a list of strings", "['Wye', 5]"),
    "no h": ({"tokens": TOKENS, "t": TAIL}, "no field 'h'", ""),
    "t is null": (an_example(t=None), "no field 't'", ""),
    "two parts": (an_example(h=["wye", "Q19695"]), "a field 'h' that is not [name, Q-id, occurrences]", "['wye', 'Q19695']"),
    "four parts": (an_example(t=[*TAIL, 1]), "a field 't' that is not [name, Q-id, occurrences]", "['wye', 'Q19695', [[1]], 1]"),
    "parts by name": (an_example(h={"name": "wye"}), "a field 'h' that is not [name, Q-id, occurrences]", "{'name': 'wye'}"),
    "a name that is none": (an_example(h=[1, "Q1", [[5]]]), "a field 'h' that is not [name, Q-id, occurrences]", "[1, 'Q1', [[5]]]"),
    "a Q-id that is none": (an_example(h=["a", 1, [[5]]]), "a field 'h' that is not [name, Q-id, occurrences]", "['a', 1, [[5]]]"),
    "an empty Q-id": (an_example(t=["wye", " ", [[1]]]), "an empty Q-id in 't'", ""),
    "a list": (an_example(h=["a", "Q1", [5, 6]]), f"occurrences of 'h' {PLACES}", "[5, 6]"),
    "no list": (an_example(h=["a", "Q1", 5]), f"occurrences of 'h' {PLACES}", "5"),
    "by name": (an_example(h=["a", "Q1", {"5": 6}]), f"occurrences of 'h' {PLACES}", "{'5': 6}"),
    "no occurrence": (an_example(t=["a", "Q1", []]), f"occurrences of 't' {PLACES}", "[]"),
    "an empty occurrence": (an_example(t=["a", "Q1", [[]]]), f"occurrences of 't' {PLACES}", "[[]]"),
    "a later one is no list": (an_example(t=["a", "Q1", [[1], 2]]), f"occurrences of 't' {PLACES}", "[[1], 2]"),
    "true for 1": (an_example(t=["a", "Q1", [[True]]]), f"occurrences of 't' {PLACES}", "[[True]]"),
    "a fraction": (an_example(t=["a", "Q1", [[1.0]]]), f"occurrences of 't' {PLACES}", "[[1.0]]"),
    "a quoted place": (an_example(t=["a", "Q1", [["1"]]]), f"occurrences of 't' {PLACES}", "[['1']]"),
    "a gap": (an_example(h=["a", "Q1", [[4, 6]]]), "an occurrence of 'h' that is not one token after another", "[4, 6]"),
    "backwards": (an_example(h=["a", "Q1", [[6, 5]]]), "an occurrence of 'h' that is not one token after another", "[6, 5]"),
    "after the end": (an_example(h=["a", "Q1", [[7, 8]]]), "a span outside the sentence", "(7, 9) of 8 tokens"),
    "before the start": (an_example(h=["a", "Q1", [[-1, 0]]]), "a span outside the sentence", "(-1, 1) of 8 tokens"),
    "overlap": (an_example(h=["a", "Q1", [[1, 2]]]), "spans that overlap", "(1, 2) and (1, 3)"),
    "a blank argument": (an_example(tokens=["The", " ", *TOKENS[2:]]), "an empty argument", "(1, 2) of 8 tokens"),
    "an empty token": (an_example(""), "an empty token", "token 8 of 9"),
    "half a pair": (an_example("\ud800"), "half a pair of surrogates, which is no text", r"'\ud800'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_example_of_a_wrong_shape_is_left_out_and_told_with_its_place(tmp_path: Path, fault: str) -> None:
    value, reason, found = FAULTS[fault]
    file = write(tmp_path, {"P177": [an_example("before")], "P26": [value, an_example("after")]})
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["P177-1", "P26-2"]
    assert corpus.left_out == {reason: 1}
    assert corpus.faults == (Fault(Place(file, 1, 2), reason, found),)
    assert str(corpus.faults[0]) == f"{file}, line 1, example 2: {reason}" + (f": {found}" if found else "")


def test_an_empty_p_id_without_a_name_is_an_empty_label(tmp_path: Path) -> None:
    write(tmp_path, {"": [an_example()]})
    assert read(tmp_path).left_out == {"an empty label": 1}


def test_doubles_are_left_out_and_told_apart_by_their_labels(tmp_path: Path) -> None:
    write(tmp_path, {"P177": [an_example(), an_example()], "P26": [an_example(), an_example(h=TAIL, t=HEAD)]})
    corpus = read(tmp_path)
    assert [mention.identifier for mention in corpus.mentions] == ["P177-1", "P26-2"]
    assert corpus.left_out == {
        "the same sentence and arguments again, with the same label": 1,
        "the same sentence and arguments again, with another label": 1,
    }


# As text


def read_text(path: Path) -> tuple[list[LinkedSentence], TextNotes]:
    notes = TextNotes()
    return list(FewRel().text(path, notes)), notes


def test_examples_are_sentences_without_labels(tmp_path: Path) -> None:
    write(tmp_path, {"P177": [an_example()]}, None)
    sentence = LinkedSentence("P177-1", tuple(TOKENS), (LinkedMention(1, 2, "Q19695"), LinkedMention(5, 7, "Q8023362")))
    names = {"wilton bridge": "Q8023362", "wye": "Q19695"}
    assert read_text(tmp_path) == ([sentence], TextNotes(names=names))


def test_examples_of_one_sentence_are_one_with_all_their_mentions(tmp_path: Path) -> None:
    crossed, the_wye, bridge = ["x", "Q3", [[3]]], ["x", "Q4", [[0, 1]]], ["x", "Q5", [[6]]]
    relations = {
        "P1": [an_example(), an_example("!"), an_example(h=crossed, t=bridge)],
        "P2": [an_example(h=the_wye, t=["x", "Q6", [[7]]]), an_example("!", h=bridge)],
    }
    write(tmp_path, relations)
    sentences, notes = read_text(tmp_path)
    wye, wilton = LinkedMention(1, 2, "Q19695"), LinkedMention(5, 7, "Q8023362")
    assert [(sentence.identifier, sentence.mentions) for sentence in sentences] == [
        ("P1-1", (wye, LinkedMention(3, 4, "Q3"), wilton, LinkedMention(7, 8, "Q6"))),
        ("P1-2", (wye, wilton)),
    ]
    assert notes.left_out == {}
    assert notes.remarks[0] == "mentions that overlap one before them, and are not used: 3"


def test_a_name_of_several_entities_stands_for_the_most_frequent_one(tmp_path: Path) -> None:
    heads = [["don", "Q1", [[5]]], ["don", "Q2", [[5]]], [" don ", "Q2", [[5]]], ["wye", "Q3", [[5]]]]
    blank = [[" ", "Q4", [[5]]], ["\ud800", "Q4", [[5]]]]
    write(tmp_path, {"P1": [an_example(str(at), h=head) for at, head in enumerate(heads + blank)]})
    sentences, notes = read_text(tmp_path)
    assert len(sentences) == 6
    assert notes.names == {"don": "Q2", "wye": "Q19695"}
    assert notes.remarks == ["names of several entities, which stand for the most frequent one: 2"]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "overlap"])
def test_what_is_no_example_is_no_sentence(tmp_path: Path, fault: str) -> None:
    value, reason, found = FAULTS[fault]
    file = write(tmp_path, {"P177": [an_example("before")], "P26": [value, an_example("after")]})
    sentences, notes = read_text(tmp_path)
    assert [sentence.identifier for sentence in sentences] == ["P177-1", "P26-2"]
    assert notes.left_out == {reason: 1}
    assert notes.faults == [Fault(Place(file, 1, 2), reason, found)]


# What is no file of this format


def test_a_file_that_is_no_object_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, [an_example()])
    told_of = f"{file}: expected a JSON object with P-ids as its fields, found [{{'tokens': ['The', 'Wye', "
    assert told(tmp_path).startswith(told_of)


@pytest.mark.parametrize(("value", "found"), [({"tokens": []}, "{'tokens': []}"), ("Wye", "'Wye'"), (None, "None")])
def test_a_relation_that_has_no_list_is_told(tmp_path: Path, value: Any, found: str) -> None:
    file = write(tmp_path, {"P177": [an_example()], "P26": value})
    assert told(tmp_path) == f"{file}: expected a list of examples for 'P26', found {found}"


@pytest.mark.parametrize(
    ("described", "found"),
    [([], "[]"), ("spouse", "'spouse'"), ([5, "x"], "[5, 'x']"), ([" "], "[' ']"), (None, "None")],
)
def test_a_relation_that_has_no_name_in_pid2name_is_told(tmp_path: Path, described: Any, found: str) -> None:
    write(tmp_path, {"P177": [an_example()]}, {"P26": described})
    assert told(tmp_path) == f"{tmp_path / 'pid2name.json'}: expected [name, description] for 'P26', found {found}"


def test_names_that_are_no_object_are_told(tmp_path: Path) -> None:
    write(tmp_path, {"P177": [an_example()]}, ["spouse"])
    expected = "expected a JSON object with P-ids as its fields, found ['spouse']"
    assert told(tmp_path) == f"{tmp_path / 'pid2name.json'}: {expected}"


def test_a_file_that_is_cut_off_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, {"P177": [an_example()]})
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    assert told(tmp_path).startswith(f"{file}, line 1: expected JSON, found a fault: ")


def test_an_empty_file_and_a_missing_one_are_told(tmp_path: Path) -> None:
    assert told(tmp_path) == f"{tmp_path}: expected val_wiki.json, or some of them, found none"
    file = write(tmp_path, {})
    file.write_bytes(b"")
    assert told(tmp_path) == f"{file}: expected examples, found an empty file"
    assert told(tmp_path / "mine.json") == f"{tmp_path / 'mine.json'}: expected a file, found none"


# Whatever stands in the files


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples of a test share, each of which writes its files anew."""
    return tmp_path_factory.mktemp("fewrel")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["tokens", "h", "t"]), inner),
    max_leaves=6,
)
ARGUMENT = st.tuples(
    st.text(max_size=1), st.sampled_from(["Q1", "Q2", ""]), st.lists(st.lists(st.integers(-1, 4))) | JSON
)
EXAMPLE = st.fixed_dictionaries(
    {
        "tokens": st.lists(st.sampled_from(["a", "b", "", " "]), max_size=5) | JSON,
        "h": ARGUMENT | JSON,
        "t": ARGUMENT | JSON,
    }
)
GOOD = st.builds(an_example, st.sampled_from("abcde"))


@given(st.dictionaries(st.sampled_from(["P26", "P177", "P9", ""]), st.lists(GOOD | EXAMPLE | JSON, max_size=6)))
def test_every_example_becomes_a_mention_or_is_counted(scratch: Path, relations: dict[str, list[Any]]) -> None:
    file = write(scratch, relations)
    corpus = read(scratch)
    size = sum(map(len, relations.values()))
    assert len(corpus.mentions) + sum(corpus.left_out.values()) == size
    numbers = {fault.place.example for fault in corpus.faults}
    assert len(numbers) == len(corpus.faults) == size - len(corpus.mentions)
    assert {fault.place.file for fault in corpus.faults} <= {file}
    assert numbers <= set(range(1, size + 1))


# The original


@pytest.fixture(scope="module")
def folder(find_data: FindData) -> Path:
    """The original files, where HARNESS_DATA has them."""
    return find_data("fewrel/val_wiki.json", "fewrel/pid2name.json") / "fewrel"


@pytest.fixture(scope="module")
def original(folder: Path) -> Corpus:
    return read(folder)


def test_counts_of_the_original(original: Corpus) -> None:
    labels = Counter(mention.label for mention in original.mentions)
    assert labels.pop("P921 main subject") == 699
    assert len(labels) == 15 and set(labels.values()) == {700}
    assert original.left_out == {"the same sentence and arguments again, with the same label": 1}
    assert [(fault.place.example, fault.found) for fault in original.faults] == [
        (10_864, "'P921 main subject'; 'P921-113' in train has 'P921 main subject'")
    ]
    assert original.remarks == ()
    assert Counter(mention.head for mention in original.mentions) == {"first": 6_127, "second": 5_072}
    assert len({m.tokens for m in original.mentions}) == 10_996
    assert (
        len({entity for m in original.mentions for entity in (m.first_entity, m.second_entity)}) == 15_610
    )  # the double's head has another Q-id


def test_labels_of_the_original_are_a_p_id_and_a_name(original: Corpus) -> None:
    labels = {mention.label for mention in original.mentions}
    assert all(re.fullmatch(r"P\d+ [a-zA-Z].*[a-zA-Z]", label) for label in labels)
    assert {"P177 crosses", "P26 spouse", "P413 position played on team / speciality"} <= labels


def test_spans_and_entities_are_those_of_the_original(folder: Path, original: Corpus) -> None:
    """Against the JSON itself: the words that head and tail are made of, their Q-ids, and how often names differ."""
    published = json.loads((folder / "val_wiki.json").read_bytes())
    differ = 0
    for mention in original.mentions:
        relation, number = mention.identifier.split("-")
        item = published[relation][int(number) - 1]
        pair = [(mention.first, mention.first_entity), (mention.second, mention.second_entity)]
        for (span, entity), argument in zip(pair if mention.head == "first" else pair[::-1], "ht", strict=True):
            name, identifier, occurrences = item[argument]
            words = [item["tokens"][place] for place in occurrences[0]]
            assert list(mention.tokens[slice(*span)]) == words
            assert entity == identifier
            differ += " ".join(words).lower() != name
    assert differ == 897  # of 22,398


def test_the_original_is_a_corpus_of_the_harness(
    folder: Path, original: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(folder.parent))
    source = read_corpus("fewrel", tmp_path)
    assert source.corpus == original
    assert (source.about.headline, source.about.negative_label, source.about.roles) == ("accuracy", None, True)


def test_the_text_of_the_original(folder: Path, original: Corpus) -> None:
    sentences, notes = read_text(folder)
    assert len(sentences) == len({sentence.identifier for sentence in sentences}) == 10_996
    assert {sentence.tokens for sentence in sentences} == {mention.tokens for mention in original.mentions}
    linked: dict[tuple[str, ...], set[tuple[int, int, str | None]]] = {}
    for mention in original.mentions:
        pair = {(*mention.first, mention.first_entity), (*mention.second, mention.second_entity)}
        linked[mention.tokens] = linked.get(mention.tokens, set()) | pair
    assert all(linked[sentence.tokens] >= {*map(tuple, sentence.mentions)} for sentence in sentences)
    assert sum(map(len, linked.values())) - sum(len(sentence.mentions) for sentence in sentences) == 1
    assert sum(len(sentence.mentions) for sentence in sentences) == 22_175
    assert len({mention.entity for sentence in sentences for mention in sentence.mentions}) == 15_610
    assert (len(notes.names), notes.names["wilton bridge"], notes.names["river avon"]) == (15_517, "Q8023362", "Q19711")
    assert notes.remarks == [
        "mentions that overlap one before them, and are not used: 2",  # with that of the double
        "names of several entities, which stand for the most frequent one: 315",
    ]
    assert (notes.left_out, notes.faults) == ({}, [])
