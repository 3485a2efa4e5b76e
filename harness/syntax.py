"""The syntax of a relation mention: head words, the mentions' nodes in the dependency tree, the path between them.

A parse is a forest (`harness.collection` refuses cycles): a sentence may have several roots, and two tokens below
different roots have no path. Nodes and paths take time linear in the length of the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.contracts import Parse, RelationMention, Span

PREPOSITIONS = frozenset(
    "about above across after against along among around as at before behind between beyond by during for from in "
    "inside into near of off on onto outside over since through throughout to toward towards under upon with within "
    "without".split()
)
"""Where a sentence has no part-of-speech tags, these words count as prepositions and every other word as a noun."""


class TreePath(NamedTuple):
    """The path between two nodes, as the sub-path from each up to the lowest common ancestor, which ends both.

    A node that is the ancestor of the other, or the same, has itself alone as its sub-path.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]

    @property
    def ancestor(self) -> int:
        """The lowest common ancestor."""
        return self.first[-1]

    @property
    def tokens(self) -> tuple[int, ...]:
        """The shortest path, from the first node to the second."""
        return self.first + self.second[-2::-1]


def head_word(mention: RelationMention, span: Span) -> int:
    """Index of the head word of an entity mention.

    If the mention holds a preposition with a noun before it, that noun; else its last noun; else its last word.
    """
    if mention.parse is None:
        nouns = {i for i in range(*span) if mention.tokens[i].lower() not in PREPOSITIONS}
        prepositions = set(range(*span)) - nouns
    else:
        nouns = {i for i in range(*span) if mention.parse.tags[i].startswith("NN")}
        prepositions = {i for i in range(*span) if mention.parse.tags[i] in ("IN", "TO")}
    for place in sorted(prepositions):
        before = [i for i in nouns if i < place]
        if before:
            return max(before)
    return max(nouns, default=span.end - 1)


def node(parse: Parse, span: Span) -> int:
    """The token that stands for an entity mention in the tree: that of its span whose head lies outside the span.

    Of several, the one with the fewest steps to its root; of several such, the last. A root's head lies outside.
    """
    candidates = [token for token in range(*span) if not span.start <= parse.heads[token] < span.end]
    if len(candidates) == 1:
        return candidates[0]
    depths = _depths(parse.heads)
    return min(reversed(candidates), key=lambda token: depths[token])


def tree_path(parse: Parse, first: Span, second: Span) -> TreePath | None:
    """The path between the nodes of two mentions; None where they stand below different roots."""
    up = tuple(_up(parse.heads, node(parse, first)))
    place = {token: at for at, token in enumerate(up)}
    passed = []
    for token in _up(parse.heads, node(parse, second)):
        passed.append(token)
        if token in place:
            return TreePath(up[: place[token] + 1], tuple(passed))
    return None


def _up(heads: Sequence[int], token: int) -> Iterator[int]:
    """The token, its head, the head of that, up to the root."""
    while token >= 0:
        yield token
        token = heads[token]


def _depths(heads: Sequence[int]) -> list[int]:
    """Steps from each token to its root."""
    depths = [-1] * len(heads)
    for token in range(len(heads)):
        way = []
        while token >= 0 and depths[token] < 0:
            way.append(token)
            token = heads[token]
        depth = depths[token] if token >= 0 else -1
        for passed in reversed(way):
            depth += 1
            depths[passed] = depth
    return depths
