"""What strategies read of a text: every pair that stands close together, its readings as rows, and the links to it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.artifacts import Artifact, ArtifactStore
from harness.contracts import LinkedMention, LinkedSentence, Parse, RelationMention, Span, UnlabelledMentions
from harness.datasets.linking import Linker
from harness.datasets.prepared import Reads
from harness.datasets.sources import Request
from harness.datasets.splits import Split
from harness.datasets.texts import SourceText, read_text
from harness.datasets.unlabelled import (
    TextMaker,
    links_key,
    readings_key,
    sentences_key,
    unlabelled_mentions,
    unlabelled_text,
)
from harness.errors import DataError
from harness.readings import pairs, retokenised
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec
from harness.testing.toys import ToyVectors
from harness.vocabulary import Words

LETTERS = "abcdefgh"
VECTORS = ToyVectors(**dict(zip(LETTERS, np.eye(8, dtype=np.float32), strict=True)))
"""A word can be told from its vector."""


def run_spec(text: TextSpec, **changed: Any) -> RunSpec:
    usual: dict[str, Any] = {
        "corpus": CorpusSpec("toy", "0", "official", 0, None),
        "vectors": VectorsSpec("v", "0", "hash"),
        "text": text,
        "encoder": PluginSpec("mean", {}),
        "strategy": PluginSpec("none", {}),
        "training": Training(features=()),
        "size": 1,
        "replicate": 0,
    }
    return RunSpec(**usual | changed)


class Made:
    """The artifacts of a text, made anew in a folder, and the views that strategies get of them."""

    def __init__(
        self,
        folder: Path,
        sentences: Sequence[LinkedSentence] = (),
        *,
        text: TextSpec | None = None,
        target: Sequence[RelationMention] = (),
        reads: Reads = "between",
        with_target: bool = False,
        names: dict[str, str] | None = None,
    ) -> None:
        self.store = ArtifactStore(folder / "made" / str(len(list(folder.glob("made/*")))))
        source = kept(folder, sentences) if sentences else None
        text = text or TextSpec("mine", source.digest if source else "", "whole", 20)
        spec = run_spec(text)
        parts = (
            np.array([at for at, mention in enumerate(target) if mention.part == part], np.int64)
            for part in ("train", "dev", "test")
        )
        linker = Linker(source.names() if source and names is None else names or {})
        maker = TextMaker(spec, source, lambda: linker, target, Split(*parts), lambda: Words(VECTORS, "hash"))
        assert not maker.is_there(self.store, reads, with_target)
        maker.ensure(self.store, reads, with_target)
        assert maker.is_there(self.store, reads, with_target)
        self.sentences = self._read("sentences", sentences_key(spec))
        self.readings = self._read("readings", readings_key(spec, reads))
        self.links = self._read("links", links_key(spec, with_target))
        self.both = self._read("sentences", sentences_key(spec, with_target))

    def _read(self, kind: str, key: str) -> Artifact:
        found = self.store.read(kind, key)
        assert found is not None
        return found

    def mentions(self, positions: bool = False) -> UnlabelledMentions:
        entity_vectors = torch.zeros(len(self.sentences.meta["entities"]), 8)
        device = torch.device("cpu")
        return unlabelled_mentions(self.sentences, self.readings, entity_vectors, device, positions)

    def told(self, rows: Sequence[int]) -> list[str]:
        """Rows of the input vectors as words and <entities>."""
        words = self.sentences.tensors["words"]
        names = [LETTERS[int(vector.argmax())] for vector in words]
        names += [f"<{entity}>" for entity in self.sentences.meta["entities"]]
        return [names[row] for row in rows]

    def read(self, mentions: UnlabelledMentions | None = None) -> list[tuple[list[str], list[str]]]:
        """Both readings of every mention."""
        mentions = mentions or self.mentions()
        one, two = mentions.batch(torch.arange(len(mentions))).readings
        rows = zip(one.tokens.tolist(), one.lengths.tolist(), two.tokens.tolist(), two.lengths.tolist(), strict=True)
        return [(self.told(first[:a]), self.told(second[:b])) for first, a, second, b in rows]


def kept(folder: Path, sentences: Sequence[LinkedSentence]) -> SourceText:
    file = folder / "sentences.jsonl"
    lines = ({"id": one.identifier, "tokens": one.tokens, "mentions": one.mentions} for one in sentences)
    parses = (dataclasses.asdict(one.parse) if one.parse else {} for one in sentences)
    file.write_text("\n".join(json.dumps(line | parse) for line, parse in zip(lines, parses, strict=True)))
    return read_text(Request("linked-jsonl", (), str(file)), folder / "home", None, lambda line: None)


def sentence(text: str, identifier: str = "s", parse: Parse | None = None) -> LinkedSentence:
    """`<Q1:a,b> c <Q2:d>`: a mention of Q1 of two words, a word, a mention of Q2."""
    tokens: list[str] = []
    mentions = []
    for piece in text.split():
        if piece.startswith("<"):
            entity, _, words = piece[1:-1].partition(":")
            mentions.append(LinkedMention(len(tokens), len(tokens) + len(words.split(",")), entity))
            tokens += words.split(",")
        else:
            tokens.append(piece)
    return LinkedSentence(identifier, tuple(tokens), tuple(mentions), parse)


def of_target(text: str, part: Any = "train", label: str = "x", parse: Parse | None = None) -> RelationMention:
    """A relation mention of the first and the last entity mention of such a text, the others third ones."""
    read = sentence(text)
    one, *others, two = read.mentions
    spans = Span(one.start, one.end), Span(two.start, two.end)
    entity = one.entity or None, two.entity or None
    return RelationMention(text, read.tokens, *spans, label, part, None, *entity, tuple(others), parse)


# Pairs


@st.composite
def sentences(draw: st.DrawFn) -> LinkedSentence:
    """A sentence of up to ten pieces: words, and mentions of one to three words."""
    entities = st.builds(
        "<Q{}:{}>".format, st.integers(1, 4), st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3).map(",".join)
    )
    pieces = draw(st.lists(st.one_of(st.sampled_from(LETTERS), entities), min_size=1, max_size=10))
    return sentence(" ".join(pieces))


def as_words(given: LinkedSentence) -> tuple[list[str], list[int]]:
    """A retokenised sentence, entities in <>, and where each mention stands in it; token by token."""
    owner: dict[int, int] = {
        at: number for number, one in enumerate(given.mentions) for at in range(one.start, one.end)
    }
    words: list[str] = []
    places: list[int] = []
    for at, token in enumerate(given.tokens):
        if at not in owner:
            words.append(token)
        elif at == given.mentions[owner[at]].start:
            places.append(len(words))
            words.append(f"<{given.mentions[owner[at]].entity}>")
    return words, places


@given(sentences())
def test_every_mention_is_one_token(given: LinkedSentence) -> None:
    found = [f"<{token.entity}>" if token.entity else token.words[0] for token in retokenised(given)]
    assert found == as_words(given)[0]
    assert [word for token in retokenised(given) for word in token.words] == list(given.tokens)


@given(sentences(), st.integers(0, 5))
def test_pairs_are_all_that_stand_close_together(given: LinkedSentence, distance: int) -> None:
    _, places = as_words(given)
    close = [
        (one, two) for one, two in combinations(range(len(places)), 2) if places[two] - places[one] - 1 <= distance
    ]
    expected = [(given.mentions[one], given.mentions[two]) for one, two in close]
    found = list(pairs(given, distance))
    assert [
        (
            LinkedMention(pair.first.start, pair.first.end, str(pair.first_entity)),
            LinkedMention(pair.second.start, pair.second.end, str(pair.second_entity)),
        )
        for pair in found
    ] == expected
    for pair, chosen in zip(found, expected, strict=True):
        assert Counter(pair.others) + Counter(chosen) == Counter(given.mentions)
        assert (pair.tokens, pair.parse, pair.identifier) == (given.tokens, given.parse, given.identifier)
        assert pair.label == ""


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(sentences(), min_size=1, max_size=5), distance=st.integers(1, 4))
def test_rows_are_what_is_read_word_by_word(found: list[LinkedSentence], distance: int, tmp_path: Path) -> None:
    fixed = sentence("<Q1:a> b <Q2:c>")
    text = [fixed, *(dataclasses.replace(one, identifier=str(at)) for at, one in enumerate(found))]
    source = kept(tmp_path, text)
    made = Made(tmp_path, text, text=TextSpec("mine", source.digest, "whole", distance))
    expected, entities, all_words = [], [], []
    for one in (one for one in text if len(one.mentions) > 1):
        words, places = as_words(one)
        all_words.append(words)
        for first in range(len(places)):
            for second in range(first + 1, len(places)):
                if places[second] - places[first] - 1 <= distance:
                    way = words[places[first] : places[second] + 1]
                    expected.append((way, way[::-1]))
                    entities.append([one.mentions[first].entity, one.mentions[second].entity])
    mentions = made.mentions()
    assert made.read(mentions) == expected
    assert [[made.sentences.meta["entities"][e] for e in pair] for pair in mentions.pairs.tolist()] == entities
    assert mentions.lengths.tolist() == [len(way) for way, _ in expected]
    assert len(mentions) == len(expected)

    view = unlabelled_text(made.sentences)
    start = view.start.tolist()
    assert [made.told(view.tokens[a:b].tolist()) for a, b in pairwise(start)] == all_words
    assert sorted(made.told(mentions.types.tolist())) == sorted({word for words in all_words for word in words})
    count = Counter(word for words in all_words for word in words if word.startswith("<"))
    assert made.sentences.tensors["count"].tolist() == [count[f"<{e}>"] for e in made.sentences.meta["entities"]]
    named = {
        entity: {
            word
            for one in text
            if len(one.mentions) > 1
            for m in one.mentions
            if m.entity == entity
            for word in one.tokens[m.start : m.end]
        }
        for entity in made.sentences.meta["entities"]
    }
    for entity, rows in zip(made.sentences.meta["entities"], view.names.entity_words, strict=True):
        assert len(rows) == len(named[entity])
        assert set(made.told(rows.tolist())) == named[entity]
    assert mentions.words == len(view.names.word_vectors)
    assert made.sentences.meta["told"] == {
        "sentences": len(all_words), "tokens": sum(map(len, all_words)), "mentions": count.total(),
        "entities": len(count), "coverage": made.sentences.meta["told"]["coverage"],
    }  # fmt: skip


def test_positions_are_those_in_the_text_in_either_reading(tmp_path: Path) -> None:
    made = Made(tmp_path, [sentence("<Q1:a> b c <Q2:d>"), sentence("<Q1:a> <Q2:d>", "t")])
    one, two = made.mentions(positions=True).batch(torch.tensor([0, 1])).readings
    assert one.positions is not None
    assert two.positions is not None
    assert one.positions.tolist() == [[[0, -3], [1, -2], [2, -1], [3, 0]], [[0, -1], [1, 0], [0, 0], [0, 0]]]
    assert two.positions.tolist() == [[[3, 0], [2, -1], [1, -2], [0, -3]], [[1, 0], [0, -1], [0, 0], [0, 0]]]
    assert all(reading.positions is None for reading in made.mentions().batch(torch.tensor([0])).readings)


def test_a_text_without_pairs_close_together_is_told(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b c <Q2:d>")]
    with pytest.raises(DataError) as error:
        Made(tmp_path, text, text=TextSpec("mine", "0", "whole", 1))
    assert str(error.value) == (
        "expected relation mentions in the text, found no two entity mentions of a sentence with at most 1 tokens "
        "between them; take more sentences, or a greater distance"
    )


# Paths

TREE = Parse(("NN",) * 6, (1, 3, 3, -1, 3, 4), ("dep",) * 6)
"""Q1 <- b -> <- d(root), c beside it, e <- d and Q2 <- e"""


def test_paths_of_a_parsed_text_and_words_between_of_one_without_parse(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b c d <Q3:e> <Q2:f>", "parsed", TREE), sentence("<Q1:a> b <Q2:f>", "bare")]
    made = Made(tmp_path, text, reads="paths")
    assert made.read() == [
        (["<Q1>", "b", "d"], ["<Q3>", "d"]),
        (["<Q1>", "b", "d"], ["<Q2>", "<Q3>", "d"]),
        (["<Q3>"], ["<Q2>", "<Q3>"]),
        (["<Q1>", "b", "<Q2>"], ["<Q2>", "b", "<Q1>"]),
    ]
    assert made.mentions().lengths.tolist() == [3, 3, 2, 3]
    assert (made.readings.meta["mentions"], made.readings.meta["fallback"]) == (4, 1)


# The target


def test_the_targets_training_sentences_alone_unless_evaluation_text_is_asked_for(tmp_path: Path) -> None:
    target = [
        of_target("<Q1:a> b <Q2:c>"),
        of_target("<Q1:a> d <Q3:e>", "dev"),
        of_target("<Q2:c> d <Q3:e>", "test"),
        of_target("<Q2:c> d <Q4:e> <Q3:e>"),
    ]
    trained = Made(tmp_path, text=TextSpec("target", "", "target-train", 20, evaluation_text=False), target=target)
    assert [first for first, _ in trained.read()] == [
        ["<Q1>", "b", "<Q2>"],
        ["<Q2>", "d", "<Q4>"],
        ["<Q2>", "d", "<Q4>", "<Q3>"],
        ["<Q4>", "<Q3>"],
    ]
    whole = Made(tmp_path, text=TextSpec("target", "", "target-train", 20, evaluation_text=True), target=target)
    assert whole.sentences.meta["told"]["sentences"] == 4
    assert trained.sentences.meta["told"]["sentences"] == 2


def test_the_targets_pairs_are_those_of_its_training_part(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b <Q2:c>", "1"), sentence("<Q1:a> b <Q3:c>", "2"), sentence("<Q4:a> b <Q3:c>", "3")]
    target = [of_target("<Q2:c> e <Q1:a>"), of_target("<Q1:c> f <Q3:a>", "test")]
    for evaluation_text, expected in ((False, ["b", "e"]), (True, ["b", "b", "e", "f"])):
        asked = TextSpec("mine", "0", "target-pairs", 20, evaluation_text=evaluation_text)
        made = Made(tmp_path, text, text=asked, target=target)
        assert [first[1] for first, _ in made.read()] == expected


def test_sentences_of_the_target_are_added_once_for_skip_gram_and_not_for_pre_training(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b <Q2:c>")]
    target = [of_target("<Q1:a> e <Q2:c>"), of_target("<Q1:a> f <Q2:c>", "test"), of_target("<Q1:a> g <Q5:c>")]
    made = Made(tmp_path, text, target=target, with_target=True)
    assert len(made.read()) == 1
    assert made.sentences.meta["told"]["sentences"] == 1
    assert made.both.meta["told"]["sentences"] == 3
    assert made.both.meta["entities"] == ["Q1", "Q2", "Q5"]
    assert made.links.meta["links"] == {"Q1": "Q1", "Q2": "Q2", "Q5": "Q5"}
    own = Made(tmp_path, text=TextSpec("target", "", "target-train", 20), target=target, with_target=True)
    assert own.both.meta["told"]["sentences"] == 2


def test_links_lead_to_entities_that_the_sentences_have(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b <Q2:c>", str(at)) for at in range(5)]
    target = [of_target("<:A> e <Q2:c>"), of_target("<Q9:a> f <:h> <Q7:c>", "test")]
    made = Made(tmp_path, text, target=target, names={"a": "Q1", "c": "Q2", "h": "Q3"})
    assert made.links.meta["links"] == {"a": "Q1", "Q2": "Q2", "Q9": "Q1", "Q7": "Q2"}
    assert made.links.meta["shares"] == {"linked": 1.0, "often": 1.0}
    fewer = Made(tmp_path, text[:1], target=target, names={"h": "Q3"})
    assert fewer.links.meta["links"] == {"Q2": "Q2"}
    assert fewer.links.meta["shares"] == {"linked": 0.25, "often": 0.0}


def test_third_mentions_of_the_targets_sentences_are_linked_to_them(tmp_path: Path) -> None:
    target = [of_target("<:a> b <Q8:d> <:c>")]
    made = Made(tmp_path, text=TextSpec("target", "", "target-train", 20), target=target)
    assert made.links.meta["links"] == {"a": "a", "Q8": "Q8", "c": "c"}


def test_entities_of_the_target_are_called_as_in_the_text(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b <Q2:c>")]
    target = [of_target("<:A> e <:C>")]
    made = Made(
        tmp_path, text, text=TextSpec("mine", "0", "target-pairs", 20), target=target, names={"a": "Q1", "c": "Q2"}
    )
    assert [first for first, _ in made.read()] == [["<Q1>", "b", "<Q2>"], ["<Q1>", "e", "<Q2>"]]
    assert made.sentences.tensors["count"].tolist() == [2, 2]


def test_no_label_is_of_influence_on_anything(tmp_path: Path) -> None:
    text = [sentence("<Q1:a> b <Q2:c>")]
    asked = TextSpec("mine", "0", "target-pairs", 20, evaluation_text=True)

    def made(*labels: str) -> Made:
        one, two = labels
        target = [of_target("<Q1:a> e <Q2:c>", label=one), of_target("<Q1:a> f <Q2:c>", "test", two)]
        return Made(tmp_path, text, text=asked, target=target, with_target=True)

    one, two = made("born-in", "died-in"), made("died-in", "none")
    files = [sorted(file.relative_to(m.store.root) for file in m.store.root.rglob("*.*")) for m in (one, two)]
    assert files[0] == files[1]
    assert files[0]
    for file in files[0]:
        content = (one.store.root / file).read_bytes()
        assert content == (two.store.root / file).read_bytes()
        assert b"born-in" not in content


# Keys

TEXT = TextSpec("mine", "0", "random", 20, 100)
CORPUS = CorpusSpec("toy", "0", "official", 0, None)


def keys(spec: RunSpec) -> dict[str, str]:
    return {
        "sentences": sentences_key(spec),
        "with target": sentences_key(spec, True),
        "between": readings_key(spec, "between"),
        "paths": readings_key(spec, "paths"),
        "links": links_key(spec),
    }


EVERY = {"sentences", "with target", "between", "paths", "links"}


@pytest.mark.parametrize(
    ("selection", "changed", "moved"),
    [
        ("random", {"name": "other"}, set()),
        ("random", {"reader": "r", "parameters": {"x": 1}}, set()),
        ("random", {"digest": "1"}, EVERY),
        ("random", {"selection": "whole", "sentences": None}, EVERY),
        ("random", {"sentences": 99}, EVERY),
        ("random", {"distance": 19}, {"between", "paths"}),
        ("random", {"parses": "p"}, {"paths"}),
        ("random", {"names": "n"}, {"links", "with target"}),
        ("target-pairs", {"names": "n"}, EVERY),
        ("target-pairs", {"evaluation_text": True}, EVERY),
    ],
)
def test_a_key_sees_of_the_text_what_decides_and_no_more(
    selection: str, changed: dict[str, Any], moved: set[str]
) -> None:
    text = dataclasses.replace(TEXT, selection=selection)
    one, two = keys(run_spec(text)), keys(run_spec(dataclasses.replace(text, **changed)))
    assert {name for name in one if one[name] != two[name]} == moved


@pytest.mark.parametrize(
    ("selection", "changed", "moved"),
    [
        ("random", {"size": 9, "training": Training(features=("lexical",))}, set()),
        ("random", {"encoder": PluginSpec("bilstm", {}), "strategy": PluginSpec("lm", {})}, set()),
        ("random", {"vectors": VectorsSpec("other", "0", "hash")}, set()),
        ("random", {"vectors": VectorsSpec("v", "1", "hash")}, EVERY),
        ("random", {"vectors": VectorsSpec("v", "0", "zero")}, EVERY),
        ("random", {"replicate": 1}, EVERY),
        ("random", {"replicate": 1, "vary": ("subset", "initialisation", "order")}, set()),
        ("random", {"replicate": 1, "crossed": 2}, set()),
        ("random", {"replicate": 2, "crossed": 2}, EVERY),
        ("whole", {"replicate": 1}, set()),
        ("target-pairs", {"replicate": 1}, set()),
        ("random", {"corpus": dataclasses.replace(CORPUS, digest="1")}, {"with target", "links"}),
        ("random", {"corpus": dataclasses.replace(CORPUS, split_seed=1)}, {"with target", "links"}),
        ("random", {"corpus": dataclasses.replace(CORPUS, parses="p")}, set()),
        ("target-pairs", {"corpus": dataclasses.replace(CORPUS, digest="1")}, EVERY),
        ("target-pairs", {"corpus": dataclasses.replace(CORPUS, parses="p")}, {"paths"}),
    ],
)
def test_a_key_sees_of_the_run_what_decides_and_no_more(
    selection: str, changed: dict[str, Any], moved: set[str]
) -> None:
    text = dataclasses.replace(TEXT, selection=selection)
    one, two = keys(run_spec(text)), keys(run_spec(text, **changed))
    assert {name for name in one if one[name] != two[name]} == moved
