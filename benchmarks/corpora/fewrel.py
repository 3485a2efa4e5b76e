"""FewRel 1.0's validation part: 16 Wikidata relations, 700 Wikipedia sentences for each (Han et al. 2018)."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.collection import Collection, TextCollection, in_text_order
from harness.contracts import (
    About,
    Corpus,
    CorpusReader,
    Download,
    LinkedMention,
    LinkedSentence,
    Place,
    RelationMention,
    Span,
    TextNotes,
    TextReader,
)
from harness.errors import DataError
from harness.fields import UnusableError, has, shown, texts
from harness.text_files import files_of, find, read_json

EXAMPLES, NAMES = "val_wiki.json", "pid2name.json"
_HALF_PAIR = re.compile("[\ud800-\udfff]")  # of surrogates: JSON may hold one, and it is no text
_COMMIT = "https://raw.githubusercontent.com/thunlp/FewRel/278a2315d2138810a379cd8d5718914dc56e2582/data"


class FewRel(CorpusReader, TextReader):
    """val_wiki.json, or another file of its format, and pid2name.json beside it where there is one.

    The file is a JSON object that has a list of examples for each P-id. An example has ``tokens`` and two arguments,
    the head ``h`` and the tail ``t``: ``[name, Q-id, [[place of a token, ...], ...]]``, one inner list for each
    occurrence in the sentence, of which the first is taken. A label is the P-id and the relation's name,
    "P177 crosses"; the P-id alone where pid2name.json is missing or lacks it. All is training data.

    As text, the examples of one sentence are one, with all their mentions; of those that overlap, that of the earlier
    example stays. The names beside the Q-ids are the entities' further names; one that several have stands for the
    one that it stands beside most often. That takes memory of the size of the file.
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
            "only the two arguments are linked; the names beside their Q-ids are lower-cased",
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

    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        assert path is not None
        collection = TextCollection(notes)
        sentences: dict[tuple[str, ...], LinkedSentence] = {}
        names: defaultdict[str, Counter[str]] = defaultdict(Counter)
        overlapping = 0
        (file,) = files_of(path, (EXAMPLES,))
        for place, identifier, _, example in _examples(file):
            with collection.example(place):
                tokens, arguments = texts(example, "tokens"), [_argument(example, name) for name in ("h", "t")]
                mentions = [LinkedMention(*span, entity) for span, entity in arguments]
                sentence = collection.sentence(identifier, tokens, mentions)
                joined = _joined(sentences[tokens], sentence) if tokens in sentences else sentence
                overlapping += sum(mention not in joined.mentions for mention in mentions)
                sentences[tokens] = joined
                for name, entity, _ in (example["h"], example["t"]):
                    if name.strip() and not _HALF_PAIR.search(name):
                        names[name.strip()][entity] += 1
        notes.names |= {name: counts.most_common(1)[0][0] for name, counts in names.items()}
        if overlapping:
            notes.remarks.append(f"mentions that overlap one before them, and are not used: {overlapping:,}")
        if several := sum(len(counts) > 1 for counts in names.values()):
            notes.remarks.append(f"names of several entities, which stand for the most frequent one: {several:,}")
        yield from sentences.values()


def _joined(sentence: LinkedSentence, again: LinkedSentence) -> LinkedSentence:
    """The sentence with those mentions of its other example, too, that stand apart from its own."""
    further = [
        mention
        for mention in again.mentions
        if all(mention.end <= own.start or own.end <= mention.start for own in sentence.mentions)
    ]
    return dataclasses.replace(sentence, mentions=tuple(sorted((*sentence.mentions, *further))))


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
