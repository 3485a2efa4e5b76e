"""The synthetic corpus, through its public door: what it promises to those who try the harness with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import pytest

from benchmarks.corpora.synthetic import Synthetic
from harness.contracts import LinkedMention, LinkedSentence, Parse, RelationMention, Span, TextNotes

ROOT = Path(__file__).parents[1]
DIGEST = """
import hashlib
from itertools import islice
from benchmarks.corpora.synthetic import Synthetic
from harness.contracts import TextNotes
written = repr((Synthetic().read(None), *islice(Synthetic().text(None, TextNotes()), 2000)))
print(hashlib.sha256(written.encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def mentions() -> tuple[RelationMention, ...]:
    return Synthetic().read(None).mentions


@pytest.fixture(scope="module")
def text() -> list[LinkedSentence]:
    return list(Synthetic().text(None, TextNotes()))


def related(mentions: tuple[RelationMention, ...], part: str) -> list[RelationMention]:
    """The mentions of a part that have a relation."""
    return [mention for mention in mentions if mention.part == part and mention.label != "no_relation"]


def node(span: Span | LinkedMention, parse: Parse) -> int:
    """The one token of a mention whose head lies outside it."""
    (top,) = (token for token in range(span.start, span.end) if not span.start <= parse.heads[token] < span.end)
    return top


def chain(token: int, parse: Parse) -> list[int]:
    """The token and all above it, the root last."""
    chain = [token]
    while parse.heads[chain[-1]] >= 0:
        chain.append(parse.heads[chain[-1]])
    return chain


def expression(mention: RelationMention) -> tuple[str, ...]:
    """The label, and how it is expressed: words and dependency labels of the path between the mentions."""
    assert mention.parse is not None
    one, two = (chain(node(span, mention.parse), mention.parse) for span in (mention.first, mention.second))
    common = next(token for token in one if token in two)
    path = sorted(({*one} ^ {*two} | {common}) - {one[0], two[0]})
    return mention.label, *(f"{mention.tokens[token].lower()}/{mention.parse.labels[token]}" for token in path)


def test_its_parts_have_their_sizes(mentions: tuple[RelationMention, ...]) -> None:
    assert Counter(mention.part for mention in mentions) == {"train": 2800, "dev": 400, "test": 800}
    assert len({mention.identifier for mention in mentions}) == 4000
    assert mean(mention.label == "no_relation" for mention in mentions) == pytest.approx(0.2, abs=0.03)


def test_no_sentence_is_trained_on_and_scored(mentions: tuple[RelationMention, ...]) -> None:
    assert len({mention.tokens for mention in mentions}) == len(mentions)


def test_every_parse_is_one_tree(mentions: tuple[RelationMention, ...], text: list[LinkedSentence]) -> None:
    sentences: list[RelationMention | LinkedSentence] = [*mentions, *text[::10]]
    for sentence in sentences:
        assert all(sentence.tokens)
        parse = sentence.parse
        assert parse is not None
        assert len(parse.tags) == len(parse.heads) == len(parse.labels) == len(sentence.tokens)
        assert all((*parse.tags, *parse.labels))
        assert [label == "root" for label in parse.labels] == [head == -1 for head in parse.heads]
        reached = {parse.heads.index(-1)}
        for _ in sentence.tokens:
            reached |= {token for token, head in enumerate(parse.heads) if head in reached}
        assert len(reached) == len(sentence.tokens)


def test_every_mention_is_a_sub_tree(mentions: tuple[RelationMention, ...]) -> None:
    for mention in mentions:
        assert mention.parse is not None
        spans: list[Span | LinkedMention] = [mention.first, mention.second, *mention.others]
        for span in spans:
            assert node(span, mention.parse) == span.end - 1


def test_every_part_has_both_directions_of_each_relation(mentions: tuple[RelationMention, ...]) -> None:
    relations = {mention.label.partition("(")[0] for mention in related(mentions, "train")}
    assert len(relations) == 14
    directed = {f"{relation}({direction})" for relation in relations for direction in ("e1,e2", "e2,e1")}
    for part in ("train", "dev", "test"):
        assert {mention.label for mention in related(mentions, part)} == directed
    assert {mention.head for mention in mentions} == {None}


def test_few_expressions_of_a_relation_are_common_and_many_are_rare(mentions: tuple[RelationMention, ...]) -> None:
    by_label: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for mention in mentions:
        by_label[mention.label][expression(mention)] += 1
    del by_label["no_relation"]
    for label, counts in by_label.items():
        assert len(counts) >= 12, label
        assert max(counts.values()) >= 5 * median(counts.values()), label


def test_fifty_mentions_miss_most_expressions(mentions: tuple[RelationMention, ...]) -> None:
    trained, scored = related(mentions, "train"), related(mentions, "test")
    few, many = ({expression(mention) for mention in seen} for seen in (trained[:50], trained))
    assert len(few) < 0.1 * len(many)
    assert mean(expression(mention) in few for mention in scored) < 0.4
    assert mean(expression(mention) in many for mention in scored) > 0.7


def test_mentions_stand_in_text_order_without_overlap(mentions: tuple[RelationMention, ...]) -> None:
    for mention in mentions:
        assert 0 <= mention.first.start < mention.first.end <= mention.second.start < mention.second.end
        taken = [mention.first, mention.second, *(Span(other.start, other.end) for other in mention.others)]
        tokens = [token for span in taken for token in range(*span)]
        assert len(tokens) == len(set(tokens))
        assert max(tokens) < len(mention.tokens)


def test_words_between_are_as_many_as_in_news(mentions: tuple[RelationMention, ...]) -> None:
    between = [mention.second.start - mention.first.end for mention in mentions]
    assert 4 <= mean(between) <= 8
    assert 15 <= max(between) <= 20


def test_text_links_two_or_three_entities_a_sentence(text: list[LinkedSentence]) -> None:
    assert len(text) == len({sentence.identifier for sentence in text}) == 20_000
    for sentence in text:
        assert 2 <= len(sentence.mentions) <= 3
        assert all(mention.start < mention.end <= len(sentence.tokens) for mention in sentence.mentions)
        assert all(left.end <= right.start for left, right in pairwise(sentence.mentions))


def test_most_entities_are_met_under_several_names(mentions: tuple[RelationMention, ...]) -> None:
    met = Counter(entity for mention in mentions for entity in (mention.first_entity, mention.second_entity))
    names = defaultdict(set)
    for mention in mentions:
        names[mention.first_entity].add(mention.tokens[slice(*mention.first)])
        names[mention.second_entity].add(mention.tokens[slice(*mention.second)])
    assert mean(len(names[entity]) > 1 for entity, times in met.items() if times >= 4) > 0.8


def test_text_knows_most_entities_of_the_corpus(
    mentions: tuple[RelationMention, ...], text: list[LinkedSentence]
) -> None:
    known = {mention.entity for sentence in text for mention in sentence.mentions}
    targets = {entity for mention in mentions for entity in (mention.first_entity, mention.second_entity)}
    assert 0.8 < mean(entity in known for entity in targets) < 0.95


def test_it_is_the_same_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_it_says_what_it_is_for() -> None:
    assert "for trying the harness" in Synthetic.about.notice
    assert Synthetic.about.negative_label == "no_relation"
    assert Synthetic.files == ()
