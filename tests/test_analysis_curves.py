"""The area under a learning curve: by hand, against a fine sum, and what can't be compared."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis import area_under_curve, areas_under_curves, paired_difference, summarise

curves = st.dictionaries(
    st.integers(1, 10_000), st.lists(st.integers(0, 100).map(float), min_size=2, max_size=2), min_size=2, max_size=6
)


def test_two_replicates_by_hand() -> None:
    # log2 n: 0 to 1 at means of 15 and 35, 1 to 3, twice as wide, at 30 and 40
    areas = area_under_curve({8: [40.0, 40.0], 1: [10.0, 30.0], 2: [20.0, 40.0]})
    assert areas == pytest.approx([(15 + 2 * 30) / 3, (35 + 2 * 40) / 3])


@given(curves)
def test_the_area_is_the_mean_over_many_sizes(curve: dict[int, list[float]]) -> None:
    sizes = sorted(curve)
    steps = np.linspace(np.log2(sizes[0]), np.log2(sizes[-1]), 100_001)
    expected = [np.interp(steps, np.log2(sizes), [curve[size][row] for size in sizes]).mean() for row in (0, 1)]
    assert area_under_curve(curve) == pytest.approx(expected, abs=0.01)


@given(curves)
def test_the_area_lies_between_the_scores(curve: dict[int, list[float]]) -> None:
    scores = np.array(list(curve.values()))
    areas = area_under_curve(curve)
    assert (scores.min(axis=0) - 1e-9 <= areas).all() and (areas <= scores.max(axis=0) + 1e-9).all()


def test_areas_are_summarised_and_paired_like_scores() -> None:
    areas = areas_under_curves({"a": {1: [10.0, 20.0], 4: [30.0, 50.0]}, "b": {4: [20.0, 40.0], 1: [10.0, 20.0]}})
    assert summarise(areas["a"]).mean == 27.5
    assert paired_difference(areas["a"], areas["b"]).mean == 5
    assert areas_under_curves({}) == {}


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ({50: [1.0]}, "an area needs at least 2 sizes of at least 1, but got [50]"),
        ({}, "an area needs at least 2 sizes of at least 1, but got []"),
        ({0: [1.0], 50: [1.0]}, "an area needs at least 2 sizes of at least 1, but got [0, 50]"),
        ({50: [1.0], 200: [1.0, 2.0]}, "scores must be of the same replicates, but got 1 and 2 of them"),
        ({50: [], 200: []}, "there must be at least 1 replicate, but got 0"),
        ({50: [1.0], 200: [float("nan")]}, "values must be finite, but got [nan]"),
    ],
)
def test_what_has_no_area_is_refused(curve: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        area_under_curve(curve)


def test_other_sizes_are_refused() -> None:
    message = "areas are comparable over equal sizes alone, but a has [50, 200] and b has [50, 200, 800]"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        areas_under_curves({"a": {200: [1.0], 50: [1.0]}, "b": {50: [1.0], 200: [1.0], 800: [1.0]}})
