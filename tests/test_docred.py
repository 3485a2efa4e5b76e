"""DocRED's reader: sentences and mentions of documents, the IDs that it makes, what it says of files that are not so."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from conftest import FindData
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpora.docred import DocRed
from harness.contracts import LinkedMention, LinkedSentence, TextNotes
from harness.errors import DataError
from harness.testing import TextContract

SENTENCES = [["Ann", "Lee", "left", "the", "U.S.", "."], ["Lee", "runs", "Acme", "."]]


def named(name: str, sentence: int = 0, start: int = 0, end: int = 1, kind: str = "ORG") -> dict[str, Any]:
    """A mention."""
    return {"name": name, "type": kind, "sent_id": sentence, "pos": [start, end], "index": "0_0", "global_pos": [0, 0]}


ANN = [named("Lee", 1, 0, 1, "PER"), named("Ann Lee", 0, 0, 2, "PER")]
STATES, ACME = [named("the U.S.", 0, 3, 5, "LOC")], [named("Acme", 1, 2, 3)]


def a_document(*entities: Any, **changed: Any) -> dict[str, Any]:
    return {
        "title": "Ann",
        "sents": SENTENCES,
        "vertexSet": entities or [ANN, STATES, ACME],
        "labels": "unread",
    } | changed


def write(folder: Path, *documents: Any, name: str = "dev.json") -> Path:
    (folder / name).write_text(json.dumps(documents), encoding="utf-8")
    return folder / name


def read(path: Path) -> tuple[list[LinkedSentence], TextNotes]:
    notes = TextNotes()
    return list(DocRed().text(path, notes)), notes


def told(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value)


def test_a_document_becomes_its_sentences(tmp_path: Path) -> None:
    write(tmp_path, a_document())
    assert read(tmp_path) == (
        [
            LinkedSentence(
                "dev-1-1", tuple(SENTENCES[0]), (LinkedMention(0, 2, "ann lee"), LinkedMention(3, 5, "u.s."))
            ),
            LinkedSentence(
                "dev-1-2", tuple(SENTENCES[1]), (LinkedMention(0, 1, "ann lee"), LinkedMention(2, 3, "acme"))
            ),
        ],
        TextNotes(),
    )


def test_sentences_without_mentions_are_sentences(tmp_path: Path) -> None:
    write(tmp_path, a_document(vertexSet=[]), a_document(vertexSet=[[], ACME]))
    sentences, _ = read(tmp_path)
    assert [(sentence.identifier, len(sentence.mentions)) for sentence in sentences] == [
        ("dev-1-1", 0), ("dev-1-2", 0), ("dev-2-1", 0), ("dev-2-2", 1),
    ]  # fmt: skip


# What an entity is called

ENTITIES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "the longest name": ([named("Acme"), named("Acme"), named("Acme Steel Works"), named("Steelworks-of-Acme")], "acme steel works"),
    "of as many words the one of more characters": ([named("Acme Inc"), named("Acme Steel")], "acme steel"),
    "blanks and case": ([named(" Straße  \u00a0 X ")], "strasse x"),
    "without the article": ([named("the Beatles")], "beatles"),
    "with an article that is part of it": ([named("The Beatles")], "the beatles"),
    "a person of two words": ([named("Ann Lee", kind="PER")], "ann lee"),
    "a person of one word": ([named("Lee", kind="PER")], "Ann#1"),
    "an article makes no second word": ([named("the Pope", kind="PER")], "Ann#1"),
    "a place of one word": ([named("Lee", kind="LOC")], "lee"),
    "a number": ([named("1,000", kind="NUM")], "Ann#1"),
    "a year": ([named("1972", kind="TIME")], "1972"),
    "some time": ([named("two years", kind="TIME")], "Ann#1"),
    "a decade in small letters": ([named("1970s", kind="TIME")], "1970s"),
    "a common noun": ([named("institute")], "Ann#1"),
    "letters without case": ([named("北京")], "北京"),
    "the type is that of the longest name": ([named("Ann Lee Ltd", kind="NUM"), named("Lee", kind="PER")], "Ann#1"),
    "a name of blanks": ([named(" ")], "Ann#1"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENTITIES)
def test_the_id_of_an_entity(tmp_path: Path, case: str) -> None:
    mentions, expected = ENTITIES[case]
    spread = [mention | {"pos": [at, at + 1]} for at, mention in enumerate(mentions)]
    write(tmp_path, a_document([], spread))
    assert {mention.entity for sentence in read(tmp_path)[0] for mention in sentence.mentions} == {expected}


def test_one_name_in_two_documents_is_one_entity_unless_it_does_not_tell_which(tmp_path: Path) -> None:
    write(tmp_path, a_document(ACME, [ANN[0]]), a_document([ANN[0]], ACME, title="Bo"))
    entities = [
        [mention.entity for mention in sentence.mentions] for sentence in read(tmp_path)[0] if sentence.mentions
    ]
    assert entities == [["Ann#1", "acme"], ["Bo#0", "acme"]]


def test_two_entities_of_a_document_with_one_name_are_its_own(tmp_path: Path) -> None:
    language, people = (
        [named("Spanish", 0, 0, 1, "MISC")],
        [named("Spanish", 0, 2, 3, "LOC"), named("spanish", 0, 3, 4)],
    )
    write(tmp_path, a_document(language, ACME, people), a_document(language, title="Bo"))
    first, second, third, _ = read(tmp_path)[0]
    assert [mention.entity for mention in first.mentions] == ["Ann#0", "Ann#2", "Ann#2"]
    assert [mention.entity for mention in second.mentions] == ["acme"]
    assert [mention.entity for mention in third.mentions] == ["spanish"]


def test_mentions_that_overlap_are_remarked_and_the_first_is_used(tmp_path: Path) -> None:
    write(tmp_path, a_document([named("Ann Lee", 0, 0, 2)], [named("Lee", 0, 1, 2)], [named("Ann Lee Ltd", 0, 0, 3)]))
    (sentence, _), notes = read(tmp_path)
    assert sentence.mentions == (LinkedMention(0, 3, "ann lee ltd"),)
    assert notes == TextNotes(remarks=["mentions that overlap one before them, and are not used: 2"])


# Files


def test_files_are_read_in_order_packed_or_not(tmp_path: Path) -> None:
    file = write(tmp_path, a_document(), name="train_distant.json")
    (tmp_path / "train_distant.json.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    write(tmp_path, a_document(), name="test_revised.json")
    write(tmp_path, a_document(), name="train_revised.json")
    (tmp_path / "rel_info.json").write_text("{}")
    sentences, notes = read(tmp_path)
    assert [sentence.identifier for sentence in sentences[::2]] == [
        "train_distant-1-1",
        "train_revised-1-1",
        "test_revised-1-1",
    ]
    unread = ", ".join(DocRed.optional_files)
    assert notes.remarks == [f"files that are not read, for their names are none of {unread}: rel_info.json"]
    assert [sentence.identifier for sentence in read(write(tmp_path, a_document(), name="mine.json"))[0]] == [
        "mine-1-1",
        "mine-1-2",
    ]


def test_documents_that_were_revised_are_read_once(tmp_path: Path) -> None:
    for name in DocRed.optional_files:
        write(tmp_path, a_document(), name=name)
    sentences, notes = read(tmp_path)
    assert [sentence.identifier.partition("-")[0] for sentence in sentences[::2]] == [
        "train_distant", "test", "train_revised", "dev_revised", "test_revised",
    ]  # fmt: skip
    assert notes.remarks == [
        "train_annotated.json is not read, for its documents are those of train_revised.json",
        "dev.json is not read, for its documents are those of dev_revised.json and test_revised.json",
    ]


NO_VERTICES = "a field 'vertexSet' that is not a list of lists of mentions"
WRONG: dict[str, tuple[Any, str, str]] = {
    "no object": ([], "no JSON object", "[]"),
    "no title": ({"sents": [], "vertexSet": []}, "no field 'title'", "fields 'sents', 'vertexSet'"),
    "no sentences": (a_document(sents=None), "no field 'sents'", ""),
    "sentences by name": (a_document(sents={"0": []}), "a field 'sents' that is not a list of sentences", "{'0': []}"),
    "a sentence in one string": (a_document(sents=["Ann"]), "a field 'sents' that is not a list of strings", "'Ann'"),
    "no entities": (a_document(vertexSet=None), "no field 'vertexSet'", ""),
    "entities by name": (a_document(vertexSet={}), NO_VERTICES, "{}"),
    "mentions without entities": (a_document(vertexSet=[{}]), NO_VERTICES, "[{}]"),
    "a mention that is none": (a_document([5]), "no JSON object", "5"),
    "no name": (a_document([named("A") | {"name": 5}]), "a field 'name' that is not a string", "5"),
    "no type": (a_document([named("A") | {"type": None}]), "a field 'type' that is not a string", "None"),
    "no place": (a_document([named("A") | {"pos": [1]}]), "a field 'pos' that is not [start, end]", "[1]"),
    "a place of words": (a_document([named("A") | {"pos": "01"}]), "a field 'pos' that is not a list of whole numbers", "'01'"),
    "a sentence by name": (a_document([named("A") | {"sent_id": "0"}]), "a field 'sent_id' that is not a whole number", "'0'"),
    "a sentence beyond the last": (a_document([named("A", 2)]), "a document with a mention in no sentence", "sentence 2 of 2"),
    "a sentence before the first": (a_document([named("A", -1)]), "a document with a mention in no sentence", "sentence -1 of 2"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_document_that_cant_be_used_is_left_out_with_its_place(tmp_path: Path, wrong: str) -> None:
    document, reason, found = WRONG[wrong]
    file = write(tmp_path, a_document(), document, a_document())
    sentences, notes = read(tmp_path)
    assert [sentence.identifier for sentence in sentences[::2]] == ["dev-1-1", "dev-3-1"]
    assert notes.left_out == {reason: 1}
    assert list(map(str, notes.faults)) == [f"{file}, line 1, example 2: {reason}" + (f": {found}" if found else "")]


WRONG_SENTENCES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no tokens": (a_document([named("Acme", 1)], sents=[[], ["Acme"]]), "a sentence without tokens", ""),
    "an empty token": (a_document([named("Acme", 1)], sents=[["a", ""], ["Acme"]]), "an empty token", "token 1 of 2"),
    "a mention beyond the end": (a_document([named("A", 0, 5, 7), *ACME]), "a span outside the sentence", "(5, 7) of 6 tokens"),
    "a reversed mention": (a_document([named("A", 0, 2, 1), *ACME]), "a reversed span", "(2, 1) of 6 tokens"),
    "half a pair": (a_document([named("Acme", 1)], sents=[["\ud800"], ["Acme"]]), "half a pair of surrogates, which is no text", r"'\ud800'"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_SENTENCES)
def test_a_sentence_that_cant_be_used_is_left_out_alone(tmp_path: Path, wrong: str) -> None:
    document, reason, found = WRONG_SENTENCES[wrong]
    file = write(tmp_path, document)
    sentences, notes = read(tmp_path)
    assert [(sentence.identifier, len(sentence.mentions)) for sentence in sentences] == [("dev-1-2", 1)]
    assert notes.left_out == {reason: 1}
    assert list(map(str, notes.faults)) == [f"{file}, line 1, example 1: {reason}" + (f": {found}" if found else "")]


def test_what_is_no_file_of_this_format_is_told(tmp_path: Path) -> None:
    names = ", ".join(DocRed.optional_files)
    assert told(tmp_path) == f"{tmp_path}: expected {names}, or some of them, found none"
    file = write(tmp_path, a_document())
    file.write_text(json.dumps(a_document())[:40])
    lines = "; one object a line is JSON lines, not a list"
    assert (
        told(tmp_path)
        == f"{file}, line 1: expected a JSON list that opens with [, found '{json.dumps(a_document())[:40]}'{lines}"
    )


def test_no_more_than_a_document_is_read_ahead(tmp_path: Path) -> None:
    file = write(tmp_path, *[a_document()] * 2000)
    file.write_text(file.read_text() + "and no more")
    text = DocRed().text(file, TextNotes())
    assert next(text).identifier == "dev-1-1"
    with pytest.raises(DataError, match="expected nothing after the list, found 'and no more'"):
        list(text)


NAMES = st.sampled_from(["Ann Lee", "Lee", "Acme", "the Acme", "two", "acme", "1972", " "])
MENTION = st.builds(
    lambda name, kind, sentence, start, size: named(name, sentence, start, start + size, kind),
    NAMES, st.sampled_from(["PER", "ORG", "NUM", "TIME"]), st.integers(0, 1), st.integers(0, 2), st.integers(1, 2),
)  # fmt: skip


@given(st.lists(st.lists(st.lists(MENTION, max_size=3), max_size=5), min_size=1, max_size=3))
def test_no_two_entities_of_a_document_share_an_id(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[list[dict[str, Any]]]]
) -> None:
    folder = tmp_path_factory.mktemp("docred")
    write(folder, *(a_document(vertexSet=entities, title=f"T{at}") for at, entities in enumerate(documents)))
    sentences, notes = read(folder)
    assert len(sentences) == 2 * len(documents)
    spans: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    for sentence in sentences:
        _, document, number = sentence.identifier.split("-")
        for start, end, entity in sentence.mentions:
            same = [
                at
                for at, mentions in enumerate(documents[int(document) - 1])
                if any(one["sent_id"] == int(number) - 1 and one["pos"] == [start, end] for one in mentions)
            ]
            assert same
            if len(same) == 1:
                spans[int(document), entity].update(same)
    assert all(len(entities) == 1 for entities in spans.values())
    assert notes.left_out == {}


# Re-DocRED


def test_counts_of_re_docred(find_data: FindData) -> None:
    folder = find_data("redocred/dev_revised.json", "redocred/test_revised.json") / "redocred"
    sentences, notes = read(folder)
    counts: dict[str, Counter[str]] = {}
    for name, overlapping in (("dev_revised", 57), ("test_revised", 105)):
        own = [sentence for sentence in sentences if sentence.identifier.startswith(name)]
        counts[name] = Counter(
            documents=len({sentence.identifier.rpartition("-")[0] for sentence in own}),
            sentences=len(own),
            mentions=sum(len(sentence.mentions) for sentence in own) + overlapping,
        )
    assert counts == {
        "dev_revised": {"documents": 500, "sentences": 4_110, "mentions": 13_189},
        "test_revised": {"documents": 500, "sentences": 3_966, "mentions": 13_018},
    }
    assert notes == TextNotes(remarks=["mentions that overlap one before them, and are not used: 162"])
    documents: defaultdict[str, set[str]] = defaultdict(set)
    for sentence in sentences:
        for mention in sentence.mentions:
            documents[mention.entity].add(sentence.identifier.rpartition("-")[0])
    shared = [entity for entity in documents if len(documents[entity]) > 1]
    assert (len(documents), len(shared), sum(len(documents[entity]) for entity in shared)) == (14_350, 1_176, 6_258)
    assert sum("#" in entity for entity in documents) == 2_064
    assert not any("#" in entity for entity in shared)


def test_tokens_and_spans_are_those_of_re_docred(find_data: FindData) -> None:
    file = find_data("redocred/dev_revised.json") / "redocred" / "dev_revised.json"
    published = json.loads(file.read_bytes())
    for sentence in read(file)[0]:
        _, document, number = sentence.identifier.split("-")
        own = published[int(document) - 1]
        assert list(sentence.tokens) == own["sents"][int(number) - 1]
        spans = {
            tuple(mention["pos"])
            for entity in own["vertexSet"]
            for mention in entity
            if mention["sent_id"] == int(number) - 1
        }
        assert {mention[:2] for mention in sentence.mentions} <= spans


class TestReDocRed(TextContract):
    plugin = DocRed

    @pytest.fixture(autouse=True)
    def find(self, find_data: FindData) -> None:
        self.place = find_data("redocred/dev_revised.json") / "redocred"

    def folder(self) -> Path:
        return self.place
