"""What the classifier tells apart: classes as labelled, or directed ones where subject and object are given.

Mentions stand in text order. Where the roles are given (TACRED, StanfordRE), a relation whose subject comes first and
one whose subject comes second are two outputs, of which a mention can only have the one of its own direction: the
other is closed in training and in prediction, and what is scored is the relation without its direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]

HEADS = (None, "first", "second")
"""Which mention is the subject, by the number that prepared data holds."""


class RoleMask:
    """Closes the outputs of the other direction.

    Parameters
    ----------
    heads: (N,)
        For every prepared mention, the row of `HEADS`.
    closed: (3, C) bool
        By row of `HEADS`, the outputs that such a mention can't have.
    """

    def __init__(self, heads: Indices, closed: npt.NDArray[np.bool_], device: torch.device) -> None:
        self._heads = torch.from_numpy(heads).to(device)
        self._closed = torch.from_numpy(closed).to(device)

    def close(self, scores: Tensor, mentions: Indices) -> Tensor:
        """The scores (B, C) of these mentions, those of closed outputs at minus infinity."""
        heads = self._heads[torch.from_numpy(mentions).to(scores.device)]
        return scores.masked_fill(self._closed[heads], -torch.inf)


@dataclass(frozen=True)
class Outputs:
    """The outputs of the classifier, C of them.

    Parameters
    ----------
    gold: (N,)
        The output of every prepared mention; -1 where its class is dropped.
    scored: (C,)
        The class, as it is scored, of every output.
    heads: (N,)
        The row of `HEADS` of every mention.
    closed: (3, C) bool, or None where no roles are given
        As in `RoleMask`.
    """

    gold: Indices
    scored: Indices
    heads: Indices
    closed: npt.NDArray[np.bool_] | None

    def mask(self, device: torch.device) -> RoleMask | None:
        """What closes the outputs of the other direction; None where no roles are given."""
        return None if self.closed is None else RoleMask(self.heads, self.closed, device)


def outputs(labels: Indices, heads: Indices, classes: int, negative: int | None) -> Outputs:
    """The outputs for mentions of these `labels`, (N,) rows of the classes or -1, and `heads`, (N,) rows of `HEADS`.

    Where roles are given, every class is an output for either direction, and the negative class, which has none, is
    one. Which outputs there are, and which are closed, no label decides: that of a test mention would tell its class.
    """
    if not heads.any():
        return Outputs(labels, np.arange(classes), heads, None)
    both = [(label, head) for label in range(classes) for head in ((0,) if label == negative else (1, 2))]
    scored, direction = np.array(both, np.int64).T
    output = np.zeros((classes, len(HEADS)), np.int64)
    output[scored, direction] = np.arange(len(both))
    if negative is not None:
        output[negative] = output[negative, 0]
    gold = np.where(labels >= 0, output[labels, heads], -1)
    head = np.arange(len(HEADS))[:, None]
    return Outputs(gold, scored, heads, (direction != 0) & (head != direction))
