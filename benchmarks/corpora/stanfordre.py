"""StanfordRE: TAC-KBP's relations with the agreement of their annotators (Angeli et al. 2014)."""

from __future__ import annotations

import csv
import dataclasses
import html
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.collection import Collection, in_text_order
from harness.contracts import About, Corpus, CorpusReader, Place, RelationMention, Span
from harness.errors import DataError
from harness.fields import UnusableError, shown
from harness.parameters import PAPER, parameter
from harness.text_files import files_of, lines

COLUMNS = (
    "key", "relation", "confidence", "jsDistance", "sentence", "entity", "entityCharOffsetBegin",
    "entityCharOffsetEnd", "slotValue", "slotValueCharOffsetBegin", "slotValueCharOffsetEnd",
)  # fmt: skip
ARGUMENTS = {"entity": "entity", "slotValue": "slot value"}
_WORD = re.compile("[^ ]+")
_OFFSET = re.compile("[0-9]{1,9}")


class StanfordRe(CorpusReader):
    """annotated_sentences.csv of mimlre-2014-07-17-data; a path may name such a file, too.

    A row is one line of eleven columns: no field has a line's end, so that a quote which is not closed costs no more
    than its own row. The entity is the subject, the slot value the object. Their offsets count the characters of the
    sentence as it stands in the file, HTML-escaped, and may begin at the blank before the argument. A token is what
    stands between blanks, un-escaped until nothing changes; one that comes to nothing, or to blanks, is no token.
    ``'s`` at the end of a word is a token of its own: the sentences have it joined to the word before, as they were
    shown to the annotators, while the key counts it, and an argument may end before it.

    A row whose confidence is below `min_agreement` is passed over, whatever else it has. All is training data.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """Which rows are used."""

        min_agreement: float = parameter(
            0.8,
            "the least confidence of a row that is used",
            unit="share of annotators",
            source=f"{PAPER}, section 4.1",
            at_least=0,
        )

    files = ("annotated_sentences.csv",)
    takes_path = True
    about = About(
        headline="micro_f1_positive",
        negative_label="no_relation",
        roles=True,
        licence="none stated with the file; sentences from the LDC's TAC-KBP source corpora and Wikipedia",
        source="mimlre-2014-07-17-data of https://nlp.stanford.edu",
        citation="Angeli et al. 2014, Combining Distant and Partial Supervision for Relation Extraction, EMNLP",
        oddities=(
            "the header stands again among the rows, and some rows are garbage",
            "HTML escapes, doubled in places (&amp;quot;)",
            "'s is joined to the word before it, and is made a token of its own",
            "the confidence is the share of the annotators who chose the relation over no_relation",
        ),
    )

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        least: float = self.parameters.min_agreement
        collection = Collection()
        keys: Counter[str] = Counter()
        for file in files_of(path, self.files):
            for place, line in _rows(file):
                with collection.example(place):
                    row = _row(line)
                    keys[row["key"]] += 1
                    agreement = _agreement(row)
                    if agreement < least:
                        collection.pass_over(f"agreement below {least:g}")
                    else:
                        collection.add(_mention(row, agreement, keys[row["key"]]))
        return collection.corpus()


def _rows(file: Path) -> Iterator[tuple[Place, str]]:
    """The lines after the header that are not blank, with their places."""
    headed = False
    for number, line in lines(file):
        if headed and line.strip():
            yield Place(file, number), line
        elif line.strip():
            if not _is_header(line):
                raise DataError(
                    f"{file}, line {number}: expected the columns {','.join(COLUMNS)}, found {shown(line)}; "
                    "take annotated_sentences.csv as it was published"
                )
            headed = True


def _is_header(line: str) -> bool:
    return tuple(line.replace('"', "").split(",")) == COLUMNS


def _row(line: str) -> dict[str, str]:
    """The fields of a row by their columns."""
    if _is_header(line):
        raise UnusableError("the header again")
    if "\0" in line:
        raise UnusableError("a NUL character", shown(line))
    try:
        (fields,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise UnusableError(f"a row that is no CSV ({error})", shown(line)) from error
    if len(fields) != len(COLUMNS):
        raise UnusableError(f"a row that has not {len(COLUMNS)} columns", f"{len(fields)}: {shown(line)}")
    return dict(zip(COLUMNS, fields, strict=True))


def _agreement(row: dict[str, str]) -> float:
    told = row["confidence"]
    try:
        agreement = float(told)
    except ValueError:
        raise UnusableError("a confidence that is no number", shown(told)) from None
    if not 0 <= agreement <= 1:  # nor is one that is no number between them
        raise UnusableError("a confidence that is not from 0 to 1", shown(told))
    return agreement


def _mention(row: dict[str, str], agreement: float, occurrence: int) -> RelationMention:
    """The mention of a row whose key stands in the file for the `occurrence`-th time.

    Whether such a row is a double is judged by its sentence and arguments, not by its key.
    """
    if not row["key"].strip():
        raise UnusableError("an empty key")
    sentence = _tokenised(row["sentence"])
    subject, object = (_argument(row, name, sentence) for name in ARGUMENTS)
    first, second, head = in_text_order(subject, object)
    return RelationMention(
        identifier=row["key"] if occurrence == 1 else f"{row['key']} ({occurrence})",
        tokens=sentence.tokens,
        first=first,
        second=second,
        label=row["relation"],
        part="train",
        head=head,
        agreement=agreement,
    )


class _Tokens(NamedTuple):
    """Tokens of an escaped text; the token that begins at an offset, and the one that follows where one ends."""

    tokens: tuple[str, ...]
    starts: dict[int, int]
    ends: dict[int, int]


def _tokenised(escaped: str) -> _Tokens:
    tokens: list[str] = []
    starts, ends = {}, {}
    for start, end in _pieces(escaped):
        starts[start] = len(tokens)
        token = _unescaped(escaped[start:end])
        if token.strip():
            tokens.append(sys.intern(token))
        ends[end] = len(tokens)
    return _Tokens(tuple(tokens), starts, ends)


def _pieces(escaped: str) -> Iterator[tuple[int, int]]:
    """Start and end of every word between blanks, and of the 's that ends one."""
    for word in _WORD.finditer(escaped):
        start, end = word.span()
        if word[0].endswith("'s") and end - start > 2:
            yield start, end - 2
            start = end - 2
        yield start, end


def _unescaped(token: str) -> str:
    before = ""
    while before != token:
        try:
            before, token = token, html.unescape(token)
        except ValueError:  # Python reads no number of thousands of digits
            raise UnusableError("an escape whose number is too large", shown(token)) from None
    return token


def _argument(row: dict[str, str], name: str, sentence: _Tokens) -> Span:
    """The tokens of an argument, by its offsets, which must give its text and fall between tokens."""
    escaped, called = row["sentence"], ARGUMENTS[name]
    begin, end = (_offset(row, f"{name}CharOffset{edge}") for edge in ("Begin", "End"))
    if not begin <= end <= len(escaped):
        raise UnusableError(f"offsets of the {called} outside the sentence", f"{begin} to {end} of {len(escaped)}")
    found = escaped[begin:end]
    tokens = _tokenised(found).tokens
    if tokens != _tokenised(row[name]).tokens:
        raise UnusableError(f"offsets that do not give the {called}", f"{shown(found)}, expected {shown(row[name])}")
    if not tokens:
        raise UnusableError("an empty argument", f"the {called} {shown(found)}")
    start, stop = end - len(found.lstrip(" ")), begin + len(found.rstrip(" "))
    if start not in sentence.starts or stop not in sentence.ends:
        around = escaped[max(start - 10, 0) : stop + 10]
        raise UnusableError(f"offsets that cut a token at the {called}", f"{shown(found)} in {shown(around)}")
    return Span(sentence.starts[start], sentence.ends[stop])


def _offset(row: dict[str, str], column: str) -> int:
    if not _OFFSET.fullmatch(row[column]):
        raise UnusableError("an offset that is no whole number", f"{column} is {shown(row[column])}")
    return int(row[column])
