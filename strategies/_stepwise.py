"""What strategies on stepwise vectors share: names' averages that skip-gram over the text has moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.contracts import Capability, EntityVectors, Strategy
from harness.parameters import PAPER, Among, Between, parameter
from strategies._skipgram import SkipGram


class StepwiseStrategy(Strategy):
    """Entity vectors by skip-gram with negative sampling, from the averages of the names on; words stay as they are.

    A strategy that goes on from there inherits from it, and its `Parameters` from these.
    """

    @dataclass(frozen=True)
    class Parameters:
        """Skip-gram over the text, every entity mention a token."""

        skipgram_window: int = parameter(
            5, "most tokens between which skip-gram predicts", unit="tokens", source=PAPER, at_least=1
        )
        skipgram_negatives: int = parameter(
            10, "negative draws of skip-gram for each prediction", unit="draws", source=PAPER, at_least=1
        )
        skipgram_epochs: int = parameter(
            50,
            "passes of skip-gram over the text; 0: the averages of the names",
            source=PAPER,
            at_least=0,
            search=Among((10, 50)),
        )
        skipgram_learning_rate: float = parameter(
            0.001,
            "skip-gram's learning rate, the same from start to end",
            source=PAPER,
            above=0,
            search=Between(0.0003, 0.01, log=True),
        )
        skipgram_text: Literal["text", "text + target"] = parameter(
            "text", "what skip-gram reads: the text, or with it the target's training sentences, unlabelled"
        )

    needs = frozenset({Capability.VECTORS})
    text = "required"

    def entity_vectors(self) -> EntityVectors:
        given = self.parameters
        return SkipGram(
            window=given.skipgram_window,
            negatives=given.skipgram_negatives,
            epochs=given.skipgram_epochs,
            learning_rate=given.skipgram_learning_rate,
            with_target=given.skipgram_text == "text + target",
        )
