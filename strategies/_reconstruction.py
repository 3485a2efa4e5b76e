"""Reconstruction of readings (Li et al. 2016): a decoder says again what the encoder has read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.contracts import Capability, Encoder, Objective, Reading, SequenceEncoder, UnlabelledMentions
from harness.parameters import PAPER, Among, parameter
from harness.pretraining import Pretraining
from strategies._stepwise import StepwiseStrategy


class ReconstructionStrategy(StepwiseStrategy):
    """stepwise's vectors, then encoder and decoder; the decoder is thrown away when they have learned."""

    @dataclass(frozen=True)
    class Parameters(StepwiseStrategy.Parameters, Pretraining):
        """Those of stepwise and of pre-training, and against how many words a token is told."""

        negatives: int = parameter(
            10,
            "words drawn against each token that a decoder says",
            unit="words",
            source=PAPER,
            at_least=1,
            search=Among((5, 10, 20)),
        )

    needs = frozenset({Capability.VECTORS, Capability.WEIGHTS, Capability.ENCODE})


class Cell(Protocol):
    """What runs through the tokens that a decoder says."""

    def unroll(self, inputs: Tensor, start: Tensor) -> Tensor:
        """The hidden vector after every input, (B, T, D) -> (B, T, H), from `start`, (B, H), with memory 0."""


class Decoder(nn.Module):
    """An LSTM of the decoder's own, torch's, whatever the encoder is."""

    def __init__(self, width: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        for weight in self.lstm.parameters():
            _draw_uniform(weight, hidden, generator)

    def unroll(self, inputs: Tensor, start: Tensor) -> Tensor:
        """As of `Cell`."""
        states: Tensor = self.lstm(inputs, (start[None], torch.zeros_like(start)[None]))[0]
        return states


class TokenObjective(Objective):
    """Tokens told from hidden vectors by negative sampling.

    P(token | state) is proportional to exp(e . state), where e is the token's frozen input vector and the state goes
    through a projection, H -> D without bias, where H is not D; it starts uniform in +-1/sqrt(H), torch's rule.

    Parameters
    ----------
    encoder: Encoder
        A SequenceEncoder.
    negatives: int
        Words that are drawn against each token, evenly from the types of the text, each token's for itself.
    """

    encoder: SequenceEncoder

    def __init__(
        self, encoder: Encoder, mentions: UnlabelledMentions, negatives: int, generator: torch.Generator
    ) -> None:
        super().__init__(encoder)
        self._of = mentions
        self._negatives = negatives
        width, hidden = mentions.vectors.shape[1], self.encoder.hidden
        self.projection = None
        if width != hidden:
            self.projection = nn.Linear(hidden, width, bias=False)
            _draw_uniform(self.projection.weight, hidden, generator)

    def _project(self, states: Tensor) -> Tensor:
        """(N, H) -> (N, D)."""
        outputs: Tensor = states if self.projection is None else self.projection(states)
        return outputs

    def _losses(self, states: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of each token, (N,), from the state (N, H) that is to tell it."""
        types = self._of.types
        drawn = torch.randint(len(types), (len(targets), self._negatives), generator=generator)
        return sampled_losses(self._project(states), targets, types[drawn.to(types.device)], self._of.vectors)


class Reconstruction(TokenObjective):
    """Sequence to sequence with the input for its target, by negative sampling; each reading from its own vector.

    The decoder starts from the encoder's hidden vector and memory 0. Its first input is a zero vector, every other the
    previous true token. Its weights start uniform in +-1/sqrt(H), torch's rule. With `shared` it is the encoder's own
    LSTM, `Capability.CELL` (Dai & Le 2015).

    Both readings go through as one batch, and only what stands at a token through projection and loss.
    """

    def __init__(
        self,
        encoder: Encoder,
        mentions: UnlabelledMentions,
        negatives: int,
        generator: torch.Generator,
        *,
        shared: bool = False,
    ) -> None:
        super().__init__(encoder, mentions, negatives, generator)
        hidden = self.encoder.hidden
        self.decoder = None if shared else Decoder(mentions.vectors.shape[1], hidden, generator)

    def visit(self, reading: Reading, generator: torch.Generator) -> tuple[Reading, Reading]:
        """What is encoded of a reading this time, and what is to be said: the reading, unless a subclass changes it."""
        return reading, reading

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        encoded, said = self.visit(self._both(mentions), generator)
        states = self._states(self.encoder.encode(encoded), said.inputs()[:, :-1])
        inside = said.mask()
        return self._losses(states[inside], said.tokens[inside], generator).sum() / len(mentions)

    @torch.no_grad()
    def reconstruct(self, mentions: Tensor) -> tuple[Tensor, ...]:
        """The likeliest type at every step, fed back; what stands after a reading's end has no meaning."""
        reading, types = self._both(mentions), self._of.types
        start = self.encoder.encode(reading)
        candidates = reading.vectors[types]
        said = reading.tokens[:, :0]
        for _ in range(reading.tokens.shape[1]):
            last = self._states(start, reading.vectors[said])[:, -1]
            best = (self._project(last) @ candidates.T).argmax(1)
            said = torch.cat([said, types[best, None]], dim=1)
        return said.chunk(2)

    def _both(self, mentions: Tensor) -> Reading:
        """Both readings of the mentions as one of (2B) mentions."""
        return self._of.batch(mentions).together()

    def _states(self, start: Tensor, fed: Tensor) -> Tensor:
        """The decoder's hidden vectors, fed a zero vector and then (B, T, D): (B, T + 1, H)."""
        cell = cast(Cell, self.encoder if self.decoder is None else self.decoder)
        return cell.unroll(functional.pad(fed, (0, 0, 1, 0)), start)


def sampled_losses(outputs: Tensor, targets: Tensor, noise: Tensor, vectors: Tensor) -> Tensor:
    """Negative sampling (Mikolov et al. 2013): -log sigmoid(e . u) - sum over noise of log sigmoid(-e_noise . u), (N,).

    With every word once as noise, these losses of all possible targets make up the full softmax: exp(-loss), divided
    by its sum over the targets, is exp(e . u) divided by its own.

    Parameters
    ----------
    outputs: (N, D)
        u.
    targets: (N,) int64
        Rows of `vectors`.
    noise: (N, k) int64
        Rows of `vectors`; one that is the target is dropped.
    vectors: (V + E, D)
    """
    right = (outputs * vectors[targets]).sum(1)
    # `functional.embedding` gathers rows four times as fast as an index; products of so small matrices are slow.
    wrong = (functional.embedding(noise, vectors) * outputs[:, None]).sum(2)
    against = functional.logsigmoid(-wrong).masked_fill(noise == targets[:, None], 0)
    return -functional.logsigmoid(right) - against.sum(1)


def rearranged(reading: Reading, keys: Tensor, lengths: Tensor) -> Reading:
    """The tokens of each reading in the order of their keys, (B, T), equal ones as they stand, the first `lengths`.

    Positions travel with their tokens.
    """
    order = keys.argsort(dim=1, stable=True)
    inside = torch.arange(keys.shape[1], device=keys.device) < lengths[:, None]
    tokens = reading.tokens.gather(1, order).where(inside, 0)
    positions = reading.positions
    if positions is not None:
        positions = positions.gather(1, order[..., None].expand_as(positions)).where(inside[..., None], 0)
    return Reading(tokens, lengths, reading.vectors, positions)


def inner(reading: Reading) -> Tensor:
    """(B, T) bool: true at every token but a reading's first and last."""
    place = torch.arange(reading.tokens.shape[1], device=reading.lengths.device)
    return (place > 0) & (place < reading.lengths[:, None] - 1)


def draw(reading: Reading, generator: torch.Generator) -> Tensor:
    """A number from 0 up to 1 for each place, (B, T)."""
    return torch.rand(reading.tokens.shape, generator=generator, dtype=torch.float64).to(reading.tokens.device)


def _draw_uniform(weight: Tensor, hidden: int, generator: torch.Generator) -> None:
    """Uniform in +-1/sqrt(H)."""
    bound = 1 / math.sqrt(hidden)
    nn.init.uniform_(weight, -bound, bound, generator)
