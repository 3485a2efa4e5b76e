"""What a sequence encoder reads of a relation mention: mention 1, the words between, mention 2; a mention is one token.

Third mentions between the two are one token each as well (Li et al. 2016, section 3). `prepared` turns readings into
rows, `data show` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.contracts import RelationMention
from harness.vocabulary import canonical_name


class Token(NamedTuple):
    """A token of a reading: a word (`entity` is None), or an entity mention with its words and its entity's ID."""

    words: tuple[str, ...]
    entity: str | None = None


def reading(mention: RelationMention) -> Iterator[Token]:
    """The tokens of the forward reading, in order."""
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


def entities(mention: RelationMention) -> tuple[str, str]:
    """The IDs of the pair's entities in text order; a name stands for an entity that is not linked."""
    one = _entity(mention, *mention.first, mention.first_entity)
    two = _entity(mention, *mention.second, mention.second_entity)
    return str(one.entity), str(two.entity)


def _entity(mention: RelationMention, start: int, end: int, identifier: str | None) -> Token:
    words = mention.tokens[start:end]
    return Token(words, identifier or canonical_name(words))
