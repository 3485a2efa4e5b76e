"""From the examples of files to a Corpus or a text: what can't be used is left out by reason, with its place, and
never lost.

A reader walks over its files and hands each example to a `Collection`::

    collection = Collection()
    for place, example in json_list(file):
        with collection.example(place):
            tokens = texts(example, "token")
            ...
            collection.add(RelationMention(...))
    return collection.corpus()

A reader of text does the same with a `TextCollection` and yields what `sentence` makes of each.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

from harness.contracts import (
    About,
    Corpus,
    Fault,
    LinkedMention,
    LinkedSentence,
    Parse,
    Part,
    Place,
    RelationMention,
    Span,
    TextNotes,
)
from harness.fields import UnusableError, shown

Example = tuple[tuple[str, ...], Span, Span, str | None]
"""What makes an example another one: tokens, spans, and which of them is the subject."""

PARTS: dict[str, Part] = {part: part for part in get_args(Part)}
FAULTS_KEPT = 1000
"""Faults of a text whose places are kept, of each reason; all are counted."""

ORDER: dict[Part, int] = {part: at for at, part in enumerate(get_args(Part))}


class Collection:
    """Gathers the mentions of a corpus.

    Left out and counted: an example whose spans are not two parts of its sentence, and one that stands there already.
    Of such doubles the one in the part scored last stays, test before dev before train, so that none is trained on and
    scored. An identifier that is another example's is made another one, with a remark.
    """

    def __init__(self) -> None:
        self._kept: dict[Example, RelationMention] = {}
        self._identifiers: dict[str, Place] = {}
        self._again: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._told: dict[str, tuple[int, Place]] = {}
        self._place: Place | None = None

    @contextmanager
    def example(self, place: Place) -> Iterator[None]:
        """The example at `place`: an UnusableError within leaves it out."""
        self._place = place
        try:
            yield
        except UnusableError as error:
            self._leave_out(place, error)

    def pass_over(self, reason: str) -> None:
        """Count an example that could be used and is not wanted; it is no fault."""
        self._left_out[reason] += 1

    def remark(self, about: str) -> None:
        """Tell of an example that is kept; remarks of one wording are counted."""
        assert self._place is not None
        count, first = self._told.get(about, (0, self._place))
        self._told[about] = count + 1, first

    def add(self, mention: RelationMention) -> None:
        """Add the mention of this example, or raise UnusableError."""
        assert self._place is not None
        _check(mention)
        example = mention.tokens, mention.first, mention.second, mention.head
        double = self._kept.get(example)
        if double is not None:
            if ORDER[double.part] >= ORDER[mention.part]:
                raise _again(mention, double)
            place = self._identifiers.pop(double.identifier)
            del self._kept[example]  # and not replaced in its place, which is among the mentions of its part
        if mention.identifier in self._identifiers:
            mention = dataclasses.replace(mention, identifier=self._other_identifier(mention))
            self.remark("an identifier that is another example's, and was made another one")
        if double is not None:
            self._leave_out(place, _again(double, mention))
        self._identifiers[mention.identifier] = self._place
        self._kept[example] = self._freed(mention)

    def corpus(self, about: About | None = None, remarks: Sequence[str] = ()) -> Corpus:
        """All that was added, in order."""
        mentions = tuple(self._kept.values())
        told = [f"{text}: {count:,} (the first: {place})" for text, (count, place) in self._told.items()]
        parts_of: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for mention in mentions:
            parts_of[mention.tokens].add(mention.part)
        if shared := sum(len(parts) > 1 for parts in parts_of.values()):
            told.append(f"sentences in more than one official part, with other arguments, and kept: {shared:,}")
        spellings: defaultdict[str, list[str]] = defaultdict(list)
        for label in dict.fromkeys(mention.label for mention in mentions):
            spellings[" ".join(label.split()).casefold()].append(label)
        told += [
            f"labels that differ in case or blanks alone, and count as different: {', '.join(map(shown, labels))}"
            for labels in spellings.values()
            if len(labels) > 1
        ]
        return Corpus(mentions, dict(self._left_out), (*remarks, *told), tuple(self._faults), about)

    def _other_identifier(self, mention: RelationMention) -> str:
        name = f"{mention.part}/{mention.identifier}"
        while True:
            self._again[name] += 1
            made = name if self._again[name] == 1 else f"{name} ({self._again[name]})"
            if made not in self._identifiers:
                return made

    def _leave_out(self, place: Place, error: UnusableError) -> None:
        self._faults.append(Fault(place, error.reason, error.found))
        self._left_out[error.reason] += 1

    def _freed(self, mention: RelationMention) -> RelationMention:
        """The mention, freed of further mentions and of a parse that can't be used; each is remarked."""
        if mention.others:
            mention = dataclasses.replace(mention, others=self._disjoint(mention))
        if mention.parse is not None and (fault := tree_fault(mention.parse, len(mention.tokens))):
            self.remark(f"a parse that is not used, for {fault}")
            mention = dataclasses.replace(mention, parse=None)
        return mention

    def _disjoint(self, mention: RelationMention) -> tuple[LinkedMention, ...]:
        taken = [False] * len(mention.tokens)
        for start, end in (mention.first, mention.second):
            taken[start:end] = [True] * (end - start)
        others = []
        for other in sorted(mention.others):
            fits = not _span_fault(Span(other.start, other.end), mention.tokens)
            if fits and other.entity.strip() and not any(taken[other.start : other.end]):
                others.append(other)
                taken[other.start : other.end] = [True] * (other.end - other.start)
            else:
                self.remark("a further mention that is not used, for it is not apart from all others in the sentence")
        return tuple(others)


class TextCollection:
    """Gathers what is told of a text in `notes`, while its sentences are handed on one by one."""

    def __init__(self, notes: TextNotes) -> None:
        self.notes = notes
        self._kept: Counter[str] = Counter()

    @contextmanager
    def example(self, place: Place) -> Iterator[None]:
        """The example at `place`: an UnusableError within leaves it out."""
        try:
            yield
        except UnusableError as error:
            self.leave_out(place, error)

    def leave_out(self, place: Place, error: UnusableError) -> None:
        """Count an example that can't be used."""
        self.notes.left_out[error.reason] += 1
        self._kept[error.reason] += 1
        if self._kept[error.reason] <= FAULTS_KEPT:
            self.notes.faults.append(Fault(place, error.reason, error.found))

    def pass_over(self, reason: str) -> None:
        """Count an example that could be used and is not wanted; it is no fault."""
        self.notes.left_out[reason] += 1

    @staticmethod
    def sentence(
        identifier: str, tokens: Sequence[str], mentions: Sequence[LinkedMention], parse: Parse | None = None
    ) -> LinkedSentence:
        """The sentence with its mentions in text order, or UnusableError where one is no mention of it.

        Of mentions that overlap the earlier one stays, of two that begin together the longer one.
        """
        tokens = tuple(tokens)
        if not tokens:
            raise UnusableError("a sentence without tokens")
        if not all(tokens):
            raise UnusableError("an empty token", f"token {tokens.index('')} of {len(tokens)}")
        if half := _half_pair((identifier, *tokens, *(mention.entity for mention in mentions))):
            raise UnusableError("half a pair of surrogates, which is no text", half)
        kept: list[LinkedMention] = []
        for mention in sorted(mentions, key=lambda one: (one.start, -one.end)):
            if fault := _span_fault(Span(mention.start, mention.end), tokens):
                raise UnusableError(fault, f"{shown((mention.start, mention.end))} of {len(tokens)} tokens")
            if not mention.entity.strip():
                raise UnusableError("a mention without an entity", f"{shown((mention.start, mention.end))}")
            if not kept or mention.start >= kept[-1].end:
                kept.append(mention)
        if parse is not None and (fault := tree_fault(parse, len(tokens))):
            raise UnusableError("a parse that can't be used", fault)
        return LinkedSentence(identifier, tokens, tuple(kept), parse)


def faults_of(notes: TextNotes) -> int:
    """How many faults there are of a text, those whose places are not kept among them."""
    return sum(notes.left_out[reason] for reason in {fault.reason for fault in notes.faults})


def _again(mention: RelationMention, kept: RelationMention) -> UnusableError:
    agree = "the same label" if kept.label == mention.label else "another label"
    return UnusableError(
        f"the same sentence and arguments again, with {agree}",
        f"{shown(mention.label)}; {shown(kept.identifier)} in {kept.part} has {shown(kept.label)}",
    )


def _check(mention: RelationMention) -> None:
    """Raise UnusableError where the spans are not two parts of the sentence, or where text is missing or is none."""
    tokens = mention.tokens
    for span in (mention.first, mention.second):
        if span_fault := _span_fault(span, tokens):
            raise UnusableError(span_fault, f"{shown(tuple(span))} of {len(tokens)} tokens")
    if mention.second.start < mention.first.end:
        raise UnusableError("spans that overlap", f"{tuple(mention.first)} and {tuple(mention.second)}")
    if not all(tokens):
        raise UnusableError("an empty token", f"token {tokens.index('')} of {len(tokens)}")
    if not mention.label.strip():
        raise UnusableError("an empty label")
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in mention.label):
        raise UnusableError("a label with a line's end or another control character", shown(mention.label))
    entities = (mention.first_entity, mention.second_entity, *(other.entity for other in mention.others))
    if half := _half_pair((*tokens, mention.label, mention.identifier, *filter(None, entities))):
        raise UnusableError("half a pair of surrogates, which is no text", half)


def _half_pair(words: Sequence[str]) -> str:
    """What can't be encoded, for JSON may hold half a pair of surrogates; empty where all can be."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError as error:
        return repr(error.object[error.start])
    return ""


def _span_fault(span: Span, tokens: Sequence[str]) -> str:
    if span.end < span.start:
        return "a reversed span"
    if span.start < 0 or span.end > len(tokens):
        return "a span outside the sentence"
    if not "".join(tokens[slice(*span)]).strip():
        return "an empty argument"
    return ""


def tree_fault(parse: Parse, size: int) -> str:
    """What keeps a parse from being the syntax of `size` tokens; empty where nothing does. Roots may be several."""
    found = [len(column) for column in (parse.tags, parse.heads, parse.labels)]
    if found != [size] * 3:
        return "it is not as long as its sentence"
    if not all(-1 <= head < size for head in parse.heads):
        return "it has a head outside the sentence"
    if not all(parse.tags) or not all(parse.labels):
        return "it has an empty tag or label"
    if _half_pair((*parse.tags, *parse.labels)):
        return "it has half a pair of surrogates, which is no text"
    state = [0] * size  # 1: on the way that is being followed, 2: leads to a root
    for token in range(size):
        way = []
        while token >= 0 and state[token] == 0:
            state[token] = 1
            way.append(token)
            token = parse.heads[token]
        if token >= 0 and state[token] == 1:
            return "it has a cycle"
        for passed in way:
            state[passed] = 2
    return ""


def in_text_order(subject: Span, object: Span) -> tuple[Span, Span, Literal["first", "second"]]:
    """The two spans in text order, and which of them is the subject."""
    return (subject, object, "first") if subject <= object else (object, subject, "second")


def usable(read: Callable[[Any], Parse | None], example: Any) -> tuple[Parse | None, str]:
    """What `read` makes of an example's parse, and, where it can't be used, why: the mention is kept without."""
    try:
        return read(example), ""
    except UnusableError as error:
        return None, f"a parse that is not used, for it has {error.reason}"


def part_of(name: str) -> Part:
    """The part of this name; UnusableError for another."""
    if name not in PARTS:
        raise UnusableError("an unknown part", f"{name!r}; expected {', '.join(PARTS)}")
    return PARTS[name]
