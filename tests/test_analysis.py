"""Summaries of replicates: by hand, against scipy, and at the edges."""

from __future__ import annotations

import doctest
import math
import pkgutil
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness import analysis
from harness.analysis import Summary, summarise
from harness.analysis.summaries import student

scores = st.lists(st.integers(0, 1000).map(lambda right: right / 10), min_size=1, max_size=20)


def test_five_replicates_by_hand() -> None:
    summary = summarise([1, 2, 3, 4, 5])
    half = 2.7764451051977987 * math.sqrt(2.5 / 5)  # t of 4 degrees of freedom at 0.975
    assert summary.n == 5
    assert [summary.mean, summary.sd] == pytest.approx([3, math.sqrt(2.5)])
    assert [summary.low, summary.high] == pytest.approx([3 - half, 3 + half])


@given(scores, st.sampled_from([0.5, 0.9, 0.95]))
def test_up_to_twenty_the_interval_is_students(values: list[float], confidence: float) -> None:
    summary = summarise(values, confidence)
    if len(set(values)) == 1:
        return
    interval = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert [summary.mean, summary.sd] == pytest.approx([np.mean(values), np.std(values, ddof=1)])
    assert [summary.low, summary.high] == pytest.approx([interval.low, interval.high])


def test_beyond_twenty_the_interval_is_bca_and_not_symmetric() -> None:
    values = np.random.default_rng(3).exponential(size=21)
    summary = summarise(list(values))
    interval = stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    assert [summary.low, summary.high] == pytest.approx([interval.low, interval.high], abs=0.02)
    assert summary.high - summary.mean > 1.1 * (summary.mean - summary.low)
    student = stats.ttest_1samp(values[:20], 0).confidence_interval(0.95)
    assert summarise(list(values[:20])).low == pytest.approx(student.low)


@pytest.mark.parametrize("n", [20, 21])
def test_the_order_of_the_values_has_no_influence(n: int) -> None:
    values = list(np.random.default_rng(1).normal(size=n))
    assert summarise(values) == summarise(values[::-1]) == summarise(values)


@pytest.mark.parametrize("n", [2, 3, 20, 21])
@pytest.mark.parametrize("value", [0.0, 0.1, 62.3])
def test_equal_values_have_an_interval_of_width_zero(value: float, n: int) -> None:
    assert summarise([value] * n) == Summary(n, value, 0.0, value, value)


def test_values_apart_by_rounding_alone_are_equal() -> None:
    summary = summarise([0.3 - 0.2] * 12 + [0.2 - 0.1] * 12)
    assert summary.sd == 0 and summary.low == summary.high == summary.mean == pytest.approx(0.1)


def test_one_value_says_nothing_of_the_variance() -> None:
    summary = summarise([61.5])
    assert (summary.n, summary.mean) == (1, 61.5)
    assert np.isnan([summary.sd, summary.low, summary.high]).all()


@pytest.mark.parametrize(
    ("values", "confidence", "message"),
    [
        ([], 0.95, "there must be at least 1 value to summarise, but got 0"),
        ([1.0, math.nan], 0.95, r"values must be finite, but got \[1.0, nan\]"),
        ([1.0, 2.0], 95, "confidence must lie between 0 and 1, but got 95"),
    ],
)
def test_what_cannot_be_summarised_is_refused(values: list[float], confidence: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summarise(values, confidence)


def test_students_p_needs_two_values() -> None:
    with pytest.raises(ValueError, match=r"^there must be at least 2 values for Student's t, but got 1$"):
        student([1.0])


@pytest.mark.parametrize("room", [room.name for room in pkgutil.iter_modules(analysis.__path__)])
def test_its_examples_are_true(room: str) -> None:
    assert doctest.testmod(import_module(f"harness.analysis.{room}")).failed == 0


def test_analysis_needs_no_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", "import harness.analysis, sys; assert 'torch' not in sys.modules"], check=True
    )
