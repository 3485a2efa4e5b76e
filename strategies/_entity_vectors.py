"""Entity vectors by names alone: one for all, or the average of a name's words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.contracts import EntityVectors, Names


@dataclass(frozen=True)
class SharedVector(EntityVectors):
    """One vector for every entity, drawn at random and scaled to the mean norm of the words' vectors."""

    def of_names(self, names: Names, generator: torch.Generator) -> Tensor:
        shared = torch.randn(names.word_vectors.shape[1], generator=generator)
        known = names.word_vectors[names.has_vector]
        norm = (known if len(known) else names.word_vectors).norm(dim=1).mean()
        shared *= norm / shared.norm()
        return shared.expand(len(names.entity_words), -1)


@dataclass(frozen=True)
class NameAverage(EntityVectors):
    """An entity's vector is the average over the distinct words of its mentions.

    Words without vectors are left out unless all are (Socher et al. 2013, Reasoning with neural tensor networks).
    """

    def of_names(self, names: Names, generator: torch.Generator) -> Tensor:
        vectors = names.word_vectors.new_empty(len(names.entity_words), names.word_vectors.shape[1])
        by_count: defaultdict[int, list[tuple[int, Tensor]]] = defaultdict(list)  # names of as many words go together
        start = torch.tensor([len(words) for words in names.entity_words]).cumsum(0)[:-1]
        known = names.has_vector[torch.cat(names.entity_words)].tensor_split(start)
        for entity, (words, has_vector) in enumerate(zip(names.entity_words, known, strict=True)):
            counted = words[has_vector] if has_vector.any() else words
            by_count[len(counted)].append((entity, counted))
        for alike in by_count.values():
            rows = torch.stack([words for _, words in alike])
            vectors[[entity for entity, _ in alike]] = names.word_vectors[rows].mean(1)
        return vectors
