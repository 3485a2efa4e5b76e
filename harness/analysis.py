"""What scores over replicates say: means, deviations and intervals. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.seeding import numpy_stream

LARGEST_T = 20
"""The most values that Student's t serves; up to there a BCa bootstrap covers too little (84 % for 95 % at n = 5)."""

ROUNDING = 1e-9
"""Values that lie closer together are equal: one mention of a million moves a score by 1e-6."""


@dataclass(frozen=True)
class Summary:
    """The mean of n values, their sample standard deviation (n - 1), and the confidence interval of the mean.

    All in the unit of the values. Of one value, `sd`, `low` and `high` are NaN: it says nothing of the variance.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float


def summarise(values: Sequence[float], confidence: float = 0.95) -> Summary:
    """Summarise scores of replicates: Student's t interval up to n = 20, a seeded BCa bootstrap beyond.

    The order of the values has no influence, to the bit. Values that are equal, or differ by `ROUNDING` alone, have
    an interval of width zero. No values, or one that is not finite, is a ValueError.

    >>> summarise([0.5])
    Summary(n=1, mean=0.5, sd=nan, low=nan, high=nan)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but got {confidence}")
    sample = np.sort(np.asarray(values, dtype=np.float64))
    n = len(sample)
    if n == 0:
        raise ValueError("there must be at least 1 value to summarise, but got 0")
    if not np.all(np.isfinite(sample)):
        raise ValueError(f"values must be finite, but got {list(values)}")
    if n == 1:
        return Summary(1, float(sample[0]), math.nan, math.nan, math.nan)
    if sample[-1] - sample[0] < ROUNDING:
        same = float(sample[0])  # not the mean, which rounds; and BCa would divide by the deviation
        return Summary(n, same, 0.0, same, same)
    mean, sd = float(np.mean(sample)), float(np.std(sample, ddof=1))
    if n <= LARGEST_T:
        low, high = stats.t.interval(confidence, df=n - 1, loc=mean, scale=sd / math.sqrt(n))
    else:
        low, high = stats.bootstrap(
            (sample,), np.mean, vectorized=True, confidence_level=confidence, rng=numpy_stream("interval")
        ).confidence_interval  # BCa of 9,999 resamples, scipy's defaults
    return Summary(n, mean, sd, float(low), float(high))
