"""What encoders and strategies receive, return and promise.

Letters in shapes: B mentions of a batch, T tokens of the longest reading, D width of an input vector, H hidden size,
E entities, V word types, M mentions of a text.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
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
        reading, fewer than T; places after the end hold 0. None for an encoder that does not ask for `positions`.
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

    def together(self) -> Reading:
        """Both readings as one of (2B) mentions, the first ones before, as wide as the wider one."""
        one, two = self.readings
        width = max(one.tokens.shape[1], two.tokens.shape[1])

        def joined(first: Tensor, second: Tensor) -> Tensor:
            return torch.cat([_widened(first, width), _widened(second, width)])

        positions = None
        if one.positions is not None and two.positions is not None:
            positions = joined(one.positions, two.positions)
        lengths = torch.cat([one.lengths, two.lengths])
        return Reading(joined(one.tokens, two.tokens), lengths, one.vectors, positions)


class Capability(Enum):
    """What an encoder can do, in the words that a refused pair is told with."""

    VECTORS = "word and entity vectors to read"
    WEIGHTS = "weights that pre-training can move"
    ENCODE = "an encoder of readings: encode(reading) -> (B, H)"
    STATES = "an encoder that reads from left to right: states(reading) -> (B, T, H)"
    CELL = "an LSTM to share: unroll(inputs, start) -> (B, T, H)"


class Encoder(nn.Module, ABC):
    """Turns relation mentions into vectors: one public subclass in one file of encoders/.

    Made as ``Class(width, parameters, generator)``: `width` is D, `parameters` an instance of the class's own
    `Parameters`, and every random draw comes from `generator`. `offers` says what strategies may ask of it;
    `standardise` is the default of the fine-tuning parameter of that name, `learning_rate` that of pre-training.

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
    learning_rate: ClassVar[float] = 0.1

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
        first, second = self.encode(batch.together()).chunk(2)
        return torch.cat([first, second], dim=1)


def _widened(places: Tensor, width: int) -> Tensor:
    """(B, T, ...) with zeros up to `width` places; itself where it has them."""
    more = width - places.shape[1]
    return functional.pad(places, (0, 0) * (places.dim() - 2) + (0, more)) if more else places


@dataclasses.dataclass(frozen=True)
class Names:
    """The entities of a target corpus, or of a text, by the words of their names.

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
class UnlabelledText:
    """A text whose every entity mention is one token.

    Parameters
    ----------
    names: Names
        Its words and entities.
    tokens: (N,) int64
        All sentences, one after another: below V the row of a word, else V and the number of an entity.
    start: (S + 1,) int64
        Where each sentence starts in `tokens`, and the end.
    """

    names: Names
    tokens: Tensor
    start: Tensor


@dataclasses.dataclass(frozen=True)
class UnlabelledMentions:
    """The relation mentions of a text: every pair of its entity mentions that stand close together in a sentence.

    Parameters
    ----------
    batch: (B,) int64 -> Batch
        The readings of the mentions of these numbers, from 0 up to M.
    pairs: (M, 2) int64
        The numbers of the two entities of each mention, in text order.
    lengths: (M,) int64
        Tokens of the longer reading of each mention.
    vectors: (V + E, D)
        The frozen input vectors that the readings read, words first.
    words: int
        V, so that row V + e is that of entity e.
    types: (W,) int64
        The rows of `vectors` that occur in the text: its word types and entity IDs.
    """

    batch: Callable[[Tensor], Batch]
    pairs: Tensor
    lengths: Tensor
    vectors: Tensor
    words: int
    types: Tensor

    def __len__(self) -> int:
        """M."""
        return len(self.lengths)


@dataclasses.dataclass(frozen=True)
class EntityVectors(ABC):
    """How entities get their vectors; a subclass is a frozen dataclass too.

    Two strategies whose `EntityVectors` are equal share the vectors that one of them has made. `with_target` says
    whether what is read is the text and, beside it, the sentences of the target's training split, unlabelled.
    """

    with_target: bool = False

    @abstractmethod
    def of_names(self, names: Names, generator: torch.Generator) -> Tensor:
        """Vectors of entities of which nothing but their names is known, (E, D)."""

    def of_text(self, text: UnlabelledText, generator: torch.Generator) -> Tensor:
        """Vectors of the entities of a text, (E, D); by their names alone unless a subclass reads the text."""
        return self.of_names(text.names, generator)


class Objective(nn.Module, ABC):
    """What pre-training minimises: the encoder, and beside it what is thrown away when it is done.

    All its parameters are trained, the encoder's among them.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def mentions(self) -> Tensor | None:
        """The numbers of the mentions to learn from, (N,) int64; None: of all."""
        return None

    @abstractmethod
    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a batch of mentions, (B,), averaged over them: a scalar. Draws from `generator` alone."""

    def reconstruct(self, mentions: Tensor) -> tuple[Tensor, ...]:
        """What a decoder says of each reading of the mentions, fed its own words: rows of the vectors, (B, T) each.

        T is the length of the batch's longest reading. Raises NotImplementedError where there is no decoder.
        """
        raise NotImplementedError


class Strategy(ABC):
    """What unlabelled text teaches an encoder and its entity vectors: one public subclass in one file of strategies/.

    `needs` are capabilities of the encoder; a pair that lacks one is refused with that reason. An encoder that reads
    no vectors has nothing to prepare, and no strategy is asked. `text` says whether the strategy reads the grid's
    texts; where it is "optional", it makes do without one in a grid that has none. With `trainable` false, fine-tuning
    leaves the encoder as it is.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    needs: ClassVar[frozenset[Capability]] = frozenset()
    text: ClassVar[Literal["unread", "optional", "required"]] = "unread"
    trainable: ClassVar[bool] = True

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @abstractmethod
    def entity_vectors(self) -> EntityVectors:
        """How entities get their vectors. They are frozen afterwards."""

    def first_weights(self, encoder: Encoder) -> None:  # noqa: B027 - most strategies leave them as they are
        """Change in place the weights that fine-tuning starts from, random or pre-trained ones; by default nothing."""

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        """What pre-training minimises over the text's relation mentions.

        A strategy that defines it has a `Parameters` derived from `harness.pretraining.Pretraining`. Raises DataError
        where the text has nothing to learn from.
        """
        raise NotImplementedError

    @classmethod
    def pretrains(cls) -> bool:
        """Whether it has an objective."""
        return cls.objective is not Strategy.objective


def lacking(encoder: type[Encoder], strategy: type[Strategy]) -> list[Capability]:
    """What the strategy needs and the encoder does not offer, in the order of `Capability`."""
    return [capability for capability in Capability if capability in strategy.needs - encoder.offers]
