"""Claims: each rule against scipy and numpy, verdicts, sizes, the best on dev, settings, and the command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Printed
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from test_curves_of_grids import RESULTS, Arm, corpus, made

from harness.cli import main
from harness.datasets.splits import size_of
from harness.report.claim_files import read_claims
from harness.report.claim_settings import Setting, Unmeasured, settings_of
from harness.report.claim_vocabulary import Choice, Claim, Claims, Part, Side
from harness.report.claims import Judgement, judgements, render_claims
from harness.report.curves import learning_curves
from harness.report.restored import RestoredRecords

KNOWN = {"encoder": ["bilstm", "pcnn", "handcrafted"], "strategy": ["none", "avg", "seq", "shared"]}
HEAD = 'title = "Us"\n[groups]\nbest = ["seq", "shared"]\nbase = ["handcrafted/none", "none", "avg"]\n'
CLAIM = '[[claims]]\nnumber = 1\nsays = "it is so"\nencoders = ["bilstm"]\n'

Judge = Callable[..., Judgement]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Claims]:
    """Read the claims of a text."""

    def claims(text: str) -> Claims:
        file = tmp_path / "ours.toml"
        file.write_text(text, encoding="utf-8")
        return read_claims(str(file), KNOWN)

    return claims


@pytest.fixture
def judge(read: Callable[[str], Claims]) -> Judge:
    """Judge a claim of these parts in the one setting of these arms."""

    def judged(parts: str | list[str], *arms: Arm, head: str = HEAD, **shared: Any) -> Judgement:
        listed = [parts] if isinstance(parts, str) else parts
        claims = read(f"{head}{CLAIM}parts = [{', '.join(f'{{{part}}}' for part in listed)}]\n")
        ((_, (found,)),) = judgements(claims, *made(*arms, **shared))
        return found

    return judged


def holds(judged: Judgement) -> dict[Any, bool | None]:
    """By the words for the place whether the comparison holds there."""
    return {finding.where: finding.holds for finding in judged.findings}


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean, by scipy."""
    low, high = stats.t.interval(0.95, len(differences) - 1, np.mean(differences), stats.sem(differences))
    return float(low), float(high)


# Rules for differences

TOGETHER = [20.0, 30.0, 25.0]
AHEAD = [22.0, 32.5, 27.2]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("rule = 'beats'", True),
        ("rule = 'about'", False),
        ("rule = 'about', within = 3", True),
        ("rule = 'about', within = 2.5", False),
        ("rule = 'at_least'", True),
        ("rule = 'at_most', points = 3", True),
        ("rule = 'at_most', points = 2.5", False),
    ],
)
def test_a_rule_for_differences_looks_at_the_paired_interval(judge: Judge, rule: str, expected: bool) -> None:
    low, high = interval(np.subtract(AHEAD, TOGETHER).tolist())
    assert (round(low, 1), round(high, 1)) == (1.6, 2.9)
    arms = Arm("bilstm/seq", {50: AHEAD}), Arm("bilstm/avg", {50: TOGETHER})
    judged = judge(f"{rule}, first = 'seq', second = 'avg'", *arms)
    assert holds(judged) == {"50": expected}
    (finding,) = judged.findings
    assert finding.told == "+2.2 [+1.6, +2.9]"
    assert finding.numbers["low"] == pytest.approx(low) and finding.numbers["high"] == pytest.approx(high)


def test_at_least_allows_two_points(judge: Judge) -> None:
    arms = Arm("bilstm/seq", {50: AHEAD}), Arm("bilstm/avg", {50: TOGETHER})
    assert holds(judge("rule = 'at_least', first = 'avg', second = 'seq'", *arms)) == {"50": False}
    near = Arm("bilstm/seq", {50: [20.5, 30.5, 25.3]})
    assert interval([-0.5, -0.5, -0.3])[0] > -2
    assert holds(judge("rule = 'at_least', first = 'avg', second = 'seq'", near, arms[1])) == {"50": True}
    assert holds(judge("rule = 'at_least', within = 0.2, first = 'avg', second = 'seq'", near, arms[1])) == {
        "50": False
    }


def plain(rule: str, **bounds: float) -> Claim:
    sides = Side(Choice("seq", ((None, "seq"),))), Side(Choice("avg", ((None, "avg"),)))
    return Claim(0, rule, (Part(rule, sides[0], (sides[1],), ("bilstm",), ("every",), bounds),))


DIFFERENCES = Claims(
    "", (plain("beats"), plain("about", within=2), plain("at_least", within=2), plain("at_most", points=3))
)
scores = st.lists(st.integers(0, 80).map(float), min_size=4, max_size=4)


@given(scores, scores)
def test_verdicts_on_differences_are_those_of_scipys_intervals(first: list[float], second: list[float]) -> None:
    differences = [one - other for one, other in zip(first, second, strict=True)]
    low, high = interval(differences) if np.ptp(differences) else (differences[0], differences[0])
    assume(
        not np.ptp(differences) or min(map(abs, (low, low + 2, high - 2, high - 3))) > 1e-6
    )  # rounding decides there
    expected = [low > 0, low >= -2 and high <= 2, low >= -2, high <= 3]
    grid = made(Arm("bilstm/seq", {50: first}), Arm("bilstm/avg", {50: second}))
    ((_, judged),) = judgements(DIFFERENCES, *grid)
    assert [one.findings[0].holds for one in judged] == expected


def test_a_gain_is_what_one_scores_above_another_on_the_same_replicate(judge: Judge) -> None:
    arms = [
        Arm("bilstm/seq", {50: [30.0, 41.0, 35.5]}),
        Arm("bilstm/avg", {50: [20.0, 30.0, 25.0]}),
        Arm("pcnn/seq", {50: [12.0, 15.0, 10.0]}),
        Arm("pcnn/avg", {50: [10.0, 11.0, 8.5]}),
    ]
    judged = judge("rule = 'beats', first = 'bilstm/seq over avg', second = 'pcnn/seq over avg'", *arms)
    (finding,) = judged.findings
    low, high = interval([10 - 2, 11 - 4, 10.5 - 1.5])
    assert finding.numbers["mean"] == pytest.approx(8)
    assert (finding.numbers["low"], finding.numbers["high"]) == pytest.approx((low, high))
    assert finding.comparison == "bilstm/seq over avg beats pcnn/seq over avg"


def test_on_average_is_the_area_under_the_curve(judge: Judge) -> None:
    first = {50: [20.0, 22.0, 24.0], 200: [40.0, 41.0, 45.0], 3200: [60.0, 62.0, 61.0]}
    second = {50: [21.0, 20.0, 22.0], 200: [37.0, 39.0, 43.0], 3200: [58.0, 59.5, 57.0]}
    arms = Arm("bilstm/seq", first), Arm("bilstm/avg", second)
    judged = judge("rule = 'beats', first = 'seq', second = 'avg', sizes = 'on average'", *arms)
    logarithms = np.log2([50, 200, 3200])
    rows = [np.array([curve[size] for size in (50, 200, 3200)]) for curve in (first, second)]
    areas = [np.trapezoid(row, logarithms, axis=0) / np.ptp(logarithms) for row in rows]
    (finding,) = judged.findings
    assert finding.where == "on average" and finding.holds is True
    assert (finding.numbers["low"], finding.numbers["high"]) == pytest.approx(interval((areas[0] - areas[1]).tolist()))
    assert judged.told == "supported: 1 of 1 comparisons hold"
    other = judge("rule = 'beats', first = 'avg', second = 'seq', sizes = 'on average'", *arms)
    assert other.told == "not supported on average over sizes: 0 of 1 comparisons hold"
    one = judge("rule = 'beats', first = 'seq', second = 'avg', sizes = 'on average'", Arm("bilstm/seq", {50: AHEAD}), Arm("bilstm/avg", {50: AHEAD}))  # fmt: skip
    assert one.told == "not measured: an average needs at least 2 sizes"


def test_two_sizes_are_compared_where_each_side_names_its_own(judge: Judge) -> None:
    arms = (
        Arm("bilstm/seq", {801: [30.0, 31.0], 3202: [0.0, 1.0]}),
        Arm("bilstm/avg", {801: [1.0, 0.0], 3202: [31.0, 32.0]}),
    )
    judged = judge("rule = 'about', first = 'seq at S7', second = 'avg at S9'", *arms)
    (finding,) = judged.findings
    assert (finding.where, finding.told, finding.holds) == ("801 against 3,202", "-1.0 [-1.0, -1.0]", True)
    other = judge("rule = 'beats', first = 'seq at S7', second = 'avg at S9'", *arms)
    assert other.told == "not supported at 801 against 3,202 labels: 0 of 1 comparisons hold"


# Other rules


@pytest.mark.parametrize(
    ("first", "times", "expected", "told"),
    [
        ([40.0, 41.0], 4, True, "4.0x [4.0, 4.0]"),
        ([40.0, 41.0], 4.1, False, "4.0x [4.0, 4.0]"),
        ([70.0, 71.0], 16, True, ">16x"),
        ([10.0, 11.0], 1, False, "<1.0x"),
        ([40.0, 41.0], 17, False, "4.0x [4.0, 4.0]"),  # the data say that it is not 17, as no score could
        ([30.0, 60.0], 2, False, "5.5x [<1.0, >16]"),  # 45 is reached at 200 * 4 ** (4.5 / 20), 273
    ],
)
def test_the_low_end_of_a_label_efficiency_must_reach_the_times(
    judge: Judge, first: list[float], times: float, expected: bool, told: str
) -> None:
    baseline = Arm("bilstm/avg", {50: [20.0, 21.0], 200: [40.0, 41.0], 800: [60.0, 61.0]})
    arm = Arm("bilstm/seq", {50: first, 200: [99.0, 99.0], 800: [99.0, 99.0]})
    part = f"rule = 'efficiency_at_least', times = {times}, first = 'seq', second = 'avg', sizes = 50"
    (finding,) = judge(part, arm, baseline).findings
    assert (finding.holds, finding.told) == (expected, told)
    value = finding.numbers["value"]
    assert value["side"] + f"{value['value']:#.2g}".rstrip(".") == told.split("x")[0]


@pytest.mark.parametrize(
    ("size", "first", "times", "why"),
    [
        (800, [80.0, 81.0], 2, "the baseline ends at 800 labels: at most 1.0x at 800 can be told"),
        (800, [55.0, 65.0], 2, "the baseline ends at 800 labels: at most 1.0x at 800 can be told"),  # [<0.06, >1.0]
        (50, [70.0, 71.0], 17, "the baseline ends at 800 labels: at most 16x at 50 can be told"),
        (50, [10.0, 11.0], 0.5, "the baseline starts at 50 labels: no less than 1.0x at 50 can be told"),
    ],
)
def test_a_label_efficiency_that_the_baselines_sizes_can_not_show_is_not_measured(
    judge: Judge, size: int, first: list[float], times: float, why: str
) -> None:
    baseline = Arm("bilstm/avg", {50: [20.0, 21.0], 200: [40.0, 41.0], 800: [60.0, 61.0]})
    arm = Arm("bilstm/seq", {50: [99.0, 99.0], 200: [99.0, 99.0], 800: [99.0, 99.0]} | {size: first})
    part = f"rule = 'efficiency_at_least', times = {times}, first = 'seq', second = 'avg', sizes = {size}"
    assert judge(part, arm, baseline).told == f"not measured: {why}"


def test_a_label_efficiency_fails_beyond_the_baselines_sizes_if_even_its_high_end_falls_short(judge: Judge) -> None:
    baseline = Arm("bilstm/avg", {200: [40.0, 41.0], 800: [60.0, 61.0]})
    arm = Arm("bilstm/seq", {200: [45.0, 46.0], 800: [45.0, 46.0]})
    part = "rule = 'efficiency_at_least', times = 2, first = 'seq', second = 'avg', sizes = 800"
    judged = judge(part, arm, baseline)
    assert judged.told == "not supported at 800 labels: 0 of 1 comparisons hold"
    assert judged.findings[0].told == "0.35x [0.35, 0.35]"  # 200 * 4 ** (5 / 20) of 800


def test_the_baseline_of_a_label_efficiency_is_the_best_on_dev_at_each_size(judge: Judge) -> None:
    arms = [
        Arm("bilstm/seq", {50: [30.0, 30.0], 200: [99.0, 99.0]}),
        Arm("bilstm/none", {50: [20.0, 20.0], 200: [90.0, 90.0]}, dev={50: [9.0, 9.0], 200: [1.0, 1.0]}),
        Arm("bilstm/avg", {50: [90.0, 90.0], 200: [40.0, 40.0]}, dev={50: [1.0, 1.0], 200: [9.0, 9.0]}),
    ]
    part = "rule = 'efficiency_at_least', times = 2, first = 'seq', second = 'base', sizes = 50"
    finding = judge(part, *arms).findings[0]
    assert (finding.holds, finding.told) == (True, "2.0x [2.0, 2.0]")  # 30 lies halfway from 20 at 50 to 40 at 200


CROSSED = [10.0, 14.0, 18.0, 11.0, 15.5, 18.5, 9.5, 13.0, 17.5]  # samples x initialisations
CALM = [20.0, 26.0, 31.0]


def deviations(values: Sequence[float]) -> tuple[float, float]:
    """Of scores of one initialisation over samples, and of one sample over initialisations, by hand."""
    of_samples = [np.var([values[3 * sample + at] for sample in range(3)], ddof=1) for at in range(3)]
    of_initialisations = [np.var(values[3 * sample : 3 * sample + 3], ddof=1) for sample in range(3)]
    return math.sqrt(sum(of_samples) / 3), math.sqrt(sum(of_initialisations) / 3)


def test_text_samples_are_set_against_initialisations_where_they_are_crossed(judge: Judge) -> None:
    arms = [
        Arm("bilstm/seq", {50: CROSSED}, text="wiki"),
        Arm("bilstm/avg", {50: CROSSED}, text="wiki"),
        Arm("bilstm/none", {50: CALM}),
    ]
    samples, initialisations = deviations(CROSSED)
    pooled = math.sqrt((initialisations**2 + np.var(CALM, ddof=1)) / 2)
    part = "rule = 'varies_little', first = 'seq', second = 'base'"
    judged = judge(part, *arms, crossed=3)
    finding = judged.findings[0]
    assert finding.numbers == {"sd_samples": pytest.approx(samples), "sd_initialisations": pytest.approx(pooled)}
    assert finding.told == f"{samples:.1f} against {pooled:.1f}" and finding.holds is (samples <= pooled / 2) is True
    assert holds(judge(part + f", share = {0.99 * samples / pooled}", *arms, crossed=3))["50"] is False
    assert holds(judge(part + f", share = {1.01 * samples / pooled}", *arms, crossed=3))["50"] is True
    other = judge("rule = 'highest_variance', first = 'avg', second = 'none'", *arms, crossed=3).findings[0]
    assert other.numbers == {"sd": pytest.approx(initialisations), "sd_second": pytest.approx(np.std(CALM, ddof=1))}


def test_scores_that_samples_and_initialisations_do_not_move_rarely_vary_little(judge: Judge) -> None:
    generator = np.random.default_rng(0)
    sizes = range(1, 201)  # a draw at each

    def arm(name: str, replicates: int, text: str | None = "wiki") -> Arm:
        return Arm(f"bilstm/{name}", {size: generator.normal(50, 2, replicates).tolist() for size in sizes}, text=text)

    part = "rule = 'varies_little', first = 'seq', second = 'calm'"
    head = 'title = "Us"\n[groups]\ncalm = ["none", "avg"]\n'
    pooled = judge(part, arm("seq", 25), arm("avg", 25), arm("none", 5, None), crossed=5, head=head)
    single = judge(part.replace("calm", "none"), arm("seq", 25), arm("none", 5, None), crossed=5)
    for judged in (pooled, single):
        found = list(holds(judged).values())
        assert len(found) == 200 and found.count(True) < 0.15 * 200


def test_differences_of_crossed_replicates_have_their_own_interval(judge: Judge) -> None:
    arms = [Arm("bilstm/seq", {50: CROSSED}, text="wiki"), Arm("bilstm/none", {50: [9.0, 13.0, 16.0]})]
    (finding,) = judge("rule = 'beats', first = 'seq', second = 'none'", *arms, crossed=3).findings
    differences = np.reshape(CROSSED, (3, 3)) - [9.0, 13.0, 16.0]
    assert finding.numbers["mean"] == pytest.approx(differences.mean())
    assert finding.numbers["not_flipped"] == "crossed" and finding.numbers["n"] == 9
    assert finding.numbers["low"] < interval(differences.ravel().tolist())[0]  # as if independent, it would be narrower


@pytest.mark.parametrize(
    ("rule", "shared", "text", "why"),
    [
        ("varies_little", {}, "wiki", "replicates move the text sample with the rest, or not at all; `crossed` separates it"),
        ("varies_little", {"crossed": 3}, None, "no text is read by seq"),
        ("highest_variance", {}, "wiki", "replicates move the text sample with the initialisation; `crossed` separates them"),
        ("highest_variance", {"vary": ["subset"]}, "wiki", "replicates do not move the initialisation"),
    ],
)  # fmt: skip
def test_deviations_that_the_replicates_do_not_tell_are_not_measured(
    judge: Judge, rule: str, shared: dict[str, Any], text: str | None, why: str
) -> None:
    arms = Arm("bilstm/seq", {50: CALM}, text=text), Arm("bilstm/avg", {50: CALM}, text=text)
    assert judge(f"rule = '{rule}', first = 'seq', second = 'avg'", *arms, **shared).told == f"not measured: {why}"


def test_the_highest_variance_is_pooled_over_the_arms_of_each_side(judge: Judge) -> None:
    wild, mild = [10.0, 20.0, 33.0], [10.0, 11.0, 13.0]
    arms = [Arm("pcnn/none", {50: wild, 200: mild}), Arm("pcnn/avg", {50: mild, 200: mild})]
    arms += [Arm("bilstm/none", {50: mild, 200: wild}), Arm("bilstm/avg", {50: CALM, 200: mild})]
    part = "rule = 'highest_variance', first = 'pcnn/calm', second = 'bilstm/calm'"
    judged = judge(part, *arms, head='title = "Us"\n[groups]\ncalm = ["none", "avg"]\n')
    assert holds(judged) == {"50": True, "200": False}
    variances = {
        name: float(np.var(values, ddof=1)) for name, values in (("wild", wild), ("mild", mild), ("calm", CALM))
    }
    assert judged.findings[0].numbers == {
        "sd": pytest.approx(math.sqrt((variances["wild"] + variances["mild"]) / 2)),
        "sd_second": pytest.approx(math.sqrt((variances["mild"] + variances["calm"]) / 2)),
    }
    assert judged.told == "not supported at 200 labels: 1 of 2 comparisons hold"


GAINS = {50: [9.0, 10.0, 12.0], 200: [7.0, 8.5, 8.0], 3200: [4.0, 5.0, 4.5], 6405: [14.0, 16.5, 15.0]}


def gaining() -> list[Arm]:
    base = {size: [10.0, 20.0, 30.0] for size in GAINS}
    first = {size: (np.array(base[size]) + gains).tolist() for size, gains in GAINS.items()}
    return [Arm("bilstm/seq", first), Arm("bilstm/avg", base)]


def test_a_gain_narrows_where_it_is_less_than_its_mean_below_the_bound(judge: Judge) -> None:
    judged = judge("rule = 'narrows', first = 'seq over avg', above = 1000", *gaining())
    below = (np.array(GAINS[50]) + GAINS[200]) / 2
    for finding, size in zip(judged.findings, (3200, 6405), strict=True):
        low, high = interval((np.array(GAINS[size]) - below).tolist())
        assert (finding.numbers["low"], finding.numbers["high"]) == pytest.approx((low, high))
        assert finding.holds is (high < 0)
    assert holds(judged) == {"3,200": True, "6,405": False}
    assert judged.findings[0].comparison == "bilstm: seq over avg is less than on average up to 1,000 labels"


def test_a_gain_narrows_by_the_same_average_as_on_average(judge: Judge) -> None:
    judged = judge("rule = 'narrows', first = 'seq over avg', above = 3200", *gaining())
    sizes = [50, 200, 3200]
    below = np.trapezoid([GAINS[size] for size in sizes], np.log2(sizes), axis=0) / np.log2(3200 / 50)
    (finding,) = judged.findings
    low, high = interval((np.array(GAINS[6405]) - below).tolist())
    assert (finding.numbers["low"], finding.numbers["high"]) == pytest.approx((low, high))
    one = judge("rule = 'narrows', first = 'seq over avg', above = 50", *gaining())  # of one size it is that
    assert one.findings[0].numbers["mean"] == pytest.approx(np.mean(np.subtract(GAINS[200], GAINS[50])))


def test_a_gain_is_largest_where_it_exceeds_that_at_each_size_below_the_bound(judge: Judge) -> None:
    judged = judge("rule = 'largest', first = 'seq over avg', above = 'S9'", *gaining())
    (finding,) = judged.findings
    leads = {size: interval(np.subtract(GAINS[6405], GAINS[size]).tolist()) for size in (50, 200, 3200)}
    size, (low, high) = min(leads.items(), key=lambda lead: lead[1][0])
    assert (finding.where, finding.numbers["over"], finding.holds) == ("6,405", size, low > 0)
    assert (finding.numbers["low"], finding.numbers["high"]) == pytest.approx((low, high))
    assert finding.told.endswith(f"] over that at {size}") and finding.holds
    other = judge("rule = 'largest', first = 'seq over avg', above = 200", *gaining())
    assert holds(other) == {"3,200": False, "6,405": True}


@pytest.mark.parametrize("rule", ["narrows", "largest"])
def test_a_bound_without_sizes_on_both_sides_is_not_measured(judge: Judge, rule: str) -> None:
    above = judge(f"rule = '{rule}', first = 'seq over avg', above = 'full'", *gaining())
    assert above.told == "not measured: here there is no size above full"
    below = judge(f"rule = '{rule}', first = 'seq over avg', above = 20", *gaining())
    assert below.told == "not measured: here there is no size up to 20 labels"


# Verdicts

SEQ, AVG = Arm("bilstm/seq", {50: AHEAD, 200: AHEAD}), Arm("bilstm/avg", {50: TOGETHER, 200: AHEAD})


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["rule = 'about', first = 'seq', second = 'avg', within = 9"], "supported: 2 of 2 comparisons hold"),
        (["rule = 'beats', first = 'seq', second = 'avg'"], "not supported at 200 labels: 1 of 2 comparisons hold"),
        (["rule = 'beats', first = 'seq', second = 'none'"], "not measured: here there is no 'none' with bilstm"),
        (
            ["rule = 'beats', first = 'seq', second = ['avg', 'none', 'handcrafted/none']"],
            "not supported at 200 labels: 1 of 2 comparisons hold; not measured: here there is no 'none' with bilstm; "
            "here there is no 'handcrafted/none'",
        ),
        (
            ["rule = 'beats', first = 'seq', second = 'avg', sizes = [50, 100, 400]"],
            "not measured: here there is no size of 100 and 400 labels; of the rest 1 of 1 comparisons hold",
        ),
        (
            ["rule = 'beats', first = 'pcnn/seq', second = 'avg'", "rule = 'at_most', points = 3, first = 'seq', second = 'avg'"],
            "not measured: here there is no 'pcnn/seq'; of the rest 2 of 2 comparisons hold",
        ),
    ],
)  # fmt: skip
def test_a_claim_holds_where_every_comparison_does(judge: Judge, parts: list[str], told: str) -> None:
    assert judge(parts, SEQ, AVG).told == told


def test_without_an_arm_that_a_name_stands_for_a_claim_can_fail_and_not_be_supported(judge: Judge) -> None:
    lacks = "base: here there is no handcrafted/none and bilstm/none"
    about = "rule = 'about', first = 'seq', second = 'base', within = 9"
    assert judge(about, SEQ, AVG).told == f"not measured: {lacks}; of the rest 2 of 2 comparisons hold"
    beats = "rule = 'beats', first = 'best', second = 'base'"
    lacks = f"best: here there is no bilstm/shared; {lacks}"
    assert judge(beats, SEQ, AVG).told == f"not supported at 200 labels: 1 of 2 comparisons hold; not measured: {lacks}"
    told = [(one.where, one.holds, one.told) for one in judge(about, SEQ, AVG).findings]
    assert told[2:] == [("", None, f"base: here there is no {name}/none") for name in ("handcrafted", "bilstm")]
    none = "rule = 'about', first = 'seq', second = 'pcnn/base'"  # nothing could be judged: that is told and no more
    unfinished = "not measured: not complete: handcrafted, none at 50 labels (0/3); here there is no size of 200 labels"
    assert judge(none, SEQ, Arm("handcrafted/none", {50: []}), planned=3).told == unfinished


def test_a_claim_is_supported_without_an_arm_that_the_grid_refuses(read: Callable[[str], Claims]) -> None:
    claims = read(HEAD + CLAIM + "parts = [{rule = 'about', within = 9, first = 'best', second = 'avg'}]")
    (grid, records), refusal = made(SEQ, AVG), {"encoder": "bilstm", "strategy": "shared", "variant": "", "reason": "x"}

    def verdict(*refusals: dict[str, str]) -> str:
        ((_, (found,)),) = judgements(claims, grid | {"refusals": list(refusals)}, records)
        return found.told

    lacking = "not measured: best: here there is no bilstm/shared; of the rest 2 of 2 comparisons hold"
    assert verdict({"corpus": "toy", **refusal}) == "supported: 2 of 2 comparisons hold"
    assert verdict({"corpus": "other", **refusal}) == lacking
    assert verdict({"corpus": "toy", **refusal, "untuned": True}) == lacking
    assert verdict({"corpus": "toy", **refusal, "encoder": "pcnn"}) == verdict() == lacking


def test_a_claim_may_say_itself_why_it_is_not_measured(read: Callable[[str], Claims]) -> None:
    claims = read('title = "Us"\n[[claims]]\nnumber = 3\nsays = "x"\nnot_measured = "no vectors are kept"\n')
    ((_, (judged,)),) = judgements(claims, *made(SEQ))
    assert (judged.verdict, judged.told) == ("not measured", "not measured: no vectors are kept")


def test_one_replicate_measures_nothing(judge: Judge) -> None:
    one = Arm("bilstm/seq", {50: [9.0]}), Arm("bilstm/avg", {50: [1.0]})
    rest = "first = 'seq', second = 'avg'"
    for rule in ("rule = 'beats'", "rule = 'efficiency_at_least', times = 2"):
        assert judge(f"{rule}, {rest}", *one).told == "not measured: one replicate has no interval"
    for rule, shared in (("rule = 'highest_variance'", {"vary": ["initialisation"]}),):
        assert judge(f"{rule}, {rest}", *one, **shared).told == "not measured: one replicate has no deviation"


def test_what_is_not_complete_is_not_measured_and_named(judge: Judge) -> None:
    part = "rule = 'beats', first = 'seq', second = 'avg'"
    arms = Arm("bilstm/seq", {50: [None, 9.0, 9.0], 200: AHEAD}), Arm("bilstm/avg", {50: TOGETHER, 200: TOGETHER})
    told = "not measured: not complete: bilstm, seq at 50 labels (2/3 (1 failed)); of the rest 1 of 1 comparisons hold"
    assert judge(part, *arms).told == told
    # of two that a group names, the other one may be the best
    assert judge("rule = 'beats', first = 'best', second = 'avg'", *arms, Arm("bilstm/shared", SEQ.test)).told == told


def test_many_reasons_are_counted(judge: Judge) -> None:
    sizes = dict.fromkeys(range(10, 100, 10), TOGETHER)
    lacking = Arm("bilstm/seq", {size: [] for size in sizes})
    told = judge("rule = 'beats', first = 'seq', second = 'avg'", lacking, Arm("bilstm/avg", sizes), planned=3).told
    shown = ", ".join(f"bilstm, seq at {size} labels (0/3)" for size in range(10, 70, 10))
    assert told == f"not measured: not complete: {shown} and 3 more"


# The best on dev


def test_of_a_group_the_best_on_dev_counts_whatever_it_scores_on_test(judge: Judge) -> None:
    arms = [
        Arm("bilstm/seq", {50: [50.0, 51.0], 200: [50.0, 51.0]}, dev={50: [1.0, 1.0], 200: [3.0, 3.0]}),
        Arm("bilstm/shared", {50: [30.0, 31.0], 200: [30.0, 31.0]}, dev={50: [2.0, 2.0], 200: [2.0, 2.0]}),
        Arm("bilstm/avg", {50: [40.0, 41.0], 200: [40.0, 41.0]}),
    ]
    judged = judge("rule = 'beats', first = 'best', second = 'avg'", *arms)
    assert [finding.numbers["mean"] for finding in judged.findings] == pytest.approx([-10, 10])


def test_variants_of_a_strategy_are_chosen_among_on_dev(judge: Judge) -> None:
    def arm(epochs: int, test: float, dev: float) -> Arm:
        spec = {"strategy": {"parameters": {"epochs": epochs}}}
        return Arm("bilstm/seq", {50: [test] * 2}, dev={50: [dev] * 2}, variant=f"epochs={epochs}", spec=spec)

    judged = judge("rule = 'beats', first = 'seq', second = 'avg'", arm(1, 90, 2), arm(3, 20, 4), Arm("bilstm/avg", {50: [10.0, 10.0]}))  # fmt: skip
    assert judged.findings[0].numbers["mean"] == pytest.approx(10)


def test_without_dev_scores_nothing_is_chosen(judge: Judge) -> None:
    arms = Arm("bilstm/seq", {50: AHEAD}, dev={50: [None] * 3}), Arm("bilstm/shared", {50: AHEAD}), AVG
    told = judge("rule = 'beats', first = 'best', second = 'avg', sizes = 50", *arms).told
    assert told == "not measured: records without dev scores by this metric: bilstm, seq"


def test_the_chosen_are_told(read: Callable[[str], Claims]) -> None:
    arms = [
        Arm("bilstm/seq", {50: AHEAD, 200: AHEAD, 800: AHEAD}, text="wiki"),
        Arm("bilstm/shared", {50: TOGETHER, 200: [99.0] * 3, 800: TOGETHER}, text="wiki"),
        Arm("bilstm/avg", {50: TOGETHER, 200: TOGETHER, 800: TOGETHER}, text="wiki"),
    ]
    claims = read(HEAD + CLAIM + "parts = [{rule = 'beats', first = 'best', second = 'avg'}]")
    page = render_claims(claims, *made(*arms), "md")
    assert page.endswith("### Chosen on dev\n\n- best of bilstm: seq at 50 and 800; shared at 200\n")
    (setting,) = json.loads(render_claims(claims, *made(*arms), "json"))["settings"]
    name = "bilstm, {}, wiki (random)".format
    by_size = {"50": name("seq"), "200": name("shared"), "800": name("seq")}
    assert setting["chosen_on_dev"] == [{"name": "best of bilstm", "by_size": by_size}]
    of_each = [finding["chosen_on_dev"] for finding in setting["claims"][0]["findings"]]
    assert of_each == [[{"name": "best of bilstm", "by_size": {size: arm}}] for size, arm in by_size.items()]


# Sizes


def setting_of(*sizes: int, train: int = 6405) -> Setting:
    grid, records = made(Arm("bilstm/seq", {size: [1.0] for size in sizes}), corpora=[corpus("toy", train)])
    (setting,) = settings_of(grid, records, None)
    return setting


@pytest.mark.parametrize("train", [6405, 15800, 7, 1])
@pytest.mark.parametrize("written", ["full", *(f"S{number}" for number in range(1, 11))])
def test_sizes_are_counted_as_in_a_grid(train: int, written: str) -> None:
    assert setting_of(train, train=train).size_of(written) == size_of(written, train)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("every", [50, 200, 800, 3200, 6405]),
        ("every but full", [50, 200, 800, 3200]),
        ("S7", [800]),  # is 801
        ("S3 to S7", [50, 100, 200, 400, 800]),
        ("full", [6405]),
        ("50", [50]),
        ("60", [60]),
        ("above 1000", [3200, 6405]),
        ("above S7", [3200, 6405]),
        ("above S9", [6405]),
        ("above 3202", [6405]),
        ("up to 1000", [50, 200, 800]),
        ("up to S7", [50, 200, 800]),
    ],
)
def test_sizes_that_a_claim_names(written: str, expected: list[int]) -> None:
    assert setting_of(50, 200, 800, 3200, 6405).sizes_of(written) == expected


def test_a_size_stands_for_one_that_differs_by_a_hundredth_and_no_more() -> None:
    assert setting_of(990).size_of("1000") == 990
    assert setting_of(989).size_of("1000") == 1000


def test_every_but_full_leaves_out_what_stands_for_full() -> None:
    assert setting_of(50, 6400).sizes_of("every but full") == [50]
    assert setting_of(50, 6340).sizes_of("every but full") == [50, 6340]
    with pytest.raises(Unmeasured, match=r"^here there is no size but the full one$"):
        setting_of(6400).sizes_of("every but full")


# Settings


def names_of(*arms: Arm, **more: Any) -> list[tuple[str, list[str]]]:
    grid, records = made(*arms, **more)
    return [(one.name, [curve.name for curve in one.curves]) for one in settings_of(grid, records, None)]  # fmt: skip


def with_features(name: str, *groups: str, variant: str, **spec: Any) -> Arm:
    return Arm(name, {50: [1.0]}, variant=f"features={variant}", spec={"training": {"features": groups}, **spec})


def test_arms_are_compared_within_one_setting_and_features_alone_in_each() -> None:
    alone = with_features("handcrafted/none", "lexical", variant="on", vectors=None)
    arms = [with_features("bilstm/none", "lexical", variant="on"), with_features("bilstm/none", variant="off"), alone]
    assert names_of(*arms) == [
        ("toy, features=on", ["bilstm, none, features=on", "handcrafted, none, features=on"]),
        ("toy, features=off", ["bilstm, none, features=off", "handcrafted, none, features=on"]),
    ]
    assert names_of(arms[1], alone) == [("toy", ["bilstm, none, features=off", "handcrafted, none, features=on"])]


def test_of_features_alone_those_of_the_setting_count_else_the_most() -> None:
    sets = {"lexical": ["lexical"], "on": ["lexical", "pos"]}
    arms = [with_features("handcrafted/none", *groups, variant=name, vectors=None) for name, groups in sets.items()]
    apart = [(f"toy, features={name}", [f"handcrafted, none, features={name}"]) for name in sets]
    assert names_of(*arms) == apart
    arms += [with_features("bilstm/none", *groups, variant=name) for name, groups in [*sets.items(), ("off", [])]]
    names = [(name, [*alone, f"bilstm, none, {name[5:]}"]) for name, alone in apart]
    assert names_of(*arms) == [
        *names,
        ("toy, features=off", ["handcrafted, none, features=on", "bilstm, none, features=off"]),
    ]


@pytest.mark.parametrize(
    ("grid", "settings"),
    [
        ("kbp37", [("features=on", ["features=on"]), ("features=off", ["features=on"])] * 2),
        ("syntax", [("no_relation dropped", [""])]),
        ("pretraining", [("no_relation dropped", [])]),
        ("features-handcrafted", [(f"features={told}", [f"features={told}"]) for told in (
            "on", "collocations+dependency+pos+chunks", "lexical+dependency+pos+chunks",
            "lexical+collocations+pos+chunks", "lexical+collocations+dependency+chunks",
            "lexical+collocations+dependency+pos", "lexical+collocations+dependency+pos+chunks+phrases",
        )]),
    ],
)  # fmt: skip
def test_which_features_alone_the_settings_of_grids_that_come_with_it_have(
    grid: str, settings: list[tuple[str, list[str]]]
) -> None:
    plain = json.loads((RESULTS / grid / "grid.json").read_text(encoding="utf-8"))
    found = settings_of(plain, {}, None)
    alone = [[one.variant for one in setting.curves if one.encoder == "handcrafted"] for setting in found]
    assert [(one.name.split(", ")[-1], variants) for one, variants in zip(found, alone, strict=True)] == settings


def with_parameter(name: str, hidden: int) -> Arm:
    spec = {"encoder": {"parameters": {"hidden": hidden}}}
    return Arm(f"{name}/none", {50: [1.0]}, variant=f"hidden={hidden}", spec=spec)


def test_an_encoders_parameters_tell_settings_apart_among_its_own_arms() -> None:
    arms = [with_parameter("bilstm", 100), with_parameter("bilstm", 200), Arm("pcnn/none", {50: [1.0]})]
    assert names_of(*arms) == [
        (f"toy, bilstm hidden={hidden}", [f"bilstm, none, hidden={hidden}", "pcnn, none"]) for hidden in (100, 200)
    ]
    arms[2:] = [with_parameter("pcnn", 100), with_parameter("pcnn", 50)]
    assert [name for name, _ in names_of(*arms)] == [
        f"toy, bilstm hidden={one}, pcnn hidden={other}" for one in (100, 200) for other in (100, 50)
    ]


def reading(selection: str, **more: Any) -> Arm:
    variant = f"sentences={more['sentences']}" if "sentences" in more else ""
    return Arm("bilstm/seq", {50: [1.0]}, text="wiki", selection=selection, variant=variant, spec={"text": more})


def test_sizes_of_samples_and_texts_with_what_is_scored_tell_settings_apart() -> None:
    arms = [reading("random", sentences=9), reading("random", sentences=5), reading("target-pairs", evaluation_text=False)]  # fmt: skip
    pairs, small, large = "bilstm, seq, wiki (target-pairs)", *(f"bilstm, seq, wiki (random), sentences={n}" for n in (5, 9))  # fmt: skip
    assert names_of(*arms) == [("toy, sentences=9", [large, pairs]), ("toy, sentences=5", [small, pairs])]
    assert names_of(arms[0], arms[2]) == [("toy", [large, pairs])]
    assert names_of(reading("target-pairs", evaluation_text=True)) == [("toy, with evaluation text", [pairs])]
    grid, records = made(arms[0], arms[2], reading("target-pairs", evaluation_text=True))
    for cell in grid["cells"]:  # as a grid calls it
        if cell["spec"]["text"].get("evaluation_text"):
            cell["text"] = "wiki (target-pairs, with evaluation text)"
    found = [(one.name, [curve.name for curve in one.curves]) for one in settings_of(grid, records, None)]
    assert found == [
        ("toy, without evaluation text", [large, pairs]),
        ("toy, with evaluation text", [large, "bilstm, seq, wiki (target-pairs, with evaluation text)"]),
    ]


def test_a_cap_on_dev_and_none_are_two_settings() -> None:
    arms = [Arm("bilstm/none", {50: [1.0]}, variant=f"dev_size={told}", spec={"training": {"dev_size": value}}) for told, value in (("default", None), ("9", 9))]  # fmt: skip
    assert [name for name, _ in names_of(*arms)] == ["toy, dev_size=default", "toy, dev_size=9"]


def test_what_tuning_has_set_tells_no_settings_of_a_tuned_grid_apart() -> None:
    arms = [
        Arm(
            "bilstm/none",
            {50: [1.0]},
            variant=f"l2={l2}, dev_size={size}",
            spec={"training": {"l2": l2, "dev_size": size}},
        )
        for l2, size in ((0.1, 5), (0.2, 9))
    ]
    assert [name for name, _ in names_of(*arms)] == ["toy, l2=0.1, dev_size=5", "toy, l2=0.2, dev_size=9"]
    grid, records = made(*arms)
    grid["tuned"] = {"budget": "20 trials an arm"}
    assert [one.name for one in settings_of(grid, records, None)] == ["toy, dev_size=5", "toy, dev_size=9"]
    with_other = [
        Arm("bilstm/seq", {50: [1.0]}, spec={"training": {"l2": 0.3}}),
        Arm("bilstm/none", {50: [1.0]}, spec={"training": {"l2": 0.1}}),
    ]
    grid, records = made(*with_other)
    assert [len(one.curves) for one in settings_of(grid | {"tuned": {"budget": ""}}, records, None)] == [2]


def test_what_one_encoder_has_otherwise_by_default_makes_no_setting() -> None:
    own = Arm("mean/none", {50: [1.0]}, spec={"training": {"standardise": True}})
    assert names_of(SEQ, own) == [("toy", ["bilstm, seq", "mean, none"])]


def test_texts_are_settings_and_their_selections_are_not() -> None:
    arms = [Arm("bilstm/none", {50: [1.0]})]
    arms += [Arm("bilstm/seq", {50: [1.0]}, text=text, selection=selection) for text, selection in (("wiki", "random"), ("wiki", "whole"), ("news", "random"))]  # fmt: skip
    assert names_of(*arms) == [
        ("toy, wiki", ["bilstm, none", "bilstm, seq, wiki (random)", "bilstm, seq, wiki (whole)"]),
        ("toy, news", ["bilstm, none", "bilstm, seq, news (random)"]),
    ]
    assert names_of(*arms[:3]) == [("toy", ["bilstm, none", "bilstm, seq, wiki (random)", "bilstm, seq, wiki (whole)"])]


def test_corpora_are_settings() -> None:
    arms = [SEQ, Arm("bilstm/seq", {50: AHEAD}, corpus=1)]
    assert [name for name, _ in names_of(*arms, corpora=[corpus("toy"), corpus("other")])] == ["toy", "other"]


def test_a_side_names_the_selection_of_the_text_and_what_reads_none_is_beside_every_one(judge: Judge) -> None:
    arms = [
        Arm("bilstm/seq", {50: [10.0, 11.0]}, text="wiki"),
        Arm("bilstm/seq", {50: [20.0, 21.0]}, text="wiki", selection="whole"),
        Arm("bilstm/none", {50: [5.0, 6.0]}),
    ]
    head = 'title = "Us"\ntext = "random"\n'
    over_none = judge("rule = 'beats', first = 'seq', second = 'none on whole'", *arms, head=head)
    assert over_none.findings[0].numbers["mean"] == pytest.approx(5)
    between = judge("rule = 'beats', first = 'seq on whole', second = 'seq'", *arms, head=head)
    assert between.findings[0].numbers["mean"] == pytest.approx(10)
    lacking = judge("rule = 'beats', first = 'seq on target-pairs', second = 'seq'", *arms, head=head)
    assert lacking.told == "not measured: here there is no 'seq' on target-pairs text with bilstm"


# The whole page

PAGE = """# Claims: small

Us.

{legend}

## toy

> **Notice: Made up.**

micro-F1 over all classes (%), of the test part; 6,405 training labels are all.

|  | claim | verdict |
| --- | --- | --- |
| 0 | a\\|b | supported: 2 of 2 comparisons hold |
| 1 | it is so | not supported at 200 labels: 1 of 2 comparisons hold |

- Claim 0: Mind the gap.
- Claim 1: An initialisation of this grid moves the labelled subset and the order of the mentions with the initial weights.
- Not complete: pcnn, seq: 0/3 at 50 labels

### The numbers

| claim | comparison | 50 | 200 |
| --- | --- | ---: | ---: |
| 0 | bilstm: seq is not worse by more than 5 points than avg | **+1.0 [-4.0, +6.0]** | **+0.0 [+0.0, +0.0]** |
| 1 | bilstm: avg varies more than seq | **5.0 against 3.0** | 3.0 against 3.0 |
"""
PAGE_CLAIMS = (
    'title = "Us"\n[[claims]]\nnumber = 0\nsays = "a|b"\nnote = "Mind the gap."\nencoders = ["bilstm"]\n'
    "parts = [{rule = 'at_least', within = 5, first = 'seq', second = 'avg'}]\n"
    + CLAIM
    + "parts = [{rule = 'highest_variance', first = 'avg', second = 'seq'}]\n"
)
PAGE_ARMS = [
    Arm("bilstm/seq", {50: [23.0, 29.0, 26.0], 200: [23.0, 29.0, 26.0]}),
    Arm("bilstm/avg", {50: [20.0, 30.0, 25.0], 200: [23.0, 29.0, 26.0]}),
    Arm("pcnn/seq", {50: []}),
]


def test_the_page_is_this_text(read: Callable[[str], Claims]) -> None:
    grid = made(*PAGE_ARMS, corpora=[corpus("toy", notice="Made up.")], planned=3)
    page = render_claims(read(PAGE_CLAIMS), *grid, "md")
    legend = page.split("\n\n")[2]
    assert legend.startswith("A claim is supported where every comparison") and legend.endswith("it holds there.")
    assert page == PAGE.format(legend=legend)


def test_json_has_every_finding_with_its_numbers(read: Callable[[str], Claims]) -> None:
    part = "parts = [{rule = 'beats', first = 'seq', second = ['avg', 'none'], sizes = 50}]"
    found = json.loads(render_claims(read(HEAD + CLAIM + part), *made(SEQ, AVG), "json"))
    assert (found["grid"], found["title"], len(found["settings"])) == ("small", "Us", 1)
    (claim,) = found["settings"][0]["claims"]
    assert (claim["number"], claim["says"], claim["verdict"]) == (1, "it is so", "not measured")
    assert claim["not_measured"] == ["here there is no 'none' with bilstm"]
    judged, lacking = claim["findings"]
    assert (judged["comparison"], judged["where"], judged["holds"]) == ("bilstm: seq beats avg", "50", True)
    assert judged["numbers"]["mean"] == 2.2333 and judged["numbers"]["n"] == 3
    assert (lacking["holds"], lacking["numbers"]) == (None, {})


def test_json_has_the_ends_of_a_label_efficiency_with_their_sides(read: Callable[[str], Claims]) -> None:
    part = "parts = [{rule = 'efficiency_at_least', times = 2, first = 'seq', second = 'avg', sizes = 50}]"
    arms = [
        Arm("bilstm/seq", {50: [30.0, 60.0], 200: [1.0, 2.0], 800: [1.0, 2.0]}),
        Arm("bilstm/avg", {50: [20.0, 21.0], 200: [40.0, 41.0], 800: [60.0, 61.0]}),
    ]
    found = json.loads(render_claims(read(HEAD + CLAIM + part), *made(*arms), "json"))
    (finding,) = found["settings"][0]["claims"][0]["findings"]
    assert finding["numbers"] == {
        "size": 50,
        "value": {"value": round(4 * 4 ** (4.5 / 20), 4), "side": ""},
        "low": {"value": 1.0, "side": "<"},
        "high": {"value": 16.0, "side": ">"},
    }


def test_settings_in_which_nothing_can_be_judged_are_told_in_a_line(read: Callable[[str], Claims]) -> None:
    claims = read(HEAD + CLAIM + "parts = [{rule = 'beats', first = 'seq', second = 'avg', sizes = 50}]")
    corpora = [corpus(name) for name in ("toy", "other", "third")]
    arms = [SEQ, *(Arm("bilstm/seq", {50: AHEAD}, corpus=place) for place in (1, 2)), AVG]
    page = render_claims(claims, *made(*arms, corpora=corpora), "md")
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## toy"]
    told = "No claim can be judged in: other; third. `claims --format json` says why."
    assert page.endswith(f"\n\n{told}\n")
    alone = render_claims(claims, *made(SEQ), "md").split("\n\n")
    assert alone[3:] == ["No claim can be judged in: toy. `claims --format json` says why.\n"]


def test_words_of_several_lines_stand_in_one(read: Callable[[str], Claims]) -> None:
    part = "parts = [{rule = 'beats', first = 'seq', second = 'avg', sizes = 50}]"
    text = (HEAD + CLAIM + part).replace('"Us"', '"""Us\n  and  them"""').replace('"it is so"', '"""it\nis\tso"""')
    page = render_claims(read(text), *made(SEQ, AVG), "md")
    assert "\nUs and them.\n" in page and "| 1 | it is so | supported: 1 of 1 comparisons hold |\n" in page


def test_another_metric_takes_the_place_of_the_headline(read: Callable[[str], Claims]) -> None:
    claims = read(HEAD + CLAIM + "parts = [{rule = 'beats', first = 'seq', second = 'avg', sizes = 50}]")
    page = render_claims(claims, *made(SEQ, AVG), "md", "accuracy")
    assert "accuracy (%), of the test part" in page and "**+1.1 [+0.8, +1.4]**" in page  # half of it, as `made` has it


# The command

VERDICTS = {
    0: "not supported at 50, 200 and 800 labels: 0 of 18 comparisons hold; not measured: here there is no size of 100 "
    "and 400 labels; baselines: here there is no handcrafted/none",
    1: "not supported at 50, 200, 800 and 3,200 labels: 17 of 36 comparisons hold; not measured: here there is no "
    "'handcrafted/none'",
    2: "not measured: replicates move the text sample with the rest, or not at all; `crossed` separates it",
    3: "not supported on average over sizes: 0 of 2 comparisons hold",
    4: "not supported at 50, 200, 800, 3,200 and 6,405 labels, at 800 against 3,200 labels: 0 of 11 comparisons hold",
    5: "not supported at 50, 200, 800, 3,200 and 6,405 labels: 1 of 20 comparisons hold; not measured: baselines: here "
    "there is no handcrafted/none",
    6: "not supported at 3,200 and 6,405 labels: 0 of 5 comparisons hold; not measured: here there is no "
    "'handcrafted/none'",
    7: "not supported at 50, 200, 800, 3,200 and 6,405 labels: 1 of 10 comparisons hold",
    8: "not supported at 50, 200, 800, 3,200 and 6,405 labels: 13 of 32 comparisons hold",
    9: "not measured: here there is no 'pre-training' on target-pairs text with bilstm, deptree-lstm and pcnn; here "
    "there is no 'pre-training' on whole text with bilstm, deptree-lstm and pcnn",
    10: "not measured: no hidden vectors are saved of pcnn, seq-unshared, enwik8 (random) (save_hidden = true in a grid)",
}


def test_the_papers_claims_on_the_results_that_come_with_it(tmp_path: Path, printed: Printed) -> None:
    asked = ["claims", "--grid", "pretraining", "--home", str(tmp_path), "--results", str(RESULTS)]
    assert main([*asked, "--format", "json"]) == 0
    out, err = printed()
    folder = RESULTS / "pretraining"
    assert err == f"harness: 255 of 255 records are those of {folder}: {tmp_path} lacks them, or has worse ones\n"
    (setting,) = json.loads(out)["settings"]
    assert {claim["number"]: claim["told"] for claim in setting["claims"]} == VERDICTS
    findings = {(one["comparison"], one["where"]): one["numbers"] for claim in setting["claims"] for one in claim["findings"]}  # fmt: skip
    grid = json.loads((folder / "grid.json").read_text(encoding="utf-8"))
    curves = {curve.name: curve.test["micro_f1_positive"] for curve in learning_curves(grid, RestoredRecords(folder, pytest.fail))}  # fmt: skip
    differences = np.subtract(curves["pcnn, stepwise, enwik8 (random)"][800], curves["pcnn, avg-embed, enwik8 (random)"][800])  # fmt: skip
    numbers = findings["pcnn: stepwise is not worse by more than 2 points than avg-embed", "800"]
    assert (numbers["low"], numbers["high"]) == pytest.approx(interval(differences.tolist()), abs=1e-4)


def test_the_homes_records_come_first(tmp_path: Path, printed: Printed) -> None:
    home, results = tmp_path / "home", str(RESULTS)
    assert main(["records", "import", str(RESULTS / "pretraining"), "--home", str(home)]) == 0
    printed()
    assert main(["claims", "--grid", "pretraining", "--home", str(home), "--results", results]) == 0
    out, err = printed()
    assert err == "" and all(f"| {told} |\n" in out for told in VERDICTS.values())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--grid", "nosuch"], "grid 'nosuch' has not been run here: expected {home}/grids/nosuch.json or {results}/nosuch/grid.json. Run it: python -m harness run --grid nosuch"),
        (["--grid", "pretraining", "--claims", "papr"], "no claims 'papr'; did you mean 'paper'? Known: paper; or name a file that ends in .toml"),
        (["--grid", "pretraining", "--metric", "micro_f2"], "no metric 'micro_f2'; did you mean 'micro_f1'? Known: accuracy, macro_f1_positive, macro_f1_relations, micro_f1, micro_f1_positive"),
    ],
)  # fmt: skip
def test_what_the_command_lacks_is_told(tmp_path: Path, printed: Printed, more: list[str], message: str) -> None:
    assert main(["claims", *more, "--home", str(tmp_path), "--results", str(RESULTS)]) == 2
    told = printed()[1].splitlines()[-1]
    assert told == "harness: " + message.format(home=tmp_path, results=RESULTS)


def test_a_grid_without_records_is_told(tmp_path: Path, printed: Printed) -> None:
    grid, _ = made(SEQ, name="mine")
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "mine.json").write_text(json.dumps(grid))
    assert main(["claims", "--grid", "mine", "--home", str(tmp_path), "--results", str(tmp_path / "r")]) == 2
    told = f"no run of grid 'mine' has a record in {tmp_path} or in {tmp_path / 'r' / 'mine'}; expected some. Run it: python -m harness run --grid mine"  # fmt: skip
    assert printed() == ("", f"harness: {told}\n")


def test_claims_need_no_torch() -> None:
    program = f"import sys; from harness.cli import main; main(['claims', '--grid', 'kbp37', '--home', '/nowhere', '--results', {str(RESULTS)!r}]); assert 'torch' not in sys.modules"  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.startswith("# Claims: kbp37\n") and ran.stdout.count("kbp37, split official, ") == 2
