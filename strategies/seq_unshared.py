"""Reconstruction of each reading by a decoder of its own (Li et al. 2016)."""

from __future__ import annotations

import torch

from harness.contracts import Encoder, Objective, UnlabelledMentions
from strategies._reconstruction import Reconstruction, ReconstructionStrategy


class SeqUnshared(ReconstructionStrategy):
    """An encoder and an LSTM decoder that says each reading again, in the order in which it was read."""

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return Reconstruction(encoder, mentions, self.parameters.negatives, generator)
