"""A control: stepwise's entity vectors under an encoder that stays at random (Wieting & Kiela 2019)."""

from __future__ import annotations

from harness.contracts import Capability
from strategies._stepwise import StepwiseStrategy


class FrozenRandom(StepwiseStrategy):
    """What an encoder's architecture gives without its weights: fine-tuning moves the classifier alone.

    Wieting & Kiela 2019 (No training required: exploring random encoders for sentence classification): what
    pre-training teaches an encoder is what it has beyond this.
    """

    needs = frozenset({Capability.VECTORS, Capability.WEIGHTS})
    trainable = False
