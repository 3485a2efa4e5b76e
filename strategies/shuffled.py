"""A control: seq-unshared on readings whose inner tokens are shuffled anew at every visit."""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.contracts import Encoder, Objective, Reading, UnlabelledMentions
from strategies._reconstruction import Reconstruction, ReconstructionStrategy, draw, inner, rearranged


class Shuffled(ReconstructionStrategy):
    """What reconstruction teaches without the order of the words: the same tokens, the same amount of computing.

    All tokens but a reading's first and last are permuted, each reading's for itself and anew at every visit. What is
    encoded is what is to be said. Positions stay with the places.
    """

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return _ShuffledReconstruction(encoder, mentions, self.parameters.negatives, generator)


class _ShuffledReconstruction(Reconstruction):
    def visit(self, reading: Reading, generator: torch.Generator) -> tuple[Reading, Reading]:
        place = torch.arange(reading.tokens.shape[1], device=reading.tokens.device)
        # Inner tokens have keys from 0 up to 1; the first one's is 0, and those after them have 1 or more.
        keys = torch.where(inner(reading), draw(reading, generator), place)
        shuffled = replace(rearranged(reading, keys, reading.lengths), positions=reading.positions)
        return shuffled, shuffled
