"""Reconstruction of each reading from a corrupted one (Hill et al. 2016; Lample et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from harness.contracts import Encoder, Objective, Reading, UnlabelledMentions
from harness.parameters import parameter
from strategies._matching import with_blank
from strategies._reconstruction import Reconstruction, ReconstructionStrategy, draw, inner, rearranged

LAMPLE = "Lample et al. 2018"


class Denoise(ReconstructionStrategy):
    """seq-unshared, but what is encoded is the reading with words left out, shuffled a little, and entities blanked.

    Words are dropped as in the sequential denoising autoencoder of Hill et al. 2016 (Learning distributed
    representations of sentences from unlabelled data, section 2.2), whose swaps of neighbours are here the local
    shuffle of Lample et al. 2018 (Unsupervised machine translation using monolingual corpora only, section 2.3). A
    reading's first and last token are neither dropped nor moved. Each reading is corrupted for itself, anew at every
    visit; positions travel with their tokens. A blanked entity reads a zero vector, and is still to be said.
    """

    @dataclass(frozen=True)
    class Parameters(ReconstructionStrategy.Parameters):
        """Those of reconstruction, and how much is corrupted."""

        word_dropout: float = parameter(
            0.1, "chance that a token between a reading's ends is dropped", source=LAMPLE, at_least=0, at_most=1
        )
        shuffle_distance: int = parameter(
            3, "most places by which the shuffle moves a token", unit="tokens", source=LAMPLE, at_least=0
        )
        entity_blank: float = parameter(0.1, "chance that an entity's token reads a zero vector", at_least=0, at_most=1)

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return _Denoising(encoder, mentions, self.parameters, generator)


class _Denoising(Reconstruction):
    def __init__(
        self,
        encoder: Encoder,
        mentions: UnlabelledMentions,
        parameters: Denoise.Parameters,
        generator: torch.Generator,
    ) -> None:
        super().__init__(encoder, mentions, parameters.negatives, generator)
        self._chosen = parameters
        self._vectors = with_blank(mentions.vectors)

    def visit(self, reading: Reading, generator: torch.Generator) -> tuple[Reading, Reading]:
        left = self._dropped(reading, generator)
        return self._blanked(self._shuffled(left, generator), generator), reading

    def _dropped(self, reading: Reading, generator: torch.Generator) -> Reading:
        kept = reading.mask() & ~(inner(reading) & (draw(reading, generator) < self._chosen.word_dropout))
        return rearranged(reading, (~kept).int(), kept.sum(1))

    def _shuffled(self, reading: Reading, generator: torch.Generator) -> Reading:
        """Tokens in the order of their places, to each of which a number from 0 up to the distance + 1 is added.

        Two tokens whose places are further apart than the distance never change their order (Lample et al. 2018).
        """
        place = torch.arange(reading.tokens.shape[1], device=reading.tokens.device)
        moved = torch.where(inner(reading), draw(reading, generator), place > 0)  # the last one stays behind all others
        return rearranged(reading, place + (self._chosen.shuffle_distance + 1) * moved, reading.lengths)

    def _blanked(self, reading: Reading, generator: torch.Generator) -> Reading:
        entities = reading.tokens >= self._of.words
        blanks = entities & (draw(reading, generator) < self._chosen.entity_blank)
        return replace(reading, tokens=reading.tokens.masked_fill(blanks, len(self._of.vectors)), vectors=self._vectors)
