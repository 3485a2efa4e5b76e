"""Splits, and nested subsets of the training split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.seeding import numpy_stream

SPLITS = ("official", "paper")
TEST_SHARE, DEV_SHARE = 0.2, 0.1  # Li et al. 2016, section 4.1
LARGEST = 10  # S10 is the full training split

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Indices of the mentions of each part."""

    train: Indices
    dev: Indices
    test: Indices


def split(parts: Sequence[str] | npt.NDArray[Any], kind: str, seed: int, sample: int | None, among: Indices) -> Split:
    """Split the mentions `among` of a corpus whose published parts are `parts`.

    With `sample`, that many of them are drawn first. `official` keeps the published parts; `paper` takes 20 % for
    test, 10 % for dev and the rest for training, at random. Nothing but `seed` decides.
    """
    order = among[numpy_stream("split", seed).permutation(len(among))]
    chosen = order[:sample] if sample else order
    if kind == "official":
        part = np.asarray(parts)[chosen]
        train, dev, test = (np.sort(chosen[part == name]) for name in ("train", "dev", "test"))
        return Split(train, dev, test)
    test_size, dev_size = round(TEST_SHARE * len(chosen)), round(DEV_SHARE * len(chosen))
    cuts = [test_size, test_size + dev_size]
    test, dev, train = (np.sort(part) for part in np.split(chosen, cuts))
    return Split(train, dev, test)


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
