"""What scores over replicates say: means, deviations, intervals, and where variance comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from harness.analysis.replicates import ROUNDING, Values, check_confidence, finite
from harness.seeding import numpy_stream

LARGEST_T = 20
"""The most values that Student's t serves; up to there a BCa bootstrap covers too little (84 % for 95 % at n = 5)."""


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


@dataclass(frozen=True)
class Student:
    """A mean that, over its standard error, follows Student's t of so many degrees of freedom."""

    mean: float
    error: float
    degrees: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """The confidence interval of the mean; of width zero where the error is."""
        half = self.error * float(special.stdtrit(self.degrees, (1 + confidence) / 2))
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float:
        """Two-sided, that the mean is 0: below 5 % exactly where the 95 % interval leaves 0 out."""
        if self.error == 0:
            return float(abs(self.mean) < ROUNDING)
        return 2 * float(special.stdtr(self.degrees, -abs(self.mean) / self.error))


@dataclass(frozen=True)
class Components:
    """The variance of scores of S text samples, each with the same I initialisations, by source.

    Two-way random-effects analysis of variance without replication: a score is the mean, an effect of its sample, an
    effect of its initialisation and a rest, in which both's interaction is (Searle, Casella and McCulloch 1992,
    chapter 4). `square_samples`, `square_initialisations` and `square_rest` are the mean squares, with S - 1, I - 1
    and (S - 1)(I - 1) degrees of freedom.
    """

    samples: int
    initialisations: int
    mean: float
    square_samples: float
    square_initialisations: float
    square_rest: float

    @property
    def sd_samples(self) -> float:
        """The deviation between samples, by the method of moments; 0 where the estimate of its square is negative."""
        return math.sqrt(max(0.0, (self.square_samples - self.square_rest) / self.initialisations))

    @property
    def sd_initialisations(self) -> float:
        """The same between initialisations."""
        return math.sqrt(max(0.0, (self.square_initialisations - self.square_rest) / self.samples))

    @property
    def sd_rest(self) -> float:
        """The deviation that neither the sample nor the initialisation alone explains."""
        return math.sqrt(self.square_rest)

    @property
    def negative(self) -> tuple[str, ...]:
        """Those of "samples" and "initialisations" whose variance was estimated below 0."""
        squares = {"samples": self.square_samples, "initialisations": self.square_initialisations}
        return tuple(name for name, square in squares.items() if square < self.square_rest)

    @property
    def sd(self) -> float:
        """The deviation of a single score of a new sample and a new initialisation; its square is unbiased."""
        between_samples = (self.square_samples - self.square_rest) / self.initialisations
        between_initialisations = (self.square_initialisations - self.square_rest) / self.samples
        # not below 0, for S and I are at least 2, but for rounding
        return math.sqrt(max(0.0, between_samples + between_initialisations + self.square_rest))

    @property
    def student(self) -> Student:
        """The mean with its error, and the degrees of freedom of Satterthwaite (1946).

        The variance of the mean is (samples + initialisations - rest) / (S I) in mean squares. A source that does not
        exceed the rest is taken for none: the mean squares of the others alone stand there then.
        """
        samples, initialisations = self.samples, self.initialisations
        squares = [(self.square_samples, samples - 1), (self.square_initialisations, initialisations - 1)]
        terms = [(square, freedom) for square, freedom in squares if square > self.square_rest]
        if len(terms) != 1:
            sign = -1 if terms else 1
            terms.append((sign * self.square_rest, (samples - 1) * (initialisations - 1)))
        variance = sum(square for square, _ in terms)
        if variance == 0:
            return Student(self.mean, 0.0, 1.0)
        degrees = variance**2 / sum(square**2 / freedom for square, freedom in terms)
        return Student(self.mean, math.sqrt(variance / (samples * initialisations)), degrees)


def components(values: Sequence[float] | Values, initialisations: int) -> Components:
    """Where the variance of the scores of crossed replicates comes from.

    Replicate r has sample r // `initialisations` and initialisation r % `initialisations`. Fewer than two samples or
    initialisations, a sample without all of them, or a value that is not finite is a ValueError.
    """
    samples, over = divmod(len(values), initialisations)
    if samples < 2 or initialisations < 2 or over:
        raise ValueError(
            f"values must be of at least 2 samples with {max(2, initialisations)} initialisations each, but got "
            f"{len(values)} with {initialisations}"
        )
    table = finite(values).reshape(samples, initialisations)
    mean = float(table.mean())
    row, column = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = table - row - column + mean
    squares = (
        initialisations * float(np.sum((row - mean) ** 2)) / (samples - 1),
        samples * float(np.sum((column - mean) ** 2)) / (initialisations - 1),
        float(np.sum(rest**2)) / ((samples - 1) * (initialisations - 1)),
    )
    between, among, left = (0.0 if square < ROUNDING**2 else square for square in squares)
    return Components(samples, initialisations, mean, between, among, left)


def summarise(values: Sequence[float] | Values, confidence: float = 0.95, crossed: int | None = None) -> Summary:
    """Summarise scores of replicates: Student's t interval up to n = 20, a seeded BCa bootstrap beyond.

    The order of the values has no influence, to the bit. Values that are equal, or differ by `ROUNDING` alone, have
    an interval of width zero. No values, or one that is not finite, is a ValueError.

    Scores of crossed replicates are not independent: an interval as of n values would hold the mean in 58 to 73 of
    100 cases for 95 where samples and initialisations matter (S = I = 5). `crossed` is the number of initialisations,
    the values are in the order of `components`, and `sd` and the interval are those of `Components`, which holds the
    mean in 94 to 99 of 100. As many values as initialisations are of an arm without text, or of one sample, and are
    independent, as in `align`.

    >>> summarise([0.5])
    Summary(n=1, mean=0.5, sd=nan, low=nan, high=nan)
    """
    check_confidence(confidence)
    sample = np.sort(finite(values))
    n = len(sample)
    if n == 0:
        raise ValueError("there must be at least 1 value to summarise, but got 0")
    if n == 1:
        return Summary(1, float(sample[0]), math.nan, math.nan, math.nan)
    if sample[-1] - sample[0] < ROUNDING:
        same = float(sample[0])  # not the mean, which rounds; and BCa would divide by the deviation
        return Summary(n, same, 0.0, same, same)
    if crossed is not None and n != crossed:
        parts = components(values, crossed)
        return Summary(n, parts.mean, parts.sd, *parts.student.interval(confidence))
    mean, sd = float(np.mean(sample)), float(np.std(sample, ddof=1))
    if n <= LARGEST_T:
        low, high = student(sample).interval(confidence)
    else:
        low, high = stats.bootstrap(
            (sample,), np.mean, vectorized=True, confidence_level=confidence, rng=numpy_stream("interval")
        ).confidence_interval  # BCa of 9,999 resamples, scipy's defaults
    return Summary(n, mean, sd, float(low), float(high))


def student(values: Sequence[float] | Values, crossed: int | None = None) -> Student:
    """The mean of at least two values with its error and degrees of freedom, crossed ones by `Components`.

    Values that are equal, or differ by `ROUNDING` alone, have an error of 0.
    """
    sample = finite(values)
    if len(sample) < 2:
        raise ValueError(f"there must be at least 2 values for Student's t, but got {len(sample)}")
    if np.ptp(sample) < ROUNDING:
        return Student(float(sample[0]), 0.0, len(sample) - 1)
    if crossed is not None:
        return components(sample, crossed).student
    return Student(float(np.mean(sample)), float(np.std(sample, ddof=1)) / math.sqrt(len(sample)), len(sample) - 1)
