"""Where the variance of crossed scores comes from: by hand, against textbook sums, and from known components."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis import Summary, components, summarise

right = st.integers(0, 1000).map(lambda mentions: mentions / 10)
tables = st.tuples(st.integers(2, 5), st.integers(2, 5)).flatmap(
    lambda shape: st.lists(
        st.lists(right, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    ).map(np.array)
)
Table = npt.NDArray[np.float64]


def flat(table: Table) -> list[float]:
    return [float(value) for value in table.ravel()]


def by_totals(table: Table) -> tuple[float, float, float]:
    """Mean squares of rows, columns and the rest from totals, as books compute them by hand."""
    rows, columns = table.shape
    correction = table.sum() ** 2 / table.size
    among_rows = (table.sum(axis=1) ** 2).sum() / columns - correction
    among_columns = (table.sum(axis=0) ** 2).sum() / rows - correction
    rest = (table**2).sum() - correction - among_rows - among_columns
    return among_rows / (rows - 1), among_columns / (columns - 1), rest / ((rows - 1) * (columns - 1))


def test_two_samples_with_three_initialisations_by_hand() -> None:
    # mean 6; samples 4 and 8; initialisations 4, 6 and 8; rest +-1, 0, -+1
    parts = components([1, 4, 7, 7, 8, 9], initialisations=3)
    assert (parts.samples, parts.initialisations, parts.mean) == (2, 3, 6)
    squares = parts.square_samples, parts.square_initialisations, parts.square_rest
    assert squares == pytest.approx((3 * (4 + 4) / 1, 2 * (4 + 0 + 4) / 2, 4 / 2))
    assert parts.sd_samples == pytest.approx(math.sqrt((24 - 2) / 3))
    assert parts.sd_initialisations == pytest.approx(math.sqrt((8 - 2) / 2))
    assert parts.sd_rest == pytest.approx(math.sqrt(2))
    assert parts.sd == pytest.approx(math.sqrt(22 / 3 + 3 + 2))
    assert parts.negative == ()
    degrees = (24 + 8 - 2) ** 2 / (24**2 / 1 + 8**2 / 2 + 2**2 / 2)
    half = stats.t.ppf(0.975, degrees) * math.sqrt((24 + 8 - 2) / 6)
    summary = summarise([1, 4, 7, 7, 8, 9], crossed=3)
    assert (summary.n, summary.mean, summary.sd) == (6, 6, parts.sd)
    assert (summary.low, summary.high) == pytest.approx((6 - half, 6 + half))


@given(tables)
def test_the_mean_squares_are_those_of_totals(table: Table) -> None:
    parts = components(flat(table), table.shape[1])
    squares = parts.square_samples, parts.square_initialisations, parts.square_rest
    assert squares == pytest.approx(by_totals(table), abs=1e-6)


@given(tables)
def test_what_is_left_of_additive_effects_is_nothing(table: Table) -> None:
    effects = table[:, :1] + table[:1]
    assert components(flat(effects), effects.shape[1]).sd_rest == pytest.approx(0, abs=1e-6)


@given(tables)
def test_samples_and_initialisations_are_treated_alike(table: Table) -> None:
    one, other = components(flat(table), table.shape[1]), components(flat(table.T), table.shape[0])
    assert one.sd_samples == pytest.approx(other.sd_initialisations, abs=1e-6)
    assert one.sd == pytest.approx(other.sd, abs=1e-6)


@given(tables)
def test_a_variance_below_nothing_is_set_to_nothing_and_named(table: Table) -> None:
    parts = components(flat(table), table.shape[1])
    rows, columns, rest = by_totals(table)
    for name, square, sd in (
        ("samples", rows, parts.sd_samples),
        ("initialisations", columns, parts.sd_initialisations),
    ):
        if square < rest - 1e-6:
            assert name in parts.negative and sd == 0
        if square > rest + 1e-6:
            assert name not in parts.negative and sd > 0


@given(tables)
def test_samples_that_differ_in_nothing_leave_the_interval_over_initialisations(table: Table) -> None:
    row = table[0]
    crossed = summarise(flat(np.tile(row, (4, 1))), crossed=len(row))
    alone = summarise(flat(row))
    assert (crossed.mean, crossed.sd) == pytest.approx((alone.mean, alone.sd))
    assert (crossed.low, crossed.high) == pytest.approx((alone.low, alone.high))


def test_where_neither_matters_the_interval_is_that_of_the_rest() -> None:
    table = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 1.0], [3.0, 1.0, 2.0]])  # equal sums of rows and columns
    parts = components(flat(table), 3)
    assert parts.negative == ("samples", "initialisations")
    assert parts.square_rest == pytest.approx(6 / 4)
    half = stats.t.ppf(0.975, 4) * math.sqrt(1.5 / 9)
    summary = summarise(flat(table), crossed=3)
    assert (summary.low, summary.high) == pytest.approx((2 - half, 2 + half))
    assert summary.sd == pytest.approx(math.sqrt(-1.5 / 3 - 1.5 / 3 + 1.5))


def simulated(draws: int, samples: int, initialisations: int, sds: tuple[float, float, float]) -> Table:
    generator = np.random.default_rng(7)
    rows = generator.normal(0, sds[0], (draws, samples, 1))
    columns = generator.normal(0, sds[1], (draws, 1, initialisations))
    rest = generator.normal(0, sds[2], (draws, samples, initialisations))
    made: Table = 60 + rows + columns + rest
    return made


def test_known_components_are_recovered() -> None:
    (table,) = simulated(1, 400, 400, (2.0, 0.7, 1.2))
    parts = components(flat(table), 400)
    assert parts.sd_samples == pytest.approx(2.0, rel=0.1)
    assert parts.sd_initialisations == pytest.approx(0.7, rel=0.1)
    assert parts.sd_rest == pytest.approx(1.2, rel=0.01)


def test_the_variance_of_a_single_run_is_unbiased() -> None:
    tables = simulated(3000, 3, 4, (0.3, 0.4, 1.5))
    found = np.mean([components(flat(table), 4).sd ** 2 for table in tables])
    assert found == pytest.approx(0.3**2 + 0.4**2 + 1.5**2, rel=0.03)


@pytest.mark.parametrize("sds", [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (3.0, 1.0, 0.5)])
def test_the_interval_holds_the_mean_as_often_as_it_says(sds: tuple[float, float, float]) -> None:
    def share(**crossed: Any) -> float:
        summaries = [summarise(flat(table)[:20], **crossed) for table in simulated(1000, 4, 5, sds)]
        return float(np.mean([summary.low <= 60 <= summary.high for summary in summaries]))

    assert 0.93 <= share(crossed=5) <= 0.99
    assert share() < 0.85  # as if the scores were independent


def test_equal_scores_have_an_interval_of_width_zero() -> None:
    assert summarise([62.5] * 6, crossed=3) == Summary(6, 62.5, 0.0, 62.5, 62.5)
    almost = summarise([62.5, 62.5, 62.5, 62.5 + 1.5e-9], crossed=2)
    assert almost.high - almost.low == pytest.approx(0, abs=1e-7)


def test_one_samples_values_are_independent() -> None:
    assert summarise([1, 4, 9], crossed=3) == summarise([1, 4, 9])
    assert summarise([1, 4, 9, 2, 5, 7], crossed=3) != summarise([1, 4, 9, 2, 5, 7])


@pytest.mark.parametrize(
    ("values", "initialisations", "message"),
    [
        ([1.0, 2.0], 2, "values must be of at least 2 samples with 2 initialisations each, but got 2 with 2"),
        ([1.0, 2.0, 3.0], 1, "values must be of at least 2 samples with 2 initialisations each, but got 3 with 1"),
        ([1.0] * 7, 3, "values must be of at least 2 samples with 3 initialisations each, but got 7 with 3"),
        ([1.0, math.inf, 1.0, 1.0], 2, r"values must be finite, but got \[1.0, inf, 1.0, 1.0\]"),
    ],
)
def test_what_is_not_crossed_is_refused(values: list[float], initialisations: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        components(values, initialisations)
