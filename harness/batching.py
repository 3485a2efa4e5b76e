"""Mentions to batches: readings from the prepared token rows, feature rows, and an order of full batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.artifacts import Artifact
from harness.contracts import Batch, Reading

Indices = npt.NDArray[np.int64]

WINDOW = 64
"""Batches that are drawn together and then sorted by length: padding falls to less than a tenth."""

WINDOWS_A_PASS = 4
"""Windows in a pass, at least: chance still decides which mentions of one length meet in a batch."""


class Inputs:
    """Makes Batches of any mentions of a prepared corpus.

    Parameters
    ----------
    prepared: Artifact
        The `inputs` artifact of the corpus.
    entity_vectors: (E, D)
        What the strategy has made; the words' vectors stand before them in the table of input vectors.
    """

    def __init__(self, prepared: Artifact, entity_vectors: Tensor, device: torch.device) -> None:
        tensors = prepared.tensors
        self._tokens = tensors["tokens"].to(device)
        self._start = tensors["tokens.start"].to(device)
        self._vectors = torch.cat([tensors["words"], entity_vectors]).to(device)
        self._device = device

    def batch(self, mentions: Indices) -> Batch:
        """The readings of the mentions: mention 1, words between, mention 2; and the same reversed."""
        chosen = torch.from_numpy(mentions).to(self._device)
        start = self._start[chosen, None]
        lengths = self._start[chosen + 1] - start[:, 0]
        place = torch.arange(int(lengths.max()), device=self._device)[None]
        inside = place < lengths[:, None]
        forward = torch.where(inside, start + place, 0)
        backward = torch.where(inside, start + lengths[:, None] - 1 - place, 0)
        readings = (
            Reading(torch.where(inside, self._tokens[rows], 0).long(), lengths, self._vectors)
            for rows in (forward, backward)
        )
        return Batch(len(mentions), tuple(readings))


@dataclass(frozen=True)
class FeatureBatch:
    """Feature rows of a batch: the rows of mention i are ``rows[offsets[i] : offsets[i + 1]]``.

    `rows` holds places in `touched`, the (U,) distinct rows of the classifier's table that the batch touches.
    """

    touched: Tensor
    rows: Tensor
    offsets: Tensor


class Features:
    """The handcrafted features of a prepared corpus, as rows of a table that the training subset alone decides.

    Features that the subset lacks have no row and are dropped.
    """

    def __init__(self, prepared: Artifact, groups: Sequence[str], subset: Indices, device: torch.device) -> None:
        self._groups = [
            (prepared.tensors[f"features.{g}"].numpy(), prepared.tensors[f"features.{g}.start"].numpy()) for g in groups
        ]
        self._device = device
        self._row = np.full(int(prepared.meta["features"]), -1, np.int64)
        seen = np.unique(self._gather(subset)[0])
        self._row[seen] = np.arange(len(seen))
        self.size = len(seen)

    def batch(self, mentions: Indices) -> FeatureBatch:
        """The rows of the mentions' features."""
        values, owner = self._gather(mentions)
        rows = self._row[values]
        rows, owner = rows[rows >= 0], owner[rows >= 0]
        touched, inverse = np.unique(rows, return_inverse=True)
        offsets = np.searchsorted(owner, np.arange(len(mentions)))
        tensors = (torch.from_numpy(array).to(self._device) for array in (touched, inverse, offsets))
        return FeatureBatch(*tensors)

    def _gather(self, mentions: Indices) -> tuple[Indices, Indices]:
        """All feature values of the mentions, and for each the place of its mention, in order of the places."""
        values, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for flat, start in self._groups:
            length = start[mentions + 1] - start[mentions]
            owner = np.repeat(np.arange(len(mentions)), length)
            within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
            values.append(flat[np.repeat(start[mentions], length) + within].astype(np.int64))
            owners.append(owner)
        value, owner = np.concatenate(values), np.concatenate(owners)
        order = np.argsort(owner, kind="stable")
        return value[order], owner[order]


def training_batches(lengths: Indices, size: int, generator: np.random.Generator) -> Iterator[Indices]:
    """Full batches without end: places in `lengths`, (N,), the lengths of the training mentions' readings.

    Permutations of the mentions follow one another. `WINDOW` batches of that stream, never more than a quarter of a
    pass, are sorted by length, cut, and handed out in random order. Of fewer mentions than `size`, a batch has all.
    """
    size = min(size, len(lengths))
    window = size * max(1, min(WINDOW, len(lengths) // size // WINDOWS_A_PASS))
    stream = np.zeros(0, np.int64)
    while True:
        while len(stream) < window:
            stream = np.concatenate([stream, generator.permutation(len(lengths))])
        drawn, stream = stream[:window], stream[window:]
        if window > size:
            drawn = drawn[np.argsort(lengths[drawn], kind="stable")]
        batches = drawn.reshape(-1, size)
        yield from batches[generator.permutation(len(batches))]


def evaluation_batches(lengths: Indices, size: int = 128) -> list[Indices]:
    """All places of `lengths` once, sorted by length, `size` at a time."""
    order = np.argsort(lengths, kind="stable")
    return [order[at : at + size] for at in range(0, len(order), size)]


def reading_lengths(prepared: Artifact | None, mentions: Indices) -> Indices:
    """Tokens of each mention's reading; all 1 where the encoder reads none."""
    if prepared is None:
        return np.ones(len(mentions), np.int64)
    start = prepared.tensors["tokens.start"].numpy()
    lengths: Indices = start[mentions + 1] - start[mentions]
    return lengths
