"""SemEval-2010 Task 8: nine directed relations and Other between pairs of nominals (Hendrickx et al. 2010)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from benchmarks.corpora._tokens import covering, tokenise, words
from harness.collection import Collection
from harness.contracts import About, Corpus, CorpusReader, Download, Part, Place, RelationMention
from harness.fields import UnusableError, shown
from harness.text_files import files_of, lines, stem

_PARTS: dict[str, Part] = {"TRAIN_FILE": "train", "TEST_FILE_FULL": "test"}
_SENTENCE = re.compile(r'([0-9]+)\t"(.*)"')
_NUMBER = re.compile(r"[0-9]+\t")
_LABEL = re.compile(r"Other|[^\s()]+\((?:e1,e2|e2,e1)\)")
_MARK = re.compile(r"(</?e[12]>)")
_MARKS = ["<e1>", "</e1>", "<e2>", "</e2>"]


class SemEval2010Task8(CorpusReader):
    """The original files TRAIN_FILE.TXT and TEST_FILE_FULL.TXT; a path may name one file in their format, too.

    An example is ``N<TAB>"SENTENCE"``, a line with its label, a line ``Comment: ...`` that may be missing, and an
    empty line. e1 stands before e2 in every sentence; the direction is in the label alone. Sentences are tokenised
    here, and the edges of the two marked arguments are edges of tokens. A file of another name is all training data.
    There is no dev part as published.
    """

    files = ("TRAIN_FILE.TXT", "TEST_FILE_FULL.TXT")
    downloads = (
        Download(
            "https://raw.githubusercontent.com/davidsbatista/Annotated-Semantic-Relationships-Datasets/"
            "ad883cbbaf4e342326b444347cf7d035012a4f4e/datasets/SemEval2010_task8_all_data.tar.gz",
            {
                "TRAIN_FILE.TXT": "c22fee88957d245a4b1650c6743eb8c594dcdeffc6a2aa1fa6cced059eebf0e3",
                "TEST_FILE_FULL.TXT": "9ec7a35d5582b4da0fb72aa55a6121bc414ade573459e1dcf68bf189f8c18ae8",
            },
        ),
    )
    takes_path = True
    about = About(
        headline="macro_f1_relations",
        negative_label="Other",
        licence="Creative Commons Attribution 3.0 Unported",
        source="https://github.com/davidsbatista/Annotated-Semantic-Relationships-Datasets",
        citation="Hendrickx et al. 2010, SemEval-2010 Task 8: Multi-Way Classification of Semantic Relations Between "
        "Pairs of Nominals, SemEval",
        oddities=(
            "arguments are base noun phrases, mostly one common noun, and not linked to anything",
            "published untokenised: the tokens are NLTK's, cut at the edges of arguments",
            "Entity-Destination(e2,e1) occurs once in each part",
            "train's 7110 to 8000 are distributed otherwise: of these 891 only 26 are Entity-Destination, "
            "Member-Collection or Message-Topic, of the 7,109 before them 2,143",
        ),
    )

    def read(self, path: Path | None) -> Corpus:
        assert path is not None
        collection = Collection()
        for file in files_of(path, self.files):
            part = _PARTS.get(stem(file), "train")
            for place, example in _examples(file):
                with collection.example(place):
                    collection.add(_mention(example, part))
        return collection.corpus()


def _examples(file: Path) -> Iterator[tuple[Place, list[str]]]:
    """Place and lines of every example, without its comment.

    A line that can't go on with an example begins another, so that every line that is not blank is in one.
    """
    example: list[str] = []
    at, commented = 0, False
    for number, line in lines(file):
        if not line.strip():
            if example:
                yield Place(file, at), example
            example = []
        elif example and len(example) < 2 and not _NUMBER.match(line):
            example.append(line)
        elif len(example) == 2 and not commented and line.startswith("Comment"):
            commented = True
        else:
            if example:
                yield Place(file, at), example
            example, at, commented = [line], number, False
    if example:
        yield Place(file, at), example


def _mention(example: list[str], part: Part) -> RelationMention:
    """The relation mention of a marked sentence and its label."""
    found = _SENTENCE.fullmatch(example[0].strip())
    if found is None:
        raise UnusableError('a line that is not N<TAB>"SENTENCE"', shown(example[0]))
    pieces = _MARK.split(found[2])
    if pieces[1::2] != _MARKS:
        raise UnusableError(f"marks that are not {' '.join(_MARKS)} in this order", shown(" ".join(pieces[1::2])))
    label = example[1].strip() if len(example) > 1 else ""
    if not _LABEL.fullmatch(label):
        raise UnusableError("a label that is neither Other nor RELATION(e1,e2) nor RELATION(e2,e1)", shown(label))
    text = "".join(pieces[::2])
    edges = list(accumulate(map(len, pieces[:8:2])))
    tokens = tokenise(text, edges)
    first, second = covering(tokens, (edges[0], edges[1])), covering(tokens, (edges[2], edges[3]))
    return RelationMention(found[1], words(text, tokens), first, second, label, part)
