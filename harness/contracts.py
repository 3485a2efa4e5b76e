"""The field's vocabulary: what plugins receive, what they return, what they promise.

A plugin imports this module, the building blocks named in `BUILDING_BLOCKS`, and its own siblings whose file names
start with an underscore; nothing else of the harness. Letters in shapes: B mentions of a batch, T tokens of the
longest reading, D width of an input vector, H hidden size, E entities, V word types.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

BUILDING_BLOCKS = (
    "harness.contracts", "harness.errors", "harness.parameters", "harness.seeding", "harness.collection",
    "harness.fields", "harness.text_files",
)  # fmt: skip

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

    headline: str
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


class CorpusReader(ABC):
    """A corpus: one public subclass in one file of benchmarks/corpora; the file's stem is its name.

    `files` must exist, packed or not, in a folder of the corpus's name (`-` written `_`) below a folder of
    HARNESS_DATA, `optional_files` may; a corpus that has neither is generated. `downloads` are where they can be
    fetched from; `takes_path` says that a grid may point the reader at other data (`{name = "...", path = "mydata"}`).
    Which class is negative, and whether the roles are given, is declared in `about`, never guessed.
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

    @abstractmethod
    def read(self, path: Path | None) -> Corpus:
        """Read the corpus from the folder that holds `files`, or the file or folder that a grid names.

        `path` is None where the corpus is generated. Raises DataError with file and line where a file is not what it
        should be; an example that can't be used is no error, but a fault of the Corpus.
        """

    def text(self) -> Iterator[LinkedSentence] | None:
        """The corpus's own unlabelled text, from which its own word vectors are trained; None where it has none."""
        return None

    def write(self, corpus: Corpus, about: About, folder: Path) -> None:
        """Write any corpus in this reader's format into an empty folder, so that reading gives it back.

        Raises NotImplementedError where the format can't hold every corpus.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Reading:
    """One way of reading each relation mention of a batch as a sequence of tokens.

    Parameters
    ----------
    tokens: (B, T) int64
        Rows of `vectors`; places after the end hold 0.
    lengths: (B,) int64
        Tokens of each reading, at least 1.
    vectors: (V + E, D)
        The frozen input vectors, words first, shared by all batches.
    """

    tokens: Tensor
    lengths: Tensor
    vectors: Tensor

    def inputs(self) -> Tensor:
        """The input vectors of the tokens, (B, T, D); what stands after a reading's end is not zeroed."""
        return self.vectors[self.tokens]

    def mask(self) -> Tensor:
        """(B, T) bool: true where there is a token."""
        return torch.arange(self.tokens.shape[1], device=self.lengths.device) < self.lengths[:, None]


@dataclasses.dataclass(frozen=True)
class Batch:
    """`size` relation mentions without their labels.

    `readings` are the two readings of each mention, the second of which may be the first one reversed; none for an
    encoder that reads no vectors.
    """

    size: int
    readings: tuple[Reading, ...] = ()


class Capability(Enum):
    """What an encoder can do, in the words that a refused pair is told with."""

    VECTORS = "word and entity vectors to read"
    ENCODE = "an encoder of readings: encode(reading) -> (B, H)"
    STATES = "an encoder that reads from left to right: states(reading) -> (B, T, H)"
    CELL = "an LSTM cell to share"


class Encoder(nn.Module, ABC):
    """Turns relation mentions into vectors: one public subclass in one file of encoders/.

    Made as ``Class(width, parameters, generator)``: `width` is D, `parameters` an instance of the class's own
    `Parameters`, and every random draw comes from `generator`. `offers` says what strategies may ask of it;
    `standardise` is the default of the fine-tuning parameter of that name.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    offers: ClassVar[frozenset[Capability]] = frozenset()
    standardise: ClassVar[bool] = False

    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__()

    @property
    @abstractmethod
    def size(self) -> int:
        """Width of what `represent` returns; 0 where the handcrafted features are all that there is."""

    @abstractmethod
    def represent(self, batch: Batch) -> Tensor:
        """The hidden vectors h(x) of the mentions, (B, size)."""


class SequenceEncoder(Encoder):
    """An encoder of readings: both readings of a mention go through the same weights, in one pass."""

    @property
    @abstractmethod
    def hidden(self) -> int:
        """H, the width of one encoded reading."""

    @property
    def size(self) -> int:
        """2H: both readings side by side."""
        return 2 * self.hidden

    @abstractmethod
    def encode(self, reading: Reading) -> Tensor:
        """The hidden vector of each reading, (B, H). What stands after a reading's end has no influence."""

    def represent(self, batch: Batch) -> Tensor:
        """[h_1; h_2], (B, 2H)."""
        one, two = batch.readings
        both = Reading(torch.cat([one.tokens, two.tokens]), torch.cat([one.lengths, two.lengths]), one.vectors)
        first, second = self.encode(both).chunk(2)
        return torch.cat([first, second], dim=1)


@dataclasses.dataclass(frozen=True)
class UnlabelledTarget:
    """What a strategy may know of the target corpus: its names and words, never a label.

    Parameters
    ----------
    word_vectors: (V, D)
        Frozen vectors of the words in use.
    has_vector: (V,) bool
        False for words whose vector was drawn from a hash because the vector file has none.
    entity_words: tuple of E int64 tensors
        Rows of `word_vectors`: the distinct words of each entity's mentions, at least one.
    """

    word_vectors: Tensor
    has_vector: Tensor
    entity_words: tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a strategy has made of unlabelled text before any label is seen.

    `entity_vectors`, (E, D), are frozen in fine-tuning.
    """

    entity_vectors: Tensor


class Strategy(ABC):
    """What unlabelled text teaches an encoder and its entity vectors: one public subclass in one file of strategies/.

    `needs` are capabilities of the encoder; a pair that lacks one is refused with that reason. An encoder that reads
    no vectors has nothing to prepare, and no strategy is asked.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    needs: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @abstractmethod
    def prepare(self, target: UnlabelledTarget, encoder: Encoder, generator: torch.Generator) -> Prepared:
        """Make entity vectors, and pre-train `encoder` in place; draw only from `generator`."""


def lacking(encoder: type[Encoder], strategy: type[Strategy]) -> list[Capability]:
    """What the strategy needs and the encoder does not offer, in the order of `Capability`."""
    return [capability for capability in Capability if capability in strategy.needs - encoder.offers]
