"""A language model over each reading (Dai & Le 2015), after stepwise's entity vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from harness.contracts import Capability, Encoder, Objective, Reading, UnlabelledMentions
from harness.parameters import PAPER, Among, parameter
from harness.pretraining import Pretraining
from strategies._reconstruction import TokenObjective
from strategies._stepwise import StepwiseStrategy


class LanguageModel(StepwiseStrategy):
    """The encoder learns to tell each token of a reading from those before it, in both readings.

    Dai & Le 2015 (Semi-supervised sequence learning), section 2: the alternative to the sequence autoencoder, which is
    seq-shared. A hidden vector need hold no more of a reading than what the next token asks for.
    """

    @dataclass(frozen=True)
    class Parameters(StepwiseStrategy.Parameters, Pretraining):
        """Those of stepwise and of pre-training, and against how many words a token is told."""

        negatives: int = parameter(
            10,
            "words drawn against each token that is predicted",
            unit="words",
            source=PAPER,
            at_least=1,
            search=Among((5, 10, 20)),
        )

    needs = frozenset({Capability.VECTORS, Capability.WEIGHTS, Capability.STATES})

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return _NextToken(encoder, mentions, self.parameters.negatives, generator)


class _LeftToRight(Protocol):
    """An encoder with `Capability.STATES`."""

    def states(self, reading: Reading) -> Tensor:
        """The hidden vector after every token, (B, T, H)."""


class _NextToken(TokenObjective):
    """Each token but the first from the encoder's state after the token before it; there is no end symbol.

    Of a reading of one token nothing is predicted.
    """

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        reading = self._of.batch(mentions).together()
        there = reading.mask()[:, 1:]
        states = cast(_LeftToRight, self.encoder).states(reading)[:, :-1][there]
        return self._losses(states, reading.tokens[:, 1:][there], generator).sum() / len(mentions)
