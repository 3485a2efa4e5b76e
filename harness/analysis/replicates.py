"""Scores of replicates as arrays: finite, paired by replicate, and resampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

ROUNDING = 1e-9
"""Values that lie closer together are equal: one mention of a million moves a score by 1e-6."""

Values = npt.NDArray[np.float64]

Curve = Mapping[int, Sequence[float]]
"""The scores of an arm by the number of labels: of the same replicates, in the same order, at each."""

Interval = Literal["student", "bootstrap"]
"""How an interval is made where both ways are offered; docs/statistics.md says how often each holds the truth."""


def check_confidence(confidence: float) -> None:
    """Raise ValueError where it is no share between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but got {confidence}")


def check_interval(interval: str) -> None:
    """Raise ValueError where it is not one of `Interval`."""
    if interval not in ("student", "bootstrap"):
        raise ValueError(f"interval must be 'student' or 'bootstrap', but got '{interval}'")


def finite(values: Sequence[float] | Values) -> Values:
    """Values as an array, (n,); one that is not finite is a ValueError."""
    sample = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(sample)):
        raise ValueError(f"values must be finite, but got {sample.tolist()}")
    return sample


def align(scores: Iterable[Sequence[float] | Values], crossed: int | None) -> tuple[Values, int | None]:
    """Lists of scores of the same R replicates as (K, R), and the number of initialisations where they are crossed.

    Replicates are crossed as in `harness.analysis.summaries.components`: with I = `crossed` initialisations a list of
    S I scores is of S text samples, and one of I is of an arm without text, whose scores are repeated, for they are the
    partners of every sample's. Where all lists have I, nothing is crossed, and None comes back. No list, an empty one,
    one that is not finite, or lists of other lengths are a ValueError.
    """
    rows = [finite(values) for values in scores]
    replicates = max(map(len, rows), default=0)
    if not replicates:
        raise ValueError("there must be at least 1 replicate, but got 0")
    if crossed is not None:
        if crossed < 1 or replicates % crossed:
            raise ValueError(f"crossed replicates must be a multiple of {crossed}, but got {replicates}")
        rows = [np.tile(row, replicates // crossed) if len(row) == crossed else row for row in rows]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise ValueError(f"scores must be of the same replicates, but got {' and '.join(map(str, lengths))} of them")
    return np.stack(rows), None if crossed == replicates else crossed


def resampled_shares(generator: np.random.Generator, resamples: int, replicates: int, crossed: int | None) -> Values:
    """The share of each replicate in each of B resamples of R, (B, R).

    Of crossed ones samples and initialisations are drawn each by themselves, and a replicate has the product of their
    shares: the pigeonhole bootstrap (Owen 2007).
    """
    if crossed is None:
        return _shares(generator, resamples, replicates)
    samples = _shares(generator, resamples, replicates // crossed)
    initialisations = _shares(generator, resamples, crossed)
    return (samples[:, :, np.newaxis] * initialisations[:, np.newaxis, :]).reshape(resamples, replicates)


def _shares(generator: np.random.Generator, resamples: int, things: int) -> Values:
    return generator.multinomial(things, np.full(things, 1 / things), size=resamples) / things
