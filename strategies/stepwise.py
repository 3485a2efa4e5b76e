"""Entity vectors by skip-gram over the text, from their names' averages on; the encoder starts at random."""

from __future__ import annotations

from strategies._stepwise import StepwiseStrategy


class Stepwise(StepwiseStrategy):
    """The entity vectors that reconstruction starts from, without reconstruction (Li et al. 2016)."""
