"""Base phrase chunks, which do not overlap or nest, from Penn part-of-speech tags by a small grammar of our own.

From left to right, at each token the first of these that matches, as long as it can be::

    NP = [PDT] (DETERMINER | POS) {{RB} (ADJECTIVE | NUMBER | PARTICIPLE)} NOUN {NOUN | NUMBER}
       | {{RB} (ADJECTIVE | NUMBER)} NOUN {NOUN | NUMBER}
       | [PDT] DETERMINER {{RB} (ADJECTIVE | NUMBER)}
       | NUMBER {NUMBER}
       | PRONOUN
    VP = [TO {RB}] VERB {{RB} [TO {RB}] VERB}
    PP = IN | TO

    DETERMINER = DT, PRP$, WP$, WDT      ADJECTIVE  = JJ, JJR, JJS      NOUN    = NN, NNS, NNP, NNPS, FW, ADD
    PRONOUN    = PRP, WP, EX             PARTICIPLE = VBG, VBN          NUMBER  = CD, $, #
    RB         = RB, RBR, RBS            VERB       = VB, VBD, VBP, VBZ, MD, VBG, VBN

What nothing matches, and any other tag, is outside: conjunctions, punctuation, hyphens, particles, adjectives and
adverbs that stand alone. As in CoNLL-2000 (Tjong Kim Sang & Buchholz 2000) a possessive mark begins the phrase of what
is possessed, and a prepositional phrase is the preposition without its object; unlike there, a subordinating
conjunction, which has the tag of a preposition, is one too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast


class Chunk(NamedTuple):
    """Tokens `start` up to, not including, `end`, and the index of the head word.

    The head word of an NP is its last noun, else its last token; of a VP its last verb; of a PP the preposition.
    """

    label: Literal["NP", "VP", "PP"]
    start: int
    end: int
    head: int


_TAGS = {
    "x": "PDT",
    "d": "DT PRP$ WP$ WDT",
    "s": "POS",
    "r": "RB RBR RBS",
    "j": "JJ JJR JJS",
    "c": "CD $ #",
    "g": "VBG VBN",
    "n": "NN NNS NNP NNPS FW ADD",
    "p": "PRP WP EX",
    "v": "VB VBD VBP VBZ MD",
    "t": "TO",
    "i": "IN",
}
_LETTERS = {tag: letter for letter, tags in _TAGS.items() for tag in tags.split()}
"""A sentence's tags as one letter each, which the grammar is written over."""

_CHUNK = re.compile(
    r"""(?P<NP> x?[ds](?:r*[jcg])*n[nc]* | (?:r*[jc])*n[nc]* | x?d(?:r*[jc])* | c+ | p )
    |   (?P<VP> (?:tr*)?[vg](?:r*(?:tr*)?[vg])* )
    |   (?P<PP> [it] )""",
    re.VERBOSE,
)


def chunks(tags: Sequence[str]) -> list[Chunk]:
    """The chunks of a sentence, from left to right."""
    letters = "".join(_LETTERS.get(tag, "-") for tag in tags)
    found = []
    for match in _CHUNK.finditer(letters):
        noun = letters.rfind("n", *match.span())
        head = noun if noun >= 0 else match.end() - 1  # a VP ends with a verb
        found.append(Chunk(cast(Literal["NP", "VP", "PP"], match.lastgroup), *match.span(), head))
    return found
