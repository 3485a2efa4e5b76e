"""FewRel 1.0's validation part: 16 Wikidata relations, 700 Wikipedia sentences for each (Han et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.collection import Collection, in_text_order
from harness.contracts import About, Corpus, CorpusReader, Download, Place, RelationMention, Span
from harness.errors import DataError
from harness.fields import UnusableError, has, shown, texts
from harness.text_files import files_of, find, read_json

EXAMPLES, NAMES = "val_wiki.json", "pid2name.json"
_COMMIT = "https://raw.githubusercontent.com/thunlp/FewRel/278a2315d2138810a379cd8d5718914dc56e2582/data"


class FewRel(CorpusReader):
    """val_wiki.json, or another file of its format, and pid2name.json beside it where there is one.

    The file is a JSON object that has a list of examples for each P-id. An example has ``tokens`` and two arguments,
    the head ``h`` and the tail ``t``: ``[name, Q-id, [[place of a token, ...], ...]]``, one inner list for each
    occurrence in the sentence, of which the first is taken. A label is the P-id and the relation's name,
    "P177 crosses"; the P-id alone where pid2name.json is missing or lacks it. All is training data.
    """

    files = (EXAMPLES, NAMES)
    downloads = (
        Download(
            f"{_COMMIT}/{EXAMPLES}", {EXAMPLES: "76bb44c2485b6faed358a3ce040eadafcc8a8835245cd7e6afc1bef672d4a0bf"}
        ),
        Download(f"{_COMMIT}/{NAMES}", {NAMES: "eeedd25512a8e4c2bc06b78009836d27de81807bcba6ed929debd5cd713c07ea"}),
    )
    takes_path = True
    about = About(
        headline="accuracy",
        roles=True,
        licence="MIT",
        source="https://github.com/thunlp/FewRel",
        citation="Han et al. 2018, FewRel: A Large-Scale Supervised Few-Shot Relation Classification Dataset with "
        "State-of-the-Art Evaluation, EMNLP",
        oddities=(
            "the validation part of a few-shot benchmark, used as a corpus of 16 relations without official parts",
            "an argument may occur several times, 181 heads and 244 tails do: the first occurrence is taken",
            "only the two arguments are linked; the names beside their Q-ids are lower-cased and not used",
            "178 sentences have tokens that are blanks, and are kept as they are",
            "'Figure Skating' has one Q-id in one example of a sentence, and another in another example of it",
        ),
    )

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        collection = Collection()
        (file,) = files_of(path, (EXAMPLES,))
        for place, identifier, label, example in _examples(file):
            with collection.example(place):
                collection.add(_mention(identifier, label, example))
        return collection.corpus()


def _examples(file: Path) -> Iterator[tuple[Place, str, str, Any]]:
    """Place, identifier, label and JSON value of every example.

    The places' numbers are counted over the file; their line is 1, since the file as published has no other.
    """
    names = _names(file.parent)
    number = 0
    for relation, examples in _object(file).items():
        if not isinstance(examples, list):
            raise DataError(f"{file}: expected a list of examples for {relation!r}, found {shown(examples)}")
        label = f"{relation} {names[relation]}" if relation in names else relation
        for at, example in enumerate(examples, 1):
            number += 1
            yield Place(file, 1, number), f"{relation}-{at}", label, example


def _names(folder: Path) -> dict[str, str]:
    """The names of the relations by their P-ids; none where the folder has no pid2name.json."""
    file = find(folder, NAMES)
    if file is None:
        return {}
    names = {}
    for relation, described in _object(file).items():
        if not (isinstance(described, list) and described and isinstance(described[0], str) and described[0].strip()):
            raise DataError(f"{file}: expected [name, description] for {relation!r}, found {shown(described)}")
        names[relation] = described[0].strip()
    return names


def _object(file: Path) -> dict[str, Any]:
    value = read_json(file)
    if not isinstance(value, dict):
        raise DataError(f"{file}: expected a JSON object with P-ids as its fields, found {shown(value)}")
    return value


def _mention(identifier: str, label: str, example: Any) -> RelationMention:
    tokens = texts(example, "tokens")
    (subject, head), (object, tail) = (_argument(example, name) for name in ("h", "t"))
    first, second, role = in_text_order(subject, object)
    first_entity, second_entity = (head, tail) if role == "first" else (tail, head)
    return RelationMention(
        identifier=identifier,
        tokens=tokens,
        first=first,
        second=second,
        label=label,
        part="train",
        head=role,
        first_entity=first_entity,
        second_entity=second_entity,
    )


def _argument(example: Any, name: str) -> tuple[Span, str]:
    """The first occurrence of an argument, and its Q-id."""
    if not has(example, name):
        raise UnusableError(f"no field '{name}'")
    value = example[name]
    if not (isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], str)):
        raise UnusableError(f"a field '{name}' that is not [name, Q-id, occurrences]", shown(value))
    _, entity, occurrences = value
    if not entity.strip():
        raise UnusableError(f"an empty Q-id in '{name}'")
    if not isinstance(occurrences, list) or not occurrences or not all(map(_are_places, occurrences)):
        raise UnusableError(f"occurrences of '{name}' that are not lists of places of tokens", shown(occurrences))
    places = occurrences[0]
    start, end = places[0], places[0] + len(places)
    if places != list(range(start, end)):
        raise UnusableError(f"an occurrence of '{name}' that is not one token after another", shown(places))
    return Span(start, end), entity


def _are_places(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(place) is int for place in value)
