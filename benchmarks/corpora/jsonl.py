"""Your own corpus as JSON lines, one mention a line: the schema is mention.schema.json beside this file."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_type_hints

from benchmarks.corpora._parses import flat_parse
from harness.collection import PARTS, Collection, part_of, usable
from harness.contracts import About, Corpus, CorpusReader, LinkedMention, Parse, Part, Place, RelationMention, Span
from harness.errors import DataError, unknown
from harness.fields import UnusableError, has, number, optional_identifier, optional_text, shown, text, texts, wholes
from harness.parameters import coerce, parameter
from harness.text_files import files_of, find, json_lines, read_json, stem, unread

MANY = 10**12  # more examples than any corpus has: a count that is no count

HEADS: dict[str, Literal["first", "second"]] = {"first": "first", "second": "second"}


class JsonLines(CorpusReader):
    """A folder with mentions.jsonl, or some of train.jsonl, dev.jsonl and test.jsonl; a path may name one file, too.

    A line has ``tokens``, the two spans ``first`` and ``second`` in text order (``[start, end]``, the end exclusive)
    and ``label``; it may have ``id``, ``part`` (else the file's name says it, else it is train), ``head`` (which
    mention is the subject), ``first_entity`` and ``second_entity``, ``others`` (further mentions,
    ``[start, end, entity]``), ``agreement``, ``tags`` with ``heads`` (-1 is the root) and dependency ``labels``.

    What the lines can't say stands in corpus.json beside them: fields of `About`, such as ``negative_label`` and
    ``headline``; and, of a corpus that was converted, ``left_out`` and ``remarks``.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """What the lines can't say; nothing: what corpus.json says."""

        negative_label: str | None = parameter(
            None, "the label that says that there is no relation; '' for none; nothing: as corpus.json says, else none"
        )
        headline: str | None = parameter(
            None, "name of the headline metric; nothing: as corpus.json says, else micro_f1_positive"
        )

    optional_files = ("mentions.jsonl", "train.jsonl", "dev.jsonl", "test.jsonl")
    takes_path = True
    about = About(headline="micro_f1_positive")

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        files = files_of(path, self.optional_files)
        if len(files) > 1 and stem(files[0]) == "mentions":
            others = ", ".join(file.name for file in files[1:])
            raise DataError(
                f"{path}: expected mentions.jsonl or the parts in files of their own, found it and {others}"
            )
        collection = Collection()
        numbers: Counter[Part] = Counter()
        bare: list[Place] = []
        for file in files:
            for place, example in json_lines(file):
                with collection.example(place):
                    parse, why_not = usable(flat_parse, example)
                    mention = _mention(example, PARTS.get(stem(file), "train"), numbers, parse)
                    collection.add(mention)
                    if mention.head is None:
                        bare.append(place)
                    if why_not:
                        collection.remark(why_not)
        corpus = collection.corpus(remarks=unread(path, self.optional_files))
        roles = any(mention.head for mention in corpus.mentions)
        if roles and bare:
            more = f" and in {len(bare) - 1:,} more" if len(bare) > 1 else ""
            raise DataError(f"{bare[0]}: expected 'head' in every line or in none, found none here{more}")
        about, left_out, remarks = _declared(find(path if path.is_dir() else path.parent, "corpus.json"), corpus)
        asked = {name: value for name, value in dataclasses.asdict(self.parameters).items() if value is not None}
        if "negative_label" in asked:
            asked["negative_label"] = asked["negative_label"] or None
        return dataclasses.replace(
            corpus,
            left_out=dict(Counter(left_out) + Counter(corpus.left_out)),
            remarks=tuple(dict.fromkeys((*remarks, *corpus.remarks))),
            about=dataclasses.replace(about, **asked),
        )

    def write(self, corpus: Corpus, about: About, folder: Path) -> None:
        declared = dataclasses.asdict(about)
        declared |= {"left_out": dict(corpus.left_out), "remarks": list(corpus.remarks)}
        (folder / "corpus.json").write_text(json.dumps(declared, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with (folder / "mentions.jsonl").open("w", encoding="utf-8") as file:
            for mention in corpus.mentions:
                file.write(json.dumps(_line(mention), ensure_ascii=False, separators=(",", ":")) + "\n")


def _mention(example: Any, part: Part, numbers: Counter[Part], parse: Parse | None) -> RelationMention:
    """The mention of a line; one without `id` is called by its part and its number in it."""
    part = part_of(text(example, "part")) if has(example, "part") else part
    numbers[part] += 1
    head = optional_text(example, "head")
    if head is not None and head not in HEADS:
        raise UnusableError("a field 'head' that is neither first nor second", repr(head))
    first, second = (_span(example, name) for name in ("first", "second"))
    if second < first:
        raise UnusableError("spans that are not in text order", f"{tuple(first)} and {tuple(second)}")
    return RelationMention(
        identifier=optional_identifier(example, "id") or f"{part}-{numbers[part]}",
        tokens=texts(example, "tokens"),
        first=first,
        second=second,
        label=text(example, "label"),
        part=part,
        head=HEADS[head] if head else None,
        first_entity=optional_text(example, "first_entity"),
        second_entity=optional_text(example, "second_entity"),
        others=_others(example),
        parse=parse,
        agreement=number(example, "agreement", 0, 1) if has(example, "agreement") else None,
    )


def _span(example: Any, name: str) -> Span:
    places = wholes(example, name)
    if len(places) != 2:
        raise UnusableError(f"a field '{name}' that is not [start, end]", shown(list(places)))
    return Span(*places)


def _others(example: Any) -> tuple[LinkedMention, ...]:
    if not has(example, "others"):
        return ()
    others = example["others"]
    for other in others if isinstance(others, list) else [None]:
        if not (
            isinstance(other, list) and [type(value) for value in other] == [int, int, str] and str(other[2]).strip()
        ):
            raise UnusableError("a field 'others' that is not a list of [start, end, entity]", shown(others))
    return tuple(LinkedMention(*other) for other in others)


def _line(mention: RelationMention) -> dict[str, Any]:
    """The line of a mention, fields that are null left out."""
    parse = mention.parse
    fields = {
        "id": mention.identifier,
        "tokens": mention.tokens,
        "first": mention.first,
        "second": mention.second,
        "label": mention.label,
        "part": mention.part,
        "head": mention.head,
        "first_entity": mention.first_entity,
        "second_entity": mention.second_entity,
        "others": mention.others or None,
        "agreement": mention.agreement,
        "tags": parse.tags if parse else None,
        "heads": parse.heads if parse else None,
        "labels": parse.labels if parse else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _declared(file: Path | None, corpus: Corpus) -> tuple[About, Mapping[str, int], tuple[str, ...]]:
    """What corpus.json says of the corpus, what it counts as left out, and its remarks."""
    declared = read_json(file) if file else {}
    if not isinstance(declared, dict):
        raise DataError(f"{file}: expected a JSON object, found {shown(declared)}")
    try:
        json.dumps(declared, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{file}: expected text, found half a pair of surrogates, {error.object[error.start]!r}"
        ) from error
    left_out = declared.pop("left_out", {})
    counts = left_out.values() if isinstance(left_out, dict) else [None]
    if not all(type(count) is int and 0 < count < MANY for count in counts):
        raise DataError(f"{file}, 'left_out': expected a count above 0 for each reason, found {shown(left_out)}")
    hints = get_type_hints(About) | {"remarks": tuple[str, ...]}
    values: dict[str, Any] = {"headline": JsonLines.about.headline}
    for name, value in declared.items():
        if name not in hints:
            raise DataError(f"{file}: {unknown('field', name, hints)}")
        try:
            values[name] = coerce(value, hints[name])
        except ValueError as error:
            raise DataError(f"{file}, '{name}': {error}") from error
    remarks = values.pop("remarks", ())
    roles = any(mention.head for mention in corpus.mentions)
    if values.setdefault("roles", roles) != roles and corpus.mentions:
        found = "have" if roles else "have no"
        raise DataError(f"{file}, 'roles': expected what the lines say, found {values['roles']}: they {found} 'head'")
    values["negative_label"] = values.get("negative_label") or None
    return About(**values), left_out, remarks
