"""Matching the blanks: which relation mentions have one entity pair, blanks for entities, and the contrastive loss."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from harness.contracts import Batch, Reading


class PairIndex:
    """The relation mentions of a text by their entity pair, and by either entity, to draw others of.

    Pairs are in text order: (A, B) and (B, A) are two. A hidden vector is of the readings in text order too, and what
    stands between A and B says of B and A the relation in its other direction, which is another class.

    Parameters
    ----------
    pairs: (M, 2) int64
        The numbers of the two entities of each mention, in text order.

    `pair` is a number for the pair of each mention, (M,), the same for the same pair.
    """

    def __init__(self, pairs: Tensor) -> None:
        self._pairs = pairs.cpu()  # where the generators draw
        self._entities = int(self._pairs.max()) + 1 if len(pairs) else 0
        first, second = self._pairs.unbind(1)
        mentions = torch.arange(len(pairs))

        self.pair = first * self._entities + second
        keys, self._by_pair = self.pair.sort(stable=True)
        self._start = torch.searchsorted(keys, self.pair)
        self._count = torch.searchsorted(keys, self.pair, right=True) - self._start
        self._place = self._by_pair.argsort()

        two = first != second  # a mention of one entity with itself stands under it once
        holder, other = torch.cat([first, second[two]]), torch.cat([second, first[two]])
        self._keys, order = (holder * self._entities + other).sort(stable=True)
        self._by_entity = torch.cat([mentions, mentions[two]])[order]

    def repeated(self) -> Tensor:
        """The mentions whose pair another mention has too, (N,)."""
        return (self._count > 1).nonzero()[:, 0]

    def partners(self, mentions: Tensor, generator: torch.Generator) -> Tensor:
        """For each mention another one of its pair, any of them equally likely, (B,); the pair must be repeated."""
        start, count = self._start[mentions], self._count[mentions]
        steps = 1 + _below(count - 1, generator)
        partners: Tensor = self._by_pair[start + (self._place[mentions] - start + steps) % count]
        return partners

    def sharing_one(self, mentions: Tensor, number: int, generator: torch.Generator) -> Tensor:
        """For each mention `number` that have just one entity in common with it, (B, number); -1 where there is none.

        All that do, in whatever order of their entities, are equally likely, and may be drawn again.
        """
        pairs = self._pairs[mentions]
        start, end = (torch.searchsorted(self._keys, entity * self._entities) for entity in (pairs, pairs + 1))
        shared = pairs * self._entities + pairs.flip(1)  # the key of those that have the other entity too
        left_out = torch.searchsorted(self._keys, shared)
        out = torch.searchsorted(self._keys, shared, right=True) - left_out
        count = end - start - out  # (B, 2): of either entity, and twice the same where a pair is of one

        drawn = _below(count.sum(1, keepdim=True).expand(-1, number), generator)
        side = (drawn >= count[:, :1]).long()  # 1: of those of the second entity
        place = start.gather(1, side) + drawn - side * count[:, :1]
        place += torch.where(place >= left_out.gather(1, side), out.gather(1, side), 0)
        none = (count.sum(1) == 0)[:, None]
        found: Tensor = self._by_entity[place.masked_fill(none, 0)]
        return found.masked_fill(none, -1)


def _below(bounds: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers from 0 up to each bound, the bound left out; 0 where it is 0."""
    return (torch.rand(bounds.shape, generator=generator, dtype=torch.float64) * bounds).long()


def with_blank(vectors: Tensor) -> Tensor:
    """The input vectors and one more row, the blank's, which is zero: (V + E + 1, D)."""
    return torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])


def blanked(batch: Batch, blanks: Tensor, vectors: Tensor) -> Batch:
    """The batch with a blank for the entity of mention 1, of mention 2, of both or of neither.

    A mention's own reading starts with it. The other mention is in it where it is its last token: in every reading of
    the words between, and on a path where that mention dominates. Third mentions stay, of the same entities too.

    Parameters
    ----------
    blanks: (B, 2) bool
        Whether mention 1 and mention 2 of each relation mention are blanked, in both readings.
    vectors: (V + E + 1, D)
        What `with_blank` returns.
    """
    one, two = batch.readings
    readings = (_blanked(one, two, blanks, vectors), _blanked(two, one, blanks.flip(1), vectors))
    return replace(batch, readings=readings)


def _blanked(reading: Reading, other: Reading, blanks: Tensor, vectors: Tensor) -> Reading:
    """`reading` with blanks (B, 2) for its own mention and for that which `other` starts with."""
    tokens, blank = reading.tokens.clone(), len(vectors) - 1
    rows, last = torch.arange(len(tokens), device=tokens.device), reading.lengths - 1
    ends_with_other = (last > 0) & (tokens[rows, last] == other.tokens[:, 0])
    tokens[rows, last] = tokens[rows, last].masked_fill(ends_with_other & blanks[:, 1], blank)
    tokens[:, 0] = tokens[:, 0].masked_fill(blanks[:, 0], blank)
    return replace(reading, tokens=tokens, vectors=vectors)


def contrastive_loss(anchors: Tensor, candidates: Tensor, same_pair: Tensor, temperature: float) -> Tensor:
    """Softmax cross-entropy of each anchor's partner among the candidates, averaged over the anchors: a scalar.

    -log(exp(cos(a_i, c_i) / t) / sum over j of exp(cos(a_i, c_j) / t)), van den Oord et al. 2018, equation 4.

    Parameters
    ----------
    anchors: (B, H)
    candidates: (C, H)
        The first B are the anchors' partners, in their order.
    same_pair: (B, C) bool
        Where anchor and candidate have one entity pair; such a candidate is left out but for the partner itself.
    """
    similarity = functional.normalize(anchors, dim=1) @ functional.normalize(candidates, dim=1).T
    partner = torch.eye(*similarity.shape, dtype=torch.bool, device=similarity.device)
    logits = (similarity / temperature).masked_fill(same_pair & ~partner, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(anchors), device=logits.device))
