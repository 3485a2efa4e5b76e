"""How often the intervals hold a truth that is known, simulated; docs/statistics.md prints it, and must tell the truth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from harness.analysis import (
    LabelEfficiency,
    Metric,
    label_efficiency,
    paired_difference,
    probability_of_improvement,
    resampled_score,
    summarise,
)
from harness.analysis.replicates import Interval
from harness.scoring import score
from harness.seeding import numpy_stream

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
REPLICATES = (3, 5, 10, 25)
AT_25 = ("mean: ", "paired difference: ")
"""The rows whose interval is another one beyond 20 replicates, or has to be compared with it; the others are not run."""
SIMULATIONS = 1000

Values = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Values]
Simulation = Callable[[np.random.Generator, int], float]
"""The share of intervals that held the truth in one simulated experiment with n replicates."""


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return generator.normal(size=shape)


def skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """An exponential's lower tail: now and then a run fails; mean 0, deviation 1, skewness -2."""
    return 1 - generator.exponential(size=shape)


def holds(interval: tuple[float, float], truth: float) -> float:
    return float(interval[0] <= truth <= interval[1])


def percentiles(values: Values, generator: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap of a mean."""
    means = values[generator.integers(len(values), size=(999, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


# Means


def mean(noise: Noise) -> Simulation:
    def simulate(generator: np.random.Generator, n: int) -> float:
        summary = summarise(noise(generator, (n,)))
        return holds((summary.low, summary.high), 0)

    return simulate


def mean_by_t(noise: Noise) -> Simulation:
    def simulate(generator: np.random.Generator, n: int) -> float:
        found = stats.ttest_1samp(noise(generator, (n,)), 0).confidence_interval()
        return holds((float(found.low), float(found.high)), 0)

    return simulate


def mean_by_bca(noise: Noise) -> Simulation:
    def simulate(generator: np.random.Generator, n: int) -> float:
        found = stats.bootstrap((noise(generator, (n,)),), np.mean, n_resamples=999, rng=generator).confidence_interval
        return holds((float(found.low), float(found.high)), 0)

    return simulate


def crossed_scores(generator: np.random.Generator, noise: Noise, n: int) -> Values:
    """Samples and initialisations matter alike, and as much as the rest."""
    return noise(generator, (n, 1)) + noise(generator, (1, n)) + noise(generator, (n, n))


def crossed_mean(noise: Noise, aware: bool = True) -> Simulation:
    def simulate(generator: np.random.Generator, n: int) -> float:
        summary = summarise(crossed_scores(generator, noise, n).ravel(), crossed=n if aware else None)
        return holds((summary.low, summary.high), 0)

    return simulate


# Pairs


def difference(noise: Noise) -> Simulation:
    def simulate(generator: np.random.Generator, n: int) -> float:
        subset = 2 * normal(generator, (n,))
        found = paired_difference(1 + subset + noise(generator, (n,)), subset + 0.5 * normal(generator, (n,)))
        return holds((found.low, found.high), 1)

    return simulate


def crossed_difference(noise: Noise) -> Simulation:
    """To an arm without text, which has one score for each initialisation."""

    def simulate(generator: np.random.Generator, n: int) -> float:
        subset = 2 * normal(generator, (1, n))
        arm = 1 + subset + crossed_scores(generator, noise, n)
        found = paired_difference(arm.ravel(), (subset + normal(generator, (1, n))).ravel(), crossed=n)
        return holds((found.low, found.high), 1)

    return simulate


def improvement(probability: float, bootstrap: bool = False) -> Simulation:
    def simulate(generator: np.random.Generator, n: int) -> float:
        differences = normal(generator, (n,)) + stats.norm.ppf(probability)
        if bootstrap:
            return holds(percentiles((differences > 0).astype(np.float64), generator), probability)
        found = probability_of_improvement(differences, np.zeros(n))
        return holds((found.low, found.high), probability)

    return simulate


# Label efficiency

SIZES = (50, 200, 800, 3200)
STEEP = (20, 38, 52, 60), (25, 42, 54)
FLAT = (40, 42, 43, 43.5), (41, 42.8, 43.2)
SUBSET, OWN = np.array([[2.0], [2.0], [1.0], [0.6]]), np.array([[1.2], [1.0], [0.8], [0.5]])


def efficiency(curves: tuple[tuple[float, ...], tuple[float, ...]], noise: Noise, interval: Interval) -> Simulation:
    """Of three sizes, at each of which the truth is a number; noise as large as it is on KBP37."""
    baseline, strategy = (np.array(curve, dtype=np.float64)[:, np.newaxis] for curve in curves)
    truths = [
        2.0 ** np.interp(score, curves[0], np.log2(SIZES)) / n for score, n in zip(curves[1], SIZES, strict=False)
    ]

    def simulate(generator: np.random.Generator, n: int) -> float:
        subset = SUBSET * normal(generator, (4, n))
        base = baseline + subset + OWN * normal(generator, (4, n))
        arm = strategy + subset[:3] + OWN[:3] * noise(generator, (3, n))
        found = label_efficiency(
            dict(zip(SIZES, arm, strict=False)), dict(zip(SIZES, base, strict=True)), interval=interval
        )
        held = [spans(one, truth) for one, truth in zip(found.values(), truths, strict=True)]
        return float(np.mean(held))

    return simulate


def spans(found: LabelEfficiency, truth: float) -> float:
    assert found.low is not None and found.high is not None
    return holds((found.low.least, found.high.most), truth)


# Beyond the test set

EXAMPLES = 600
PRIORS = np.array([0.35, 0.25, 0.15, 0.1, 0.1, 0.05])
CLASSES = [str(place) for place in range(len(PRIORS))]


@dataclass(frozen=True)
class Experiment:
    """Examples with a chance of 25 or 85 %, and replicates that deviate from it by `sd`, by `noise`.

    The arm against, where there is one, has a chance that is less by `lead`, on 70 % of the examples the same.
    """

    metric: str
    sd: float
    noise: Noise
    lead: float | None = None

    def run(self, generator: np.random.Generator, n: int, examples: int) -> tuple[Classes, Classes, Classes | None]:
        gold = generator.choice(len(PRIORS), size=examples, p=PRIORS)
        easy = generator.random(examples) < 0.5
        predicted = self._predict(generator, gold, np.where(easy, 0.85, 0.25), self.sd * self.noise(generator, (n,)))
        if self.lead is None:
            return gold, predicted, None
        easy = np.where(generator.random(examples) < 0.7, easy, generator.random(examples) < 0.5)
        chance = np.where(easy, 0.85, 0.25) - self.lead
        return gold, predicted, self._predict(generator, gold, chance, self.sd * normal(generator, (n,)))

    def scores(self, gold: Classes, predicted: Classes) -> Values:
        return np.array([score(gold, row, CLASSES, None)[self.metric] for row in predicted])

    @cached_property
    def truth(self) -> float:
        if self.metric == "accuracy":
            return 0.55 if self.lead is None else self.lead
        gold, predicted, _ = self.run(numpy_stream("coverage", self.metric), 100, 50_000)
        return float(np.mean(self.scores(gold, predicted)))

    def _predict(self, generator: np.random.Generator, gold: Classes, chance: Values, ability: Values) -> Classes:
        right = generator.random((len(ability), len(gold))) < chance + ability[:, np.newaxis]
        other = (gold + generator.integers(1, len(PRIORS), right.shape)) % len(PRIORS)
        return np.where(right, gold, other)


def beyond_test_set(experiment: Experiment, interval: Interval) -> Simulation:
    metric = Metric(experiment.metric, CLASSES, None)

    def simulate(generator: np.random.Generator, n: int) -> float:
        gold, predicted, against = experiment.run(generator, n, EXAMPLES)
        found = resampled_score(gold, predicted, metric, against, interval=interval, resamples=200)
        return holds((found.low, found.high), experiment.truth)

    return simulate


def over_replicates(experiment: Experiment) -> Simulation:
    """As if the test set at hand were all."""

    def simulate(generator: np.random.Generator, n: int) -> float:
        gold, predicted, against = experiment.run(generator, n, EXAMPLES)
        beside = 0.0 if against is None else experiment.scores(gold, against)
        summary = summarise(experiment.scores(gold, predicted) - beside)
        return holds((summary.low, summary.high), experiment.truth)

    return simulate


ALIKE = Experiment("accuracy", 0.02, normal)
FAR = Experiment("accuracy", 0.08, normal)
TWO = Experiment("accuracy", 0.02, normal, lead=0.05)

ROWS: dict[str, Simulation] = {
    "mean: `summarise`, normal": mean(normal),
    "mean: `summarise`, skewed": mean(skewed),
    "mean: Student's t, normal": mean_by_t(normal),
    "mean: Student's t, skewed": mean_by_t(skewed),
    "mean: BCa bootstrap, normal": mean_by_bca(normal),
    "mean: BCa bootstrap, skewed": mean_by_bca(skewed),
    "mean of n x n crossed: `summarise`, normal": crossed_mean(normal),
    "mean of n x n crossed: `summarise`, skewed": crossed_mean(skewed),
    "mean of n x n crossed: as if independent, normal": crossed_mean(normal, aware=False),
    "paired difference: `paired_difference`, normal": difference(normal),
    "paired difference: `paired_difference`, skewed": difference(skewed),
    "paired difference of n x n crossed to an arm without text, normal": crossed_difference(normal),
    "label efficiency, steep baseline: `student`, normal": efficiency(STEEP, normal, "student"),
    "label efficiency, steep baseline: `student`, skewed": efficiency(STEEP, skewed, "student"),
    "label efficiency, flat baseline: `student`, normal": efficiency(FLAT, normal, "student"),
    "label efficiency, flat baseline: `student`, skewed": efficiency(FLAT, skewed, "student"),
    "label efficiency, steep baseline: `bootstrap`, normal": efficiency(STEEP, normal, "bootstrap"),
    "label efficiency, steep baseline: `bootstrap`, skewed": efficiency(STEEP, skewed, "bootstrap"),
    "label efficiency, flat baseline: `bootstrap`, normal": efficiency(FLAT, normal, "bootstrap"),
    "probability of improvement 0.5: Wilson": improvement(0.5),
    "probability of improvement 0.8: Wilson": improvement(0.8),
    "probability of improvement 0.95: Wilson": improvement(0.95),
    "probability of improvement 0.8: percentile bootstrap": improvement(0.8, bootstrap=True),
    "probability of improvement 0.95: percentile bootstrap": improvement(0.95, bootstrap=True),
    "accuracy, new test set, replicates sd 2: `student`, normal": beyond_test_set(ALIKE, "student"),
    "accuracy, new test set, replicates sd 2: `bootstrap`, normal": beyond_test_set(ALIKE, "bootstrap"),
    "accuracy, new test set, replicates sd 2: t over replicates alone, normal": over_replicates(ALIKE),
    "accuracy, new test set, replicates sd 8: `student`, normal": beyond_test_set(FAR, "student"),
    "accuracy, new test set, replicates sd 8: `student`, skewed": beyond_test_set(
        Experiment("accuracy", 0.08, skewed), "student"
    ),
    "accuracy, new test set, replicates sd 8: `bootstrap`, normal": beyond_test_set(FAR, "bootstrap"),
    "macro-F1, new test set, replicates sd 2: `student`, normal": beyond_test_set(
        Experiment("macro_f1_positive", 0.02, normal), "student"
    ),
    "difference, new test set, replicates sd 2: `student`, normal": beyond_test_set(TWO, "student"),
    "difference, new test set, replicates sd 2: `bootstrap`, normal": beyond_test_set(TWO, "bootstrap"),
    "difference, new test set, replicates sd 2: t over replicates alone, normal": over_replicates(TWO),
}


def coverage(row: str, n: int, simulations: int) -> float:
    """In percent."""
    generator = numpy_stream("coverage", row, n)
    return 100 * float(np.mean([ROWS[row](generator, n) for _ in range(simulations)]))


def replicates_of(row: str) -> list[int]:
    return [n for n in REPLICATES if n <= 20 or row.startswith(AT_25)]


def printed() -> dict[str, list[int]]:
    """The page's table: row -> whole percents by n."""
    pattern = r"^\| (.+?) \|" + r" (\d+|-) \|" * len(REPLICATES) + "$"
    found = re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [int(percent) for percent in percents if percent != "-"] for name, *percents in found}


def tolerance(percent: float, simulations: int) -> float:
    """Four standard errors of a simulated percentage, and the rounding of the page's."""
    share = min(max(percent, 1), 99) / 100  # none was simulated often enough to be known to be 0 or 100
    return 400 * math.sqrt(share * (1 - share) / simulations) + 0.5


def test_the_page_has_a_row_for_each_simulation_and_says_of_how_many() -> None:
    assert {row: len(percents) for row, percents in printed().items()} == {row: len(replicates_of(row)) for row in ROWS}
    assert f"{SIMULATIONS:,} simulated" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("row", [row for row in ROWS if "`student`" in row or row.startswith(("mean", "paired"))])
def test_the_page_is_about_right(row: str) -> None:
    percent = printed()[row][REPLICATES.index(5)]
    assert coverage(row, 5, 100) == pytest.approx(percent, abs=tolerance(percent, 100))


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_the_page_tells_the_truth(row: str) -> None:
    found = [coverage(row, n, SIMULATIONS) for n in replicates_of(row)]
    for percent, simulated in zip(printed()[row], found, strict=True):
        assert simulated == pytest.approx(percent, abs=tolerance(percent, SIMULATIONS)), found
