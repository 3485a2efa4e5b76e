"""Named random streams: every draw of a run comes from a stream whose seed is the sha256 of its name.

No name holds the strategy or the encoder, so that under one replicate all of them meet the same subset, the same
initial classifier and the same order: their differences are paired.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

MOVED = ("sample", "subset", "initialisation", "order")
"""The streams that a replicate moves: text sample, subset permutation, initial weights, order of the mentions."""


TUNING = 1_000_000
"""Added to the replicates that runs of a study see: no evaluation has so many, so that it meets other seeds."""


def seed(name: str, *parts: int | str) -> int:
    """63 bits from sha256 of the name and its parts, the same on every machine.

    >>> seed("subset", 0) == seed("subset", 0), seed("subset", 0) == seed("subset", 1)
    (True, False)
    """
    digest = hashlib.sha256(json.dumps([name, *parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_stream(name: str, *parts: int | str) -> np.random.Generator:
    """A numpy generator of the named stream."""
    return np.random.default_rng(seed(name, *parts))


def torch_stream(name: str, *parts: int | str) -> torch.Generator:
    """A torch generator (CPU) of the named stream; weights are drawn on the CPU whatever the device."""
    import torch

    return torch.Generator().manual_seed(seed(name, *parts))
