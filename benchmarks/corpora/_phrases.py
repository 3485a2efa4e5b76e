"""A notation for dependency trees in one line, and the phrases that are made from it.

    {a}/nsubj was ~ founded/VBN [by {b}]obl

A token is written word/TAG/label. Of the members of a level, the one without a label is the head and the others hang on
it; brackets open a level, and what follows the closing one is the label of that level's head. So every phrase is a
projective tree by construction. `{slot}` is filled with a phrase, `{slot+}` with one that may carry an aside, and `~`
is a place where an adverbial may stand. The words of `SMALL` are written without tag and label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from harness.contracts import LinkedMention, Parse

SMALL = {
    "a": "DT/det", "an": "DT/det", "the": "DT/det", "its": "PRP$/nmod:poss", "'s": "POS/case",
    "about": "IN/case", "against": "IN/case", "at": "IN/case", "by": "IN/case", "during": "IN/case", "for": "IN/case",
    "from": "IN/case", "in": "IN/case", "of": "IN/case", "on": "IN/case", "to": "IN/case", "with": "IN/case",
    "had": "VBD/aux", "has": "VBZ/aux", "was": "VBD/aux:pass", "been": "VBN/aux:pass",
    ",": ",/punct", "-": "HYPH/punct",
}  # fmt: skip

ADVERBIAL = "~"
_SYMBOL = re.compile(r"\[|\][^\s\]]*|[^\s\[\]]+")


class Phrase(NamedTuple):
    """Words with their tree: `heads` are indices within the phrase, -1 at `root`; `mentions` are in text order."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    heads: tuple[int, ...]
    labels: tuple[str, ...]
    root: int = 0
    mentions: tuple[LinkedMention, ...] = ()

    @property
    def parse(self) -> Parse:
        """The tree as the harness knows it."""
        return Parse(self.tags, self.heads, self.labels)


def word(text: str, tag: str) -> Phrase:
    """A phrase of one word."""
    return Phrase((text,), (tag,), (-1,), ("",))


class Template(NamedTuple):
    """A compiled notation: words and names of slots in text order, each with its label and the index of its head.

    `slots` are the names alone; `open` is the slot that may carry an aside and `head` the slot at the root, both ""
    where there is none.
    """

    parts: tuple[Phrase | str, ...]
    labels: tuple[str, ...]
    heads: tuple[int, ...]
    slots: tuple[str, ...]
    open: str
    head: str


def compiled(notation: str) -> Template:
    """Compile one line of the notation; a word without a tag or a level without exactly one head is a ValueError."""
    parts: list[Phrase | str] = []
    labels: list[str] = []
    heads: list[int] = []
    levels: list[list[int]] = [[]]
    opened = ""

    def close() -> int:
        """Hang the members of the innermost level on its head, which is returned; an only member is the head."""
        level = levels.pop()
        unlabelled = level if len(level) == 1 else [part for part in level if not labels[part]]
        if len(unlabelled) != 1:
            raise ValueError(f"every level must have one head, but one of {notation!r} has {len(unlabelled)}")
        for part in level:
            heads[part] = unlabelled[0]
        return unlabelled[0]

    for symbol in _SYMBOL.findall(notation):
        if symbol == "[":
            levels.append([])
            continue
        if symbol[0] == "]":
            head = close()
            labels[head] = symbol[1:]
            levels[-1].append(head)
            continue
        part, label = _part(symbol)
        levels[-1].append(len(parts))
        parts.append(part)
        labels.append(label)
        heads.append(-1)
        if "+" in symbol and isinstance(part, str):
            opened = part
    root = close()
    heads[root] = -1
    slots = tuple(part for part in parts if isinstance(part, str))
    at_root = parts[root]
    head_slot = at_root if isinstance(at_root, str) else ""
    return Template(tuple(parts), tuple(labels), tuple(heads), slots, opened, head_slot)


def _part(symbol: str) -> tuple[Phrase | str, str]:
    """A word, or the name of a slot, and its label, "" where it has none."""
    if symbol == ADVERBIAL:
        return ADVERBIAL, ADVERBIAL
    if symbol[0] == "{":
        name, _, label = symbol.partition("/")
        return name.strip("{+}"), label
    text, tag, label = f"{symbol}/{SMALL.get(symbol, '')}/".split("/")[:3]
    if not tag:
        raise ValueError(f"{text!r} must have a tag, as in {text}/NN, or stand in SMALL")
    return word(text, tag), label


def filled(template: Template, slots: Mapping[str, Phrase]) -> Phrase:
    """The template with its slots filled; a place for an adverbial stays empty where `slots` has none."""
    words: list[str] = []
    tags: list[str] = []
    heads: list[int] = []
    labels: list[str] = []
    mentions: list[LinkedMention] = []
    roots: list[int] = []  # where each part's root stands in the new phrase
    for part, label in zip(template.parts, template.labels, strict=True):
        if isinstance(part, str):
            if part == ADVERBIAL and ADVERBIAL not in slots:
                roots.append(-1)
                continue
            part = slots[part]
        start = len(words)
        roots.append(start + part.root)
        words += part.words
        tags += part.tags
        heads += [start + head for head in part.heads]
        labels += part.labels
        mentions += [LinkedMention(start + m.start, start + m.end, m.entity) for m in part.mentions]
        if label and label != ADVERBIAL:
            labels[roots[-1]] = label
    for root, head in zip(roots, template.heads, strict=True):
        if root >= 0:
            heads[root] = roots[head] if head >= 0 else -1
    root = roots[template.heads.index(-1)]
    return Phrase(tuple(words), tuple(tags), tuple(heads), tuple(labels), root, tuple(mentions))


def sentence(phrase: Phrase) -> Phrase:
    """The phrase as a sentence: a capital, a full stop, and no comma before it."""
    length = len(phrase.words) - (phrase.words[-1] == ",")
    words = (phrase.words[0][0].upper() + phrase.words[0][1:], *phrase.words[1:length], ".")
    tags = (*phrase.tags[:length], ".")
    heads = (*phrase.heads[:length], phrase.root)
    labels = [*phrase.labels[:length], "punct"]
    labels[phrase.root] = "root"
    return Phrase(words, tags, heads, tuple(labels), phrase.root, phrase.mentions)
