"""Matching the blanks: relation mentions of one entity pair get like vectors (Soares et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from harness.contracts import Capability, Encoder, Objective, UnlabelledMentions
from harness.errors import DataError
from harness.parameters import parameter
from harness.pretraining import Pretraining
from strategies._matching import PairIndex, blanked, contrastive_loss, with_blank
from strategies._stepwise import StepwiseStrategy

SOARES = "Soares et al. 2019"

READ_TOGETHER = 64
"""Mentions that go through the encoder at a time."""


class MatchingTheBlanks(StepwiseStrategy):
    """stepwise vectors; then an encoder that tells which relation mentions are of one entity pair, by their words.

    Soares et al. 2019 (Matching the Blanks: Distributional Similarity for Relation Learning), section 4: mentions of
    one pair often state one relation, those of others seldom. Entities are replaced by a blank, most of the time, lest
    the encoder tell pairs by their names. A mention's negatives are the other partners of its batch and mentions that
    share just one entity with it or with another of the batch. The blank reads a zero vector, for input vectors are
    frozen. Two mentions of a pair in one sentence count as two.

    The paper takes the binary cross-entropy of sigmoid(h . h'). Here it is the softmax cross-entropy over the
    candidates of a batch (van den Oord et al. 2018, Representation learning with contrastive predictive coding) of the
    cosine over a temperature. The paper's dot products are of BERT's states; ours grow with H, and those of a pcnn, all
    maxima, start far above 0, where the sigmoid is flat. What all candidates have in common does not move a softmax;
    the cosine does not depend on H, and longer vectors alone do not raise it.
    """

    @dataclass(frozen=True)
    class Parameters(StepwiseStrategy.Parameters, Pretraining):
        """Those of stepwise and of pre-training, and what is blanked and compared."""

        blank: float = parameter(
            0.7, "chance that an entity of a mention is blanked", source=SOARES, at_least=0, at_most=1
        )
        hard_negatives: int = parameter(
            2, "negatives a mention that share just one entity with it", unit="mentions", at_least=0
        )
        temperature: float = parameter(0.1, "what cosines are divided by in the softmax", above=0)

    needs = frozenset({Capability.VECTORS, Capability.WEIGHTS})

    def objective(self, encoder: Encoder, mentions: UnlabelledMentions, generator: torch.Generator) -> Objective:
        return _Matching(encoder, mentions, self.parameters)


class _Drawn(NamedTuple):
    """What a batch compares: anchors (B,), candidates (C,), the anchors' partners first, and blanks (B + C, 2)."""

    anchors: Tensor
    candidates: Tensor
    blanks: Tensor


class _Matching(Objective):
    """The contrastive loss of mentions whose entity pair is that of another mention too.

    Partners and negatives are drawn from all mentions of the text, those that early stopping holds out among them.
    """

    def __init__(
        self, encoder: Encoder, mentions: UnlabelledMentions, parameters: MatchingTheBlanks.Parameters
    ) -> None:
        super().__init__(encoder)
        self._of = mentions
        self._chosen = parameters
        self._index = PairIndex(mentions.pairs)
        self._lengths = mentions.lengths.cpu()
        self._repeated = self._index.repeated()
        if not len(self._repeated):
            raise DataError(
                f"expected entity pairs with two relation mentions or more, found {len(mentions):,} mentions, each "
                "of a pair of its own. Take a larger sample of the text, sentences = N, or another selection, whole say"
            )
        self._vectors = with_blank(mentions.vectors)

    def mentions(self) -> Tensor:
        return self._repeated

    def loss(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        drawn = self.draw(mentions, generator)
        hidden = self._represent(torch.cat([drawn.anchors, drawn.candidates]), drawn.blanks)
        anchors, candidates = hidden[: len(drawn.anchors)], hidden[len(drawn.anchors) :]
        same_pair = self._index.pair[drawn.anchors, None] == self._index.pair[drawn.candidates]
        return contrastive_loss(anchors, candidates, same_pair.to(hidden.device), self._chosen.temperature)

    def draw(self, mentions: Tensor, generator: torch.Generator) -> _Drawn:
        """Partners, hard negatives and blanks."""
        anchors = mentions.cpu()
        partners = self._index.partners(anchors, generator)
        hard = self._index.sharing_one(anchors, self._chosen.hard_negatives, generator)
        candidates = torch.cat([partners, hard[hard >= 0]])
        chance = torch.rand(len(anchors) + len(candidates), 2, generator=generator)
        return _Drawn(anchors, candidates, chance < self._chosen.blank)

    def _represent(self, mentions: Tensor, blanks: Tensor) -> Tensor:
        """The hidden vectors of mentions with their blanks, (N, size).

        Partners and negatives are of any length: all are read in order of their lengths, some at a time, with little
        padding.
        """
        order = self._lengths[mentions].argsort(stable=True)
        parts: list[Tensor] = []
        for chosen in torch.split(order, READ_TOGETHER):
            batch = self._of.batch(mentions[chosen])
            blanks_here = blanks[chosen].to(self._vectors.device)
            parts.append(self.encoder.represent(blanked(batch, blanks_here, self._vectors)))
        return torch.cat(parts)[order.argsort()]
