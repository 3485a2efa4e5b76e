"""What tables tell of unlabelled text, of pre-training on it, and of scores that are crossed."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.analysis import components, summarise
from harness.cli import main
from harness.records import RecordStore
from harness.report.leaderboard import cells_table, render
from harness.report.results import write_results
from harness.report.variances import variances_csv
from harness.scoring import METRICS
from harness.tracked import experiment_tags

Made = dict[str, Any]

CORPUS: Made = {
    "label": "kbp37",
    "name": "kbp37",
    "split": "paper",
    "counts": {"train": 6405, "dev": 915, "test": 1830},
    "classes": ["R(e1,e2)", "R(e2,e1)"],
    "negative": None,
    "metric": "micro_f1",
    "left_out": {},
    "remarks": [],
    "notice": "",
}
WIKI, WHOLE, TARGET = "wiki (random)", "wiki (whole)", "target (target-train, with evaluation text)"
COUNTS = {"sentences": 69289, "tokens": 1800000, "parsed": 0, "mentions": 225000, "entities": 60000}
LEFT_OUT = {"a sentence with fewer than 2 linked mentions": 1234}
TEXTS: list[Made] = [
    {
        "label": label,
        "name": "wiki",
        "selection": selection,
        "counts": COUNTS,
        "left_out": LEFT_OUT,
        "remarks": ["Tables are no sentences."],
    }
    for label, selection in ((WIKI, "random"), (WHOLE, "whole"))
]
TEXTS.append({"label": TARGET, "name": "target", "selection": "target-train"})


def make_cell(
    name: str, strategy: str, text: str | None, replicates: int, size: int = 50, variant: str = "", **parameters: str
) -> Made:
    spec: Made = {"strategy": {"parameters": parameters}, "text": None}
    if text:
        selection = text.partition("(")[2].partition(",")[0].rstrip(")")
        spec["text"] = {"selection": selection, "evaluation_text": text == TARGET or None}
    return {
        "cell": name,
        "corpus": 0,
        "encoder": "bilstm",
        "strategy": strategy,
        "text": text,
        "variant": variant,
        "size": size,
        "keys": [f"{name}-{replicate}" for replicate in range(replicates)],
        "spec": spec,
    }


def make_grid(*cells: Made, **changes: Any) -> Made:
    made = {"format": 1, "name": "small", "replicates": 2, "source": "", "corpora": [CORPUS], "texts": TEXTS}
    return {**made, "crossed": None, "cells": list(cells), "refusals": [], **changes}


def make_record(key: str, score: float = 0.5, text: Made | None = None, pretraining: Made | None = None) -> Made:
    scores = {"dev": {}, "test": dict.fromkeys(METRICS, score)}
    made: Made = {"key": key, "cell": key.split("-")[0], "spec": {}, "counts": {}, "status": "complete", "error": None}
    return {**made, "scores": scores, "text": text, "pretraining": pretraining}


def make_text(sentences: int, linked: float, often: float) -> Made:
    return {
        "sentences": sentences,
        "tokens": 26 * sentences,
        "mentions": 3 * sentences,
        "entities": 2 * sentences,
        "linked": linked,
        "often": often,
    }


def make_pretraining(before: float, after: list[float], seconds: float) -> Made:
    best = int(np.argmin([before, *after]))
    losses = [loss + 1 for loss in after]
    return {"mentions": 50000, "best_epoch": best, "loss": losses, "held_out": [before, *after], "seconds": seconds}


def by_key(*records: Made) -> dict[str, Made]:
    return {record["key"]: record for record in records}


def facts(grid: Made, records: dict[str, Made]) -> list[str]:
    return [line for line in render(grid, records, "md").splitlines() if line.startswith("- Text ")]


SAMPLES = [make_text(13857, 0.331, 0.202), make_text(13857, 0.351, 0.212)]
PRETRAININGS = [make_pretraining(100.0, [90.0, 80.0, 81.0], 30.0), make_pretraining(104.0, [92.0, 82.0], 20.0)]


def seq_grid() -> tuple[Made, dict[str, Made]]:
    """Two sizes of a pre-trained arm whose runs share two pre-trainings, and an arm without text."""
    cells = [make_cell("a", "seq", WIKI, 2, 50), make_cell("b", "seq", WIKI, 2, 200), make_cell("c", "none", None, 2)]
    records = [
        make_record(f"{name}-{at}", 0.5, SAMPLES[at], {**PRETRAININGS[at], "seconds": seconds})
        for name, seconds in (("a", 30.0), ("b", 60.0))
        for at in range(2)
    ]
    return make_grid(*cells), by_key(*records, make_record("c-0"), make_record("c-1"))


def test_a_text_is_a_line_with_means_over_its_samples() -> None:
    assert facts(*seq_grid()) == [
        "- Text wiki (random): 13,857 sentences, 41,571 mentions of 27,714 entities (means over 2 samples); of the "
        "target's arguments 34.1 % are linked to it, 20.7 % to an entity that it mentions at least five times"
    ]


def test_one_sample_is_no_mean() -> None:
    grid, records = seq_grid()
    del records["a-1"], records["b-1"]
    (line,) = facts(grid, records)
    assert line.startswith("- Text wiki (random): 13,857 sentences, 41,571 mentions of 27,714 entities; of the")
    assert facts(grid, {}) == []


def test_strategies_that_read_a_text_otherwise_have_lines_of_their_own() -> None:
    text, more = make_text(1000, 0.3, 0.2), make_text(1280, 0.8, 0.2)
    read = {"avg": text, "step": text, "wide": more, "seq": text}
    cells = [make_cell(name, name, WHOLE, 1) for name in read]
    records = by_key(*(make_record(f"{name}-0", text=text) for name, text in read.items()))
    assert [line.partition(" sentences")[0] for line in facts(make_grid(*cells), records)] == [
        "- Text wiki (whole), for avg, step and seq: 1,000",
        "- Text wiki (whole), for wide: 1,280",
    ]
    assert [line.partition(" sentences")[0] for line in facts(make_grid(*cells[1:]), records)][:1] == [
        "- Text wiki (whole), for step and seq: 1,000"
    ]
    both = [
        make_cell("avg", "step", WHOLE, 1, variant="read=text"),
        make_cell("wide", "step", WHOLE, 1, variant="read=all"),
    ]
    assert [line.partition(" sentences")[0] for line in facts(make_grid(*both), records)] == [
        "- Text wiki (whole), for step (read=text): 1,000",
        "- Text wiki (whole), for step (read=all): 1,280",
    ]


def test_an_arm_that_lacks_a_sample_has_no_line_of_its_own() -> None:
    samples = [make_text(1000 + at, 0.3, 0.2) for at in range(4)]
    kept = {"avg": [2], "step": [0, 1, 2], "wide": [1, 3]}
    cells = [make_cell(name, name, WIKI, 4) for name in kept]
    records = [make_record(f"{name}-{at}", text=samples[at]) for name, own in kept.items() for at in own]
    failed = {"status": "failed", "error": {"type": "E", "message": "m"}, "scores": None}
    records += [make_record("avg-0") | failed, make_record("wide-0") | failed]
    assert [line.partition(";")[0] for line in facts(make_grid(*cells), by_key(*records))] == [
        "- Text wiki (random): 1,002 sentences, 3,004 mentions of 2,003 entities (means over 4 samples)"
    ]


def test_the_targets_own_sentences_are_told_where_they_count_as_the_text() -> None:
    text, more = make_text(1000, 0.3, 0.2), make_text(1280, 0.8, 0.2)
    pairs = "wiki (target-pairs)"
    cells = [
        make_cell("a", "step", WHOLE, 1, variant="read=text", skipgram_text="text"),
        make_cell("b", "step", WHOLE, 1, variant="read=all", skipgram_text="text + target"),
        make_cell("c", "avg", WHOLE, 1),
        make_cell("d", "avg", pairs, 1),
    ]
    records = by_key(*(make_record(f"{n}-0", text=t) for n, t in zip("abcd", (text, more, text, more), strict=True)))
    assert [line.partition(",000")[0].partition(",280")[0] for line in facts(make_grid(*cells), records)] == [
        "- Text wiki (whole), for step (read=text) and avg: 1",
        "- Text wiki (whole) with the target's own sentences, for step (read=all): 1",
        "- Text wiki (target-pairs) with the target's own sentences: 1",
    ]
    cells[1]["spec"]["strategy"]["parameters"]["skipgram_text"] = "text"
    assert "own sentences, for" not in render(make_grid(*cells), records, "md")


def leaking(**shared: Any) -> list[Made]:
    return [{**text, "shared": shared} if "counts" in text else text for text in TEXTS]


def test_dev_and_test_sentences_of_the_corpus_in_a_text_are_told_before_anything_is_run() -> None:
    texts = leaking(kbp37=[1234, 2500], other=[7, 8])
    found = "1,234 of 2,500 dev and test sentences of the corpus stand in"
    cells = [make_cell("a", "seq", WIKI, 1), make_cell("b", "none", None, 1), make_cell("c", "seq", WHOLE, 1)]
    expected = [
        f"- Text wiki (random): {found} wiki, from which it is chosen, without their labels: what reads it may have "
        "seen sentences that it is scored on",
        f"- Text wiki (whole): {found} it, without their labels: what reads it has seen sentences that it is scored on",
    ]
    assert facts(make_grid(*cells, texts=texts + texts), {}) == expected
    assert facts(make_grid(*cells[:2], texts=texts), {}) == expected[:1]
    assert f"Text wiki (whole): {found} it, without" in render(make_grid(*cells, texts=texts), {}, "latex")
    assert facts(make_grid(*cells, texts=leaking(kbp37=[0, 2500])), {}) == []
    assert facts(make_grid(*cells), {}) == []  # a grid from before this was looked for


def test_a_text_with_evaluation_text_needs_no_count_of_it() -> None:
    label = "wiki (target-pairs, with evaluation text)"
    cell = make_cell("a", "seq", label, 1)
    cell["spec"]["text"]["evaluation_text"] = True
    texts = [{**TEXTS[0], "label": label, "selection": "target-pairs", "shared": {"kbp37": [3, 9]}}]
    (line,) = facts(make_grid(cell, texts=texts), {})
    assert line.startswith(f"- Text {label}: the target's dev and test sentences are part of it, without their labels")


def test_mlflow_is_told_of_shared_sentences_too() -> None:
    shared = "kbp37: 1,234 of 2,500 dev and test sentences stand in wiki"
    for texts, count in ((leaking(kbp37=[1234, 2500])[:1], 1), (leaking(kbp37=[0, 2500]), 0), (TEXTS, 0)):
        note = experiment_tags(make_grid(texts=texts))["mlflow.note.content"]
        assert note.split("\n\n").count(shared) == count
        assert note.count("stand in") == count


def test_evaluation_text_is_told() -> None:
    grid = make_grid(make_cell("a", "step", TARGET, 1))
    records = by_key(make_record("a-0", text=make_text(9000, 1, 0.5)))
    assert facts(grid, records)[1:] == [
        "- Text target (target-train, with evaluation text): the target's dev and test sentences are part of it, "
        "without their labels: what reads it has seen the sentences that it is scored on"
    ]


def test_a_source_of_texts_is_told_once_with_what_was_left_out() -> None:
    page = render(*seq_grid(), "md")
    assert page.endswith("""
## Texts

- wiki: 69,289 sentences with at least two linked mentions, 225,000 mentions of 60,000 entities; left out: 1,234 a sentence with fewer than 2 linked mentions
- wiki: Tables are no sentences.
""")  # fmt: skip


def test_latex_tells_of_the_text_in_its_caption() -> None:
    table = render(*seq_grid(), "latex")
    assert r"of the target's arguments 34.1 \% are linked to it" in table


def test_each_pretraining_is_counted_once_with_its_first_time() -> None:
    page = render(*seq_grid(), "md")
    found = page.partition("### Pre-training\n\n")[2].partition("\n\n## Texts")[0]
    assert (
        found
        == """\
Each pre-training is counted once, however many runs start from it: means, and of the epochs and of the best one the range; 0 is before the first update. The held-out loss is that before the first update and that of the best epoch, whose weights are kept; it can be compared within one encoder and strategy alone.

| encoder | strategy | text | pre-trainings | mentions | epochs | best epoch | held-out loss before | after | seconds |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| bilstm | seq | wiki (random) | 2 | 50,000 | 2 to 3 | 2 | 102.00 | 81.00 | 30.0 |"""
    )


def test_a_pretraining_that_never_was_better_than_none_keeps_its_first_loss_and_is_told() -> None:
    grid = make_grid(make_cell("a", "seq", "odd|name", 1, variant="x|y"))
    records = by_key(make_record("a-0", text=SAMPLES[0], pretraining=make_pretraining(5.0, [6.0], 1.0)))
    assert render(grid, records, "md").partition("\n\n## Texts")[0].splitlines()[-3:] == [
        "| bilstm | seq | odd\\|name | x\\|y | 1 | 50,000 | 1 | 0 | 5.00 | 5.00 | 1.0 |",
        "",
        "- bilstm, seq, odd\\|name, x\\|y: 1 of 1 kept the first weights, as if not pre-trained",
    ]


def test_of_several_pretrainings_those_are_counted_that_kept_the_first_weights() -> None:
    grid = make_grid(make_cell("a", "mtb", WIKI, 3), make_cell("b", "seq", WIKI, 1))
    told = [make_pretraining(5.0, after, 1.0) for after in ([4.0, 3.0, 2.0], [6.0], [7.0, 8.0])]
    records = [make_record(f"a-{at}", pretraining=one) for at, one in enumerate(told)]
    page = render(grid, by_key(*records, make_record("b-0", pretraining=told[0])), "md")
    assert "| bilstm | mtb | wiki (random) | 3 | 50,000 | 1 to 3 | 0 to 3 | 5.00 | 4.00 | 1.0 |\n" in page
    assert page.partition("| bilstm | seq | wiki (random) | 1 | 50,000 | 3 |")[2].partition("\n## Texts")[0] == (
        " 3 | 5.00 | 2.00 | 1.0 |\n\n"
        "- bilstm, mtb, wiki (random): 2 of 3 kept the first weights, as if not pre-trained\n"
    )


def test_the_columns_of_a_table_have_shares_epochs_and_losses() -> None:
    table = cells_table(*seq_grid())
    names = ["linked", "often", "pretraining_epochs", "held_out_before", "held_out_after"]
    assert table[names].iloc[0].tolist() == pytest.approx([34.1, 20.7, 2.5, 102, 81])
    assert table[names].iloc[2].isna().all()
    read = pd.read_csv(io.StringIO(render(*seq_grid(), "csv")))
    pd.testing.assert_frame_equal(read[names], table[names].astype(float))
    first, _, last = json.loads(render(*seq_grid(), "json"))
    assert [first[name] for name in names] == [34.1, 20.7, 2.5, 102.0, 81.0]
    assert [last[name] for name in names] == [None] * 5


def test_grids_and_records_from_before_texts_are_read() -> None:
    grid, records = seq_grid()
    old = {name: value for name, value in grid.items() if name not in ("texts", "crossed")}
    for record in records.values():
        del record["text"], record["pretraining"]
    page = render(old, records, "md")
    assert "Text" not in page and "Pre-training" not in page and "variance" not in page
    assert cells_table(old, records)["linked"].isna().all()


# Crossed

SCORES = [0.61, 0.64, 0.67, 0.67, 0.68, 0.69]
"""Of 2 samples with 3 initialisations: the deviations are known, see test_variances."""


def crossed_grid() -> tuple[Made, dict[str, Made]]:
    cells = [make_cell("a", "seq", WIKI, 6), make_cell("b", "avg", WHOLE, 6), make_cell("c", "none", None, 3)]
    for made in cells:
        made["spec"]["crossed"] = 3
    square = [0.1, 0.2, 0.3, 0.3, 0.2, 0.1]  # both sums of columns, and of rows, are equal
    scores = {"a": SCORES, "b": square, "c": [0.3, 0.31, 0.35]}
    records = [make_record(f"{name}-{at}", score) for name, own in scores.items() for at, score in enumerate(own)]
    return make_grid(*cells, crossed={"samples": 2, "initialisations": 3}), by_key(*records)


def test_the_deviations_of_a_crossed_grid_stand_under_its_table() -> None:
    page = render(*crossed_grid(), "md")
    assert page.partition("\n\n| encoder | strategy | text | labels |")[2].partition("\n\n##")[0] == """\
 samples | initialisations | rest |
| --- | --- | --- | ---: | ---: | ---: | ---: |
| bilstm | seq | wiki (random) | 50 | 2.7 | 1.7 | 1.4 |
| bilstm | avg | wiki (whole) | 50 | 0.0 (negative) | 0.0 (negative) | 14.1 |
| bilstm | none |  | 50 | - | 2.6 | - |"""  # fmt: skip
    assert "### Where the variance comes from\n\nStandard deviations in points, by two-way random-effects" in page


def test_the_mean_of_a_crossed_cell_has_the_interval_of_the_two_way_model() -> None:
    grid, records = crossed_grid()
    table = cells_table(grid, records)
    scores = [100 * score for score in SCORES]
    crossed = summarise(scores, crossed=3)
    assert table.iloc[0][["mean", "sd", "ci_low", "ci_high"]].tolist() == [66, crossed.sd, crossed.low, crossed.high]
    assert crossed.high - crossed.low > 2 * (summarise(scores).high - summarise(scores).low)
    assert table["sd"].iloc[2] == summarise([30.0, 31.0, 35.0]).sd
    expected = (
        "Crossed: of an arm that reads a text, the n = 6 replicates are 2 text samples, each with the same 3 "
        "initialisations, and not independent. Its ± is the deviation of a single run with a new sample and a new "
        "initialisation; its interval, in CSV and JSON, is Student's t for the mean of a two-way random model, degrees "
        "of freedom after Satterthwaite. An arm without text has n = 3 replicates, one an initialisation."
    )
    assert expected in render(grid, records, "md").splitlines()
    assert expected.replace("±", r"$\pm$") in render(grid, records, "latex")


def test_variances_as_csv() -> None:
    grid, records = crossed_grid()
    assert variances_csv(grid, records).splitlines() == [
        "cell,corpus,split,encoder,strategy,text,variant,size,metric,samples,initialisations,mean,sd_samples,"
        "sd_initialisations,sd_rest,negative",
        "a,kbp37,paper,bilstm,seq,wiki (random),,50,micro-F1 over all classes (%),2,3,66.0000,2.7080,1.7321,1.4142,",
        "b,kbp37,paper,bilstm,avg,wiki (whole),,50,micro-F1 over all classes (%),2,3,20.0000,0.0000,0.0000,14.1421,"
        "samples initialisations",
        "c,kbp37,paper,bilstm,none,,,50,micro-F1 over all classes (%),1,3,32.0000,,2.6458,,",
    ]


def test_a_cell_that_lacks_a_run_has_no_deviations() -> None:
    grid, records = crossed_grid()
    del records["a-5"]
    assert "| bilstm | seq | wiki (random) | 5/6 |" in render(grid, records, "md")
    assert "| bilstm | seq | wiki (random) | 50 |" not in render(grid, records, "md")
    assert variances_csv(grid, records).count("\n") == 3
    assert "Where the variance comes from" not in render(grid, {}, "md")


def test_results_have_variances_only_while_the_grid_is_crossed(tmp_path: Path) -> None:
    grid, _ = crossed_grid()
    store = RecordStore(tmp_path / "records")
    write_results(grid, store, tmp_path / "results", print)
    assert (tmp_path / "results/variances.csv").read_text() == variances_csv(grid, {})
    again = copy.deepcopy(grid) | {"crossed": None}
    write_results(again, store, tmp_path / "results", print)
    assert not (tmp_path / "results/variances.csv").exists()


# Runs that were run

GRID = """
corpora    = [{name = "synthetic", sample = 400}]
encoders   = [{name = "bilstm", hidden = 8}]
strategies = ["none", {name = "stepwise", skipgram_epochs = 1}, {name = "seq-unshared", epochs = 1, skipgram_epochs = 1}]
texts      = [{name = "synthetic", selection = "random", sentences = 300}]
vectors    = "words.txt"
sizes      = [20, 50]
crossed    = {samples = 2, initialisations = 2}
[training]
min_updates = 20
max_updates = 20
"""


def test_a_crossed_grid_from_its_text_to_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    words = ("the", "of", "founded", "born", "in", "married", "by")
    numbers = np.random.default_rng(0).standard_normal((len(words), 8))
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, numbers, strict=True)]
    (tmp_path / "words.txt").write_text("\n".join(lines))
    (tmp_path / "tiny.toml").write_text(GRID)
    assert main(["run", "--grid", "tiny.toml", "--workers", "0", "--no-mlflow", "--home", "home"]) == 0
    store = RecordStore(tmp_path / "home/records")
    records = store.read_all(store.keys())
    table = pd.read_csv("results/tiny/leaderboard.csv").set_index(["strategy", "size"])
    of_arm = {
        arm: sorted(
            (
                record
                for record in records.values()
                if (record["spec"]["strategy"]["name"], record["spec"]["size"]) == arm
            ),
            key=lambda record: record["spec"]["replicate"],
        )
        for arm in table.index
    }
    assert {arm: len(found) for arm, found in of_arm.items()} == {
        (strategy, size): 2 if strategy == "none" else 4
        for strategy in ("none", "stepwise", "seq-unshared")
        for size in (20, 50)
    }
    linked = [100 * record["text"]["linked"] for record in of_arm["stepwise", 20]]
    assert linked[0] == linked[1] != linked[2] == linked[3]  # two samples, two initialisations each
    assert table.linked["stepwise", 50] == pytest.approx((linked[0] + linked[2]) / 2, abs=1e-4)
    told = [record["pretraining"] for record in of_arm["seq-unshared", 20]]
    assert table.held_out_before["seq-unshared", 20] == pytest.approx(
        np.mean([p["held_out"][0] for p in told]), abs=1e-4
    )
    kept = [min(p["held_out"]) for p in told]
    assert table.held_out_after["seq-unshared", 50] == pytest.approx(np.mean(kept), abs=1e-4)
    variances = pd.read_csv("results/tiny/variances.csv").set_index(["strategy", "size"])
    scores = [100 * record["scores"]["test"]["micro_f1_positive"] for record in of_arm["seq-unshared", 50]]
    parts = components(scores, 2)
    row = variances.loc[[("seq-unshared", 50)]].iloc[0]
    found = row[["mean", "sd_samples", "sd_initialisations", "sd_rest"]].tolist()
    expected = [parts.mean, parts.sd_samples, parts.sd_initialisations, parts.sd_rest]
    assert found == pytest.approx(expected, abs=1e-4)
    page = Path("results/tiny/leaderboard.md").read_text()
    assert page in capsys.readouterr().out
    assert "| bilstm | seq-unshared | synthetic (random) | 4 |" in page  # pre-trainings of eight runs
    assert "- Text synthetic (random): 300 sentences," in page
    assert "- synthetic: 20,000 sentences with at least two linked mentions" in page
