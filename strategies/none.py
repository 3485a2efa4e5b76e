"""No pre-training: encoder and classifier start at random, every entity has the same unknown vector."""

from __future__ import annotations

from harness.contracts import EntityVectors, Strategy
from strategies._entity_vectors import SharedVector


class NoPretraining(Strategy):
    """One vector for every entity, drawn at random and scaled to the mean norm of the words' vectors."""

    def entity_vectors(self) -> EntityVectors:
        return SharedVector()
