"""Label efficiency: how many times as many labels a baseline needs for the score of a strategy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from harness.analysis.replicates import (
    ROUNDING,
    Curve,
    Interval,
    Values,
    align,
    check_confidence,
    check_interval,
    finite,
    resampled_shares,
)
from harness.analysis.summaries import student
from harness.seeding import numpy_stream

RESAMPLES = 2000
"""Of the replicates."""


@dataclass(frozen=True)
class Censored:
    """A number, or a bound of one: with the side "<" it is less than `value`, with ">" it is more."""

    value: float
    side: Literal["<", "", ">"] = ""

    @property
    def least(self) -> float:
        """What it is at least: 0 where it is only known to be less than something."""
        return 0.0 if self.side == "<" else self.value

    @property
    def most(self) -> float:
        """What it is at most: infinite where it is only known to be more than something."""
        return math.inf if self.side == ">" else self.value

    def told(self) -> str:
        """In two digits, and from 10 on in whole numbers.

        >>> Censored(2.34).told(), Censored(0.25, "<").told(), Censored(128.1, ">").told()
        ('2.3', '<0.25', '>128')
        """
        digits = f"{self.value:.0f}" if self.value >= 10 else f"{self.value:#.2g}".rstrip(".")
        return f"{self.side}{digits}"


@dataclass(frozen=True)
class LabelEfficiency:
    """How many times `size` labels the baseline needs for what the strategy scores with `size`, and the interval.

    Of one replicate `low` and `high` are None: it says nothing of the variance.
    """

    size: int
    value: Censored
    low: Censored | None
    high: Censored | None

    def told(self) -> str:
        """In a table's words; an interval whose ends say what a bound says already is left out.

        >>> LabelEfficiency(50, Censored(2.3), Censored(1.6), Censored(4.0, ">")).told()
        '2.3x [1.6, >4.0]'
        >>> LabelEfficiency(50, Censored(64, ">"), Censored(64, ">"), Censored(64, ">")).told()
        '>64x'
        """
        value = f"{self.value.told()}x"
        if self.low is None or self.high is None or (self.value.side and self.low == self.high == self.value):
            return value
        return f"{value} [{self.low.told()}, {self.high.told()}]"


def label_efficiency(
    strategy: Curve,
    baseline: Curve,
    confidence: float = 0.95,
    crossed: int | None = None,
    interval: Interval = "student",
) -> dict[int, LabelEfficiency]:
    """The label efficiency of a strategy at each of its sizes n, n* / n.

    n* is the first size at which the running maximum of the baseline's mean curve, piecewise linear in log2 n, reaches
    the strategy's mean score at n. Where it never does, the value is ">" with the baseline's largest size over n; where
    it starts above, "<" with its smallest size over n. Values below 1 are of a strategy that needs more labels than the
    baseline.

    Parameters
    ----------
    strategy, baseline:
        Scores by size, of the same replicates in the same order at every size of both; the sizes may differ. No sizes,
        one below 1, and whatever `align` refuses is a ValueError.
    crossed:
        The number of initialisations where replicates are crossed, as in `align`.
    interval:
        "student": n* of the two confidence limits of the baseline's mean lead over the strategy, in place of the lead,
        by Student's t over the replicates' own leads (of crossed ones by `Components`). So the interval holds the sizes
        at which the paired test does not tell the two apart, as Fieller (1954) has it of a ratio.
        "bootstrap": percentiles of the n* / n of `RESAMPLES` resamples of the replicates, the same for both arms; a
        resample may be ">" or "<", and so may its percentiles.
    """
    check_confidence(confidence)
    check_interval(interval)
    own, known = _sizes(strategy), _sizes(baseline)
    scores, crossed = align([*(strategy[size] for size in own), *(baseline[size] for size in known)], crossed)
    rows, heights = scores[: len(own)], scores[len(own) :]
    return {
        size: _efficiency(size, known, heights - row, confidence, crossed, interval)
        for size, row in zip(own, rows, strict=True)
    }


def best_baseline(dev: Mapping[str, Curve]) -> dict[int, str]:
    """The baseline with the best mean dev score at each size that all of them have; of equal ones the first.

    Chosen at each size by itself, because one who has so many labels chooses so; by dev, so that no test score decides
    which test score is taken. `{size: test[name][size] for size, name in best.items()}` is the curve for
    `label_efficiency`. No size in common, a size without scores, and a score that is not finite are a ValueError.
    """
    sizes = sorted(set.intersection(*map(set, dev.values()))) if dev else []
    if not sizes:
        raise ValueError(f"baselines must have a size in common, but {', '.join(dev) or 'none'} have none")
    means = {name: {size: _mean(curve[size]) for size in sizes} for name, curve in dev.items()}
    best = {}
    for size in sizes:
        highest = max(mean[size] for mean in means.values())
        best[size] = next(name for name, mean in means.items() if mean[size] > highest - ROUNDING)
    return best


def _mean(values: Sequence[float] | Values) -> float:
    sample = finite(values)
    if not len(sample):
        raise ValueError("there must be at least 1 replicate, but got 0")
    return float(np.mean(sample))


def _sizes(curve: Curve) -> list[int]:
    sizes = sorted(curve)
    if not sizes or sizes[0] < 1:
        raise ValueError(f"a curve must have sizes of at least 1, but got {sizes}")
    return sizes


def _efficiency(
    size: int, known: Sequence[int], leads: Values, confidence: float, crossed: int | None, interval: Interval
) -> LabelEfficiency:
    """At one size, from the baseline's leads over the strategy there, (K, R) for the K sizes `known`."""

    def limit(end: int) -> Callable[[Values], float]:
        return lambda lead: student(lead, crossed).interval(confidence)[end]

    def times(reached: Censored) -> Censored:
        return Censored(reached.value / size, reached.side)

    value = times(_reached(known, leads, _mean))
    if leads.shape[1] == 1:
        return LabelEfficiency(size, value, None, None)
    if interval == "student":
        low, high = _reached(known, leads, limit(1)), _reached(known, leads, limit(0))
    else:
        low, high = _percentiles(known, leads, confidence, crossed)
    return LabelEfficiency(size, value, times(low), times(high))


def _reached(sizes: Sequence[int], leads: Values, height: Callable[[Values], float]) -> Censored:
    """The first size at which the height of the leads, (K, R), is 0 or more; between sizes leads are linear in log2.

    A height below 0 at two neighbouring sizes is taken to be below 0 between them. Of means and of Student's upper
    limits that is so; a lower limit could rise above 0 there, for the mean of two sizes has less error than either.
    """
    at = [height(lead) for lead in leads]
    first = next((place for place, found in enumerate(at) if found >= -ROUNDING), None)
    if first is None:
        return Censored(sizes[-1], ">")
    if first == 0:
        return Censored(sizes[0], "<" if at[0] > ROUNDING else "")
    if at[first] <= ROUNDING:
        return Censored(sizes[first])
    before, after = leads[first - 1], leads[first]
    share = optimize.brentq(lambda share: height(before + share * (after - before)), 0, 1)
    return Censored(sizes[first - 1] * (sizes[first] / sizes[first - 1]) ** float(share))


def _percentiles(sizes: Sequence[int], leads: Values, confidence: float, crossed: int | None) -> list[Censored]:
    """The ends of the percentile interval of what `_reached` says of the means of resampled leads."""
    generator = numpy_stream("label efficiency")
    means = resampled_shares(generator, RESAMPLES, leads.shape[1], crossed) @ leads.T  # (B, K)
    reaches = means >= -ROUNDING
    first = np.argmax(reaches, axis=1)
    previous = np.maximum(first - 1, 0)
    resample = np.arange(RESAMPLES)
    before, after = means[resample, previous], means[resample, first]
    rise = np.where(first > 0, after - before, 1.0)
    logarithms = np.log2(sizes)
    share = np.clip(-before / rise, 0, 1)
    found = logarithms[previous] + share * (logarithms[first] - logarithms[previous])
    found[(first == 0) & (after > ROUNDING)] = -np.inf
    found[~reaches.any(axis=1)] = np.inf
    # no interpolation: between a number and a bound there is none
    ends = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    bounds = {-np.inf: Censored(sizes[0], "<"), np.inf: Censored(sizes[-1], ">")}
    return [bounds.get(end, Censored(float(2**end))) for end in ends]
