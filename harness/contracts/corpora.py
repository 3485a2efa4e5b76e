"""What readers of corpora and text return and promise. Free of torch."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

Part = Literal["train", "dev", "test"]


class Span(NamedTuple):
    """Tokens `start` up to, not including, `end`."""

    start: int
    end: int


class LinkedMention(NamedTuple):
    """An entity mention of a sentence and the ID of the entity that it names."""

    start: int
    end: int
    entity: str


@dataclasses.dataclass(frozen=True, slots=True)
class Parse:
    """Syntax of a sentence, one entry a token.

    `tags` are Penn part-of-speech tags, `heads` the index of each token's head (-1: root), `labels` the dependency
    labels (Universal Dependencies).
    """

    tags: tuple[str, ...]
    heads: tuple[int, ...]
    labels: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class RelationMention:
    """Two entity mentions of a sentence, in text order, and the relation that the sentence states between them.

    `part` is the part of the corpus as published ("train" where it is published whole). `head` says which mention
    is the subject where the roles are given; None where the direction is in the label and is to be predicted.
    Entities are IDs where the corpus links its mentions; None means that the name stands for the entity. `others`
    are the further entity mentions of the sentence. `agreement` is the share of the annotators, from 0 to 1, who
    chose the label; None where it is not known.
    """

    identifier: str
    tokens: tuple[str, ...]
    first: Span
    second: Span
    label: str
    part: Part
    head: Literal["first", "second"] | None = None
    first_entity: str | None = None
    second_entity: str | None = None
    others: tuple[LinkedMention, ...] = ()
    parse: Parse | None = None
    agreement: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class LinkedSentence:
    """An unlabelled sentence with linked entity mentions, in text order and without overlap."""

    identifier: str
    tokens: tuple[str, ...]
    mentions: tuple[LinkedMention, ...]
    parse: Parse | None = None


class Place(NamedTuple):
    """Where an example stands: file and line; `example` is its number where a line may hold several."""

    file: Path
    line: int
    example: int | None = None

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" + (f", example {self.example}" if self.example else "")


class Fault(NamedTuple):
    """An example that is left out: where it stands, the reason in general, what was found there."""

    place: Place
    reason: str
    found: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" + (f": {self.found}" if self.found else "")


@dataclasses.dataclass(frozen=True)
class About:
    """What a corpus declares of itself.

    `headline` is a name of `harness.scoring.METRICS`; `roles` says whether subject and object are given; a `notice`
    stands over every table made from the corpus; `oddities` are known faults of the data.
    """

    headline: str = "accuracy"
    negative_label: str | None = None
    roles: bool = False
    licence: str = "not stated"
    source: str = "not stated"
    citation: str = "not stated"
    notice: str = ""
    oddities: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A labelled corpus as read, every usable mention in file order.

    `left_out` counts, by reason, the examples that are not used; `faults` are those of them that can't be used, with
    their places; `remarks` tell what a reader of the results should know of those that were kept. `about` is what the
    files themselves declare; None where the reader's own declarations hold.
    """

    mentions: tuple[RelationMention, ...]
    left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    about: About | None = None


@dataclasses.dataclass(frozen=True)
class Download:
    """A file, or an archive, at a pinned commit or release, and the `files` that it gives with their SHA-256."""

    url: str
    files: Mapping[str, str]


@dataclasses.dataclass
class TextNotes:
    """What a reader of text tells beside the sentences; whole once they have been iterated to the end.

    `left_out` counts, by reason, what is not used; `faults` are those of them that can't be used, with their places,
    the first ones where they are many. `names` are further names of entities, redirects say, with the IDs that they
    stand for; an ID needs none where it is a title itself.
    """

    left_out: Counter[str] = dataclasses.field(default_factory=Counter)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    names: dict[str, str] = dataclasses.field(default_factory=dict)


class Reader(ABC):
    """What reads data: one public subclass of CorpusReader, of TextReader or of both in one file of benchmarks/corpora.

    The file's stem is its name. `files` must exist, packed or not, in a folder of that name (`-` written `_`) below a
    folder of HARNESS_DATA, `optional_files` may; what has neither is generated. `downloads` are where they can be
    fetched from; `takes_path` says that a grid may point the reader at other data (`{name = "...", path = "mydata"}`).
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    files: ClassVar[tuple[str, ...]] = ()
    optional_files: ClassVar[tuple[str, ...]] = ()
    downloads: ClassVar[tuple[Download, ...]] = ()
    takes_path: ClassVar[bool] = False
    about: ClassVar[About]

    def __init__(self, parameters: Any = None) -> None:
        self.parameters: Any = self.Parameters() if parameters is None else parameters


class CorpusReader(Reader):
    """Reads a labelled corpus.

    Which class is negative, and whether the roles are given, is declared in `about`, never guessed.
    """

    @abstractmethod
    def read(self, path: Path | None) -> Corpus:
        """Read the corpus from the folder that holds `files`, or the file or folder that a grid names.

        `path` is None where the corpus is generated. Raises DataError with file and line where a file is not what it
        should be; an example that can't be used is no error, but a fault of the Corpus.
        """

    def write(self, corpus: Corpus, about: About, folder: Path) -> None:
        """Write any corpus in this reader's format into an empty folder, so that reading gives it back.

        Raises NotImplementedError where the format can't hold every corpus.
        """
        raise NotImplementedError


class TextReader(Reader):
    """Reads unlabelled text with linked entity mentions."""

    @abstractmethod
    def text(self, path: Path | None, notes: TextNotes) -> Iterator[LinkedSentence]:
        """The sentences, in the order of the text, in memory that does not grow with it but for `notes`.

        `path` is None where the text is generated. Raises DataError with file and line where a file is not what it
        should be; a sentence that can't be used is counted in `notes`. Sentences may have any number of mentions.
        """

    def write_text(self, sentences: Iterator[LinkedSentence], notes: TextNotes, folder: Path) -> None:
        """Write any text in this reader's format into an empty folder, so that reading gives it back.

        `notes` are whole once `sentences` are at their end. Raises NotImplementedError where the format can't hold
        every text.
        """
        raise NotImplementedError
