"""Strategies, grids, and homes side by side: numbers against scipy and by hand, what is paired and what is not."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Printed
from report_grids import Made, make
from scipy import stats
from test_curves_of_grids import RESULTS, Arm, corpus, made

from harness.cli import main
from harness.errors import HarnessError
from harness.records import RecordStore
from harness.report.comparison import COLUMNS, Narrowed, compare_strategies
from harness.report.comparison_tables import render_comparison
from harness.report.grids_compared import compare_grids
from harness.report.reproduction import compare_records

TEXT = "wiki"
FIRST = {50: [22.0, 32.5, 27.2, 25.0, 30.0, 28.0], 200: [40.0, 41.0, 39.0, 42.0, 40.5, 44.0]}
SECOND = {50: [20.0, 30.0, 28.2, 21.0, 27.0, 28.0], 200: [39.0, 41.5, 40.0, 41.0, 38.0, 42.5]}
ARMS = [Arm("bilstm/seq", FIRST, text=TEXT), Arm("bilstm/step", SECOND, text=TEXT)]


def differences(size: int) -> list[float]:
    return [one - other for one, other in zip(FIRST[size], SECOND[size], strict=True)]


# Strategies


def test_every_number_of_a_row_is_that_of_an_independent_computation() -> None:
    found = compare_strategies(*made(*ARMS), "seq", "step")
    assert [row["size"] for row in found.rows] == [50, 200] and not found.unpaired
    p_values = []
    for row in found.rows:
        size, leads = row["size"], differences(row["size"])
        test = stats.ttest_rel(FIRST[size], SECOND[size])
        p_values.append(test.pvalue)
        flips = [abs(np.mean(np.multiply(signs, leads))) for signs in itertools.product((1, -1), repeat=6)]
        wins = sum(lead > 0 for lead in leads) + sum(lead == 0 for lead in leads) / 2
        assert row["n"] == 6
        assert row["first_mean"] == pytest.approx(np.mean(FIRST[size]))
        assert row["second_mean"] == pytest.approx(np.mean(SECOND[size]))
        assert row["difference"] == pytest.approx(np.mean(leads))
        assert row["sd"] == pytest.approx(np.std(leads, ddof=1))
        low, high = test.confidence_interval(0.95)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
        assert row["p"] == pytest.approx(test.pvalue)
        assert row["flipped_p"] == pytest.approx(np.mean(np.array(flips) >= abs(np.mean(leads)) - 1e-9))
        assert row["improvement"] == pytest.approx(wins / 6)
    # ties are halves; without them Wilson's interval is scipy's
    low, high = stats.binomtest(4, 6).proportion_ci(method="wilson")
    assert differences(200).count(0) == 0 and sum(lead > 0 for lead in differences(200)) == 4
    assert (found.rows[1]["improvement_low"], found.rows[1]["improvement_high"]) == pytest.approx((low, high))
    smaller, larger = sorted(p_values)
    adjusted = {smaller: min(1, 2 * smaller), larger: max(min(1, 2 * smaller), larger)}
    assert [row["p_holm"] for row in found.rows] == pytest.approx([adjusted[p] for p in p_values])


def test_the_family_is_what_is_shown() -> None:
    ahead = {size: [score + 3 + 0.1 * at for at, score in enumerate(SECOND[size])] for size in SECOND}
    grid = made(Arm("bilstm/seq", ahead), Arm("bilstm/step", SECOND), Arm("pcnn/seq", FIRST), Arm("pcnn/step", SECOND))
    every, narrow = (compare_strategies(*grid, "seq", "step", only=only) for only in (Narrowed(), Narrowed(["bilstm"], sizes=[50])))  # fmt: skip
    assert len(every.rows) == 4 and len(narrow.rows) == 1
    assert narrow.rows[0]["p_holm"] == narrow.rows[0]["p"] < every.rows[0]["p_holm"] == pytest.approx(4 * narrow.rows[0]["p"])  # fmt: skip


def test_who_is_ahead_is_told_by_the_adjusted_p() -> None:
    level = {50: [20.0, 25.0, 30.0, 22.0]}
    above = {50: [23.0, 28.1, 33.0, 25.2]}
    near = {50: [20.5, 24.0, 30.5, 22.0]}
    for first, ahead in ((above, "first"), (near, "tie")):
        found = compare_strategies(*made(Arm("bilstm/seq", first), Arm("bilstm/step", level)), "seq", "step")
        assert [row["ahead"] for row in found.rows] == [ahead]
    turned = compare_strategies(*made(Arm("bilstm/seq", above), Arm("bilstm/step", level)), "step", "seq")
    assert turned.rows[0]["ahead"] == "second" and turned.rows[0]["difference"] == pytest.approx(-3.075)


def test_what_reads_no_text_is_paired_with_every_text_and_two_texts_never() -> None:
    arms = [
        Arm("bilstm/none", {50: [1.0, 2.0]}),
        Arm("bilstm/seq", {50: [5.0, 6.0]}, text="wiki"),
        Arm("bilstm/seq", {50: [7.0, 8.5]}, text="news", selection="whole"),
        Arm("bilstm/step", {50: [9.0, 9.5]}, text="news", selection="whole"),
    ]
    found = compare_strategies(*made(*arms), "seq", "none")
    assert [(row["text"], row["difference"]) for row in found.rows] == [("wiki (random)", 4), ("news (whole)", 6.25)]
    found = compare_strategies(*made(*arms), "step", "seq")
    assert [row["text"] for row in found.rows] == ["news (whole)"]
    told = "bilstm, seq, wiki (random): no step with the same corpus, encoder, text and settings"
    assert found.unpaired == [told]
    for name in ("wiki", "wiki (random)"):
        found = compare_strategies(*made(*arms), "seq", "none", only=Narrowed(texts=[name]))
        assert [row["text"] for row in found.rows] == ["wiki (random)"]


def test_variants_are_paired_where_their_settings_are_the_same() -> None:
    def arm(strategy: str, features: bool, epochs: int | None = None) -> Arm:
        spec: dict[str, Any] = {"training": {"features": ["lexical"] if features else []}}
        variant = f"features={'on' if features else 'off'}"
        if epochs:
            spec["strategy"] = {"parameters": {"epochs": epochs}}
            variant += f", epochs={epochs}"
        return Arm(f"bilstm/{strategy}", {50: [10.0 + features + (epochs or 0), 11.0]}, variant=variant, spec=spec)

    arms = [arm("step", True), arm("step", False), arm("seq", True, 1), arm("seq", True, 3), arm("seq", False, 3)]
    found = compare_strategies(*made(*arms), "seq", "step")
    assert [(row["variant"], row["first"], row["second"]) for row in found.rows] == [
        ("features=on", "seq (epochs=1)", "step"),
        ("features=on", "seq (epochs=3)", "step"),
        ("features=off", "seq (epochs=3)", "step"),
    ]
    page = render_comparison(found, "md")
    assert "| encoder | variant | first | labels |" in page and "| bilstm | features=on | seq (epochs=1) | 50 |" in page


def test_what_tuning_has_set_keeps_no_arms_of_a_tuned_grid_apart() -> None:
    def arm(strategy: str, **training: Any) -> Arm:
        return Arm(f"bilstm/{strategy}", {50: [10.0, 11.0]}, spec={"training": training})

    arms = [arm("seq", l2=0.1, dropout=0.5, features=["lexical"]), arm("step", l2=0.2, dropout=None, features=[])]
    grid, records = made(*arms)
    untuned = compare_strategies(grid, records, "seq", "step")
    assert not untuned.rows
    assert len(untuned.unpaired) == 2
    tuned = compare_strategies(grid | {"tuned": {"budget": "20 trials an arm"}}, records, "seq", "step")
    assert [(row["first"], row["second"], row["n"]) for row in tuned.rows] == [("seq", "step", 2)]
    assert not tuned.unpaired
    grid, records = made(arms[0], arm("step", dev_size=9))
    assert not compare_strategies(grid | {"tuned": {"budget": ""}}, records, "seq", "step").rows


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Arm("pcnn/step", {50: [1.0, 2.0]}), "pcnn, step: no seq with the same corpus, encoder, text and settings"),
        (Arm("bilstm/step", {50: [1.0, 2.0]}, spec={"encoder": {"parameters": {"hidden": 9}}}), "bilstm, step: no seq with the same corpus, encoder, text and settings"),
        (Arm("bilstm/step", {50: [1.0, 2.0]}, corpus=1), "bilstm, step: no seq with the same corpus, encoder, text and settings"),
        (Arm("bilstm/step", {50: [1.0, 2.0]}, spec={"vectors": {"name": "other"}}), "bilstm, step: no seq with the same corpus, encoder, text and settings"),
    ],
)  # fmt: skip
def test_what_shares_no_partner_is_told(other: Arm, told: str) -> None:
    grid = made(Arm("bilstm/seq", {50: [1.0, 2.0]}), other, corpora=[corpus("toy"), corpus("other")])
    found = compare_strategies(*grid, "seq", "step")
    assert not found.rows
    assert list(found.unpaired) == ["bilstm, seq: no step with the same corpus, encoder, text and settings", told]
    assert "Nothing can be paired." in render_comparison(found, "md")


def test_a_size_that_one_lacks_or_has_not_complete_is_told() -> None:
    first = Arm("bilstm/seq", {50: [1.0, 2.0], 200: [1.0, None], 800: [1.0, 2.0], 3200: []})
    second = Arm("bilstm/step", {50: [1.0, 3.0], 200: [1.0, 2.0], 3200: []})
    found = compare_strategies(*made(first, second, planned=2), "seq", "step")
    assert [row["size"] for row in found.rows] == [50]
    assert list(found.unpaired) == [
        "bilstm, seq: 1/2 (1 failed) replicates are complete at 200 labels",
        "bilstm, step: no runs at 800 labels",
        "bilstm, seq: 0/2 replicates are complete at 3,200 labels",
        "bilstm, step: 0/2 replicates are complete at 3,200 labels",
    ]


def test_crossed_replicates_are_paired_by_sample_and_initialisation() -> None:
    crossed = [10.0, 14.0, 18.0, 11.0, 15.5, 18.5]  # two samples, three initialisations
    grid = made(Arm("bilstm/seq", {50: crossed}, text="wiki"), Arm("bilstm/none", {50: [9.0, 13.0, 16.0]}), crossed=3)
    (row,) = compare_strategies(*grid, "seq", "none").rows
    assert row["n"] == 6 and row["not_flipped"] == "crossed"
    assert row["difference"] == pytest.approx(np.mean(np.reshape(crossed, (2, 3)) - [9.0, 13.0, 16.0]))


def test_one_replicate_has_a_difference_and_no_more() -> None:
    found = compare_strategies(*made(Arm("bilstm/seq", {50: [3.0]}), Arm("bilstm/step", {50: [1.0]})), "seq", "step")
    (row,) = found.rows
    assert (row["difference"], row["p"], row["p_holm"], row["ahead"]) == (2.0, None, None, "tie")
    assert math.isnan(row["ci_low"])
    assert "| 50 | 1 | 3.0 | 1.0 | +2.0 | - | - | n too small | tie |" in render_comparison(found, "md")
    (plain,) = json.loads(render_comparison(found, "json"))["rows"]
    assert (plain["ci_low"], plain["p"], plain["difference"]) == (None, None, 2.0)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"first": "sec"}, "no strategy in this grid 'sec'; did you mean 'seq'? Known: seq, step"),
        ({"first": "step"}, "expected two strategies to compare, found 'step' twice"),
        ({"metric": "micro_f2"}, "no metric 'micro_f2'; did you mean 'micro_f1'? Known: accuracy, macro_f1_positive, macro_f1_relations, micro_f1, micro_f1_positive"),
        ({"only": Narrowed(["pcnn"])}, "no encoder 'pcnn'; Known: bilstm"),
        ({"only": Narrowed(texts=["news"])}, "no text 'news'; Known: wiki, wiki (random)"),
        ({"only": Narrowed(sizes=[100])}, "no runs at 100 labels; there are 50, 200"),
    ],
)  # fmt: skip
def test_what_the_grid_lacks_is_told(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        compare_strategies(*made(*ARMS), **{"first": "seq", "second": "step", **asked})
    assert str(caught.value) == message


def test_the_tables_hold_the_same(tmp_path: Path) -> None:
    found = compare_strategies(*made(*ARMS), "seq", "step", "accuracy")
    rows = list(csv.DictReader(io.StringIO(render_comparison(found, "csv"))))
    plain = json.loads(render_comparison(found, "json"))
    assert tuple(rows[0]) == tuple(plain["rows"][0]) == COLUMNS
    for row, told in zip(rows, plain["rows"], strict=True):
        assert float(row["difference"]) == pytest.approx(told["difference"])
        assert float(row["p_holm"]) == pytest.approx(told["p_holm"])
        assert row["metric"] == told["metric"] == "accuracy (%)"
    page = render_comparison(found, "md")
    assert page.startswith(
        "# seq against step: grid small\n\nDifferences are what seq scores above step on the test part"
    )
    assert "the family of the 2 differences below" in page
    assert (
        "| encoder | text | labels | n | seq | step | difference | on new examples | p | sign-flip p | ahead | P(seq > step) |"
        in page
    )
    p = [f"{row['p_holm']:.3f}" for row in found.rows]
    flipped = [f"{row['flipped_p']:.3f}" for row in found.rows]
    (low, high) = (found.rows[0][name] for name in ("ci_low", "ci_high"))
    assert f"| bilstm | wiki (random) | 50 | 6 | 13.7 | 12.8 | +0.9 [{low:+.1f}, {high:+.1f}] | - | {p[0]} | {flipped[0]} | tie | 0.75 [" in page  # fmt: skip


def test_a_very_small_p_is_told_as_such() -> None:
    second = [20.0, 25.0, 30.0, 22.0, 27.0]
    first = [score + 30 + 0.01 * at for at, score in enumerate(second)]
    page = render_comparison(compare_strategies(*made(Arm("bilstm/seq", {50: first}), Arm("bilstm/step", {50: second})), "seq", "step"), "md")  # fmt: skip
    assert "| <0.001 | n too small | seq | 1.00 [0.57, 1.00] |" in page and "over the one difference below" in page


# Grids


def grids(first: Sequence[Arm], second: Sequence[Arm], **shared: Any) -> Any:
    return compare_grids(made(*first, name="one"), made(*second, name="two", **shared))


def test_arms_of_two_grids_are_paired_by_replicate_and_what_differs_is_told() -> None:
    scores = {50: [20.0, 30.0, 28.0]}
    found = grids([Arm("bilstm/seq", scores)], [Arm("bilstm/seq", {50: [21.0, 30.0, 29.0, 77.0]})], vectors={"name": "w.txt", "digest": "of w"})  # fmt: skip
    (row,) = found.rows
    assert (row["n"], row["differ"]) == (3, "vectors.name: v.txt / w.txt")
    assert row["difference"] == pytest.approx(-2 / 3) and row["p"] == pytest.approx(stats.ttest_1samp([1, 0, 1], 0).pvalue)  # fmt: skip
    page = render_comparison(found, "md")
    assert page.startswith("# one against two: grids\n") and "They differ in vectors.name: v.txt / w.txt." in page


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"training": {"features": ["lexical", "pos"]}}, "training.features: none / lexical+pos"),
        ({"training": {"standardise": True}}, "training.standardise: off / on"),
        ({"encoder": {"parameters": {"hidden": 9}}}, "encoder.hidden: none / 9"),
        ({"vectors": {"digest": "of x"}}, "vectors.digest: of v / of x"),
        ({"corpus": {"parses": "p"}}, "corpus.parses: none / p"),
        ({"vary": ["subset", "initialisation", "order"]}, "vary: sample+subset+initialisation+order / subset+initialisation+order"),
    ],
)  # fmt: skip
def test_settings_may_differ(spec: dict[str, Any], told: str) -> None:
    found = grids([Arm("bilstm/seq", {50: [1.0, 2.0]})], [Arm("bilstm/seq", {50: [1.0, 3.0]}, spec=spec)])
    assert [row["differ"] for row in found.rows] == [told]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"vary": ["sample", "initialisation"]}, "bilstm, seq: replicates move other random streams in the two grids"),
        (
            {"crossed": 2},
            "bilstm, seq: replicates are crossed in one of the grids alone, or with other initialisations",
        ),
    ],
)
def test_replicates_that_are_not_the_same_are_not_paired(spec: dict[str, Any], told: str) -> None:
    found = grids([Arm("bilstm/seq", {50: [1.0, 2.0]})], [Arm("bilstm/seq", {50: [1.0, 3.0]}, spec=spec)])
    assert (found.rows, list(found.unpaired)) == ([], [told])


def test_of_several_the_nearest_in_settings_are_partners() -> None:
    def arm(accumulator: float, standardise: bool) -> Arm:
        spec = {"training": {"accumulator": accumulator, "standardise": standardise}}
        return Arm("bilstm/seq", {50: [1.0 + accumulator, 2.0]}, variant=f"a={accumulator}, s={standardise}", spec=spec)

    found = grids([arm(0, False), arm(0.1, False)], [arm(0, True), arm(0.1, True)])
    assert [row["differ"] for row in found.rows] == ["training.standardise: off / on"] * 2
    found = grids([arm(0, False)], [arm(0.1, False), arm(0.1, True), arm(0, False)])
    assert [row["differ"] for row in found.rows] == [
        "training.accumulator: 0 / 0.1",
        "training.standardise: off / on; training.accumulator: 0 / 0.1",
    ]
    assert list(found.unpaired) == ["1 arms are the same runs in both grids"]
    assert "| encoder | strategy | differ | labels |" in render_comparison(found, "md")


def test_what_stands_in_one_grid_alone_is_told() -> None:
    toy, other = corpus("toy"), corpus("other")
    one = made(Arm("bilstm/seq", {50: [1.0], 200: [1.0]}), Arm("pcnn/seq", {50: [1.0]}), Arm("bilstm/seq", {50: [1.0]}, corpus=1), name="one", corpora=[toy, other])  # fmt: skip
    two = made(Arm("bilstm/seq", {50: [2.0]}, spec={"training": {"l2": 1}}), Arm("mean/seq", {50: [1.0]}), name="two", corpora=[toy])  # fmt: skip
    found = compare_grids(one, two)
    assert [row["size"] for row in found.rows] == [50]
    assert list(found.unpaired) == [
        "other: two has no such corpus entry",
        "pcnn, seq: two has no such arm",
        "mean, seq: one has no such arm",
        "bilstm, seq in two: no runs at 200 labels",
    ]


# Homes and results folders


def home(folder: Path, records: dict[str, dict[str, Any]]) -> RecordStore:
    store = RecordStore(folder / "records")
    for record in records.values():
        store.write(record, None, None)
    return store


def changed(record: dict[str, Any], part: str, metric: str, by: float) -> dict[str, Any]:
    scores = record["scores"]
    return record | {"scores": scores | {part: scores[part] | {metric: scores[part][metric] + by}}}


def test_two_homes_with_the_same_scores_are_a_reproduction(tmp_path: Path, printed: Printed) -> None:
    _, records = made(*ARMS, Arm("pcnn/seq", {50: [None]}))
    one, other = tmp_path / "one", tmp_path / "other"
    home(one, records)
    home(other, records)
    assert main(["compare", str(one), str(other)]) == 0
    assert printed() == (
        f"# {one} against {other}: the same runs\n\n"
        "- Runs in both: 25, of which 24 are complete in both\n"
        "- The same scores, on dev and test by every metric, to the last bit: 24 of 24\n"
        "- Reproduced: nothing differs\n",
        "",
    )
    assert main(["compare", str(one / "records"), str(other), "--format", "json"]) == 0
    plain = json.loads(printed()[0])
    assert plain["is_whole"] and len(plain["rows"]) == 25 and not plain["first_alone"]


def test_what_differs_or_is_missing_is_told_run_by_run(tmp_path: Path, printed: Printed) -> None:
    _, records = made(*ARMS)
    first, second, third, fourth, fifth, *_ = records
    one, other = tmp_path / "one", tmp_path / "other"
    home(one, {key: record for key, record in records.items() if key != fourth})
    failed = records[third] | {"status": "failed", "error": {"type": "E", "message": "m", "traceback": None}}
    theirs = records | {
        first: changed(records[first], "test", "micro_f1", -0.02),
        second: changed(records[second], "dev", "accuracy", 1e-15),
        third: failed,
    }
    home(other, {key: record for key, record in theirs.items() if key != fifth})
    assert main(["compare", str(one), str(other)]) == 1
    out = printed()[0]
    told, _, table = out.partition("\n\n## What differs\n\n")
    assert told == (
        f"# {one} against {other}: the same runs\n\n"
        "- Runs in both: 22, of which 21 are complete in both\n"
        "- The same scores, on dev and test by every metric, to the last bit: 19 of 21\n"
        f"- In {one} alone: 1: {fifth[:16]}\n"
        f"- In {other} alone: 1: {fourth[:16]}"
    )
    lines = table.splitlines()[4:]
    score = 100 * records[first]["scores"]["test"]["micro_f1"]
    assert lines[0] == f"| {first[:16]} | toy | bilstm | seq | wiki | 50 | 0 | test micro_f1 | {score:.4f} | {score - 2:.4f} | +2 |"  # fmt: skip
    assert lines[1].startswith(f"| {second[:16]} | toy | bilstm | seq | wiki | 50 | 1 | dev accuracy | 16.2500 | 16.2500 | -9.9")  # fmt: skip
    assert lines[2] == f"| {third[:16]} | toy | bilstm | seq | wiki | 50 | 2 | - | complete | failed | - |"
    assert main(["compare", str(one), str(other), "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(printed()[0])))
    assert len(rows) == 22 and float(rows[[row["key"] for row in rows].index(first)]["difference"]) == pytest.approx(2)


def test_many_that_one_lacks_are_counted(tmp_path: Path, printed: Printed) -> None:
    _, records = made(*ARMS)
    key = next(iter(records))
    home(tmp_path / "one", records)
    home(tmp_path / "other", {key: records[key]})
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "other")]) == 1
    assert ": 23: " in printed()[0].splitlines()[4]
    assert printed()[0] == ""
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "other")]) == 1
    assert printed()[0].splitlines()[4].endswith(" and 3 more")


def test_a_damaged_record_counts_as_missing_and_is_told(tmp_path: Path, printed: Printed) -> None:
    _, records = made(*ARMS)
    store = home(tmp_path / "one", records)
    home(tmp_path / "other", records)
    key = next(iter(records))
    store.path(key).write_text("{")
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "other")]) == 1
    out, err = printed()
    assert f"- In {tmp_path / 'other'} alone: 1: {key[:16]}\n" in out
    assert err.startswith(f"harness: the record {store.path(key)} is damaged (") and err.count("\n") == 1


def test_of_two_scores_the_one_that_differs_most_is_told() -> None:
    _, records = made(Arm("bilstm/seq", {50: [20.0]}))
    (record,) = records.values()

    class Held(RecordStore):
        def __init__(self, record: dict[str, Any]) -> None:
            super().__init__(Path())
            self.record = record

        def keys(self) -> Any:
            yield self.record["key"]

        def read(self, key: str) -> Any:
            return self.record

    other = changed(changed(record, "dev", "micro_f1", 0.01), "test", "accuracy", 0.03)
    (row,) = compare_records(("a", "b"), Held(record), Held(other)).rows
    assert (row["score"], row["first"]) == ("test accuracy", pytest.approx(10))
    assert row["difference"] == pytest.approx(-3)


# The command


def test_a_results_folder_is_compared_with_the_home_that_it_came_to(tmp_path: Path, printed: Printed) -> None:
    folder = RESULTS / "vectors-200d"
    asked = ["--home", str(tmp_path), "--results", str(RESULTS)]
    for name in ("vectors-200d", "pretraining-settings"):
        assert main(["records", "import", str(RESULTS / name), "--home", str(tmp_path)]) == 0
    printed()
    assert main(["compare", str(folder), str(tmp_path), *asked]) == 1
    assert f"- In {tmp_path} alone: 18: " in printed()[0]
    assert main(["compare", str(folder), str(tmp_path), "--grid", "vectors-200d", *asked]) == 0
    assert printed()[0].endswith("108 of 108\n- Reproduced: nothing differs\n")


def test_the_interval_on_new_examples_is_by_the_saved_predictions(tmp_path: Path) -> None:
    scores = {"none": (50, 51, 52), "taught": (53.5, 54, 55)}
    grid, store = make(tmp_path, [Made("reader", name, {50: found}) for name, found in scores.items()])
    (row,) = compare_strategies(grid, store, "taught", "none").rows
    gold, own = (np.stack(rows) for rows in zip(*map(store.predictions, grid["cells"][1]["keys"]), strict=True))
    _, others = (np.stack(rows) for rows in zip(*map(store.predictions, grid["cells"][0]["keys"]), strict=True))
    differences = 100 * ((own == gold[0]).astype(float) - (others == gold[0])).mean(axis=0)  # (N,)
    by_examples = differences.std(ddof=1) / np.sqrt(len(differences))
    by_replicates = np.std(np.subtract(scores["taught"], scores["none"]), ddof=1) / np.sqrt(3)
    error = np.hypot(by_examples, by_replicates)
    degrees = error**4 / (by_examples**4 / (len(differences) - 1) + by_replicates**4 / 2)
    half = stats.t.ppf(0.975, degrees) * error
    assert row["difference"] == pytest.approx(19 / 6)
    assert row["examples_high"] - row["examples_low"] == pytest.approx(2 * half, rel=0.1)
    assert row["examples_low"] < row["ci_low"] and row["examples_high"] > row["ci_high"]
    (bare,) = compare_strategies(grid, store.read_all(store.keys()), "taught", "none").rows
    assert np.isnan(bare["examples_low"]) and np.isnan(bare["examples_high"])


def test_strategies_and_grids_of_the_results_that_come_with_it(tmp_path: Path, printed: Printed) -> None:
    asked = ["--home", str(tmp_path), "--results", str(RESULTS)]
    assert main(["compare", "seq-unshared", "stepwise", "--grid", "pretraining", "--encoder", "bilstm", "--size", "50", *asked]) == 0  # fmt: skip
    out, err = printed()
    assert (
        "| bilstm | enwik8 (random) | 50 | 3 | 25.4 | 20.6 | +4.8 [+0.7, +9.0] | [+0.7, +9.0] | 0.038 |" in out
    )  # as the README has it
    assert err == f"harness: 255 of 255 records are those of {RESULTS / 'pretraining'}: {tmp_path} lacks them, or has worse ones\n"  # fmt: skip
    assert main(["compare", "pretraining", "vectors-200d", "--format", "json", *asked]) == 0
    found = json.loads(printed()[0])
    assert len(found["rows"]) == 27 and {row["n"] for row in found["rows"]} == {3}
    assert {row["differ"] for row in found["rows"]} == {"vectors.name: glove-wink-100d.txt.gz / enwik8-200d.bin"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stepwise", "nosuch"], "'stepwise' is a strategy; expected the grid beside it: --grid NAME"),
        (["nosuch", "pretraining"], "grid 'nosuch' has not been run here: expected {home}/grids/nosuch.json or {results}/nosuch/grid.json. Run it: python -m harness run --grid nosuch"),
        (["{home}/no", "{home}"], "no record is in {home}/no; expected a home folder, its folder records, or a results folder with records.csv.gz and predictions.npz"),
        (["{home}", "{home}"], "no record is in {home}; expected a home folder, its folder records, or a results folder with records.csv.gz and predictions.npz"),
        (["{home}", "{home}", "--metric", "accuracy"], "--metric: expected with strategies or grids, not with homes and results folders"),
        (["{home}", "{home}", "--size", "50"], "--size: expected with strategies or grids, not with homes and results folders"),
    ],
)  # fmt: skip
def test_what_the_command_can_not_compare_is_told(
    tmp_path: Path, printed: Printed, words: list[str], message: str
) -> None:
    names = {"home": tmp_path, "results": RESULTS}
    asked = ["compare", *(word.format(**names) for word in words), "--home", str(tmp_path), "--results", str(RESULTS)]
    assert main(asked) == 2
    assert printed() == ("", f"harness: {message.format(**names)}\n")


def test_comparisons_need_no_torch() -> None:
    program = f"import sys; from harness.cli import main; main(['compare', 'none', 'avg-embed', '--grid', 'kbp37', '--home', '/nowhere', '--results', {str(RESULTS)!r}]); assert 'torch' not in sys.modules"  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.startswith("# none against avg-embed: grid kbp37\n")
