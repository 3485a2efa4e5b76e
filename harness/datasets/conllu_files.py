"""Parses in CoNLL-U (Universal Dependencies, version 2), read and written. Only here is conllu imported.

FORM, XPOS (Penn tags), HEAD and DEPREL are what a parse has. CoNLL-U can't hold every token: in FORM, blanks are
written `_`, and read forms are compared with the tokens so written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import NamedTuple

import conllu

from harness.collection import tree_fault
from harness.contracts import LinkedSentence, Parse, Place, RelationMention
from harness.datasets.parses import Tokens
from harness.errors import DataError
from harness.fields import shown
from harness.records import write_atomically
from harness.text_files import lines

Parsable = RelationMention | LinkedSentence
"""What has a sentence, by its tokens, and an identifier: a mention of a corpus, a sentence of a text."""

MAKER = {"name": "imported"}

_FIELDS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel")


class Sentence(NamedTuple):
    """A sentence of a file: its place, its sent_id if it has one, and what stands for its words."""

    place: Place
    identifier: str | None
    forms: Tokens
    parse: Parse
    passed_over: int
    """Multiword ranges (1-2) and empty nodes (1.1), which are no words."""


@dataclass(frozen=True)
class Imported:
    """What files hold for a corpus or text: parses by its tokens, and counts of the files' sentences."""

    parses: dict[Tokens, Parse]
    counts: Counter[str]

    def told(self) -> str:
        """The counts in one line."""
        return "; ".join(f"{count:,} {what}" for what, count in self.counts.items())


def import_parses(files: Sequence[Path], wanted: Iterable[Parsable]) -> Imported:
    """The parses that CoNLL-U files, packed or not, have for the sentences of a corpus's mentions, or of a text.

    A sentence is the one wanted whose identifier its sent_id is; without such a one, that of the same tokens. Raises
    DataError with file and line where a sentence is no CoNLL-U, its FORMs are not the tokens of its identifier, or its
    words are no tree; and where no sentence is wanted.
    """
    by_identifier: dict[str, list[Tokens]] = {}
    by_forms: defaultdict[Tokens, set[Tokens]] = defaultdict(set)
    for one in wanted:
        of_identifier = by_identifier.setdefault(one.identifier, [])
        if one.tokens not in of_identifier:
            of_identifier.append(one.tokens)
        by_forms[_forms(one.tokens)].add(one.tokens)
    parses: dict[Tokens, Parse] = {}
    counts = Counter({"sentences": 0, "not of the data": 0, "multiword ranges and empty nodes passed over": 0})
    for sentence in (one for file in files for one in read(file)):
        counts["sentences"] += 1
        counts["multiword ranges and empty nodes passed over"] += sentence.passed_over
        known = by_identifier.get(sentence.identifier or "")
        matching = by_forms.get(sentence.forms, set())
        if known is not None:
            matching = matching.intersection(known)
            if not matching:
                raise _other_tokens(sentence, known[0])
        counts["not of the data"] += not matching
        for found in matching:
            if parses.setdefault(found, sentence.parse) != sentence.parse:
                counts["of a sentence that has another parse before, which is kept"] += 1
    if not parses:
        raise DataError(
            f"{', '.join(map(str, files))}: expected sentences of the data, by sent_id or by tokens, found none "
            f"in {counts['sentences']:,}"
        )
    return Imported(parses, counts)


def export_parses(wanted: Sequence[Parsable], file: Path) -> tuple[int, int]:
    """Write the sentence of each that has a parse; how many have one, and how many have none.

    Raises DataError where none has one, or one can't be written.
    """
    parsed = [(one.identifier, one.tokens, one.parse) for one in wanted if one.parse is not None]
    if not parsed:
        raise DataError(
            "the data has no parses of its own; expected the name of a set: --parses SET. Make one: "
            "python -m harness data annotate NAME"
        )
    return write(parsed, file), len(wanted) - len(parsed)


def write(sentences: Iterable[tuple[str, Tokens, Parse]], file: Path) -> int:
    """Write sentences with their identifiers as CoNLL-U; how many there were.

    Raises DataError where a tag or label can't stand in a column. An identifier with blanks is left out: its sentence
    is found by its tokens.
    """
    blocks = [_block(*sentence) for sentence in sentences]
    write_atomically(file, lambda stream: stream.write("".join(blocks).encode()))
    return len(blocks)


def read(file: Path) -> Iterator[Sentence]:
    """The sentences of a file; DataError with file and line at the first fault."""
    block: list[str] = []
    start = 1
    for number, line in lines(file):
        if line.strip():
            if not block:
                start = number
            block.append(line)
        elif block:
            yield _sentence(Place(file, start), block)
            block = []
    if block:
        yield _sentence(Place(file, start), block)


def _sentence(place: Place, block: list[str]) -> Sentence:
    expected = "a sentence in CoNLL-U, ten columns between tabs"
    try:
        (found,) = conllu.parse("\n".join(block), fields=_FIELDS)
    except (conllu.exceptions.ParseException, ValueError) as error:
        raise DataError(f"{place}: expected {expected}, found a fault: {error}") from error
    told = f"{place}, sentence {shown(found.metadata.get('sent_id'))}"
    words = [token for token in found if not isinstance(token.get("id"), tuple)]
    numbers = [word.get("id") for word in words]
    if numbers != list(range(1, len(words) + 1)) or not words:
        raise DataError(f"{told}: expected words numbered from 1, found {shown(numbers)}")
    for number, word in enumerate(words, 1):
        for field, name in (("form", "FORM"), ("xpos", "XPOS, a Penn tag"), ("head", "HEAD"), ("deprel", "DEPREL")):
            if word.get(field) in (None, "") or (field == "deprel" and word[field] == "_"):
                raise DataError(f"{told}: expected word {number} to have {name}, found none")
    parse = Parse(
        tuple(intern(word["xpos"]) for word in words),
        tuple(word["head"] - 1 for word in words),
        tuple(intern(word["deprel"]) for word in words),
    )
    if fault := tree_fault(parse, len(words)):
        raise DataError(f"{told}: expected a tree over {len(words)} words, found a fault: {fault}")
    forms = _forms(word["form"] for word in words)
    return Sentence(place, found.metadata.get("sent_id"), forms, parse, len(found) - len(words))


def _other_tokens(sentence: Sentence, tokens: Tokens) -> DataError:
    forms = _forms(tokens)
    pairs = zip((*sentence.forms, ""), (*forms, ""), strict=False)
    at = next((number for number, (form, token) in enumerate(pairs, 1) if form != token), 0)
    found = f"word {at}" if len(sentence.forms) == len(forms) else f"{len(sentence.forms)} words, from word {at} on"
    return DataError(
        f"{sentence.place}, sentence {shown(sentence.identifier)}: expected the {len(tokens)} tokens of the sentence "
        f"of this identifier, found others: {found}: {shown(' '.join(sentence.forms[at - 1 : at + 4]))} for "
        f"{shown(' '.join(forms[at - 1 : at + 4]))}. Parse the data's own tokens; or, where sent_id is another "
        "numbering, delete these lines, and sentences are matched by their tokens"
    )


def _forms(tokens: Iterable[str]) -> Tokens:
    """Tokens as they stand in FORM."""
    return tuple(intern("_".join(token.split()) or "_") for token in tokens)


def _block(identifier: str, tokens: Tokens, parse: Parse) -> str:
    rows = []
    for number, (form, tag, head, label) in enumerate(
        zip(_forms(tokens), parse.tags, parse.heads, parse.labels, strict=True), 1
    ):
        for what, value in (("tag", tag), ("label", label)):
            if value == "_" or value.split() != [value]:
                raise DataError(
                    f"{identifier}: expected a {what} that CoNLL-U can hold, without blanks and not _, found "
                    f"{shown(value)} for token {number}"
                )
        rows.append("\t".join((str(number), form, "_", "_", tag, "_", str(head + 1), label, "_", "_")))
    comment = [f"# sent_id = {identifier}"] if identifier.split() == [identifier] else []
    return "\n".join((*comment, *rows)) + "\n\n"
