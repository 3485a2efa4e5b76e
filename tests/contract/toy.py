"""A toy corpus made by hand: one relation in both directions and none, linked entities, parses, a text of its own.

A line is a part, a label and a sentence; `[Ada]` is a mention of the pair, `(Acme)` one of a third entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from harness.contracts import (
    About,
    Corpus,
    CorpusReader,
    LinkedMention,
    LinkedSentence,
    Parse,
    Part,
    RelationMention,
    Span,
    TextNotes,
    TextReader,
)

WRITTEN = """
train founded(e1,e2) [Ada] founded [Acme] .
train founded(e2,e1) [Acme] was founded by [Ada] .
train no_relation [Ada] never saw [Acme] .
train founded(e1,e2) [Grace Hopper] founded [Initech] .
train founded(e2,e1) [Initech] was founded by [Grace Hopper] .
train no_relation [Grace Hopper] never saw [Initech] .
train founded(e1,e2) [Alan] , who left (Acme) , founded [Globex] .
train founded(e2,e1) [Globex] , unlike (Acme) , was founded by [Alan] .
train no_relation [Alan] never left (Acme) for [Globex] .
train founded(e2,e1) the [Acme] [Ada] founded .
train no_relation [Acme] met [Globex] .
train founded(e1,e2) in 1999 [Emmy] founded [Acme Labs] .
dev founded(e1,e2) [Emmy] founded [Acme] .
dev founded(e2,e1) [Initech] was founded by [Emmy] .
dev no_relation [Emmy] never saw [Globex] .
test founded(e1,e2) [Grace Hopper] founded [Globex] .
test founded(e2,e1) [Acme] was founded by [Alan] .
test no_relation [Ada] never saw [Initech] .
"""

PARTS: dict[str, Part] = {name: name for name in get_args(Part)}


class Toy(CorpusReader, TextReader):
    """Eighteen mentions, and their sentences without labels."""

    about = About(
        headline="micro_f1_positive",
        negative_label="no_relation",
        licence="MIT, as the harness itself",
        source="made by hand",
        citation="made by hand",
        notice="A toy.",
    )

    def read(self, path: Path | None) -> Corpus:
        return Corpus(tuple(_mention(number, *line.split(" ", 2)) for number, line in enumerate(_lines())))

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        for number, line in enumerate(_lines()):
            tokens, mentions = _read(line.split(" ", 2)[2], "[(")
            yield LinkedSentence(f"text-{number}", tokens, mentions, _parse(tokens))


def _lines() -> list[str]:
    return WRITTEN.strip().splitlines()


def _mention(number: int, part: str, label: str, sentence: str) -> RelationMention:
    tokens, (first, second) = _read(sentence, "[")
    return RelationMention(
        identifier=f"toy-{number}",
        tokens=tokens,
        first=Span(first.start, first.end),
        second=Span(second.start, second.end),
        label=label,
        part=PARTS[part],
        first_entity=first.entity,
        second_entity=second.entity,
        others=_read(sentence, "(")[1],
        parse=_parse(tokens),
    )


def _read(sentence: str, brackets: str) -> tuple[tuple[str, ...], tuple[LinkedMention, ...]]:
    """The tokens, and the mentions in brackets that open so; an entity's ID is its name in small letters."""
    mentions = []
    for found in re.finditer(r"[\[(](.+?)[\])]", sentence):
        if found[0][0] in brackets:
            start = len(sentence[: found.start()].split())
            mentions.append(LinkedMention(start, start + len(found[1].split()), found[1].lower()))
    return tuple(re.sub(r"[\[\]()]", "", sentence).split()), tuple(mentions)


def _parse(tokens: tuple[str, ...]) -> Parse:
    """A flat tree: every word hangs from the second one."""
    tags = ("NN" if token[0].isupper() else "VBD" for token in tokens)
    heads = (-1 if place == 1 else 1 for place in range(len(tokens)))
    labels = ("root" if place == 1 else "dep" for place in range(len(tokens)))
    return Parse(tuple(tags), tuple(heads), tuple(labels))
