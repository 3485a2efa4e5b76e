"""From the examples of files to a Corpus: what can't be used is left out by reason, with its place, and never lost.

A reader walks over its files and hands each example to a `Collection`::

    collection = Collection()
    for place, example in json_list(file):
        with collection.example(place):
            tokens = texts(example, "token")
            ...
            collection.add(RelationMention(...))
    return collection.corpus()
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

from harness.contracts import About, Corpus, Fault, LinkedMention, Parse, Part, Place, RelationMention, Span

Example = tuple[tuple[str, ...], Span, Span, str | None]
"""What makes an example another one: tokens, spans, and which of them is the subject."""

PARTS: dict[str, Part] = {part: part for part in get_args(Part)}
ORDER: dict[Part, int] = {part: at for at, part in enumerate(get_args(Part))}


class UnusableError(Exception):
    """An example that can't be used: the reason in general, and what was found in this one."""

    def __init__(self, reason: str, found: str = "") -> None:
        super().__init__(reason, found)
        self.reason, self.found = reason, found


class Collection:
    """Gathers the mentions of a corpus.

    Left out and counted: an example whose spans are not two parts of its sentence, one whose identifier is another
    example's, and one that stands there already. Of such doubles the one in the part scored last stays, test before
    dev before train, so that none is trained on and scored.
    """

    def __init__(self) -> None:
        self._kept: dict[Example, RelationMention] = {}
        self._identifiers: dict[str, Place] = {}
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
        before = self._identifiers.get(mention.identifier)
        if before and (double is None or double.identifier != mention.identifier):
            found = f"{shown(mention.identifier)} is that of {before}"
            raise UnusableError("the identifier of another example", found)
        if double is not None:
            if ORDER[double.part] >= ORDER[mention.part]:
                raise _again(mention, double)
            self._leave_out(self._identifiers[double.identifier], _again(double, mention))
            del self._kept[example]  # and not replaced in its place, which is among the mentions of its part
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
        return Corpus(mentions, dict(self._left_out), (*remarks, *told), tuple(self._faults), about)

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


def part_of(name: str) -> Part:
    """The part of this name; UnusableError for another."""
    if name not in PARTS:
        raise UnusableError("an unknown part", f"{name!r}; expected {', '.join(PARTS)}")
    return PARTS[name]


# Fields of an example that was JSON


def text(example: Any, name: str) -> str:
    """A field that must be a string."""
    value = _field(example, name)
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def optional_text(example: Any, name: str) -> str | None:
    """A field that may be a string; None where it is missing, null or empty."""
    return text(example, name) or None if _field(example, name, None) is not None else None


def texts(example: Any, name: str) -> tuple[str, ...]:
    """A field that must be a list of strings, which share their memory with equal ones."""
    value = _field(example, name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of strings", value)
    return tuple(map(sys.intern, value))


def whole(example: Any, name: str) -> int:
    """A field that must be a whole number."""
    value = _field(example, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number", value)
    return value


def number(example: Any, name: str, low: float, high: float) -> float:
    """A field that must be a number from `low` to `high`."""
    value = _field(example, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise _wrong(name, f"a number from {low:g} to {high:g}", value)
    return float(value)


def wholes(example: Any, name: str) -> tuple[int, ...]:
    """A field that must be a list of whole numbers."""
    value = _field(example, name)
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise _wrong(name, "a list of whole numbers", value)
    return tuple(value)


def has(example: Any, name: str) -> bool:
    """Whether a field is there and not null."""
    return _field(example, name, None) is not None


_MISSING = object()


def _field(example: Any, name: str, default: Any = _MISSING) -> Any:
    if not isinstance(example, Mapping):
        raise UnusableError("no JSON object", shown(example))
    value = example.get(name, default)
    if value is _MISSING:
        known = ", ".join(map(shown, list(example)[:10])) or "none"
        raise UnusableError(f"no field '{name}'", f"fields {known}")
    return value


def _wrong(name: str, expected: str, value: Any) -> UnusableError:
    return UnusableError(f"a field '{name}' that is not {expected}", shown(value))


def shown(value: Any) -> str:
    """A value of whatever size in at most 60 characters."""
    try:
        told = repr(value)[:61]
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists
        told = "a value too large to show"
    return told if len(told) <= 60 else told[:57] + "..."
