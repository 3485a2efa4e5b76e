"""Entity vectors as the average of their names' words (Socher et al. 2013); the encoder starts at random."""

from __future__ import annotations

import torch

from harness.contracts import Capability, Encoder, Prepared, Strategy, UnlabelledTarget


class AverageEmbedding(Strategy):
    """An entity's vector is the average over the distinct words of its mentions.

    Words without vectors are left out unless all are (Socher et al. 2013, Reasoning with neural tensor networks).
    """

    needs = frozenset({Capability.VECTORS})

    def prepare(self, target: UnlabelledTarget, encoder: Encoder, generator: torch.Generator) -> Prepared:
        vectors = target.word_vectors.new_empty(len(target.entity_words), target.word_vectors.shape[1])
        for entity, words in enumerate(target.entity_words):
            known = words[target.has_vector[words]]
            vectors[entity] = target.word_vectors[known if len(known) else words].mean(0)
        return Prepared(vectors)
