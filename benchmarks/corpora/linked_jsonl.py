"""Your own text with linked mentions as JSON lines, one sentence a line: the schema is linked_sentence.schema.json."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.corpora._parses import flat_parse
from harness.collection import TextCollection
from harness.contracts import About, LinkedMention, LinkedSentence, Place, TextNotes, TextReader
from harness.errors import DataError, unknown
from harness.fields import UnusableError, has, optional_identifier, shown, texts
from harness.text_files import files_of, find, json_lines, lines, read_json, stem, unread

SENTENCES, NAMES, NOTES = "sentences.jsonl", "names.tsv", "notes.json"
MANY = 10**12  # more sentences than any text has: a count that is no count

ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\ufeff": "\\ufeff"}
"""How what would end a field or a line, or would be no character at the start of a file, is written in names.tsv."""

_CHARACTERS = {escape: character for character, escape in ESCAPES.items()}
_ESCAPE = re.compile(r"\\(?:[\\tnr]|ufeff)")


class LinkedJsonLines(TextReader):
    """A folder with sentences.jsonl; a path may name one such file, too, which is read alone.

    A line has ``tokens`` and ``mentions``, ``[start, end, entity ID]`` each, the end exclusive; it may have ``id``
    (else the file's name and the line), and a parse: ``tags`` with ``heads`` (-1 is the root) and dependency
    ``labels``. Other fields, ``page`` say, are not read. Identifiers are not checked for being different, as they are
    not kept.

    Beside the lines may stand names.tsv, further names of the entities: a name, a tab, the ID of its entity, a line
    each (``\\t``, ``\\n``, ``\\r`` and ``\\\\`` stand for a tab, the ends of a line and a backslash); and, of a text
    that was converted, notes.json with ``left_out`` and ``remarks``.
    """

    optional_files = (SENTENCES, NAMES)
    takes_path = True
    about = About(
        licence="your own text's", source="your own, one sentence with linked mentions a line", citation="your own text"
    )

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        assert path is not None
        collection = TextCollection(notes)
        (file,) = files_of(path, (SENTENCES,))
        if path.is_dir():
            _read_notes(find(path, NOTES), notes)
            _read_names(find(path, NAMES), collection)
        notes.remarks += unread(path, (SENTENCES, NAMES))
        overlapping = 0
        for place, example in json_lines(file):
            with collection.example(place):
                mentions = _mentions(example)
                sentence = collection.sentence(
                    _identifier(example, place), texts(example, "tokens"), mentions, flat_parse(example)
                )
                overlapping += len(mentions) - len(sentence.mentions)
                yield sentence
        if overlapping:
            notes.remarks.append(f"mentions that overlap one before them, and are not used: {overlapping:,}")

    def write_text(self, sentences: Iterator[LinkedSentence], notes: TextNotes, folder: Path) -> None:
        with (folder / SENTENCES).open("w", encoding="utf-8") as file:
            for sentence in sentences:
                file.write(json.dumps(_line(sentence), ensure_ascii=False, separators=(",", ":")) + "\n")
        if notes.names:
            with (folder / NAMES).open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{_escaped(name)}\t{_escaped(entity)}\n" for name, entity in notes.names.items())
        told = {"left_out": dict(notes.left_out), "remarks": notes.remarks}
        (folder / NOTES).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _identifier(example: Any, place: Place) -> str:
    identifier = optional_identifier(example, "id") or f"{stem(place.file)}-{place.line}"
    try:
        identifier.encode()
    except UnicodeEncodeError as error:
        raise UnusableError("half a pair of surrogates, which is no text", shown(identifier)) from error
    return identifier


def _mentions(example: Any) -> list[LinkedMention]:
    if not has(example, "mentions"):
        raise UnusableError("no field 'mentions'")
    mentions = example["mentions"]
    for mention in mentions if isinstance(mentions, list) else [None]:
        if not (isinstance(mention, list) and [type(value) for value in mention] == [int, int, str]):
            raise UnusableError("a field 'mentions' that is not a list of [start, end, entity ID]", shown(mentions))
    return [LinkedMention(*mention) for mention in mentions]


def _line(sentence: LinkedSentence) -> dict[str, Any]:
    """The line of a sentence, the fields of a parse left out where there is none."""
    line: dict[str, Any] = {"id": sentence.identifier, "tokens": sentence.tokens, "mentions": sentence.mentions}
    if sentence.parse:
        line |= {"tags": sentence.parse.tags, "heads": sentence.parse.heads, "labels": sentence.parse.labels}
    return line


def _read_names(file: Path | None, collection: TextCollection) -> None:
    if file is None:
        return
    for number, line in lines(file):
        if line.strip():
            with collection.example(Place(file, number)):
                _add_name(line, collection.notes.names)


def _add_name(line: str, names: dict[str, str]) -> None:
    fields = [_ESCAPE.sub(lambda escape: _CHARACTERS[escape[0]], field) for field in line.split("\t")]
    if len(fields) != 2 or not all(map(str.strip, fields)):
        raise UnusableError("a line of names that is not a name, a tab and an entity ID", shown(line))
    name, entity = fields
    if names.setdefault(name, entity) != entity:
        raise UnusableError(
            "a name that stands for another entity already",
            f"{shown(name)} is {shown(names[name])}, not {shown(entity)}",
        )


def _escaped(field: str) -> str:
    return "".join(ESCAPES.get(character, character) for character in field)


def _read_notes(file: Path | None, notes: TextNotes) -> None:
    """Add what notes.json counts as left out, and its remarks."""
    told = read_json(file) if file else {}
    if not isinstance(told, dict):
        raise DataError(f"{file}: expected a JSON object, found {shown(told)}")
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise DataError(f"{file}: expected text, found half a pair of surrogates, {half!r}") from error
    for name in told:
        if name not in ("left_out", "remarks"):
            raise DataError(f"{file}: {unknown('field', name, ('left_out', 'remarks'))}")
    left_out, remarks = told.get("left_out", {}), told.get("remarks", [])
    counts = left_out.values() if isinstance(left_out, dict) else [None]
    if not all(type(count) is int and 0 < count < MANY for count in counts):
        raise DataError(f"{file}, 'left_out': expected a count above 0 for each reason, found {shown(left_out)}")
    if not isinstance(remarks, list) or not all(isinstance(remark, str) for remark in remarks):
        raise DataError(f"{file}, 'remarks': expected a list of strings, found {shown(remarks)}")
    notes.left_out.update(Counter(left_out))
    notes.remarks += remarks
