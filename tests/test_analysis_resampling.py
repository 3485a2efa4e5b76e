"""Intervals beyond the test set: against the scorer on each resample written out, and against analysis of variance."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from harness.analysis import Metric, ResampledScore, components, resampled_score
from harness.analysis.replicates import resampled_shares
from harness.scoring import METRICS, score
from harness.seeding import numpy_stream

CLASSES = ("R(e1,e2)", "R(e2,e1)", "S(e1,e2)", "S(e2,e1)", "T", "rare", "Other")
RESAMPLES = 60

Classes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def predictions(replicates: int, examples: int, seed: int = 0, right: float = 0.6) -> tuple[Classes, Classes, Classes]:
    """Gold classes, one of them rare enough to be missing from resamples, and two arms' predictions."""
    generator = np.random.default_rng(seed)
    gold = generator.choice(len(CLASSES), size=examples, p=[0.2, 0.1, 0.2, 0.1, 0.1, 0.02, 0.28])
    easy = generator.random(examples) < 0.5

    def arm(lead: float) -> Classes:
        chance = np.where(easy, right + 0.2, right - 0.2) + lead + 0.03 * generator.normal(size=(replicates, 1))
        other = generator.integers(len(CLASSES), size=(replicates, examples))
        return np.where(generator.random((replicates, examples)) < chance, gold, other)

    return gold, arm(0.1), arm(0.0)


def scores(gold: Classes, predicted: Classes, metric: Metric) -> Values:
    """By the scorer, (R,)."""
    return np.array([score(gold, row, metric.classes, metric.negative)[metric.name] for row in predicted])


def written_out(gold: Classes, arms: list[Classes], metric: Metric) -> tuple[Values, np.random.Generator]:
    """The scores (B, R) of every resample of the test examples, or their differences, and the stream after them."""
    generator = numpy_stream("test examples")
    drawn = [generator.integers(len(gold), size=len(gold)) for _ in range(RESAMPLES)]
    made = np.array([[scores(gold[rows], arm[:, rows], metric) for rows in drawn] for arm in arms])
    return (made[0] - made[1] if len(arms) == 2 else made[0]), generator


@pytest.mark.parametrize("negative", [None, "Other"])
@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_scored_as_the_scorer_does(name: str, negative: str | None) -> None:
    gold, predicted, against = predictions(3, 90)
    metric = Metric(name, CLASSES, negative)
    for other in (None, against):
        found = resampled_score(gold, predicted, metric, other, interval="bootstrap", resamples=RESAMPLES)
        expected, generator = written_out(gold, [predicted] if other is None else [predicted, other], metric)
        means = (resampled_shares(generator, RESAMPLES, 3, None) * expected).sum(axis=1)
        assert found.error_examples == pytest.approx(expected.mean(axis=1).std(ddof=1))
        assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]))
        leads = scores(gold, predicted, metric) - (0 if other is None else scores(gold, other, metric))
        assert found.mean == pytest.approx(np.mean(leads))
        assert found.error_replicates == pytest.approx(stats.sem(leads))


def test_students_interval_has_both_errors() -> None:
    gold, predicted, against = predictions(5, 400)
    found = resampled_score(gold, predicted, Metric("accuracy", CLASSES, None), against, 0.9)
    one, other = found.error_replicates**2, found.error_examples**2
    degrees = (one + other) ** 2 / (one**2 / 4 + other**2 / 399)
    expected = stats.t.interval(0.9, degrees, found.mean, math.sqrt(one + other))
    assert [found.low, found.high] == pytest.approx(expected)
    assert (found.replicates, found.examples) == (5, 400)


def test_of_accuracy_the_errors_are_those_of_the_analysis_of_variance() -> None:
    gold, predicted, _ = predictions(6, 800)
    found = resampled_score(gold, predicted, Metric("accuracy", CLASSES, None), resamples=4000)
    parts = components((predicted == gold).astype(float).ravel(), 800)
    assert found.error_replicates**2 == pytest.approx(parts.square_samples / (6 * 800))
    assert found.error_examples**2 == pytest.approx(parts.square_initialisations / (6 * 800), rel=0.05)


def test_crossed_replicates_have_the_error_of_their_components() -> None:
    gold, predicted, against = predictions(6, 200)
    metric = Metric("micro_f1_positive", CLASSES, "Other")
    found = resampled_score(gold, predicted, metric, against[:3], crossed=3)
    assert found == resampled_score(gold, predicted, metric, np.tile(against[:3], (2, 1)), crossed=3)
    leads = scores(gold, predicted, metric) - np.tile(scores(gold, against[:3], metric), 2)
    assert found.mean == pytest.approx(leads.mean())
    assert found.error_replicates == pytest.approx(components(leads, 3).student.error)


def test_an_arm_against_itself_is_nothing() -> None:
    gold, predicted, _ = predictions(4, 100)
    metric = Metric("macro_f1_relations", CLASSES, "Other")
    assert resampled_score(gold, predicted, metric, predicted) == ResampledScore(4, 100, 0, 0, 0, 0, 0)


def test_one_replicate_tells_the_error_of_the_test_set_alone() -> None:
    gold, predicted, _ = predictions(1, 400)
    found = resampled_score(gold, predicted, Metric("accuracy", CLASSES, None))
    assert np.isnan([found.low, found.high, found.error_replicates]).all()
    assert found.error_examples == pytest.approx(math.sqrt(found.mean * (1 - found.mean) / 400), rel=0.1)


def test_the_same_predictions_have_the_same_interval() -> None:
    gold, predicted, _ = predictions(4, 100)
    metric = Metric("accuracy", CLASSES, None)
    found = resampled_score(gold, predicted, metric)
    assert found == resampled_score(gold.astype(np.uint8), predicted.astype(np.uint16), metric)


GOLD, PREDICTED = np.array([0, 1, 1]), np.array([[0, 1, 2]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gold": np.array([0]), "predicted": np.array([[0]])}, "there must be at least 2 test examples, but got 1"),
        ({"predicted": np.array([0, 1, 2])}, "predictions must be (replicates, 3), but have shape (3,)"),
        ({"predicted": np.array([[0, 1]])}, "predictions must be (replicates, 3), but have shape (1, 2)"),
        ({"predicted": np.empty((0, 3), int)}, "there must be at least 1 replicate, but got 0"),
        ({"against": np.array([[0, 1]])}, "predictions must be (replicates, 3), but have shape (1, 2)"),
        (
            {"against": np.repeat(PREDICTED, 2, axis=0)},
            "scores must be of the same replicates, but got 1 and 2 of them",
        ),
        ({"predicted": np.array([[0, 1, 7]])}, "predicted must lie in 0..6, but holds 0..7"),
        ({"gold": np.array([0, -1, 2])}, "gold must lie in 0..6, but holds -1..2"),
        (
            {"metric": Metric("f1", CLASSES, None)},
            f"metric must be one of {', '.join(METRICS)}, but got 'f1'",
        ),
        (
            {"metric": Metric("accuracy", CLASSES, "other")},
            "the negative class must be one of the classes, but 'other' is not",
        ),
        ({"confidence": 0}, "confidence must lie between 0 and 1, but got 0"),
        ({"interval": "t"}, "interval must be 'student' or 'bootstrap', but got 't'"),
        ({"resamples": 1}, "there must be at least 2 resamples, but got 1"),
    ],
)
def test_what_cannot_be_resampled_is_refused(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"gold": GOLD, "predicted": PREDICTED, "metric": Metric("accuracy", CLASSES, None)}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        resampled_score(**arguments | changed)
