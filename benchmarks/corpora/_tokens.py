"""Tokens of text that is published untokenised: NLTK's Treebank rules by character offsets, cut at given edges."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING

from harness.contracts import Span

if TYPE_CHECKING:
    from nltk.tokenize.destructive import NLTKWordTokenizer

LONGEST = 100_000  # characters; far above any sentence, and far below where NLTK's patterns run out of their time

Characters = tuple[int, int]
"""Characters of a text: the first, and the one after the last."""


def tokenise(text: str, cuts: Collection[int] = ()) -> list[Characters]:
    """The tokens of a text as the characters that they stand on, cut wherever one of `cuts` lies within a token.

    The rules are those of NLTK's word tokeniser (Bird et al. 2009), improved from the Penn Treebank's: one sentence a
    text, as only its last full stop is parted from its word. Every character that is no blank lies in exactly one
    token, and a token is never empty. Where NLTK's offsets do not give that, and in a text of more than `LONGEST`
    characters, the tokens are what stands between blanks.

    >>> text = 'She is "Ann".'
    >>> [text[start:end] for start, end in tokenise(text, [10])]
    ['She', 'is', '"', 'An', 'n', '"', '.']
    """
    edges = sorted(set(cuts))
    tokens: list[Characters] = []
    for start, end in _by_rules(text) or _between_blanks(text):
        within = edges[bisect_right(edges, start) : bisect_left(edges, end)]
        tokens += zip([start, *within], [*within, end], strict=True)
    return tokens


def words(text: str, tokens: Sequence[Characters]) -> tuple[str, ...]:
    """The tokens as they are written in the text; equal ones share their memory."""
    return tuple(sys.intern(text[start:end]) for start, end in tokens)


def covering(tokens: Sequence[Characters], characters: Characters) -> Span:
    """The tokens that lie within these characters of the text; an empty span where there are none."""
    start, end = characters
    first = bisect_left(tokens, start, key=lambda token: token[0])
    return Span(first, max(first, bisect_right(tokens, end, key=lambda token: token[1])))


def _by_rules(text: str) -> list[Characters]:
    """NLTK's tokens; none where they are not the whole text."""
    if len(text) > LONGEST:
        return []
    try:
        tokens = list(_treebank().span_tokenize(text))
    except ValueError:  # a token that its rules rewrote and that its alignment did not find again
        return []
    return tokens if "".join(text[start:end] for start, end in tokens) == "".join(text.split()) else []


def _between_blanks(text: str) -> list[Characters]:
    return [found.span() for found in re.finditer(r"\S+", text)]


@cache
def _treebank() -> NLTKWordTokenizer:
    from nltk.tokenize.destructive import NLTKWordTokenizer  # takes a second: only where a text is read

    return NLTKWordTokenizer()
