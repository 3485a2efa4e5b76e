"""A control: stepwise's entity vectors under an encoder whose random weights are larger."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.contracts import Capability, Encoder
from harness.parameters import Among, parameter
from strategies._stepwise import StepwiseStrategy


class ScaledRandom(StepwiseStrategy):
    """What pre-training gives by the size of the weights that it leaves, without anything learned.

    By the paper's values reconstruction leaves weights of an LSTM four to six times as large as fresh ones. AdaGrad's
    first steps are of one length whatever the weights are, so that larger ones change less by them.
    """

    @dataclass(frozen=True)
    class Parameters(StepwiseStrategy.Parameters):
        """Those of stepwise, and the scale."""

        scale: float = parameter(
            4.0, "what each random weight of the encoder is multiplied by", above=0, search=Among((2.0, 4.0, 8.0))
        )

    needs = frozenset({Capability.VECTORS, Capability.WEIGHTS})

    @torch.no_grad()
    def first_weights(self, encoder: Encoder) -> None:
        for weight in encoder.parameters():
            weight.mul_(self.parameters.scale)
