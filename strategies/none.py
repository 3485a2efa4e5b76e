"""No pre-training: encoder and classifier start at random, every entity has the same unknown vector."""

from __future__ import annotations

import torch

from harness.contracts import Encoder, Prepared, Strategy, UnlabelledTarget


class NoPretraining(Strategy):
    """One vector for every entity, drawn at random and scaled to the mean norm of the words' vectors."""

    def prepare(self, target: UnlabelledTarget, encoder: Encoder, generator: torch.Generator) -> Prepared:
        shared = torch.randn(target.word_vectors.shape[1], generator=generator)
        known = target.word_vectors[target.has_vector]
        norm = (known if len(known) else target.word_vectors).norm(dim=1).mean()
        shared *= norm / shared.norm()
        return Prepared(shared.expand(len(target.entity_words), -1))
