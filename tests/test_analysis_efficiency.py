"""Label efficiency: by hand, against a search in small steps, against a plain bootstrap, and what must hold always."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis import Censored, LabelEfficiency, best_baseline, label_efficiency
from harness.analysis.efficiency import RESAMPLES
from harness.analysis.replicates import resampled_shares
from harness.seeding import numpy_stream

SIZES = (50, 200, 800, 3200)
BASELINE = {50: [20.0], 200: [40.0], 800: [60.0]}

Scores = dict[int, list[float]]


def curves(replicates: int, sizes: Sequence[int] = SIZES) -> st.SearchStrategy[Scores]:
    values = st.lists(st.integers(0, 60).map(float), min_size=replicates, max_size=replicates)
    return st.tuples(*[values for _ in sizes]).map(lambda scores: dict(zip(sizes, scores, strict=True)))


def by_steps(sizes: Sequence[int], means: npt.NDArray[np.float64], score: float, steps: int = 200_001) -> float:
    """The first of many sizes at which the running maximum of the curve reaches a score; infinite where none does."""
    logarithms = np.union1d(np.linspace(math.log2(sizes[0]), math.log2(sizes[-1]), steps), np.log2(sizes))
    highest = np.maximum.accumulate(np.interp(logarithms, np.log2(sizes), means))
    reached = np.flatnonzero(highest >= score - 1e-9)
    if not len(reached):
        return math.inf
    return 0.0 if highest[0] > score + 1e-9 else 2.0 ** float(logarithms[reached[0]])


def position(times: Censored | None, size: int) -> float:
    """Of a label efficiency the size n*: 0 and infinite where it is censored."""
    assert times is not None
    return {"<": 0.0, "": times.value * size, ">": math.inf}[times.side]


def values(strategy: Scores, baseline: Scores) -> list[float]:
    found = label_efficiency(strategy, baseline)
    return [position(one.value, size) / size for size, one in found.items()]


# The value


@pytest.mark.parametrize(
    ("size", "score", "expected"),
    [
        (50, 30, Censored(2)),  # reached halfway from 50 to 200, at 100
        (200, 30, Censored(0.5)),
        (200, 40, Censored(1)),
        (50, 60, Censored(16)),
        (50, 60.1, Censored(16, ">")),
        (800, 99, Censored(1, ">")),
        (50, 20, Censored(1)),
        (200, 20, Censored(0.25)),
        (200, 19.9, Censored(0.25, "<")),
        (20, 10, Censored(2.5, "<")),
    ],
)
def test_one_curve_by_hand(size: int, score: float, expected: Censored) -> None:
    (found,) = label_efficiency({size: [score]}, BASELINE).values()
    assert (found.size, found.value.side) == (size, expected.side)
    assert found.value.value == pytest.approx(expected.value)
    assert found.low is None and found.high is None


def test_a_curve_that_falls_counts_by_its_highest_score_so_far() -> None:
    baseline = {50: [30.0], 200: [20.0], 800: [40.0]}
    assert values({50: [35.0], 200: [30.0], 800: [25.0]}, baseline) == pytest.approx([400 * 2**0.5 / 50, 50 / 200, 0])


def test_means_are_over_replicates() -> None:
    baseline = {50: [10.0, 30.0], 200: [50.0, 30.0]}
    assert values({50: [25.0, 35.0]}, baseline) == pytest.approx([2])


def test_a_baseline_of_one_size_is_reached_there_or_not() -> None:
    assert values({50: [1.0], 100: [2.0], 200: [3.0]}, {100: [2.0]}) == [0, 1, math.inf]


@given(curves(2), curves(2, (50, 100, 400)))
def test_the_value_is_what_a_search_finds(strategy: Scores, baseline: Scores) -> None:
    means = np.mean(list(baseline.values()), axis=1)
    for size, found in label_efficiency(strategy, baseline).items():
        expected = by_steps(list(baseline), means, float(np.mean(strategy[size])))
        assert position(found.value, size) == pytest.approx(expected, rel=1e-4)


def test_sizes_come_in_order_whatever_the_order_they_are_given_in() -> None:
    strategy = {800: [50.0], 50: [30.0]}
    assert label_efficiency(strategy, dict(reversed(BASELINE.items()))) == label_efficiency(
        dict(reversed(strategy.items())), BASELINE
    )
    assert list(label_efficiency(strategy, BASELINE)) == [50, 800]


# The interval


def leads(seed: int, replicates: int) -> tuple[Scores, Scores]:
    """A strategy that is 4 points ahead of a baseline that rises; two numbers of decimals keep ties away."""
    generator = np.random.default_rng(seed)
    subset = 2 * generator.normal(size=(4, replicates))
    base = np.array([[20], [36], [50], [58]]) + subset + generator.normal(size=(4, replicates))
    arm = np.array([[24], [40], [54], [59]]) + subset + generator.normal(size=(4, replicates))
    return dict(zip(SIZES, arm.tolist(), strict=True)), dict(zip(SIZES, base.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("replicates", [2, 5])
def test_the_interval_holds_the_sizes_at_which_a_paired_t_test_tells_no_difference(seed: int, replicates: int) -> None:
    strategy, baseline = leads(seed, replicates)
    steps = np.linspace(math.log2(50), math.log2(3200), 2001)
    base = np.array([np.interp(steps, np.log2(SIZES), row) for row in np.transpose(list(baseline.values()))])
    for size, found in label_efficiency(strategy, baseline, 0.9).items():
        limits = stats.ttest_1samp(base - np.array(strategy[size])[:, np.newaxis], 0).confidence_interval(0.9)
        for end, limit in ((found.low, limits.high), (found.high, limits.low)):
            reached = np.flatnonzero(limit >= 0)
            expected = math.inf if not len(reached) else 0 if reached[0] == 0 else 2 ** steps[reached[0]]
            assert position(end, size) == pytest.approx(expected, rel=0.003)


def by_plain_bootstrap(
    strategy: Scores, baseline: Scores, size: int, shares: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Percentiles at 5 and 95 % of the resampled positions, one after another."""
    found = sorted(
        by_steps(SIZES, np.array(list(baseline.values())) @ share, float(np.dot(strategy[size], share)), 2001)
        for share in shares
    )
    return found[math.ceil(0.05 * len(found)) - 1], found[math.ceil(0.95 * len(found)) - 1]


@pytest.mark.parametrize(("replicates", "crossed"), [(5, None), (6, 3)])
def test_the_bootstrap_resamples_both_arms_alike_and_keeps_what_is_censored(
    replicates: int, crossed: int | None
) -> None:
    strategy, baseline = leads(7, replicates)
    strategy[50] = [score + float(np.mean(baseline[50]) - np.mean(strategy[50])) for score in strategy[50]]
    shares = resampled_shares(numpy_stream("label efficiency"), RESAMPLES, replicates, crossed)
    found = label_efficiency(strategy, baseline, 0.9, crossed, "bootstrap")
    sides = set()
    for size in (50, 3200):
        one = found[size]
        assert one.low is not None and one.high is not None
        ends = position(one.low, size), position(one.high, size)
        assert ends == pytest.approx(by_plain_bootstrap(strategy, baseline, size, shares), rel=0.003)
        sides |= {one.low.side, one.high.side}
    assert sides == {"<", "", ">"}


def test_resampled_shares_are_of_the_replicates_and_crossed_ones_of_both_sources() -> None:
    shares = resampled_shares(np.random.default_rng(0), 2000, 4, None)
    assert shares.shape == (2000, 4) and np.allclose(shares.sum(axis=1), 1)
    assert shares.var(axis=0) == pytest.approx([0.25 * 0.75 / 4] * 4, rel=0.1)
    table = resampled_shares(np.random.default_rng(0), 2000, 6, 3).reshape(2000, 2, 3)
    rows, columns = table.sum(axis=2, keepdims=True), table.sum(axis=1, keepdims=True)
    assert np.allclose(table, rows * columns)
    assert rows.var(axis=0).ravel() == pytest.approx([0.25 / 2] * 2, rel=0.1)
    assert columns.var(axis=0).ravel() == pytest.approx([2 / 9 / 3] * 3, rel=0.1)


def test_without_deviation_the_interval_is_the_value() -> None:
    strategy, baseline = {50: [30.0] * 3}, {size: scores * 3 for size, scores in BASELINE.items()}
    for interval in ("student", "bootstrap"):
        (found,) = label_efficiency(strategy, baseline, interval=interval).values()
        assert found.low is not None and found.high is not None
        assert [found.low.value, found.value.value, found.high.value] == pytest.approx([2, 2, 2])


@given(curves(3), curves(3), st.sampled_from(["student", "bootstrap"]))
def test_the_interval_has_two_ends_and_students_holds_the_value(
    strategy: Scores, baseline: Scores, interval: Any
) -> None:
    for size, found in label_efficiency(strategy, baseline, interval=interval).items():
        low, value, high = (position(one, size) for one in (found.low, found.value, found.high))
        assert low <= high
        if interval == "student":
            assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)


def test_an_arm_without_text_is_the_partner_of_every_sample() -> None:
    strategy, baseline = leads(3, 6)
    baseline = {size: scores[:3] for size, scores in baseline.items()}
    repeated = {size: scores * 2 for size, scores in baseline.items()}
    for interval in ("student", "bootstrap"):
        found = label_efficiency(strategy, baseline, crossed=3, interval=interval)
        assert found == label_efficiency(strategy, repeated, crossed=3, interval=interval)
        assert found != label_efficiency(strategy, repeated, interval=interval)


def test_baselines_with_and_without_text_make_one_curve() -> None:
    strategy, baseline = leads(3, 6)
    mixed = baseline | {50: baseline[50][:3]}
    assert label_efficiency(strategy, mixed, crossed=3) == label_efficiency(
        strategy, mixed | {50: mixed[50] * 2}, crossed=3
    )


# What must hold always


@given(curves(2))
def test_an_arm_against_itself_is_one_where_it_is_better_than_ever_before(curve: Scores) -> None:
    highest = -math.inf
    for found, scores in zip(label_efficiency(curve, curve).values(), curve.values(), strict=True):
        if np.mean(scores) > highest:
            assert not found.value.side and found.value.value == pytest.approx(1)
        else:
            assert found.value.least < 1
        highest = max(highest, float(np.mean(scores)))


@given(curves(2), curves(2), st.integers(2, 9))
def test_the_unit_of_the_sizes_does_not_matter(strategy: Scores, baseline: Scores, factor: int) -> None:
    arm, base = ({factor * size: scores for size, scores in curve.items()} for curve in (strategy, baseline))
    assert values(arm, base) == pytest.approx(values(strategy, baseline))


@given(curves(2), curves(2), st.integers(-50, 50))
def test_where_the_scores_begin_does_not_matter(strategy: Scores, baseline: Scores, shift: int) -> None:
    arm, base = (
        {size: [score + shift for score in scores] for size, scores in curve.items()} for curve in (strategy, baseline)
    )
    found, expected = label_efficiency(arm, base), label_efficiency(strategy, baseline)
    for size in SIZES:
        for end in ("value", "low", "high"):
            one, other = getattr(found[size], end), getattr(expected[size], end)
            assert position(one, size) == pytest.approx(position(other, size), rel=1e-6)


@given(curves(3), curves(3), st.floats(0.01, 30))
def test_a_better_strategy_is_never_worth_less(strategy: Scores, baseline: Scores, more: float) -> None:
    better = {size: [score + more for score in scores] for size, scores in strategy.items()}
    found, before = label_efficiency(better, baseline), label_efficiency(strategy, baseline)
    for size in SIZES:
        for end in ("value", "low", "high"):
            one, other = getattr(found[size], end), getattr(before[size], end)
            assert position(one, size) >= position(other, size) * (1 - 1e-9)


# Its words


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((Censored(2.34), Censored(1.6), Censored(4.0, ">")), "2.3x [1.6, >4.0]"),
        ((Censored(6.4, ">"), Censored(6.4, ">"), Censored(6.4, ">")), ">6.4x"),
        ((Censored(6.4, ">"), Censored(3.21), Censored(6.4, ">")), ">6.4x [3.2, >6.4]"),
        ((Censored(0.25, "<"), Censored(0.25, "<"), Censored(0.25, "<")), "<0.25x"),
        ((Censored(0.25, "<"), Censored(0.25, "<"), Censored(0.5)), "<0.25x [<0.25, 0.50]"),
        ((Censored(12.4), Censored(9.96), Censored(128.1, ">")), "12x [10, >128]"),
        ((Censored(0.999), Censored(0.00204), Censored(1.05)), "1.0x [0.0020, 1.1]"),
        ((Censored(1.0), Censored(1.0), Censored(1.0)), "1.0x [1.0, 1.0]"),
        ((Censored(1.5), None, None), "1.5x"),
    ],
)
def test_it_is_told_in_two_digits_and_with_its_bounds(ends: tuple[Any, Any, Any], words: str) -> None:
    assert LabelEfficiency(50, *ends).told() == words


def test_what_is_censored_is_compared_by_what_is_sure() -> None:
    less, number, more = Censored(0.5, "<"), Censored(0.5), Censored(0.5, ">")
    assert [one.least for one in (less, number, more)] == [0, 0.5, 0.5]
    assert [one.most for one in (less, number, more)] == [0.5, 0.5, math.inf]


# The best baseline


def test_the_best_baseline_is_the_best_on_dev_at_each_size() -> None:
    dev = {
        "none": {50: [20.0, 22.0], 200: [30.0, 31.0], 800: [40.0, 40.0]},
        "avg-embed": {50: [25.0, 10.0], 200: [33.0, 35.0], 800: [40.0, 40.0]},
        "stepwise": {800: [39.0, 40.5], 200: [33.0, 35.0], 3200: [60.0, 60.0], 50: [1.0, 2.0]},
    }
    assert best_baseline(dev) == {50: "none", 200: "avg-embed", 800: "none"}


def test_a_score_that_is_better_by_rounding_alone_does_not_win() -> None:
    assert best_baseline({"first": {50: [0.3]}, "second": {50: [0.1 + 0.2]}}) == {50: "first"}


@pytest.mark.parametrize(
    ("dev", "message"),
    [
        ({}, "baselines must have a size in common, but none have none"),
        ({"a": {50: [1.0]}, "b": {200: [1.0]}}, "baselines must have a size in common, but a, b have none"),
        ({"a": {50: []}}, "there must be at least 1 replicate, but got 0"),
        ({"a": {50: [math.nan]}}, "values must be finite, but got [nan]"),
    ],
)
def test_what_has_no_best_is_refused(dev: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        best_baseline(dev)


# What is refused


@pytest.mark.parametrize(
    ("strategy", "baseline", "options", "message"),
    [
        ({}, BASELINE, {}, "a curve must have sizes of at least 1, but got []"),
        ({50: [1.0]}, {}, {}, "a curve must have sizes of at least 1, but got []"),
        ({0: [1.0]}, BASELINE, {}, "a curve must have sizes of at least 1, but got [0]"),
        ({50: []}, {50: []}, {}, "there must be at least 1 replicate, but got 0"),
        ({50: [1.0, 2.0]}, BASELINE, {}, "scores must be of the same replicates, but got 1 and 2 of them"),
        ({50: [1.0]}, {50: [1.0], 200: []}, {}, "scores must be of the same replicates, but got 0 and 1 of them"),
        ({50: [math.inf]}, BASELINE, {}, "values must be finite, but got [inf]"),
        ({50: [1.0]}, BASELINE, {"confidence": 1}, "confidence must lie between 0 and 1, but got 1"),
        ({50: [1.0]}, BASELINE, {"interval": "bca"}, "interval must be 'student' or 'bootstrap', but got 'bca'"),
        ({50: [1.0]}, BASELINE, {"crossed": 2}, "crossed replicates must be a multiple of 2, but got 1"),
    ],
)
def test_what_has_no_label_efficiency_is_refused(strategy: Any, baseline: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        label_efficiency(strategy, baseline, **options)
