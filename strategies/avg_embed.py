"""Entity vectors as the average of their names' words (Socher et al. 2013); the encoder starts at random."""

from __future__ import annotations

from harness.contracts import Capability, EntityVectors, Strategy
from strategies._entity_vectors import NameAverage


class AverageEmbedding(Strategy):
    """An entity's vector is the average over the distinct words of its mentions.

    Where the grid has a text, an entity of the text is averaged over its mentions there, a target entity that is not
    linked to it over its own.
    """

    needs = frozenset({Capability.VECTORS})
    text = "optional"

    def entity_vectors(self) -> EntityVectors:
        return NameAverage()
