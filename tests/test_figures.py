"""Figures: what they show, read back from their axes, and what they say of it; why one is not there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from report_grids import CLASSES, GOLD, Made, corpus, make, predictions, wiki
from scipy import stats
from sklearn.metrics import confusion_matrix, f1_score

from harness.report.arms import read_arms
from harness.report.drawing import Drawn, Skipped, drawing, saved, styles
from harness.report.figures import figures
from harness.specs import Training

Found = dict[str, list[Drawn]]


def drawn(made: tuple[dict[str, Any], Any]) -> tuple[Found, list[Skipped]]:
    """The figures of a grid by kind, and those that are not there."""
    grid, store = made
    found: Found = {}
    skipped: list[Skipped] = []
    with drawing():
        for one in figures(grid, read_arms(grid, store), store):
            if isinstance(one, Skipped):
                skipped.append(one)
            else:
                found.setdefault(one.kind, []).append(one)
    return found, skipped


def why(skipped: Sequence[Skipped], title: str) -> str:
    (one,) = [one for one in skipped if one.title == title]
    return one.reason


def panels(figure: Drawn) -> dict[str, Axes]:
    return {axes.get_title().partition(" against ")[0]: axes for axes in figure.figure.axes if axes.get_title()}


def bars(axes: Axes) -> dict[str, tuple[list[float], list[float], list[float], list[float]]]:
    """What each line with error bars shows: where, the means, the lower and the upper ends."""
    found = {}
    for container, line in zip(axes.containers, axes.get_lines(), strict=True):
        _, _, (collection,) = container.lines
        segments = np.array(collection.get_segments())
        ends = [list(segments[:, 0, 1]), list(segments[:, 1, 1])]
        found[line.get_label()] = (list(segments[:, 0, 0]), list(line.get_ydata()), *ends)
        assert list(line.get_xdata()) == pytest.approx(found[line.get_label()][0], rel=0.3)  # about where the bars are
    return found


def lines(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {line.get_label(): tuple(map(list, line.get_data())) for line in axes.get_lines()}


BASIC = (
    Made("reader", "none", {50: (20, 22, 24), 200: (30, 31, 32), 800: (40, 42, 41)}),
    Made("reader", "avg-embed", {50: (30, 36, 33), 200: (50, 50, 50), 800: (60, 61, 62)}),
    Made("other", "none", {50: (10, 11, 12), 200: (20, 21, 22), 800: (30, 31, 32)}),
    Made("handcrafted", "none", {50: (15, 16, 17), 200: (25, 26, 27), 800: (35, 36, 37)}, vectors=False),
)


# Learning curves


def test_a_panel_shows_the_arms_of_an_encoder_and_those_of_features_alone(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, BASIC))[0]["learning-curves"]
    assert {name: list(bars(axes)) for name, axes in panels(figure).items()} == {
        "reader": ["none", "avg-embed", "handcrafted"],
        "other": ["none", "handcrafted"],
    }


def test_points_are_means_and_bars_are_students_intervals(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, BASIC))[0]["learning-curves"]
    where, means, low, high = bars(panels(figure)["reader"])["avg-embed"]
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert where == pytest.approx([50, 200, 800], rel=0.1)
    assert means == pytest.approx([33, 50, 61])
    assert high == pytest.approx([33 + 3 * half, 50, 61 + half])
    assert low == pytest.approx([33 - 3 * half, 50, 61 - half])


def test_sizes_stand_on_an_axis_in_powers_of_two(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, BASIC))[0]["learning-curves"]
    for axes in panels(figure).values():
        assert axes.get_xscale() == "log"
        assert axes.xaxis.get_transform().base == 2
        assert list(axes.get_xticks()) == [50, 200, 800]
        assert axes.xaxis.get_major_formatter()(6405, 0) == "6,405"


def test_points_of_one_size_stand_beside_each_other(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, BASIC))[0]["learning-curves"]
    places = [where for where, *_ in bars(panels(figure)["reader"]).values()]
    assert len({place for at in places for place in at}) == 9
    assert places[1] == [50, 200, 800]


def test_what_is_seen_is_said_with_its_numbers(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, BASIC))[0]["learning-curves"]
    assert figure.said == (
        "accuracy (%) by the number of training labels. "
        "reader: none 22.0 at 50, 31.0 at 200, 41.0 at 800; avg-embed 33.0 at 50, 50.0 at 200, 61.0 at 800; "
        "handcrafted 16.0 at 50, 26.0 at 200, 36.0 at 800. "
        "other: none 11.0 at 50, 21.0 at 200, 31.0 at 800; handcrafted 16.0 at 50, 26.0 at 200, 36.0 at 800."
    )
    assert figure.notes == [
        "Points: means over the replicates; bars, a little beside the points where they would hide each other: their 95 % intervals"
    ]


def test_an_incomplete_cell_is_not_drawn_and_is_named(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 22, 24), 200: (30, None, 32), 800: (40, 41, 42)}),
        Made("reader", "avg-embed", {50: ("diverged", 36, None), 200: (50, 50, 51), 800: (60, 61, 62)}),
    )
    (figure,) = drawn(make(tmp_path, arms))[0]["learning-curves"]
    found = bars(panels(figure)["reader"])
    assert [round(place, -1) for place in found["none"][0]] == [50, 750]
    assert found["avg-embed"][1] == pytest.approx([50 + 1 / 3, 61])
    assert figure.notes[1:] == [
        "Not drawn, because not all replicates are complete: reader, none: 2/3 at 200 labels; "
        "reader, avg-embed: 1/3 (1 failed) at 50 labels"
    ]


def test_one_replicate_has_no_bars(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, [Made("reader", "none", {50: (20,), 200: (30,)})]))[0]["learning-curves"]
    _, means, low, high = bars(panels(figure)["reader"])["none"]
    assert means == low == high == [20, 30]
    assert figure.notes == [
        "Points: means over the replicates; bars, a little beside the points where they would hide each other: their 95 % intervals; one replicate has none"
    ]


@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        ([Made("reader", "none", {50: (20, 22)})], "there is one size alone"),
        ([Made("reader", "none", {50: (20, None), 200: (30, None)})], "no cell is complete"),
        ([Made("reader", "none", {50: (20, 21), 200: (30, None)})], "no arm is complete at more than one size"),
    ],
)
def test_why_there_are_no_learning_curves(tmp_path: Path, arms: list[Made], reason: str) -> None:
    found, skipped = drawn(make(tmp_path, arms))
    assert "learning-curves" not in found
    assert why(skipped, "Learning curves") == reason


def test_features_alone_have_a_panel_where_there_is_nothing_else(tmp_path: Path) -> None:
    found, skipped = drawn(make(tmp_path, BASIC[3:]))
    assert list(panels(found["learning-curves"][0])) == ["handcrafted"]
    assert why(skipped, "Label efficiency") == "handcrafted: there is nothing to compare with the baseline"


def test_a_variant_has_its_figures_and_an_arm_that_has_none_is_in_all(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 22), 200: (30, 32)}, parameters={"cell": "a"}),
        Made("reader", "none", {50: (10, 12), 200: (20, 22)}, parameters={"cell": "b"}),
        Made("other", "none", {50: (15, 16), 200: (25, 26)}),
    )
    first, second = drawn(make(tmp_path, arms))[0]["learning-curves"]
    assert (first.where, second.where) == ("toy, split paper; cell=a", "toy, split paper; cell=b")
    assert bars(panels(first)["reader"])["none"][1] == [21, 31]
    assert bars(panels(second)["reader"])["none"][1] == [11, 21]
    assert bars(panels(first)["other"])["none"][1] == bars(panels(second)["other"])["none"][1] == [15.5, 25.5]


def test_figures_are_drawn_of_the_first_variants(tmp_path: Path) -> None:
    arms = [Made("reader", "none", {50: (20,), 200: (30,)}, parameters={"hidden": hidden}) for hidden in range(10)]
    found, skipped = drawn(make(tmp_path, arms))
    assert len(found["learning-curves"]) == 8
    assert why(skipped, "Figures of further variants") == (
        "figures are drawn of the first 8 variants, and there are 10"
    )


def test_a_corpus_entry_has_its_own_figures(tmp_path: Path) -> None:
    corpora = [corpus("toy"), corpus("toy, other split", metric="macro_f1_positive"), corpus("toy, empty")]
    found, skipped = drawn(make(tmp_path, BASIC[:1], BASIC[2:3], corpora=corpora))
    first, second = found["learning-curves"]
    assert (first.where, second.where) == ("toy", "toy, other split")
    assert second.said.startswith("macro-F1 without the negative class, directed (%) by the number of training labels.")
    assert why(skipped, "Figures") == "the grid has no cell of it"


def test_lines_differ_in_colour_in_marker_and_in_dashes() -> None:
    looks = list(styles([str(name) for name in range(180)]).values())
    assert len({(look.colour, look.marker, look.dashes) for look in looks}) == 180
    for one, other in pairwise(looks):
        assert one.colour != other.colour and one.marker != other.marker and one.dashes != other.dashes
    assert not {look.marker for look in looks} & {"^", "v"}


def test_a_name_looks_the_same_in_every_figure(tmp_path: Path) -> None:
    found, _ = drawn(make(tmp_path, BASIC))
    axes = [panels(found[kind][0])["reader"] for kind in ("learning-curves", "dev-curves", "label-efficiency")]
    looks = [{line.get_color() for line in one.get_lines() if line.get_label() == "avg-embed"} for one in axes]
    (collection,) = axes[0].containers[1].lines[2]
    assert looks == [{to_hex(collection.get_color()[0])}] * 3


# Texts


def test_a_line_for_each_text_of_a_strategy(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 22), 200: (30, 32)}),
        Made("reader", "taught", {50: (30, 32), 200: (40, 42)}, text=wiki()),
        Made("reader", "taught", {50: (33, 35), 200: (43, 45)}, text=wiki("whole", None)),
        Made("other", "taught", {50: (10, 12), 200: (20, 22)}, text=wiki()),
    )
    found, _ = drawn(make(tmp_path, arms))
    (figure,) = found["texts"]
    assert list(panels(figure)) == ["reader, taught"]
    shown = bars(panels(figure)["reader, taught"])
    assert {name: means for name, (_, means, *_) in shown.items()} == {
        "wiki (random)": [31, 41],
        "wiki (whole)": [34, 44],
    }
    curves = bars(panels(found["learning-curves"][0])["reader"])
    assert list(curves) == ["none", "taught, wiki (random)", "taught, wiki (whole)"]


def test_a_line_for_each_amount_of_a_text(tmp_path: Path) -> None:
    arms = [
        Made("reader", "taught", {50: (score, score), 200: (score + 10, score + 10)}, text=wiki(sentences=sentences))
        for sentences, score in ((100, 30), (1000, 35))
    ]
    found, _ = drawn(make(tmp_path, arms))
    (figure,) = found["texts"]
    (axes,) = panels(figure).values()
    assert {name: means for name, (_, means, *_) in bars(axes).items()} == {
        "wiki (random), sentences=100": [30, 40],
        "wiki (random), sentences=1000": [35, 45],
    }


def test_what_else_varies_makes_figures_of_texts(tmp_path: Path) -> None:
    arms = [
        Made(
            "reader",
            "taught",
            {50: (20, 22), 200: (30, 32)},
            text=wiki(selection, None),
            training=Training(features=on),
        )
        for selection in ("whole", "random")
        for on in ((), ("lexical",))
    ]
    found, _ = drawn(make(tmp_path, arms))
    assert [figure.where for figure in found["texts"]] == [
        "toy, split paper; features=off",
        "toy, split paper; features=lexical",
    ]


def test_why_there_is_no_figure_of_texts(tmp_path: Path) -> None:
    _, skipped = drawn(make(tmp_path, BASIC))
    assert why(skipped, "Pre-training texts") == "no strategy reads more than one text"
    arms = [Made("reader", "taught", {50: (20, None)}, text=wiki(one, None)) for one in ("whole", "random")]
    _, skipped = drawn(make(tmp_path / "more", arms))
    assert why(skipped, "Pre-training texts") == "no cell is complete"


# Label efficiency

STEEP = Made("reader", "none", {50: (20, 20), 200: (40, 40), 800: (60, 60)})


def test_an_efficiency_by_hand(tmp_path: Path) -> None:
    # 30 points lie halfway between 50 and 200 labels in log2: at 100
    arms = (STEEP, Made("reader", "avg-embed", {50: (30, 30), 200: (60, 60), 800: (70, 70)}))
    (figure,) = drawn(make(tmp_path, arms))[0]["label-efficiency"]
    axes = panels(figure)["reader"]
    assert axes.get_yscale() == "log"
    assert lines(axes)["avg-embed"] == ([50, 200], pytest.approx([2, 4]))  # where the baseline ends, all is a bound
    assert figure.table is not None
    assert figure.table.header == ["encoder", "strategy", "baseline", "50", "200", "800"]
    assert figure.table.lines == [["reader", "avg-embed", "none", "2.0x [2.0, 2.0]", "4.0x [4.0, 4.0]", ">1.0x"]]
    assert figure.said == (
        "How many times as many labels the baseline needs for the same score. "
        "reader against none: avg-embed 2.0x [2.0, 2.0] at 50, 4.0x [4.0, 4.0] at 200, >1.0x at 800."
    )


def bounds(axes: Axes) -> list[tuple[float, float, str, bool]]:
    """The triangles: where, at which height, up or down, and whether they are hollow."""
    return [
        (
            *map(float, (line.get_xdata()[0], line.get_ydata()[0])),
            line.get_marker(),
            line.get_markerfacecolor() == "white",
        )
        for line in axes.get_lines()
        if line.get_marker() in ("^", "v")
    ]


def test_what_is_a_bound_is_a_hollow_triangle(tmp_path: Path) -> None:
    arms = (STEEP, Made("reader", "avg-embed", {50: (70, 70), 200: (10, 10)}))
    (figure,) = drawn(make(tmp_path, arms))[0]["label-efficiency"]
    axes = panels(figure)["reader"]
    assert bounds(axes) == [(50, 16, "^", True), (200, 0.25, "v", True)]
    assert np.isnan(lines(axes)["avg-embed"][1]).all()


def test_an_end_that_is_a_bound_is_a_full_triangle(tmp_path: Path) -> None:
    arms = (STEEP, Made("reader", "avg-embed", {50: (10, 10), 200: (58, 59.5)}))
    grid, store = make(tmp_path, arms)
    (figure,) = drawn((grid, store))[0]["label-efficiency"]
    axes = panels(figure)["reader"]
    assert bounds(axes) == [(50, 1, "v", True), (200, 4, "^", False)]
    (segment,) = [one for collection in axes.collections[1:] for one in collection.get_segments()]
    assert segment[1, 1] == 4 and segment[0, 1] < 58.75 / 20


def test_the_baseline_of_pretrained_arms_is_the_best_on_dev(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (40, 40), 200: (50, 50)}, dev={50: (10, 10), 200: (40, 40)}),
        Made("reader", "avg-embed", {50: (20, 20), 200: (40, 40)}, dev={50: (30, 30), 200: (30, 30)}),
        Made("handcrafted", "none", {50: (60, 60), 200: (70, 70)}, dev={50: (20, 20), 200: (20, 20)}, vectors=False),
        Made("reader", "taught", {50: (35, 35), 200: (50, 50)}, text=wiki(), held_out=(9, 5)),
        Made("other", "none", {50: (40, 40), 200: (50, 50)}),
    )
    (figure,) = drawn(make(tmp_path, arms))[0]["label-efficiency"]
    assert list(panels(figure)) == ["reader"]
    assert list(lines(panels(figure)["reader"]))[1] == "taught"
    # the baseline has 20 points at 50 labels and 50 at 200
    assert figure.table is not None
    assert figure.table.lines == [
        ["reader", "taught", "the best on dev: avg-embed at 50; none at 200", "2.0x [2.0, 2.0]", "1.0x [1.0, 1.0]"]
    ]
    assert figure.notes[1:] == [
        "Baseline of reader: the best on dev: avg-embed at 50; none at 200",
        "Not drawn: other: there is nothing to compare with the baseline",
    ]


def test_one_baseline_that_is_always_the_best_is_named_once(tmp_path: Path) -> None:
    arms = (
        *BASIC[:2],
        Made("reader", "taught", {50: (35, 36, 37)}, text=wiki(), held_out=(9, 5)),
    )
    (figure,) = drawn(make(tmp_path, arms))[0]["label-efficiency"]
    assert figure.notes[1] == "Baseline of reader: the best on dev, avg-embed"


def test_an_incomplete_arm_is_no_baseline(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 20), 200: (40, None), 800: (60, 60)}),
        Made("reader", "avg-embed", {50: (30, 30), 200: (60, 60)}),
    )
    found, skipped = drawn(make(tmp_path, arms))
    assert "label-efficiency" not in found
    assert why(skipped, "Label efficiency") == "reader: no baseline is complete"


def test_baselines_without_a_common_size_are_none(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 20)}),
        Made("reader", "avg-embed", {200: (20, 20)}),
        Made("reader", "taught", {50: (35, 35), 200: (50, 50)}, text=wiki(), held_out=(9, 5)),
    )
    _, skipped = drawn(make(tmp_path, arms))
    assert why(skipped, "Label efficiency") == "reader: the baselines have no size in common"


def test_crossed_replicates_are_paired_with_those_of_an_arm_without_text(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (20, 22), 200: (40, 42)}),
        Made("reader", "taught", {50: (30, 32, 30, 32)}, text=wiki(), held_out=(9, 5)),
    )
    (figure,) = drawn(make(tmp_path, arms, crossed=(2, 2)))[0]["label-efficiency"]
    assert figure.table is not None
    assert figure.table.lines == [["reader", "taught", "none", "2.0x [2.0, 2.0]"]]


# Predictions


def test_f1_by_relation_is_scikit_learns(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {50: (90, 90, 90), 200: (30, 50, 70)}),
        Made("handcrafted", "none", {200: (20, 20, 20)}, vectors=False),
    )
    (figure,) = drawn(make(tmp_path, arms))[0]["relations"]
    axes = figure.figure.axes[0]
    shown = np.asarray(axes.collections[0].get_array())
    for column, scores in enumerate([(30, 50, 70), (20, 20, 20)]):
        each = [f1_score(GOLD, predictions(score), labels=[0, 1, 2], average=None) for score in scores]
        assert shown[:, column] == pytest.approx(100 * np.mean(each, axis=0))
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "led(e1,e2) (100)",
        "led(e2,e1) (60)",
        "in(e1,e2) (40)",
    ]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["reader, none", "handcrafted"]
    assert [text.get_text() for text in axes.texts] == [f"{value:.0f}" for value in shown.ravel()]
    assert figure.table is not None and figure.table.lines[0][1:] == [f"{value:.1f}" for value in shown[0]]
    assert figure.said.startswith(
        "F1 in percent of 3 classes, with their test mentions, for 2 arms trained with 200 labels."
    )


def test_an_incomplete_cell_has_no_column(tmp_path: Path) -> None:
    arms = (Made("reader", "none", {200: (30, 50)}), Made("reader", "avg-embed", {50: (20, None), 200: (20, None)}))
    (figure,) = drawn(make(tmp_path, arms))[0]["relations"]
    assert [text.get_text() for text in figure.figure.axes[0].get_xticklabels()] == ["reader, none"]
    assert figure.notes[1:] == [
        "Not drawn, because not all replicates are complete: reader, avg-embed: 1/2 at 200 labels"
    ]


def test_confusions_are_those_of_the_cell_that_is_best_on_dev(tmp_path: Path) -> None:
    arms = (
        Made("reader", "none", {200: (50, 60)}, dev={200: (80, 90)}),
        Made("reader", "avg-embed", {200: (90, 90)}, dev={200: (70, 70)}),
    )
    (figure,) = drawn(make(tmp_path, arms))[0]["confusion"]
    counts = sum(confusion_matrix(GOLD, predictions(score), labels=[0, 1, 2]) for score in (50, 60))
    shown = np.asarray(figure.figure.axes[0].collections[0].get_array())
    assert shown == pytest.approx(100 * counts / counts.sum(axis=1, keepdims=True))
    wrong = [(count / 2, gold, taken) for (gold, taken), count in np.ndenumerate(counts) if gold != taken]
    most, gold, taken = max(wrong)
    share = 100 * 2 * most / counts[gold].sum()
    assert figure.table is not None
    assert list(figure.table.lines[0]) == [CLASSES[gold], CLASSES[taken], f"{most:.1f}", f"{share:.1f}"]
    assert figure.said.startswith("reader, none, 200 labels: 55.0 % of the test mentions are right. Most often wrong: ")
    assert figure.notes == [
        "The cell with the highest mean dev score at 200 labels; mentions of all its replicates together"
    ]


def test_what_is_always_right_has_no_confusions(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, [Made("reader", "none", {200: (100, 100)})]))[0]["confusion"]
    assert figure.said == "reader, none, 200 labels: 100.0 % of the test mentions are right. Most often wrong: nothing."


def test_damaged_predictions_are_the_reason(tmp_path: Path) -> None:
    grid, store = make(tmp_path, [Made("reader", "none", {50: (50, 60), 200: (50, 60)})])
    key = grid["cells"][1]["keys"][0]
    store.predictions_path(key).write_bytes(b"none")
    found, skipped = drawn((grid, store))
    assert "learning-curves" in found
    told = (
        f"{store.predictions_path(key)}: expected the predictions of run {key[:16]}, found damage: File is not a zip file. "
        "python -m harness records prune --damaged removes the record, and `run` makes both again"
    )
    assert why(skipped, "F1 by relation") == why(skipped, "Confusions") == told


@pytest.mark.parametrize("title", ["F1 by relation", "Confusions", "Dev scores while fine-tuning"])
def test_without_a_complete_cell_there_is_nothing_to_show(tmp_path: Path, title: str) -> None:
    _, skipped = drawn(make(tmp_path, [Made("reader", "none", {50: (20, None)})]))
    assert why(skipped, title) == "no cell is complete"


# What happened while training


def test_dev_curves_are_means_at_the_fewest_and_at_the_most_labels(tmp_path: Path) -> None:
    arms = [
        Made("reader", "none", dict.fromkeys((50, 200, 800), (20, 20)), dev=dict.fromkeys((50, 200, 800), (40, 60)))
    ]
    few, most = drawn(make(tmp_path, arms))[0]["dev-curves"]
    titles = ["Dev scores while fine-tuning, 50 labels", "Dev scores while fine-tuning, 800 labels"]
    assert [few.title, most.title] == titles
    assert lines(panels(few)["reader"]) == {"none": ([10, 20], [25, 50])}
    assert (
        few.said
        == "accuracy (%) on dev, at the first and at the last point at which it was scored. reader: none 25.0 to 50.0."
    )


def test_dev_scores_at_other_updates_have_no_mean(tmp_path: Path) -> None:
    arms = [Made("reader", "none", {50: (20, 20)}, points=lambda replicate: (10, 20 + replicate))]
    found, skipped = drawn(make(tmp_path, arms))
    assert "dev-curves" not in found
    assert why(skipped, "Dev scores while fine-tuning, 50 labels") == (
        "no record tells of dev scores while fine-tuning, or not at the same updates"
    )


def test_each_pretraining_is_a_line_once(tmp_path: Path) -> None:
    taught = Made("reader", "taught", dict.fromkeys((50, 200), (30, 30)), text=wiki(), held_out=(200, 120, 100, 110))
    (figure,) = drawn(make(tmp_path, [STEEP, taught]))[0]["pretraining-losses"]
    first, second = panels(figure)["reader"].get_lines()
    assert list(first.get_ydata()) == [100, 60, 50, 55]
    assert list(second.get_ydata()) == [100, 60.5, 50.5, 55.5]
    assert first.get_markevery() == second.get_markevery() == [2]
    assert [first.get_label(), second.get_label().startswith("_")] == ["taught", True]
    assert figure.said == (
        "The held-out loss of the epoch whose weights are kept, in percent of that before the first update. "
        "reader: taught 50 %."
    )


def test_without_pretraining_there_are_no_losses(tmp_path: Path) -> None:
    _, skipped = drawn(make(tmp_path, BASIC))
    assert why(skipped, "Held-out losses of pre-training") == "no encoder is pre-trained"


# Bytes


def test_the_same_grid_gives_the_same_bytes(tmp_path: Path) -> None:
    made = make(tmp_path, BASIC)

    def files() -> list[bytes]:
        with drawing():
            each = [figure.figure for of_kind in drawn(made)[0].values() for figure in of_kind]
            return [saved(figure, form) for figure in each for form in ("svg", "png")]

    first = files()
    assert len(first) == 12
    assert first == files()


def test_files_tell_no_date(tmp_path: Path) -> None:
    (figure,) = drawn(make(tmp_path, BASIC))[0]["learning-curves"]
    with drawing():
        svg, png = saved(figure.figure, "svg").decode(), saved(figure.figure, "png")
    assert "<dc:date>" not in svg and "Matplotlib" not in svg
    assert b"Software" not in png
    assert png.startswith(b"\x89PNG")


def test_a_name_is_drawn_as_it_is_written(tmp_path: Path) -> None:
    arms = [Made("<b>$x^2$</b>", "a & b $", {50: (20, 22), 200: (30, 32)})]
    (figure,) = drawn(make(tmp_path, arms))[0]["learning-curves"]
    with drawing():
        svg = saved(figure.figure, "svg").decode()
    assert "&lt;b&gt;$x^2$&lt;/b&gt;" in svg and "a &amp; b $" in svg and "<b>" not in svg


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_are_letters_in_svg(tmp_path: Path) -> None:
    arms = [Made("读者", "无", {50: (20, 22), 200: (30, 32)})]
    with drawing():
        (figure,) = drawn(make(tmp_path, arms))[0]["learning-curves"]
        assert "读者" in saved(figure.figure, "svg").decode()
        assert saved(figure.figure, "png").startswith(b"\x89PNG")
