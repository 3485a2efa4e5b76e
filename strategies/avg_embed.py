"""Entity vectors as the average of their names' words (Socher et al. 2013); the encoder starts at random."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from harness.contracts import Capability, Encoder, Prepared, Strategy, UnlabelledTarget


class AverageEmbedding(Strategy):
    """An entity's vector is the average over the distinct words of its mentions.

    Words without vectors are left out unless all are (Socher et al. 2013, Reasoning with neural tensor networks).
    """

    needs = frozenset({Capability.VECTORS})

    def prepare(self, target: UnlabelledTarget, encoder: Encoder, generator: torch.Generator) -> Prepared:
        width = target.word_vectors.shape[1]
        vectors = target.word_vectors.new_empty(len(target.entity_words), width)
        by_count: defaultdict[int, list[tuple[int, Tensor]]] = defaultdict(list)  # names of as many words go together
        start = torch.tensor([len(words) for words in target.entity_words]).cumsum(0)[:-1]
        known = target.has_vector[torch.cat(target.entity_words)].tensor_split(start)
        for entity, (words, has_vector) in enumerate(zip(target.entity_words, known, strict=True)):
            counted = words[has_vector] if has_vector.any() else words
            by_count[len(counted)].append((entity, counted))
        for names in by_count.values():
            rows = torch.stack([words for _, words in names])
            vectors[[entity for entity, _ in names]] = target.word_vectors[rows].mean(1)
        return Prepared(vectors)
