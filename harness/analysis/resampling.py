"""Scores beyond the test set at hand: intervals where replicates and test examples are both a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.analysis.replicates import Interval, Values, align, check_confidence, check_interval, resampled_shares
from harness.analysis.summaries import Student, student
from harness.scoring import METRICS
from harness.seeding import numpy_stream

RESAMPLES = 1000
"""Of the test examples: the bootstrap's error of a standard error is then 2 %."""

Classes = npt.NDArray[np.integer]
Counts = npt.NDArray[np.float32]
"""Whole numbers, which float32 holds exactly up to 16 million, at twice the speed of float64."""


@dataclass(frozen=True)
class Metric:
    """One of `harness.scoring.METRICS` on a corpus: its classes, and which is the negative one, as `score` has them."""

    name: str
    classes: Sequence[str]
    negative: str | None


@dataclass(frozen=True)
class ResampledScore:
    """A mean score of R replicates on N test examples, or a mean difference, with its interval for new ones of both.

    `error_replicates` and `error_examples` are the standard errors of the mean by either source alone. Of one replicate
    the former, `low` and `high` are NaN. All are fractions.
    """

    replicates: int
    examples: int
    mean: float
    low: float
    high: float
    error_replicates: float
    error_examples: float


def resampled_score(
    gold: Classes,
    predicted: Classes,
    metric: Metric,
    against: Classes | None = None,
    confidence: float = 0.95,
    crossed: int | None = None,
    interval: Interval = "student",
    resamples: int = RESAMPLES,
) -> ResampledScore:
    """The mean score of an arm, or its mean paired difference to another, over new replicates and new test examples.

    Every replicate predicts the same test examples: the two are crossed, not nested, and are drawn each by themselves.

    Parameters
    ----------
    gold: (N,)
        Rows of the metric's classes, at least two.
    predicted, against: (R, N)
        One row a replicate, in the same order; crossed ones as in `align`. What does not fit is a ValueError.
    interval:
        "student": the squared errors by the replicates (from their sample variance; of crossed ones by `Components`)
        and by the examples (the variance over their resamples) added up, and Student's t with the degrees of freedom
        of Satterthwaite (1946). What neither source explains alone is in both, so that it is a little too wide.
        "bootstrap": percentiles of the pigeonhole bootstrap (Owen 2007), in which a pair of a replicate and an example
        counts as often as both were drawn.
    """
    check_confidence(confidence)
    check_interval(interval)
    generator = numpy_stream("test examples")
    drawn = _drawn(generator, len(gold), resamples)
    arms = [_scores(gold, rows, metric, drawn) for rows in (predicted, against) if rows is not None]
    rows, crossed = align([row for arm in arms for row in arm], crossed)
    scores = rows[: resamples + 1] - rows[resamples + 1 :] if len(arms) == 2 else rows
    observed, resampled = scores[0], scores[1:]  # (R,), (B, R)
    replicates = len(observed)
    mean, by_examples = float(np.mean(observed)), float(np.std(resampled.mean(axis=1), ddof=1))
    if replicates == 1:
        return ResampledScore(1, len(gold), mean, math.nan, math.nan, math.nan, by_examples)
    by_replicates = student(observed, crossed)
    if interval == "student":
        low, high = _sum(by_replicates, by_examples, len(gold) - 1).interval(confidence)
    else:
        shares = resampled_shares(generator, resamples, replicates, crossed)
        means = np.sum(shares * resampled, axis=1)
        low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ResampledScore(replicates, len(gold), mean, float(low), float(high), by_replicates.error, by_examples)


def _sum(one: Student, other: float, degrees: int) -> Student:
    """The mean `one` with a second standard error, of so many degrees of freedom, beside its own."""
    squares = [(one.error**2, one.degrees), (other**2, degrees)]
    variance = sum(square for square, _ in squares)
    if variance == 0:
        return one
    freedom = variance**2 / sum(square**2 / freedom for square, freedom in squares)
    return Student(one.mean, math.sqrt(variance), freedom)


def _drawn(generator: np.random.Generator, examples: int, resamples: int) -> Counts:
    """How often each test example counts, (B + 1, N): once in the first row, as often as it was drawn in the others."""
    if examples < 2:
        raise ValueError(f"there must be at least 2 test examples, but got {examples}")
    if resamples < 2:
        raise ValueError(f"there must be at least 2 resamples, but got {resamples}")
    drawn = np.ones((resamples + 1, examples), dtype=np.float32)
    for row in drawn[1:]:
        row[:] = np.bincount(generator.integers(examples, size=examples), minlength=examples)
    return drawn


def _scores(gold: Classes, predicted: Classes, metric: Metric, drawn: Counts) -> Values:
    """The score of every replicate on every row of drawn examples, (B + 1, R), as `harness.scoring.score` defines it.

    Each metric is a mean of F1 over groups of classes: of one group for accuracy and micro-F1.
    """
    _check(gold, predicted, metric)
    members, averaged = _groups(metric)
    actual = drawn @ members[gold]  # (B + 1, G), as are the following
    counted = drawn @ averaged[gold] > 0
    groups = np.maximum(counted.sum(axis=1), 1)
    scores = np.empty((len(drawn), len(predicted)))
    for replicate, row in enumerate(predicted):
        right = drawn @ (members[gold] * (gold == row)[:, np.newaxis])
        proposed = drawn @ members[row]
        f1 = 2 * right.astype(np.float64) / np.where(counted, actual + proposed, 1)
        scores[:, replicate] = np.sum(f1 * counted, axis=1) / groups
    return scores


def _groups(metric: Metric) -> tuple[Counts, Counts]:
    """Whose mentions each group of classes counts, and which gold mentions put the group into the mean; (C, G) both."""
    positive = np.array([[label != metric.negative] for label in metric.classes])
    every = np.ones_like(positive)
    relations = [label.removesuffix("(e1,e2)").removesuffix("(e2,e1)") for label in metric.classes]
    members = {
        "accuracy": every,
        "micro_f1": every,
        "micro_f1_positive": positive,
        "macro_f1_positive": np.eye(len(positive)),
        "macro_f1_relations": np.eye(len(positive))[np.unique(relations, return_inverse=True)[1]],
    }[metric.name]
    averaged = members * (every if metric.name in ("accuracy", "micro_f1") else positive)
    return members.astype(np.float32), averaged.astype(np.float32)


def _check(gold: Classes, predicted: Classes, metric: Metric) -> None:
    if metric.name not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, but got '{metric.name}'")
    if metric.negative is not None and metric.negative not in metric.classes:
        raise ValueError(f"the negative class must be one of the classes, but '{metric.negative}' is not")
    if predicted.ndim != 2 or predicted.shape[1:] != gold.shape:
        raise ValueError(f"predictions must be (replicates, {len(gold)}), but have shape {predicted.shape}")
    for name, found in (("gold", gold), ("predicted", predicted)):
        if found.size and not 0 <= found.min() <= found.max() < len(metric.classes):
            raise ValueError(f"{name} must lie in 0..{len(metric.classes) - 1}, but holds {found.min()}..{found.max()}")
