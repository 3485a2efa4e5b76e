"""The handcrafted features alone: no vectors, no weights of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.contracts import Batch, Encoder


class Handcrafted(Encoder):
    """h has no dimensions, (B, 0): the classifier sees the handcrafted features and nothing else."""

    @property
    def size(self) -> int:
        return 0

    def represent(self, batch: Batch) -> Tensor:
        return torch.zeros(batch.size, 0)
