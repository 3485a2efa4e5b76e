"""A control without weights: [entity 1; entity 2; mean of the words between]."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.contracts import Batch, Capability, Encoder


class Mean(Encoder):
    """h = [e_1; e_2; mean of the words between], (B, 3D); no words between: zeros.

    Standardised over the training split's mentions, labels unused, unless the training parameter says otherwise.
    """

    offers = frozenset({Capability.VECTORS})
    standardise = True

    def __init__(self, width: int, parameters: Any, generator: torch.Generator) -> None:
        super().__init__(width, parameters, generator)
        self._width = width

    @property
    def size(self) -> int:
        return 3 * self._width

    def represent(self, batch: Batch) -> Tensor:
        reading = batch.readings[0]
        inputs, last = reading.inputs(), reading.lengths - 1
        place = torch.arange(inputs.shape[1], device=last.device)
        between = ((place > 0) & (place < last[:, None])).to(inputs.dtype)  # (B, T)
        count = between.sum(1, keepdim=True).clamp(min=1)
        mean = (between[:, None] @ inputs).squeeze(1) / count
        rows = torch.arange(len(last), device=last.device)
        return torch.cat([inputs[:, 0], inputs[rows, last], mean], dim=1)
