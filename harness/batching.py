"""Mentions to batches: readings from the prepared token rows, feature rows, and an order of full batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
        The `inputs` artifact of the corpus. Where it has `tokens_2`, its readings are paths, and those are the second
        ones; elsewhere the second reading is the first one reversed.
    entity_vectors: (E, D)
        What the strategy has made; the words' vectors stand before them in the table of input vectors.
    positions: bool
        Whether readings get positions. Paths never do.
    """

    def __init__(
        self, prepared: Artifact, entity_vectors: Tensor, device: torch.device, positions: bool = False
    ) -> None:
        tensors = prepared.tensors
        self._tokens = tensors["tokens"].to(device)
        self._start = tensors["tokens.start"].to(device)
        self._second = None
        if _has_paths(prepared):
            self._second = tensors["tokens_2"].to(device), tensors["tokens_2.start"].to(device)
        self.vectors = torch.cat([tensors["words"], entity_vectors]).to(device)
        self.words = len(tensors["words"])
        self._positions = positions
        self._device = device

    def batch(self, mentions: Indices) -> Batch:
        """The two readings of each mention, all padded to the longest."""
        return Batch(len(mentions), self.readings(torch.from_numpy(mentions).to(self._device)))

    def readings(self, chosen: Tensor, longest: int | None = None) -> tuple[Reading, Reading]:
        """The two readings of the chosen mentions, (B,), on the device.

        Told how many tokens the `longest` reading has, the host does not wait for the device.
        """
        if self._second:
            return self._paths(chosen, *self._second, longest)
        return self._between(chosen, longest)

    def _between(self, chosen: Tensor, longest: int | None) -> tuple[Reading, Reading]:
        """Mention 1, words between, mention 2; and the same reversed, where each token keeps its positions."""
        start, lengths = _bounds(self._start, chosen)
        place = self._places(lengths, longest)
        inside, last = place < lengths[:, None], lengths[:, None] - 1
        forward = self._reading(self._tokens, inside, start + place, lengths)
        backward = self._reading(self._tokens, inside, start + last - place, lengths)
        if not self._positions:
            return forward, backward
        after_first, after_second = place.expand_as(inside), place - last
        forward_positions = torch.stack([after_first, after_second], 2).masked_fill(~inside[..., None], 0)
        backward_positions = torch.stack([-after_second, -after_first], 2).masked_fill(~inside[..., None], 0)
        return replace(forward, positions=forward_positions), replace(backward, positions=backward_positions)

    def _paths(self, chosen: Tensor, tokens_2: Tensor, start_2: Tensor, longest: int | None) -> tuple[Reading, Reading]:
        """The path of either mention, from its node up to the lowest common ancestor."""
        start_1, lengths_1 = _bounds(self._start, chosen)
        start_2, lengths_2 = _bounds(start_2, chosen)
        place = self._places(torch.maximum(lengths_1, lengths_2), longest)
        first = self._reading(self._tokens, place < lengths_1[:, None], start_1 + place, lengths_1)
        second = self._reading(tokens_2, place < lengths_2[:, None], start_2 + place, lengths_2)
        return first, second

    def _places(self, lengths: Tensor, longest: int | None) -> Tensor:
        """0 up to the greatest length, (1, T)."""
        return torch.arange(int(lengths.max()) if longest is None else longest, device=self._device)[None]

    def _reading(self, tokens: Tensor, inside: Tensor, rows: Tensor, lengths: Tensor) -> Reading:
        """The tokens at `rows` where there is one, (B, T)."""
        found = tokens[torch.where(inside, rows, 0)]
        return Reading(torch.where(inside, found, 0).long(), lengths, self.vectors)


def _bounds(start: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Where the rows of the chosen mentions start, (B, 1), and how long they are, (B,)."""
    first = start[chosen, None]
    return first, start[chosen + 1] - first[:, 0]


def _has_paths(prepared: Artifact) -> bool:
    return "tokens_2" in prepared.tensors


class StackedInputs:
    """The inputs of K runs on one prepared corpus, each with entity vectors of its own, in one table of input vectors.

    `vectors` are (V + K E, D): the words, which the runs have in common, then the entities of each run.
    """

    def __init__(self, runs: Sequence[Inputs]) -> None:
        first = runs[0]
        self.vectors = torch.cat([first.vectors, *(run.vectors[run.words :] for run in runs[1:])])
        self._of = first
        self._entities = len(first.vectors) - first.words

    def readings(self, chosen: Tensor, longest: int) -> tuple[tuple[Tensor, ...], ...]:
        """The two readings of K batches, whose mentions are `chosen`, (K, B), padded to `longest` tokens.

        Each is what a Reading has beside the vectors: tokens (K, B, T), lengths (K, B) and, where the encoder asks for
        them, positions (K, B, T, 2).
        """
        shift = (torch.arange(len(chosen), device=chosen.device) * self._entities)[:, None, None]
        stacked = []
        for reading in self._of.readings(chosen.flatten(), longest):
            tokens = reading.tokens.view(*chosen.shape, longest)
            own = torch.where(tokens < self._of.words, tokens, tokens + shift)
            parts = [own, reading.lengths.view(chosen.shape)]
            if reading.positions is not None:
                parts.append(reading.positions.view(*tokens.shape, 2))
            stacked.append(tuple(parts))
        return tuple(stacked)

    def reading(self, tokens: Tensor, lengths: Tensor, positions: Tensor | None = None) -> Reading:
        """The reading of one batch from its parts."""
        return Reading(tokens, lengths, self.vectors, positions)


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


class StackedFeatures:
    """The handcrafted features of K runs on one prepared corpus, whose tables stand one after another in one.

    `bounds`, (K + 1,), are where the table of each run starts, and the end.
    """

    def __init__(self, runs: Sequence[Features], device: torch.device) -> None:
        self.bounds = np.cumsum([0, *(run.size for run in runs)])
        self._of = runs[0]
        shifted = (np.where(run._row < 0, -1, run._row + start) for run, start in zip(runs, self.bounds, strict=False))
        self._row = np.stack([rows.astype(np.int32) for rows in shifted])
        self._device = device

    def batch(self, mentions: Indices) -> FeatureBatch:
        """The rows of the features of K batches, whose mentions are (K, B), as of one batch of K B mentions."""
        values, owner = self._of._gather(mentions.ravel())
        rows = self._row[owner // mentions.shape[1], values]
        rows, owner = rows[rows >= 0], owner[rows >= 0]
        seen = np.zeros(self.bounds[-1], bool)  # so many rows are found faster by marking them than by sorting
        seen[rows] = True
        touched = np.flatnonzero(seen)
        place = np.empty(len(seen), np.int64)
        place[touched] = np.arange(len(touched))
        offsets = np.searchsorted(owner, np.arange(mentions.size))
        return FeatureBatch(*(to_device(array, self._device) for array in (touched, place[rows], offsets)))


def to_device(array: Indices, device: torch.device) -> Tensor:
    """The array as a tensor on the device; the host does not wait for what the device is at."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


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
    """Tokens of each mention's longer reading; all 1 where the encoder reads none."""
    if prepared is None:
        return np.ones(len(mentions), np.int64)
    names = ("tokens.start", "tokens_2.start") if _has_paths(prepared) else ("tokens.start",)
    starts = (prepared.tensors[name].numpy() for name in names)
    lengths: Indices = np.max([start[mentions + 1] - start[mentions] for start in starts], axis=0)
    return lengths
