"""Handcrafted features of a relation mention, as strings, by group (Chan & Roth 2010 and 2011; Zhou et al. 2005).

Features read the original tokens, as written. A part of the sentence that is not there yields no feature; a word or
tag before the sentence's start or after its end is written as the boundary mark. No two groups share the name that
stands before a feature's `=`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from harness.chunks import Chunk, chunks
from harness.contracts import RelationMention
from harness.syntax import head_word, tree_path

BOUNDARY = "<boundary>"

OFFSETS = ((-1, -1), (1, 1), (-2, -1), (-1, 1), (1, 2))
"""From where to where, seen from a head word, collocations of words and of tags reach."""


def features(mention: RelationMention, group: str) -> list[str]:
    """The distinct features of one group of `GROUPS`, in order of appearance.

    None for a group of `NEEDS_SYNTAX` and a mention without parse.
    """
    return list(dict.fromkeys(GROUPS[group](mention)))


def _lexical(mention: RelationMention) -> Iterator[str]:
    """Chan & Roth 2010, table 1: head words, bags of words, words and bigrams between."""
    tokens = mention.tokens
    one, two = (tokens[head] for head in _heads(mention))
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
    for number, head in enumerate(_heads(mention), 1):
        for low, high in OFFSETS:
            words = _at(mention.tokens, range(head + low, head + high + 1))
            yield f"c{number}({low},{high})={words}"


def _dependency(mention: RelationMention) -> Iterator[str]:
    """Chan & Roth 2010, table 1: the path between the mentions, the labels on it, head words with their parents.

    The path is the dependency labels from mention 1's node to mention 2's, with the way that each is passed:
    `↑nsubj ↓obj` goes up from a subject to its verb, and down to the verb's object.
    """
    if mention.parse is None:
        return
    heads, labels = mention.parse.heads, mention.parse.labels
    if path := tree_path(mention.parse, mention.first, mention.second):
        up = [labels[token] for token in path.first[:-1]]
        down = [labels[token] for token in path.second[-2::-1]]
        yield f"path={' '.join([f'↑{label}' for label in up] + [f'↓{label}' for label in down])}"
        yield from (f"dependency={label}" for label in up + down)
    for number, head in enumerate(_heads(mention), 1):
        if heads[head] >= 0:
            yield f"hw{number}+parent={mention.tokens[head]} {mention.tokens[heads[head]]}"


def _pos(mention: RelationMention) -> Iterator[str]:
    """Chan & Roth 2011: the tag of the single word between; each head word with P(i,j), the tags around it.

    P(i,j) are the tags from offset i to j of the head word, without its own.
    """
    if mention.parse is None:
        return
    tags = mention.parse.tags
    if mention.second.start - mention.first.end == 1:
        yield f"pos-single={tags[mention.first.end]}"
    for number, head in enumerate(_heads(mention), 1):
        for low, high in OFFSETS:
            around = _at(tags, [at for at in range(head + low, head + high + 1) if at != head])
            yield f"p{number}({low},{high})={mention.tokens[head]} {around}"


def _chunks(mention: RelationMention) -> Iterator[str]:
    """Chan & Roth 2011: whether there is a base phrase chunk between the mentions."""
    if mention.parse is not None and any(_between(mention, chunk) for chunk in chunks(mention.parse.tags)):
        yield "chunk=between"


def _phrases(mention: RelationMention) -> Iterator[str]:
    """Zhou et al. 2005, section 4.5: head words and path of base phrase chunks, under the names that they have there.

    A chunk that shares a token with a mention is neither between the mentions nor before or after them. The path is
    that of the chunks between.
    """
    if mention.parse is None:
        return
    found = chunks(mention.parse.tags)
    between = [chunk for chunk in found if _between(mention, chunk)]
    heads = [mention.tokens[chunk.head] for chunk in between]
    match heads:
        case []:
            yield "CPHBNULL"
        case [only]:
            yield f"CPHBFL={only}"
        case [first, *others, last]:
            yield f"CPHBF={first}"
            yield f"CPHBL={last}"
            yield from (f"CPHBO={word}" for word in others)
    before = [mention.tokens[chunk.head] for chunk in found if chunk.end <= mention.first.start]
    after = [mention.tokens[chunk.head] for chunk in found if chunk.start >= mention.second.end]
    yield from (f"{name}={word}" for name, word in zip(("CPHBM1F", "CPHBM1L"), reversed(before), strict=False))
    yield from (f"{name}={word}" for name, word in zip(("CPHAM2F", "CPHAM2L"), after, strict=False))
    if between:
        yield f"CPP={' '.join(chunk.label for chunk in between)}"
    if 1 <= len(between) <= 2:
        yield f"CPPH={' '.join(f'{chunk.label}:{head}' for chunk, head in zip(between, heads, strict=True))}"


def _heads(mention: RelationMention) -> tuple[int, int]:
    return head_word(mention, mention.first), head_word(mention, mention.second)


def _at(words: Sequence[str], places: Sequence[int]) -> str:
    """The words at these places, and the boundary mark for every place outside the sentence."""
    return " ".join(words[at] if 0 <= at < len(words) else BOUNDARY for at in places)


def _between(mention: RelationMention, chunk: Chunk) -> bool:
    return chunk.start >= mention.first.end and chunk.end <= mention.second.start


GROUPS: dict[str, Callable[[RelationMention], Iterator[str]]] = {
    "lexical": _lexical,
    "collocations": _collocations,
    "dependency": _dependency,
    "pos": _pos,
    "chunks": _chunks,
    "phrases": _phrases,
}
DEFAULT_GROUPS: tuple[str, ...] = ("lexical", "collocations", "dependency", "pos", "chunks")
"""What `features = true` stands for."""
NEEDS_SYNTAX: frozenset[str] = frozenset({"dependency", "pos", "chunks", "phrases"})
"""The groups that a mention must have a parse for."""
