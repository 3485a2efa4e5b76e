"""Two arms side by side: against scipy, against enumeration, by hand, and at the edges."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis import (
    holm,
    paired_difference,
    probability_of_improvement,
    summarise,
    ties,
)

score = st.integers(0, 1000).map(lambda right: right / 10)


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[list[float], list[float]]]:
    return st.lists(st.tuples(score, score), min_size=least, max_size=most).map(
        lambda pairs: ([left for left, _ in pairs], [right for _, right in pairs])
    )


def by_enumeration(differences: Sequence[int]) -> float:
    """The share of sign flips whose sum is as far from 0, in whole numbers."""
    flips = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(sign * one for sign, one in zip(signs, differences, strict=True))) for signs in flips]
    return sum(one >= abs(sum(differences)) for one in sums) / len(sums)


# The difference


def test_five_pairs_by_hand() -> None:
    found = paired_difference([31, 42, 53, 64, 75], [30, 40, 50, 60, 70])
    half = 2.7764451051977987 * math.sqrt(2.5 / 5)  # t of 4 degrees of freedom at 0.975
    assert (found.n, found.mean) == (5, 3) and found.sd == pytest.approx(math.sqrt(2.5))
    assert [found.low, found.high] == pytest.approx([3 - half, 3 + half])
    assert (found.flipped_p, found.not_flipped) == (None, "n too small")


@given(pairs(2, 20), st.sampled_from([0.5, 0.9, 0.95]))
def test_up_to_twenty_pairs_interval_and_p_are_those_of_the_paired_t_test(
    arms: tuple[list[float], list[float]], confidence: float
) -> None:
    found = paired_difference(*arms, confidence)
    if np.ptp(np.subtract(*arms)) < 0.01:
        return
    reference = stats.ttest_rel(*arms)
    interval = reference.confidence_interval(confidence)
    assert [found.low, found.high] == pytest.approx([interval.low, interval.high])
    assert found.p is not None and found.p == pytest.approx(reference.pvalue, abs=1e-12)
    if abs(found.p - (1 - confidence)) > 1e-9:
        assert (found.p < 1 - confidence) == (not found.low <= 0 <= found.high)


def test_beyond_twenty_pairs_the_interval_is_bca_and_the_p_students() -> None:
    arm = np.random.default_rng(3).exponential(size=(2, 25))
    found, reference = paired_difference(*arm), stats.ttest_rel(*arm)
    interval = stats.bootstrap((arm[0] - arm[1],), np.mean, rng=np.random.default_rng(0)).confidence_interval
    assert [found.low, found.high] == pytest.approx([interval.low, interval.high], abs=0.02)
    assert found.low != pytest.approx(reference.confidence_interval(0.95).low, abs=1e-6)
    assert found.p == pytest.approx(reference.pvalue)


def test_one_pair_says_nothing_of_the_variance() -> None:
    found = paired_difference([61.5], [60.0])
    assert (found.n, found.mean, found.p, found.flipped_p) == (1, 1.5, None, None)
    assert np.isnan([found.sd, found.low, found.high]).all()


def test_equal_differences_leave_no_doubt() -> None:
    ahead = paired_difference([0.3, 0.2, 0.7], [0.2, 0.1, 0.6])
    assert (ahead.sd, ahead.p) == (0, 0) and ahead.low == ahead.high == pytest.approx(0.1)
    level = paired_difference([0.3, 0.2], [0.1 + 0.2, 0.2])
    assert (level.sd, level.p) == (0, 1) and level.low == level.high == pytest.approx(0)


# The sign-flip test


@given(st.lists(st.integers(-9, 9), min_size=6, max_size=9))
def test_flipped_signs_are_enumerated(differences: list[int]) -> None:
    first = [50 + one / 10 for one in differences]  # sums of which no two are equal to the last bit
    found = paired_difference(first, [50.0] * len(first))
    assert found.flipped_p == pytest.approx(by_enumeration(differences))
    assert found.not_flipped == ""


def test_fourteen_pairs_are_enumerated_and_more_are_drawn() -> None:
    differences = np.random.default_rng(2).integers(-5, 10, size=16).tolist()
    found = [paired_difference(differences[:n], [0.0] * n).flipped_p for n in (14, 16)]
    assert found[0] == by_enumeration(differences[:14])
    exact = by_enumeration(differences)
    assert found[1] == pytest.approx(exact, abs=0.015) and found[1] != exact
    assert found[1] == paired_difference(differences, [0.0] * 16).flipped_p  # the same draws each time


def test_more_pairs_than_are_drawn_can_be_as_sure_as_the_draws_allow() -> None:
    assert paired_difference([1.0 + place / 100 for place in range(30)], [0.0] * 30).flipped_p == 2 / (2**14 + 1)


@given(pairs(6, 16))
def test_who_is_first_turns_signs_and_nothing_else(arms: tuple[list[float], list[float]]) -> None:
    found, turned = paired_difference(*arms), paired_difference(*arms[::-1])
    assert found.flipped_p == turned.flipped_p
    assert found.p == pytest.approx(turned.p)
    assert [found.mean, found.sd, found.low] == pytest.approx([-turned.mean, turned.sd, -turned.high])


# Crossed replicates


def test_crossed_differences_have_the_interval_of_their_components() -> None:
    first, second = np.random.default_rng(5).normal(size=(2, 12)).round(3)
    found, reference = paired_difference(first, second, crossed=3), summarise(first - second, crossed=3)
    assert (found.mean, found.sd, found.low, found.high) == (
        reference.mean,
        reference.sd,
        reference.low,
        reference.high,
    )
    assert (found.flipped_p, found.not_flipped) == (None, "crossed")
    assert found.p is not None
    edge = paired_difference(first, second, 1 - found.p, crossed=3)
    assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0, abs=1e-9)


def test_an_arm_without_text_is_the_partner_of_every_sample() -> None:
    arm, without = [5.0, 7.0, 9.0, 6.0, 8.0, 8.5], [1.0, 2.0, 4.0]
    for function in (paired_difference, probability_of_improvement):
        assert function(arm, without, crossed=3) == function(arm, without * 2, crossed=3)


def test_two_arms_without_text_are_not_crossed() -> None:
    first, second = [5.0, 7.0, 9.0], [1.0, 2.0, 4.5]
    assert paired_difference(first, second, crossed=3) == paired_difference(first, second)


# How often


def test_a_tie_is_half_an_improvement() -> None:
    found = probability_of_improvement([0.3, 0.5, 0.2, 0.9], [0.1 + 0.2, 0.4, 0.3, 0.1])
    assert (found.n, found.value) == (4, 2.5 / 4)


def test_pairs_are_of_one_replicate_and_not_of_all() -> None:
    first, second = [10.0, 20.0, 30.0], [9.0, 19.0, 29.0]
    assert probability_of_improvement(first, second).value == 1
    assert stats.mannwhitneyu(first, second).statistic / 9 == 6 / 9  # Agarwal et al.'s


@pytest.mark.parametrize("wins", range(6))
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_its_interval_is_wilsons(wins: int, confidence: float) -> None:
    found = probability_of_improvement([1.0] * wins + [-1.0] * (5 - wins), [0.0] * 5, confidence)
    interval = stats.binomtest(wins, 5).proportion_ci(confidence, method="wilson")
    assert [found.low, found.high] == pytest.approx([interval.low, interval.high])


@given(pairs(1, 12))
def test_one_improves_as_often_as_the_other_does_not(arms: tuple[list[float], list[float]]) -> None:
    found, turned = probability_of_improvement(*arms), probability_of_improvement(*arms[::-1])
    assert [found.value, found.low, found.high] == pytest.approx([1 - turned.value, 1 - turned.high, 1 - turned.low])
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_crossed_pairs_count_as_the_fewer_of_samples_and_initialisations() -> None:
    arm, other = [1.0] * 9 + [-1.0] * 3, [0.0] * 12
    found = probability_of_improvement(arm, other, crossed=3)  # four samples
    assert (found.n, found.value) == (12, 0.75)
    found = probability_of_improvement([1.0] * 12, other, crossed=3)
    assert (found.n, found.value, found.high) == (12, 1, 1)
    assert found.low == pytest.approx(stats.binomtest(3, 3).proportion_ci(0.95, method="wilson").low)


# Families


def test_holm_by_hand() -> None:
    # in order 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1, and never below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, None, 0.5]) == [1, None, 1]
    assert holm([]) == [] and holm([None]) == [None] and holm([0.2]) == [0.2]


chances = st.floats(0, 1)


@given(st.lists(st.one_of(st.none(), chances), max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_steps_reject(p_values: list[float | None], level: float) -> None:
    made = sorted(p for p in p_values if p is not None)
    rejected = list(itertools.takewhile(lambda rank: made[rank] * (len(made) - rank) <= level, range(len(made))))
    adjusted = holm(p_values)
    assert sum(p is not None and p <= level for p in adjusted) == len(rejected)
    assert [p is None for p in adjusted] == [p is None for p in p_values]


@given(st.lists(chances, min_size=2, max_size=8))
def test_holm_keeps_the_order_and_lowers_nothing(p_values: list[float]) -> None:
    adjusted = [p for p in holm(p_values) if p is not None]
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    for (p, one), (q, other) in itertools.combinations(zip(p_values, adjusted, strict=True), 2):
        assert one <= other or p > q


def test_ties_are_what_the_family_leaves_open() -> None:
    sure, likely = paired_difference([5.0, 5.1, 5.2], [1, 1, 1]), paired_difference([1.0, 1.4, 1.5], [0.4, 0.7, 0.5])
    single = paired_difference([9.0], [1.0])
    assert likely.p is not None and 0.02 < likely.p < 0.05 and likely.low > 0
    assert ties([likely]) == [False]
    assert ties([likely, sure]) == [False, False]
    assert ties([likely, likely, likely, single]) == [True, True, True, True]
    assert ties([likely, likely, likely, single], level=0.2) == [False, False, False, True]


# What is refused


@pytest.mark.parametrize("function", [paired_difference, probability_of_improvement])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0]), "scores must be of the same replicates, but got 1 and 2 of them"),
        (([], []), "there must be at least 1 replicate, but got 0"),
        (([1.0, math.nan], [1.0, 1.0]), "values must be finite, but got [1.0, nan]"),
        (([1.0] * 4, [1.0] * 3, 0.95, 2), "scores must be of the same replicates, but got 3 and 4 of them"),
        (([1.0] * 5, [1.0] * 5, 0.95, 2), "crossed replicates must be a multiple of 2, but got 5"),
        (([1.0] * 5, [1.0] * 5, 0.95, 0), "crossed replicates must be a multiple of 0, but got 5"),
        (([1.0, 2.0], [1.0, 1.0], 95), "confidence must lie between 0 and 1, but got 95"),
    ],
)
def test_what_is_not_paired_is_refused(function: Callable[..., Any], arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*arguments)


@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan])
def test_what_is_no_p_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=f"^p must lie between 0 and 1, but got {p}$"):
        holm([0.5, p])
