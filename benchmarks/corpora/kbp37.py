"""KBP37: 18 directed relations and no_relation over news and Wikipedia sentences (Zhang & Wang 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.collection import PARTS, Collection
from harness.contracts import About, Corpus, CorpusReader, Download, Part, Place, RelationMention, Span
from harness.errors import DataError
from harness.fields import UnusableError
from harness.text_files import files_of, lines, stem

_EXAMPLE = re.compile(r'(?P<number>\d+)\t" (?P<sentence>.*) "')
_LABEL = re.compile(r"no_relation|\S+\(e[12],e[12]\)")
_MARKS = ("<e1>", "</e1>", "<e2>", "</e2>")
_COMMIT = "https://raw.githubusercontent.com/zhangdongxu/kbp37/7d88486ad632a9c6e9fe6adbc2468049e89bc11d"


class Kbp37(CorpusReader):
    """The original files train.txt, dev.txt and test.txt.

    An example is ``N<TAB>" SENTENCE "``, a line with its label, two empty lines. e1 stands before e2 in every
    sentence; the direction is in the label alone. An example whose argument is empty (the files lost all words that
    are not ASCII) and a repetition of the same sentence with the same arguments are left out and counted.
    """

    files = ("train.txt", "dev.txt", "test.txt")
    downloads = (
        Download(
            f"{_COMMIT}/train.txt", {"train.txt": "75e12365f6e769f3cd9b186fe6632d4d4c03e0890e3baa683c115dce1f8b2d45"}
        ),
        Download(f"{_COMMIT}/dev.txt", {"dev.txt": "7768ed8e4cc79485ad90491726a4e4a6fe6da7d25787873fd5b5c87d5bbebe68"}),
        Download(
            f"{_COMMIT}/test.txt", {"test.txt": "e668a2127666d7c46a4519cee9c047b28ad993741eb1c925e5021b3c82b9f664"}
        ),
    )
    takes_path = True
    about = About(
        headline="micro_f1_positive",
        negative_label="no_relation",
        licence="none stated; sentences from the LDC's TAC-KBP source corpora and Wikipedia",
        source="https://github.com/zhangdongxu/kbp37",
        citation="Zhang and Wang 2015, Relation Classification via Recurrent Neural Network, arXiv:1508.01006",
        oddities=(
            "no commas, and no words that are not ASCII: 146 examples have an empty argument",
            "the annotators' agreement, by which Li et al. 2016 choose, is not in the files",
            "71 sentences stand in more than one part",
        ),
    )

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        collection = Collection()
        for file in files_of(path, self.files):
            for place, number, sentence, label in _examples(file):
                with collection.example(place):
                    collection.add(_mention(number, sentence, label, PARTS.get(stem(file), "train")))
        return collection.corpus()


def _examples(file: Path) -> Iterator[tuple[Place, str, str, str]]:
    """Place, number, marked sentence and label of every example; DataError with file and line at the first fault."""
    numbered = lines(file)
    for at, line in numbered:
        if not line.strip():
            continue
        example = _EXAMPLE.fullmatch(line.strip())
        if example is None:
            raise DataError(f'{file}, line {at}: expected N<TAB>" SENTENCE ", found {line[:60]!r}')
        sentence = example["sentence"]
        marks = tuple(word for word in sentence.split() if word in _MARKS)
        if marks != _MARKS:
            expected, found = " ".join(_MARKS), " ".join(marks) or "none"
            raise DataError(f"{file}, line {at}: expected the marks {expected} in this order, found {found}")
        label = next((line.strip() for _, line in numbered), "")
        if not _LABEL.fullmatch(label):
            raise DataError(
                f"{file}, line {at + 1}: expected a label such as per:title(e1,e2) or no_relation, found {label!r}"
            )
        yield Place(file, at), example["number"], sentence, label


def _mention(number: str, sentence: str, label: str, part: Part) -> RelationMention:
    """The relation mention of a marked sentence."""
    words = sentence.split()
    open_1, close_1, open_2, close_2 = (words.index(mark) for mark in _MARKS)
    if close_1 == open_1 + 1 or close_2 == open_2 + 1:
        raise UnusableError("an empty argument", sentence[:60])
    tokens = tuple(word for word in words if word not in _MARKS)
    first, second = Span(open_1, close_1 - 1), Span(open_2 - 2, close_2 - 3)
    return RelationMention(number, tokens, first, second, label, part)
