"""Which cells of a leaderboard are best or tied with the best, and the label efficiencies that stand in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_grids import Made, corpus, make, wiki
from scipy import stats

from harness.analysis import label_efficiency
from harness.report.efficiencies import baseline
from harness.report.leaderboard import cells_table, render
from harness.specs import Training

SIZES = (50, 100, 200, 400)
HIGH, LOW, NEAR, FAR = (60, 61, 62, 63, 64), (40, 41, 42, 43, 44), (59, 61.5, 62, 62, 64), (50, 51.5, 52, 54, 54.5)


def standings(grid: dict[str, Any], records: Any, metric: str | None = None) -> dict[str, str]:
    table = cells_table(grid, records, metric)
    table = table[table.standing.notna()]
    return dict(
        zip(table.encoder + "/" + table.strategy + "/" + table["size"].astype(str), table.standing, strict=True)
    )


def test_the_best_of_each_column_and_what_is_tied_with_it(tmp_path: Path) -> None:
    arms = [
        Made("a", "none", {50: HIGH, 100: LOW}),
        Made("b", "none", {50: NEAR, 100: HIGH}),
        Made("c", "none", {50: FAR, 100: [*HIGH[:4], None]}),
    ]
    grid, records = make(tmp_path, arms)
    assert standings(grid, records) == {
        "a/none/50": "best",
        "b/none/50": "tied",
        "c/none/50": "behind",
        "a/none/100": "behind",
        "b/none/100": "best",
    }
    p_values = [stats.ttest_rel(HIGH, other).pvalue for other in (NEAR, FAR)]
    assert p_values[0] > 0.05 > 2 * p_values[1]


def test_ties_are_adjusted_by_holm_over_the_column(tmp_path: Path) -> None:
    other = [58.5, 60.5, 59, 61.5, 62]
    assert 0.0125 < stats.ttest_rel(HIGH, other).pvalue < 0.025
    few, _ = make(tmp_path / "few", [Made("a", "none", {50: HIGH}), Made("b", "none", {50: other})])
    several = [Made("a", "none", {50: HIGH}), *(Made(name, "none", {50: other}) for name in "bcde")]
    many, records = make(tmp_path / "few", several)
    assert standings(few, records)["b/none/50"] == "behind"
    assert {standings(many, records)[f"{name}/none/50"] for name in "bcde"} == {"tied"}


def test_corpora_and_metrics_have_standings_of_their_own(tmp_path: Path) -> None:
    arms = [Made("a", "none", {50: HIGH}), Made("b", "none", {50: LOW})], [Made("a", "none", {50: LOW})]
    grid, records = make(tmp_path, *arms, corpora=[corpus("one"), corpus("two")])
    assert list(cells_table(grid, records).standing) == ["best", "behind", "best"]
    assert list(cells_table(grid, records, "micro_f1").standing) == ["best", "behind", "best"]


def test_one_replicate_is_tied_with_nothing(tmp_path: Path) -> None:
    grid, records = make(tmp_path, [Made("a", "none", {50: [60]}), Made("b", "none", {50: [59.5]})])
    assert standings(grid, records) == {"a/none/50": "best", "b/none/50": "behind"}


def test_marks_stand_in_every_format(tmp_path: Path) -> None:
    arms = [Made("a", "none", {50: HIGH}), Made("b", "none", {50: NEAR}), Made("c", "none", {50: FAR})]
    page = render(*make(tmp_path, arms), "md")
    assert "| a | none | **62.0 ± 1.6** |\n| b | none | 61.7 ± 1.8 † |\n| c | none | 52.4 ± 1.9 |\n" in page
    latex = render(*make(tmp_path, arms), "latex")
    assert (
        "a & none & \\textbf{62.0 $\\pm$ 1.6} \\\\\nb & none & 61.7 $\\pm$ 1.8$^\\dagger$ \\\\\nc & none & 52.4 $\\pm$ 1.9"
        in latex
    )
    assert "62.0 ± 1.6 *\nb         none       61.7 ± 1.8 †\nc" in render(*make(tmp_path, arms), "terminal")


def rising(start: float) -> dict[int, list[float]]:
    """Scores that rise by eight points with every doubling; replicates differ by half points."""
    return {size: [start + 8 * step + 0.5 * replicate for replicate in range(3)] for step, size in enumerate(SIZES)}


ARMS = [
    Made("reader", "none", rising(10)),
    Made("reader", "avg-embed", rising(20), dev=rising(20), text=wiki()),
    Made("reader", "taught", rising(28), text=wiki(), held_out=(2.0, 1.0)),
    Made("handcrafted", "none", {**rising(24), 400: [50.0, 50.5, 51.0]}, dev=rising(24), vectors=False),
]


def test_label_efficiency_against_one_strategy_and_against_the_best_baseline(tmp_path: Path) -> None:
    grid, records = make(tmp_path, ARMS)
    table = cells_table(grid, records).set_index(["encoder", "strategy", "size"]).sort_index()
    assert baseline() == "avg-embed"
    taught = table.loc["reader", "taught"]
    # eight points above is one doubling; the baseline ends at 44
    assert list(taught.efficiency) == ["2.0", "2.0", "2.0", ">1.0"]
    assert set(taught.baseline) == {"avg-embed"}
    # that of features alone is the best on dev at every size, four points below
    expected = label_efficiency(rising(28), {**rising(24), 400: [50.0, 50.5, 51.0]})  # type: ignore[dict-item]
    assert list(taught.efficiency_best) == [one.value.told() for one in expected.values()]
    assert list(taught.efficiency_best_low) == [one.low.told() for one in expected.values() if one.low]
    assert list(taught.efficiency_best_high) == [one.high.told() for one in expected.values() if one.high]
    assert set(taught.best_baseline) == {"handcrafted"}
    none = table.loc["reader", "none"]
    assert list(none.efficiency) == ["<1.0", "<0.50", "0.42", "0.42"]
    assert none.efficiency_best.isna().all() and none.best_baseline.isna().all()
    assert table.loc["reader", "avg-embed"].efficiency.isna().all()
    assert table.loc["handcrafted", "none"].efficiency.isna().all()


def test_the_tables_of_label_efficiency(tmp_path: Path) -> None:
    page = render(*make(tmp_path, ARMS), "md")
    first, second = page.partition("### Label efficiency against avg-embed\n\n")[2].split(
        "### Label efficiency against the best baseline on dev\n\n"
    )
    assert first.startswith(
        "How many times as many labels the baseline needs for the same score, and the 95 % interval; "
    )
    assert "The baseline is" not in first
    assert (
        "\n| reader | taught | wiki (random) | 2.0x [2.0, 2.0] | 2.0x [2.0, 2.0] | 2.0x [2.0, 2.0] | >1.0x |\n" in first
    )
    assert (
        "or starts above. The baseline is for reader handcrafted.\n\n| encoder | strategy | text | 50 | 100 | 200 | 400 |\n"
        in second
    )
    assert "| reader | taught |" in second and "| reader | none |" not in second
    latex = render(*make(tmp_path, ARMS), "latex")
    assert latex.count(r"\begin{table}") == 3
    assert r"made: toy, split paper. Label efficiency against avg-embed. How many times" in latex
    assert r" & \textgreater{}1.0x \\" in latex
    terminal = render(*make(tmp_path, ARMS), "terminal")
    assert "Label efficiency against the best baseline on dev. How many times" in terminal


def test_no_label_efficiency_without_a_curve_or_a_complete_baseline(tmp_path: Path) -> None:
    one_size = [Made(arm.encoder, arm.strategy, {50: arm.test[50]}, text=arm.text) for arm in ARMS[:3]]
    assert "Label efficiency" not in render(*make(tmp_path / "one", one_size), "md")
    lacking = [ARMS[0], Made("reader", "avg-embed", {**rising(20), 100: [30, None, 31]}, text=wiki())]
    grid, records = make(tmp_path / "two", lacking)
    assert cells_table(grid, records).efficiency.isna().all()
    alone = [ARMS[0], ARMS[2]]
    table = cells_table(*make(tmp_path / "three", alone))
    assert table.efficiency.isna().all() and table.efficiency_best.notna().sum() == 4


def test_variants_have_baselines_of_their_own(tmp_path: Path) -> None:
    def arms(features: tuple[str, ...], shift: float) -> list[Made]:
        training = Training(features=features)
        averaged = Made("reader", "avg-embed", rising(20), text=wiki(), training=training)
        return [averaged, Made("reader", "none", rising(20 + shift), training=training)]

    table = cells_table(*make(tmp_path, [*arms((), 8), *arms(("lexical",), 16)]))
    found = table[table.strategy == "none"].set_index("size").efficiency
    assert list(found[50]) == ["2.0", "4.0"]


def test_a_baseline_that_has_several_values_is_the_best_of_them(tmp_path: Path) -> None:
    averaged, taught = Made("reader", "avg-embed", rising(4), dev=rising(4), text=wiki()), ARMS[2]
    low, high = (
        Made("reader", "scaled-random", rising(start), dev=rising(start), text=wiki(), parameters={"scale": scale})
        for start, scale in ((12, 2.0), (20, 4.0))
    )
    for place, order in enumerate(([averaged, low, high, taught], [averaged, high, low, taught])):
        table = cells_table(*make(tmp_path / str(place), order))
        found = table[table.strategy == "taught"]
        # eight points above the better of the two is one doubling, above the other they are two
        assert list(found.efficiency_best) == ["2.0", "2.0", "2.0", ">1.0"]
        assert set(found.best_baseline) == {"scaled-random, scale=4.0"}
        against_averaged = table[table.strategy == "scaled-random"].set_index(["variant", "size"]).efficiency
        assert against_averaged["scale=2.0", 50] == "2.0" and against_averaged["scale=4.0", 50] == "4.0"


def test_the_dev_labels_are_those_that_choose(tmp_path: Path) -> None:
    arms = [Made("a", "none", {50: HIGH}, training=Training(features=(), dev_size=30))]
    grid, records = make(tmp_path, arms)
    assert "30 dev beside them, to choose the weights" in render(grid, records, "md")
    assert "beside 30 dev labels" in render(grid, records, "latex")
    assert "30 dev labels choose the weights" in render(grid, records, "terminal")


def test_crossed_cells_are_compared_with_those_of_an_arm_without_text(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    many = [round(2 * value) / 2 for value in generator.normal(50, 2, 6)]
    arms = [Made("a", "none", {50: [10, 10.5]}), Made("a", "taught", {50: many}, text=wiki())]
    table = cells_table(*make(tmp_path, arms, crossed=(3, 2)))
    assert list(table.standing) == ["behind", "best"]
    assert not math.isnan(table["mean"].iloc[1])
    assert isinstance(table, pd.DataFrame)


@pytest.mark.parametrize("format", ["md", "csv", "json", "latex", "terminal"])
def test_the_same_records_give_the_same_bytes(format: str, tmp_path: Path) -> None:
    grid, records = make(tmp_path, ARMS)
    assert render(grid, records, format) == render(
        grid, dict(reversed(records.read_all(records.keys()).items())), format
    )
