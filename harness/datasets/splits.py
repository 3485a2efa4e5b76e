"""Splits, and nested subsets of the training split."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.contracts import RelationMention
from harness.readings import entities
from harness.seeding import numpy_stream

SPLITS = ("official", "paper", "by-pair", "by-sentence")
TEST_SHARE, DEV_SHARE = 0.2, 0.1  # Li et al. 2016, section 4.1
LARGEST = 10  # S10 is the full training split

Indices = npt.NDArray[np.int64]

TIES: dict[str, Callable[[RelationMention], Hashable]] = {
    "by-pair": lambda mention: frozenset(entities(mention)),
    "by-sentence": lambda mention: mention.tokens,
}
"""What mentions must not share with one of another part, for the splits that keep it apart."""


@dataclass(frozen=True)
class Split:
    """Indices of the mentions of each part."""

    train: Indices
    dev: Indices
    test: Indices


def groups(mentions: Sequence[RelationMention], kind: str) -> Indices:
    """The group of each mention, (N,), for a split of `TIES`: mentions of one group share a pair, or a sentence."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(TIES[kind](mention), len(numbers)) for mention in mentions], np.int64)


def split(
    parts: Sequence[str] | npt.NDArray[Any],
    kind: str,
    seed: int,
    sample: int | None,
    among: Indices,
    group: Indices | None = None,
) -> Split:
    """Split the mentions `among` of a corpus whose published parts are `parts`.

    With `sample`, that many of them are drawn first. `official` keeps the published parts; where no dev part is
    published, 10 % of the training part are drawn for dev. `paper` takes 20 % for test, 10 % for dev and the rest for
    training, at random. `by-pair` and `by-sentence` take as much, in whole groups, whose numbers `group`, (N,), holds:
    a part has the groups whose middles lie within its share. Nothing but `seed` decides.
    """
    generator = numpy_stream("split", seed)
    order = among[generator.permutation(len(among))]
    chosen = order[:sample] if sample else order
    test_size, dev_size = round(TEST_SHARE * len(chosen)), round(DEV_SHARE * len(chosen))
    if kind == "official":
        part = np.asarray(parts)[chosen]
        train, dev, test = (chosen[part == name] for name in ("train", "dev", "test"))
        if not np.isin("dev", parts):
            dev, train = np.split(train, [round(DEV_SHARE * len(train))])
    elif kind in TIES:
        assert group is not None
        _, inverse, counts = np.unique(group[chosen], return_inverse=True, return_counts=True)
        drawn = generator.permutation(len(counts))
        middle = np.empty(len(counts))
        middle[drawn] = np.cumsum(counts[drawn]) - counts[drawn] / 2
        part = np.searchsorted([test_size, test_size + dev_size], middle, side="right")[inverse]
        test, dev, train = (chosen[part == number] for number in range(3))
    else:
        test, dev, train = np.split(chosen, [test_size, test_size + dev_size])
    return Split(np.sort(train), np.sort(dev), np.sort(test))


def subset(train: Indices, size: int, replicate: int) -> Indices:
    """The first `size` of a permutation of the training split: subsets of one replicate are nested."""
    return train[numpy_stream("subset", replicate).permutation(len(train))[:size]]


def size_of(written: int | str, full: int) -> int:
    """A training size as a count: a number, `full`, or S1 to S10 with S_i = full / 2^(10 - i), rounded.

    Raises ValueError where it is none of these or more than there is.

    >>> [size_of(f"S{i}", 6405) for i in (1, 2, 7, 10)], size_of("full", 6405)
    ([13, 25, 801, 6405], 6405)
    """
    if written == "full":
        return full
    if isinstance(written, str) and (match := re.fullmatch(r"S(10|[1-9])", written)):
        return max(1, round(full / float(2 ** (LARGEST - int(match[1])))))
    if isinstance(written, bool) or not isinstance(written, int):
        raise ValueError(f"expected a count, S1 to S{LARGEST}, or full, found {written!r}")
    if written < 1:
        raise ValueError(f"must be at least 1, found {written}")
    if written > full:
        raise ValueError(f"asks for {written:,} training mentions, but the split has {full:,}")
    return written
