"""What encoders and strategies receive, return and promise.

Letters in shapes: B mentions of a batch, T tokens of the longest reading, D width of an input vector, H hidden size,
E entities, V word types.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from enum import Enum
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


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
    positions: (B, T, 2) int64
        How many tokens a token stands after mention 1 and after mention 2 in the text (before: negative), in either
        reading; places after the end hold 0. None for an encoder that does not ask for `positions`.
    """

    tokens: Tensor
    lengths: Tensor
    vectors: Tensor
    positions: Tensor | None = None

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

    `reads` says what the two readings are: "between", mention 1, the words between and mention 2, and the same
    reversed; or "paths", from each mention's node up to the lowest common ancestor in the dependency tree, for which
    the corpus must have parses. With `positions`, readings of "between" have positions.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    offers: ClassVar[frozenset[Capability]] = frozenset()
    reads: ClassVar[Literal["between", "paths"]] = "between"
    positions: ClassVar[bool] = False
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
    """An encoder of readings: both readings of a mention go through the same weights, in one pass.

    One may hand the first reading's vector alone to the classifier; its `size` is H then, and `represent` is h_1.
    """

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
        first, second = self.encode(_both(*batch.readings)).chunk(2)
        return torch.cat([first, second], dim=1)


def _both(one: Reading, two: Reading) -> Reading:
    """Two readings of a batch as one reading of (2B) mentions, as wide as the wider one."""
    width = max(one.tokens.shape[1], two.tokens.shape[1])

    def joined(first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([_widened(first, width), _widened(second, width)])

    positions = None
    if one.positions is not None and two.positions is not None:
        positions = joined(one.positions, two.positions)
    lengths = torch.cat([one.lengths, two.lengths])
    return Reading(joined(one.tokens, two.tokens), lengths, one.vectors, positions)


def _widened(places: Tensor, width: int) -> Tensor:
    """(B, T, ...) with zeros up to `width` places; itself where it has them."""
    more = width - places.shape[1]
    return functional.pad(places, (0, 0) * (places.dim() - 2) + (0, more)) if more else places


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
