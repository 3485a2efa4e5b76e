"""KBP37: 18 directed relations and no_relation over news and Wikipedia sentences (Zhang & Wang 2015)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, get_args

from harness.contracts import Corpus, CorpusReader, Part, RelationMention, Span
from harness.errors import DataError

_EXAMPLE = re.compile(r'(?P<number>\d+)\t" (?P<sentence>.*) "')
_LABEL = re.compile(r"no_relation|\S+\(e[12],e[12]\)")
_MARKS = ("<e1>", "</e1>", "<e2>", "</e2>")


class Kbp37(CorpusReader):
    """The original files train.txt, dev.txt and test.txt.

    An example is ``N<TAB>" SENTENCE "``, a line with its label, two empty lines. e1 stands before e2 in every
    sentence; the direction is in the label alone. An example whose argument is empty (the files lost all words that
    are not ASCII) and a repetition of the same sentence with the same arguments are left out and counted. Of
    repetitions the one in the part scored last stays, test before dev before train, so that none is trained on and
    scored.
    """

    files = ("kbp37/train.txt", "kbp37/dev.txt", "kbp37/test.txt")
    negative_label = "no_relation"
    headline = "micro_f1_positive"
    licence = "none stated; sentences from the LDC's TAC-KBP source corpora and Wikipedia"
    source = "https://github.com/zhangdongxu/kbp37"
    citation = "Zhang and Wang 2015, Relation Classification via Recurrent Neural Network, arXiv:1508.01006"
    order: ClassVar[tuple[Literal["train", "dev", "test"], ...]] = get_args(Part)

    def read(self, folder: Path | None) -> Corpus:
        assert folder is not None
        left_out: Counter[str] = Counter()
        kept: dict[str, RelationMention] = {}  # by marked sentence; a later part's example replaces an earlier one's
        for part, name in zip(self.order, self.files, strict=True):
            for number, sentence, label in _examples(folder / name):
                made = _mention(number, sentence, label, part)
                if isinstance(made, str):
                    left_out[made] += 1
                    continue
                before = kept.get(sentence)
                if before is not None:
                    agree = "the same label" if before.label == label else "another label"
                    left_out[f"the same sentence and arguments again, with {agree}"] += 1
                    if before.part == part:
                        continue
                    del kept[sentence]
                kept[sentence] = made
        parts_of: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for mention in kept.values():
            parts_of[mention.tokens].add(mention.part)
        shared = sum(len(parts) > 1 for parts in parts_of.values())
        remarks = (f"sentences in more than one official part, with other arguments, and kept: {shared}",)
        return Corpus(tuple(kept.values()), dict(left_out), remarks if shared else ())


def _examples(file: Path) -> Iterator[tuple[str, str, str]]:
    """Number, marked sentence and label of every example; DataError with file and line at the first fault."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: expected UTF-8 text, found {error.reason} at byte {error.start}") from error
    if not any(map(str.strip, lines)):
        raise DataError(f"{file}: expected examples, found an empty file")
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        example = _EXAMPLE.fullmatch(lines[at].strip())
        if example is None:
            raise DataError(f'{file}, line {at + 1}: expected N<TAB>" SENTENCE ", found {lines[at][:60]!r}')
        sentence = example["sentence"]
        words = sentence.split()
        places = [place for place, word in enumerate(words) if word in _MARKS]
        if tuple(words[place] for place in places) != _MARKS:
            expected, found = " ".join(_MARKS), " ".join(words[place] for place in places) or "none"
            raise DataError(f"{file}, line {at + 1}: expected the marks {expected} in this order, found {found}")
        label = lines[at + 1].strip() if at + 1 < len(lines) else ""
        if not _LABEL.fullmatch(label):
            raise DataError(
                f"{file}, line {at + 2}: expected a label such as per:title(e1,e2) or no_relation, found {label!r}"
            )
        yield example["number"], sentence, label
        at += 2


def _mention(number: str, sentence: str, label: str, part: Part) -> RelationMention | str:
    """The relation mention of a marked sentence, or the reason why it is none."""
    words = sentence.split()
    open_1, close_1, open_2, close_2 = (words.index(mark) for mark in _MARKS)
    if close_1 == open_1 + 1 or close_2 == open_2 + 1:
        return "an empty argument"
    tokens = tuple(word for word in words if word not in _MARKS)
    first, second = Span(open_1, close_1 - 1), Span(open_2 - 2, close_2 - 3)
    return RelationMention(number, tokens, first, second, label, part)
