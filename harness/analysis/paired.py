"""Two arms side by side, paired by replicate: how far apart, how surely, how often; and Holm's adjustment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from harness.analysis.replicates import ROUNDING, Values, align, check_confidence
from harness.analysis.summaries import student, summarise
from harness.seeding import numpy_stream

FEWEST_FLIPPED = 6
"""The fewest pairs of a sign-flip test: of five the smallest two-sided p is 2 / 2**5, more than 5 %."""

FLIPS = 2**14
"""All sign flips of 14 pairs; of more pairs so many are drawn."""


@dataclass(frozen=True)
class Difference:
    """What the first arm scores above the second, over n pairs: mean, sample deviation, interval of the mean.

    `p` is Student's, two-sided, that the mean is 0. `flipped_p` is the sign-flip permutation test's; it is None where
    there is none, and `not_flipped` says why then, in a table's words. Of one pair, all but the mean is NaN or None.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float | None
    flipped_p: float | None
    not_flipped: str


@dataclass(frozen=True)
class Probability:
    """A share of n pairs and its confidence interval."""

    n: int
    value: float
    low: float
    high: float


def paired_difference(
    first: Sequence[float] | Values,
    second: Sequence[float] | Values,
    confidence: float = 0.95,
    crossed: int | None = None,
) -> Difference:
    """The difference of two arms, paired by replicate: both have the same ones in the same order.

    Mean, deviation and interval are those of `summarise`: Student's t up to n = 20, BCa beyond, of crossed replicates
    by their components; `p` is Student's throughout. Differences that are equal, or differ by `ROUNDING` alone, have
    the p 0, or 1 where they are 0. What `align` refuses is a ValueError.
    """
    (left, right), crossed = align([first, second], crossed)
    differences = left - right
    summary = summarise(differences, confidence, crossed)
    p = student(differences, crossed).p if summary.n > 1 else None
    why = "crossed" if crossed else "n too small" if summary.n < FEWEST_FLIPPED else ""
    flipped_p = None if why else _flipped_p(differences)
    return Difference(summary.n, summary.mean, summary.sd, summary.low, summary.high, p, flipped_p, why)


def probability_of_improvement(
    first: Sequence[float] | Values,
    second: Sequence[float] | Values,
    confidence: float = 0.95,
    crossed: int | None = None,
) -> Probability:
    """How often the first arm scores above the second on the same replicate: P(X > Y) + P(X = Y) / 2 over the pairs.

    Paired, as Bouthillier et al. (2021) have it, and not over all n^2 pairs of replicates as Agarwal et al. (2021,
    rliable) do: two arms on the same subset are compared, not one's lucky subset with the other's unlucky one. The
    interval is Wilson's (1927), not a bootstrap, which has width zero where every pair says the same. Of crossed
    replicates it is that of as many pairs as there are samples, or initialisations, whichever are fewer: they hold no
    less than so many independent ones. What `align` refuses is a ValueError.
    """
    check_confidence(confidence)
    (left, right), crossed = align([first, second], crossed)
    differences = left - right
    n = len(differences)
    value = float(np.mean((differences > ROUNDING) + (np.abs(differences) <= ROUNDING) / 2))
    independent = min(crossed, n // crossed) if crossed else n
    return Probability(n, value, *_wilson(value, independent, confidence))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values of a family of tests, adjusted by Holm (1979).

    Who rejects where the adjusted p is below 5 % rejects anything wrongly in at most 5 of 100 families. None, a test
    that was not made, stays None and counts for nothing. A p outside of 0 to 1 is a ValueError.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    made = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    if wrong := [p for p, _ in made if not 0 <= p <= 1]:
        raise ValueError(f"p must lie between 0 and 1, but got {wrong[0]}")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(made):
        largest = max(largest, min(1.0, (len(made) - rank) * p))
        adjusted[place] = largest
    return adjusted


def ties(differences: Sequence[Difference], level: float = 0.05) -> list[bool]:
    """Which differences of a family leave open who is ahead: Student's p by Holm not below `level`, or no p at all.

    With a family of one that is where the paired interval of 1 - `level` holds 0, up to n = 20.
    """
    return [p is None or p >= level for p in holm([difference.p for difference in differences])]


def tied_with_best(
    pairs: Sequence[Sequence[Sequence[float] | Values]], crossed: int | None = None, level: float = 0.05
) -> list[bool]:
    """Of pairs of the best arm and another one, which others are not told apart from it: Student's p of the differences
    by replicate, by Holm over all pairs, is not below `level`. Of a single replicate none is tied, for it says nothing.
    What `align` refuses is a ValueError.
    """
    aligned = [align(pair, crossed) for pair in pairs]
    p_values = [student(best - other, both).p if len(best) > 1 else 0.0 for (best, other), both in aligned]
    return [p is not None and p >= level for p in holm(p_values)]


def _flipped_p(differences: Values) -> float:
    """Two-sided: the share of sign flips whose mean is as far from 0 as the differences' own.

    Exact up to 14 pairs; beyond it the drawn flips and the one that was observed are counted (Phipson and Smyth 2010).
    """
    flipped = stats.permutation_test(
        (np.rint(differences / ROUNDING),),  # whole numbers: their sums don't round, so that ties are ties
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        rng=numpy_stream("sign flips"),
    )
    return float(flipped.pvalue)


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share; of one with halves it is wider than need be."""
    z = float(special.ndtri((1 + confidence) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)
