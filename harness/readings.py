"""What a sequence encoder reads of a relation mention: the words between its two mentions, or paths in the tree.

An entity mention, third mentions included, is one token (Li et al. 2016, section 3). `prepared` turns readings into
rows, `data show` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from harness.contracts import LinkedSentence, RelationMention, Span
from harness.syntax import tree_path
from harness.vocabulary import canonical_name


class Token(NamedTuple):
    """A token of a reading: a word (`entity` is None), or an entity mention with its words and its entity's ID."""

    words: tuple[str, ...]
    entity: str | None = None


class Paths(NamedTuple):
    """Two readings along the dependency tree, each from a mention's node up to the lowest common ancestor.

    `fallback` says that there is no path, and that they are the forward reading and its reverse instead.
    """

    first: tuple[Token, ...]
    second: tuple[Token, ...]
    fallback: bool


def reading(mention: RelationMention) -> Iterator[Token]:
    """The forward reading: mention 1, the words between, mention 2."""
    yield _entity(mention, *mention.first, mention.first_entity)
    at = mention.first.end
    while at < mention.second.start:
        other = next((m for m in mention.others if m.start == at and m.end <= mention.second.start), None)
        if other is None:
            yield Token((mention.tokens[at],))
            at += 1
        else:
            yield _entity(mention, other.start, other.end, other.entity)
            at = other.end
    yield _entity(mention, *mention.second, mention.second_entity)


def paths(mention: RelationMention) -> Paths:
    """The readings of an encoder of dependency paths (Ebrahimi & Dou 2015; Xu et al. 2015).

    Tokens of one entity mention that follow each other on a path are one token. Raises ValueError for a mention
    without parse.
    """
    if mention.parse is None:
        raise ValueError(f"mention '{mention.identifier}' has no parse; expected one, for paths run through the tree")
    path = tree_path(mention.parse, mention.first, mention.second)
    if path is None:
        tokens = tuple(reading(mention))
        return Paths(tokens, tokens[::-1], fallback=True)
    holders = _holders(mention)
    first, second = (tuple(_along(mention, sub_path, holders)) for sub_path in path)
    return Paths(first, second, fallback=False)


def _along(mention: RelationMention, path: Sequence[int], holders: Mapping[int, Token]) -> Iterator[Token]:
    before = None
    for at in path:
        holder = holders.get(at)
        if holder is None:
            yield Token((mention.tokens[at],))
        elif holder is not before:  # not !=, for two mentions may have the same words and entity
            yield holder
        before = holder


def _holders(mention: RelationMention) -> dict[int, Token]:
    """The entity mention that holds a token, as one token, for every token within one.

    As in the reading of the words between, one that overlaps another is not used, and the pair's own come first.
    """
    holders: dict[int, Token] = {}
    pair = ((*mention.first, mention.first_entity), (*mention.second, mention.second_entity))
    for start, end, identifier in (*pair, *mention.others):
        if holders.keys().isdisjoint(range(start, end)):
            holders.update(dict.fromkeys(range(start, end), _entity(mention, start, end, identifier)))
    return holders


def retokenised(sentence: LinkedSentence) -> Iterator[Token]:
    """A sentence whose every entity mention is one token."""
    at = 0
    for mention in sentence.mentions:
        yield from (Token((word,)) for word in sentence.tokens[at : mention.start])
        yield Token(sentence.tokens[mention.start : mention.end], mention.entity)
        at = mention.end
    yield from (Token((word,)) for word in sentence.tokens[at:])


def pairs(sentence: LinkedSentence, distance: int) -> Iterator[RelationMention]:
    """The unlabelled relation mentions of a sentence: all pairs of its mentions, in text order, with at most `distance`
    tokens between them, each mention between counting as one.
    """
    mentions = sentence.mentions
    place, at, before = [], 0, 0  # of each mention, its place in the retokenised sentence
    for mention in mentions:
        at += mention.start - before
        place.append(at)
        at, before = at + 1, mention.end
    for one, two in combinations(range(len(mentions)), 2):
        if place[two] - place[one] - 1 > distance:
            continue
        first, second = mentions[one], mentions[two]
        yield RelationMention(
            identifier=sentence.identifier,
            tokens=sentence.tokens,
            first=Span(first.start, first.end),
            second=Span(second.start, second.end),
            label="",
            part="train",
            first_entity=first.entity,
            second_entity=second.entity,
            others=tuple(mention for at, mention in enumerate(mentions) if at not in (one, two)),
            parse=sentence.parse,
        )


def entities(mention: RelationMention) -> tuple[str, str]:
    """The IDs of the pair's entities in text order; a name stands for an entity that is not linked."""
    one = _entity(mention, *mention.first, mention.first_entity)
    two = _entity(mention, *mention.second, mention.second_entity)
    return str(one.entity), str(two.entity)


def _entity(mention: RelationMention, start: int, end: int, identifier: str | None) -> Token:
    words = mention.tokens[start:end]
    return Token(words, identifier or canonical_name(words))
