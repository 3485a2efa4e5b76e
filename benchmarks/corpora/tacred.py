"""Your own corpus, or TACRED itself, in TACRED's JSON format (Zhang et al. 2017)."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from harness.collection import PARTS, Collection, in_text_order, usable
from harness.contracts import About, Corpus, CorpusReader, Parse, Part, Place, RelationMention, Span
from harness.fields import UnusableError, has, optional_identifier, shown, text, texts, whole, wholes
from harness.parameters import parameter
from harness.text_files import files_of, json_list, stem, unread

_NUMBER = re.compile(r"[0-9]{1,9}")


class Tacred(CorpusReader):
    """Files train.json, dev.json and test.json, each one JSON list; a path may name one such file, too.

    An example has ``token`` (a list), ``subj_start``, ``subj_end``, ``obj_start``, ``obj_end`` (places of tokens, the
    ends inclusive) and ``relation``. It may have an ``id``; and ``stanford_pos``, ``stanford_head`` (counted from 1,
    0 is the root; copies of TACRED differ in whether they are numbers or strings) and ``stanford_deprel``, which then
    serve as its parse. Further fields, ``subj_type`` say, are not read. A file that is not called after a part is all
    training data.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """What the files can't say."""

        negative_label: str = parameter("no_relation", "the label that says that there is no relation; '' for none")

    files = ("train.json",)
    optional_files = ("dev.json", "test.json")
    takes_path = True
    about = About(
        headline="micro_f1_positive",
        negative_label="no_relation",
        roles=True,
        licence="your own corpus's; of TACRED itself the LDC User Agreement",
        source="your own; TACRED itself is at https://catalog.ldc.upenn.edu/LDC2018T24",
        citation="your own corpus; of TACRED itself Zhang et al. 2017, Position-aware Attention and Supervised Data "
        "Improve Slot Filling, EMNLP",
    )

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        collection = Collection()
        names = (*self.files, *self.optional_files)
        for file in files_of(path, names):
            part = PARTS.get(stem(file), "train")
            for place, example in json_list(file):
                with collection.example(place):
                    parse, why_not = usable(_parse, example)
                    collection.add(_mention(example, part, place, parse))
                    if why_not:
                        collection.remark(why_not)
        negative: str = self.parameters.negative_label
        about = dataclasses.replace(self.about, negative_label=negative or None)
        return collection.corpus(about, unread(path, names))


def _mention(example: Any, part: Part, place: Place, parse: Parse | None) -> RelationMention:
    tokens = texts(example, "token")
    first, second, head = in_text_order(_span(example, "subj", len(tokens)), _span(example, "obj", len(tokens)))
    return RelationMention(
        identifier=optional_identifier(example, "id") or f"{part}-{place.example}",
        tokens=tokens,
        first=first,
        second=second,
        label=text(example, "relation"),
        part=part,
        head=head,
        parse=parse,
    )


def _span(example: Any, argument: str, size: int) -> Span:
    """The tokens of an argument; faults are told by the file's own numbers, whose end is inclusive."""
    start, end = whole(example, f"{argument}_start"), whole(example, f"{argument}_end")
    found = f"{argument}_start {shown(start)}, {argument}_end {shown(end)}"
    if end < start:
        raise UnusableError("a reversed span", found)
    if start < 0 or end >= size:
        raise UnusableError("a span outside the sentence", f"{found}, of {size} tokens counted from 0")
    return Span(start, end + 1)


def _parse(example: Any) -> Parse | None:
    if has(example, "stanford_pos") != has(example, "stanford_head"):
        raise UnusableError("tags without heads, or heads without tags")
    if not has(example, "stanford_head"):
        return None
    heads = _heads(example)
    if has(example, "stanford_deprel"):
        labels = texts(example, "stanford_deprel")
    else:
        labels = tuple("root" if head < 0 else "dep" for head in heads)
    return Parse(texts(example, "stanford_pos"), heads, labels)


def _heads(example: Any) -> tuple[int, ...]:
    """Each token's head, counted from 0; -1 is the root."""
    heads = example["stanford_head"]
    if isinstance(heads, list) and heads and all(isinstance(head, str) and _NUMBER.fullmatch(head) for head in heads):
        return tuple(int(head) - 1 for head in heads)
    return tuple(head - 1 for head in wholes(example, "stanford_head"))
