"""A control: seq-unshared on readings of random tokens, drawn anew at every visit."""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.contracts import Encoder, Objective, Reading, UnlabelledMentions
from strategies._reconstruction import Reconstruction, ReconstructionStrategy


class RandomTokens(ReconstructionStrategy):
    """What reconstruction teaches without any text: readings of the same lengths, the same amount of computing.

    Every token, a reading's first and last among them, is drawn evenly from the text's word types and entity IDs. What
    is encoded is what is to be said. Positions stay with the places. Krishna et al. 2021 (Does pretraining for
    summarization require knowledge transfer?) pre-train on nonsense likewise.
    """

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return _RandomReconstruction(encoder, mentions, self.parameters.negatives, generator)


class _RandomReconstruction(Reconstruction):
    def visit(self, reading: Reading, generator: torch.Generator) -> tuple[Reading, Reading]:
        types = self._of.types
        drawn = torch.randint(len(types), reading.tokens.shape, generator=generator).to(types.device)
        noise = replace(reading, tokens=types[drawn].where(reading.mask(), 0))
        return noise, noise
