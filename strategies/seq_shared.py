"""Reconstruction of each reading by the LSTM that has read it (Li et al. 2016; Dai & Le 2015)."""

from __future__ import annotations

import torch

from harness.contracts import Capability, Encoder, Objective, UnlabelledMentions
from strategies._reconstruction import Reconstruction, ReconstructionStrategy


class SeqShared(ReconstructionStrategy):
    """The sequence autoencoder of Dai & Le 2015 (Semi-supervised sequence learning): one LSTM reads and says."""

    needs = ReconstructionStrategy.needs | {Capability.CELL}

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return Reconstruction(encoder, mentions, self.parameters.negatives, generator, shared=True)
