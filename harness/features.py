"""Handcrafted features of a relation mention, as strings, by group (Chan & Roth 2010).

Features read the original tokens, as written. A part of the sentence that is not there yields no feature; a word
before the sentence's start or after its end is written as the boundary mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from harness.contracts import RelationMention, Span

BOUNDARY = "<boundary>"

PREPOSITIONS = frozenset(
    "about above across after against along among around as at before behind between beyond by during for from in "
    "inside into near of off on onto outside over since through throughout to toward towards under upon with within "
    "without".split()
)
"""Where a sentence has no part-of-speech tags, these words count as prepositions and every other word as a noun."""


def features(mention: RelationMention, group: str) -> list[str]:
    """The distinct features of one group of `GROUPS`, in order of appearance."""
    return list(dict.fromkeys(GROUPS[group](mention)))


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


def _lexical(mention: RelationMention) -> Iterator[str]:
    """Chan & Roth 2010, table 1: head words, bags of words, words and bigrams between."""
    tokens = mention.tokens
    one, two = (tokens[head_word(mention, span)] for span in (mention.first, mention.second))
    yield f"hw1={one}"
    yield f"hw2={two}"
    yield f"hw12={one} {two}"
    yield from (f"m1={word}" for word in tokens[slice(*mention.first)])
    yield from (f"m2={word}" for word in tokens[slice(*mention.second)])
    between = tokens[mention.first.end : mention.second.start]
    if len(between) == 1:
        yield f"single={between[0]}"
    yield from (f"between={word}" for word in between)
    yield from (f"bigram={a} {b}" for a, b in pairwise(between))
    if between:
        yield f"first={between[0]}"
        yield f"last={between[-1]}"


def _collocations(mention: RelationMention) -> Iterator[str]:
    """Chan & Roth 2010, table 1: C(i,j), the words from offset i to j of each mention's head word, as one string."""
    for name, span in (("c1", mention.first), ("c2", mention.second)):
        head = head_word(mention, span)
        for low, high in ((-1, -1), (1, 1), (-2, -1), (-1, 1), (1, 2)):
            words = (
                mention.tokens[i] if 0 <= i < len(mention.tokens) else BOUNDARY
                for i in range(head + low, head + high + 1)
            )
            yield f"{name}({low},{high})={' '.join(words)}"


GROUPS: dict[str, Callable[[RelationMention], Iterator[str]]] = {
    "lexical": _lexical,
    "collocations": _collocations,
}
DEFAULT_GROUPS: tuple[str, ...] = ("lexical", "collocations")
"""What `features = true` stands for."""
