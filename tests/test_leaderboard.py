"""The leaderboard of a small grid, to the byte."""

from __future__ import annotations

import copy
import io
import json
import re
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from harness.errors import HarnessError
from harness.report.leaderboard import FORMATS, cells_table, render
from harness.report.rows import COLUMNS
from harness.scoring import METRICS


def corpus(label: str, **changes: Any) -> dict[str, Any]:
    made = {
        "label": label,
        "name": label.split(",")[0],
        "split": "paper",
        "counts": {"train": 6405, "dev": 915, "test": 1830},
        "classes": ["R(e1,e2)", "R(e2,e1)"],
        "negative": None,
        "metric": "micro_f1",
        "left_out": {},
        "remarks": [],
        "notice": "",
        "licence": "CC0",
        "source": "made by hand",
        "citation": "none",
    }
    return {**made, **changes}


def cell(name: str, entry: int, pair: str, size: int, variant: str = "", text: str | None = None) -> dict[str, Any]:
    encoder, strategy = pair.split("/")
    keys = [f"{name}-{replicate}" for replicate in range(3)]
    told = {"encoder": encoder, "strategy": strategy, "text": text, "variant": variant, "size": size}
    return {"cell": name, "corpus": entry, **told, "keys": keys, "spec": {}}


def record(key: str, score: float | None) -> dict[str, Any]:
    """A complete record whose metrics are all `score`, macro-F1 over relations half of it; failed without a score.

    On dev each is six tenths of it.
    """
    scores = dict.fromkeys(METRICS, score) | {"macro_f1_relations": (score or 0) / 2}
    dev = {metric: 0.6 * (score or 0) for metric, score in scores.items()}
    made = {"key": key, "cell": key.split("-")[0], "spec": {}, "counts": {}}
    if score is None:
        return {**made, "status": "failed", "error": {"type": "E", "message": "m", "traceback": "t"}, "scores": {}}
    return {**made, "status": "complete", "error": None, "scores": {"dev": dev, "test": scores}}


GRID: dict[str, Any] = {
    "format": 1,
    "name": "small",
    "replicates": 3,
    "source": "",
    "corpora": [
        corpus(
            "kbp37, split paper, sample 9,150", left_out={"empty argument": 124, "double": 16}, remarks=["No commas."]
        ),
        corpus("toy_a|b", negative="Other", metric="micro_f1_positive", notice="Generated: 100 % of it is made up."),
    ],
    "cells": [
        cell("c1", 0, "bilstm/none", 6405),
        cell("c2", 0, "bilstm/none", 50),
        cell("c3", 0, "bilstm/avg-embed", 50),
        cell("c4", 0, "bilstm/avg-embed", 6405),
        cell("c5", 0, "pcnn/none", 50),
        cell("c6", 1, "bilstm/none", 20, variant="l2=0.1|on"),
        cell("c7", 1, "bilstm/seq-unshared", 20, variant="l2=0", text="wiki_1"),
    ],
    "refusals": [
        {
            "corpus": "toy_a|b",
            "encoder": "pcnn",
            "strategy": "seq-shared",
            "variant": "",
            "reason": "it lacks an LSTM cell to share",
        },
        {
            "corpus": "toy_a|b",
            "encoder": "handcrafted",
            "strategy": "none",
            "variant": "features=off",
            "reason": "nothing is left to read",
        },
    ],
}
SCORES: dict[str, list[float | None]] = {
    "c1": [0.60, 0.61, 0.62],
    "c2": [0.30, 0.30, 0.30],
    "c3": [0.03, 0.29, 0.58],  # their mean is 0.3 but for rounding: a tie
    "c4": [0.7, 0.7],
    "c5": [0.5, None, None],
    "c6": [0.123456789, 0.2, 0.3],
}
RECORDS = {
    f"{name}-{replicate}": record(f"{name}-{replicate}", score)
    for name, scores in SCORES.items()
    for replicate, score in enumerate(scores)
}

MARKDOWN = r"""# Leaderboard: small

15 of 21 runs complete, 2 failed. Each cell: mean ± sample standard deviation over n = 3 replicates; `complete/planned` until all its replicates are complete; `-` where the grid has no such cell. Bold: the best mean of its column. †: not told apart from it by Student's paired test over the replicates, p by Holm over the column.

Values: as the grid says, else the paper's; not tuned.

## kbp37, split paper, sample 9,150

- Headline metric: micro-F1 over all classes (%), of the test part
- Labels: 6,405 train (of them, each column uses as many as it says), 915 dev beside them, to choose the weights, and 1,830 test
- Classes: 2, no negative class
- Left out: 124 empty argument, 16 double
- No commas.

| encoder | strategy | 50 | 6,405 |
| --- | --- | ---: | ---: |
| bilstm | none | **30.0 ± 0.0** | **61.0 ± 1.0** |
| bilstm | avg-embed | **30.0 ± 27.5** | 2/3 |
| pcnn | none | 1/3 (2 failed) | - |

## toy_a|b

> **Notice: Generated: 100 % of it is made up.**

- Headline metric: micro-F1 without the negative class, directed (%), of the test part
- Labels: 6,405 train (of them, each column uses as many as it says), 915 dev beside them, to choose the weights, and 1,830 test
- Classes: 2, negative class `Other`
- Left out: nothing

| encoder | strategy | text | variant | 20 |
| --- | --- | --- | --- | ---: |
| bilstm | none |  | l2=0.1\|on | **20.8 ± 8.9** |
| bilstm | seq-unshared | wiki_1 | l2=0 | 0/3 |

Refused pairs:

- pcnn with seq-shared: it lacks an LSTM cell to share
- handcrafted with none, features=off: nothing is left to read
"""

CSV = """cell,corpus,split,encoder,strategy,text,variant,size,replicates,n,metric,mean,sd,ci_low,ci_high,linked,often,pretraining_epochs,held_out_before,held_out_after,dev_mean,standing,efficiency,efficiency_low,efficiency_high,baseline,efficiency_best,efficiency_best_low,efficiency_best_high,best_baseline
c1,kbp37,paper,bilstm,none,,,6405,3,3,micro-F1 over all classes (%),61.0000,1.0000,58.5159,63.4841,,,,,,36.6000,best,,,,,,,,
c2,kbp37,paper,bilstm,none,,,50,3,3,micro-F1 over all classes (%),30.0000,0.0000,30.0000,30.0000,,,,,,18.0000,best,,,,,,,,
c3,kbp37,paper,bilstm,avg-embed,,,50,3,3,micro-F1 over all classes (%),30.0000,27.5136,-38.3477,98.3477,,,,,,18.0000,best,,,,,,,,
c4,kbp37,paper,bilstm,avg-embed,,,6405,3,2,micro-F1 over all classes (%),,,,,,,,,,,,,,,,,,,
c5,kbp37,paper,pcnn,none,,,50,3,1,micro-F1 over all classes (%),,,,,,,,,,,,,,,,,,,
c6,toy_a|b,paper,bilstm,none,,l2=0.1|on,20,3,3,"micro-F1 without the negative class, directed (%)",20.7819,8.8531,-1.2104,42.7742,,,,,,12.4691,best,,,,,,,,
c7,toy_a|b,paper,bilstm,seq-unshared,wiki_1,l2=0,20,3,0,"micro-F1 without the negative class, directed (%)",,,,,,,,,,,,,,,,,,,
"""

LATEX = r"""% needs \usepackage{booktabs}
\begin{table}
\centering
\caption{small: kbp37, split paper, sample 9,150. Headline metric: micro-F1 over all classes (\%), of the test part (1,830 labels), by the number of training labels, beside 915 dev labels: mean $\pm$ sample standard deviation over n = 3 replicates. Bold: the best mean of its column. $^\dagger$: not told apart from it by Student's paired test over the replicates, p by Holm over the column. Values: as the grid says, else the paper's; not tuned.}
\begin{tabular}{llrr}
\toprule
encoder & strategy & 50 & 6,405 \\
\midrule
bilstm & none & \textbf{30.0 $\pm$ 0.0} & \textbf{61.0 $\pm$ 1.0} \\
bilstm & avg-embed & \textbf{30.0 $\pm$ 27.5} & 2/3 \\
pcnn & none & 1/3 (2 failed) & - \\
\bottomrule
\end{tabular}
\end{table}
\begin{table}
\centering
\caption{small: toy\_a\textbar{}b. Headline metric: micro-F1 without the negative class, directed (\%), of the test part (1,830 labels), by the number of training labels, beside 915 dev labels: mean $\pm$ sample standard deviation over n = 3 replicates. Bold: the best mean of its column. $^\dagger$: not told apart from it by Student's paired test over the replicates, p by Holm over the column. Values: as the grid says, else the paper's; not tuned. Generated: 100 \% of it is made up. Refused: pcnn with seq-shared: it lacks an LSTM cell to share. Refused: handcrafted with none, features=off: nothing is left to read.}
\begin{tabular}{llllr}
\toprule
encoder & strategy & text & variant & 20 \\
\midrule
bilstm & none &  & l2=0.1\textbar{}on & \textbf{20.8 $\pm$ 8.9} \\
bilstm & seq-unshared & wiki\_1 & l2=0 & 0/3 \\
\bottomrule
\end{tabular}
\end{table}
"""

TERMINAL = """small: 15 of 21 runs complete, 2 failed. *: the best mean of its column. †: not told apart from it by Student's paired test over the replicates, p by Holm over the column.

Values: as the grid says, else the paper's; not tuned.

kbp37, split paper, sample 9,150

Headline metric: micro-F1 over all classes (%), of 1,830 test mentions; 915 dev labels choose the weights; mean ± sample deviation over n = 3 replicates

encoder   strategy                50          6,405
───────────────────────────────────────────────────
bilstm    none          30.0 ± 0.0 *   61.0 ± 1.0 *
bilstm    avg-embed    30.0 ± 27.5 *            2/3
pcnn      none        1/3 (2 failed)              -

toy_a|b

Notice: Generated: 100 % of it is made up.

Headline metric: micro-F1 without the negative class, directed (%), of 1,830 test mentions; 915 dev labels choose the weights; mean ± sample deviation over n = 3 replicates

encoder   strategy       text     variant               20
──────────────────────────────────────────────────────────
bilstm    none                    l2=0.1|on   20.8 ± 8.9 *
bilstm    seq-unshared   wiki_1   l2=0                 0/3
"""


@pytest.mark.parametrize(
    ("format", "expected"), [("md", MARKDOWN), ("csv", CSV), ("latex", LATEX), ("terminal", TERMINAL)]
)
def test_the_render_is_this_text(format: str, expected: str) -> None:
    assert render(GRID, RECORDS, format) == expected


@pytest.mark.parametrize("format", ["md", "latex", "terminal"])
def test_a_tuned_grid_says_what_each_arm_could_spend(format: str) -> None:
    tuned = GRID | {"tuned": {"budget": "20 trials an arm", "otherwise": []}}
    told = render(tuned, RECORDS, format)
    assert re.search(r"Values: tuned, 20 trials an arm\.[ }\n]", told)
    assert "not tuned" not in told


@pytest.mark.parametrize("format", FORMATS)
def test_the_render_does_not_depend_on_the_order_of_the_records(format: str) -> None:
    assert render(GRID, dict(reversed(RECORDS.items())), format) == render(GRID, RECORDS, format)


@pytest.mark.parametrize("format", FORMATS)
def test_records_that_the_grid_does_not_name_have_no_influence(format: str) -> None:
    assert render(GRID, RECORDS | {"stray": record("stray", 0.9)}, format) == render(GRID, RECORDS, format)


def test_the_csv_reads_back_as_the_table() -> None:
    read = pd.read_csv(io.StringIO(render(GRID, RECORDS, "csv")), keep_default_na=False, na_values={"mean": [""]})
    table = cells_table(GRID, RECORDS)
    assert tuple(read.columns) == tuple(table.columns) == COLUMNS
    for name in ("cell", "corpus", "encoder", "strategy", "variant", "size", "replicates", "n", "metric"):
        assert list(read[name]) == list(table[name])
    pd.testing.assert_series_equal(read["mean"], table["mean"], rtol=0, atol=5e-5)


def test_json_is_a_list_of_rows_with_null_for_what_is_not_there() -> None:
    rows = json.loads(render(GRID, RECORDS, "json"))
    assert [row["cell"] for row in rows] == ["c1", "c2", "c3", "c4", "c5", "c6", "c7"]
    assert all(tuple(row) == (*COLUMNS, "notice") for row in rows)
    assert rows[5] == {
        "cell": "c6",
        "corpus": "toy_a|b",
        "split": "paper",
        "encoder": "bilstm",
        "strategy": "none",
        "text": None,
        "variant": "l2=0.1|on",
        "size": 20,
        "replicates": 3,
        "n": 3,
        "metric": "micro-F1 without the negative class, directed (%)",
        "mean": 20.7819,
        "sd": 8.8531,
        "ci_low": -1.2104,
        "ci_high": 42.7742,
        "linked": None,
        "often": None,
        "pretraining_epochs": None,
        "held_out_before": None,
        "held_out_after": None,
        "dev_mean": 12.4691,
        "standing": "best",
        "efficiency": None,
        "efficiency_low": None,
        "efficiency_high": None,
        "baseline": None,
        "efficiency_best": None,
        "efficiency_best_low": None,
        "efficiency_best_high": None,
        "best_baseline": None,
        "notice": "Generated: 100 % of it is made up.",
    }
    unknown = ("mean", "sd", "ci_low", "ci_high", "dev_mean")
    assert [rows[3][name] for name in ("n", *unknown)] == [2, *(None for _ in unknown)]


def test_a_mean_appears_only_when_all_replicates_are_complete() -> None:
    two = {key: value for key, value in RECORDS.items() if key != "c1-2"}
    failed = RECORDS | {"c1-2": record("c1-2", None)}
    for records in (two, failed):
        row = cells_table(GRID, records).iloc[0]
        assert row["n"] == 2 and row[["mean", "sd", "ci_low", "ci_high", "dev_mean"]].isna().all()
    assert "| bilstm | none | **30.0 ± 0.0** | 2/3 |" in render(GRID, two, "md")
    assert "| bilstm | none | **30.0 ± 0.0** | 2/3 (1 failed) |" in render(GRID, failed, "md")


def test_another_metric_is_named_beside_the_headline_metric() -> None:
    page = render(GRID, RECORDS, "md", "macro_f1_relations")
    full = METRICS["macro_f1_relations"]
    assert f"- Metric: {full} (%); the headline metric is micro-F1 over all classes (%), of the test part" in page
    assert "**30.5 ± 0.5**" in page and "61.0" not in page
    table = cells_table(GRID, RECORDS, "macro_f1_relations")
    assert set(table["metric"]) == {f"{full} (%)"}
    assert table[["mean", "dev_mean"]].iloc[0].tolist() == pytest.approx([30.5, 18.3])


def test_one_replicate_has_a_mean_without_a_deviation() -> None:
    grid = copy.deepcopy(GRID)
    grid["cells"] = [{**grid["cells"][0], "keys": ["c1-0"]}]
    assert "| bilstm | none | **60.0** |" in render(grid, RECORDS, "md")
    assert "over n = 1 replicates" in render(grid, RECORDS, "md")
    assert render(grid, RECORDS, "csv").endswith(
        ",6405,1,1,micro-F1 over all classes (%),60.0000,,,,,,,,,36.0000,best,,,,,,,,\n"
    )


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_run_and_nothing_to_run_still_render(format: str) -> None:
    assert render(GRID, {}, format)
    assert render({**GRID, "cells": []}, {}, format)
    assert "0 of 21 runs complete, 0 failed." in render(GRID, {}, "md")


def test_latex_specials_are_escaped() -> None:
    grid = copy.deepcopy(GRID)
    grid["cells"][0]["variant"] = r"\a{b}_c^d~e%f$g#h&i<j>k"
    assert (
        r"\textbackslash{}a\{b\}\_c\textasciicircum{}d\textasciitilde{}e\%f\$g\#h\&i\textless{}j\textgreater{}k &"
    ) in render(grid, RECORDS, "latex")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("markdown", None), "no format 'markdown'; Known: csv, json, latex, md, terminal"),
        (("md", "micro_f2"), "no metric 'micro_f2'; did you mean 'micro_f1'[?] Known: accuracy, .*"),
    ],
)
def test_unknown_names_are_told_with_the_known_ones(arguments: tuple[str, str | None], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        render(GRID, RECORDS, *arguments)


def test_the_leaderboard_needs_no_torch() -> None:
    program = "import harness.report.leaderboard, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_how_the_words_found_their_vectors_is_told_once_for_each_vector_file() -> None:
    coverage = {"as written": 0.5, "lower-cased": 0.4, "unknown": 0.1}
    vectors = {"vectors": {"name": "glove.txt"}}
    cells = [{**made, "spec": vectors} for made in GRID["cells"][:2]]
    records = {key: {**record(key, 0.5), "coverage": coverage} for made in cells for key in made["keys"]}
    text = render({**GRID, "cells": cells}, records, "md")
    assert text.count("- Words by glove.txt: 50.0 % as written, 40.0 % lower-cased, 10.0 % unknown\n") == 1


def test_a_corpus_that_gives_the_roles_is_scored_without_direction_and_says_so() -> None:
    grid = copy.deepcopy(GRID)
    grid["corpora"][1] |= {"roles": True}
    records = {key: record(key, 0.5) for made in GRID["cells"] for key in made["keys"]}
    table = cells_table(grid, records)
    assert set(table.metric[table.corpus == "toy_a|b"]) == {"micro-F1 without the negative class, undirected (%)"}
    assert "Subject and object are given" in render(grid, records, "md").partition("## toy_a|b")[2]
    assert "Subject and object are given" not in render(grid, records, "md").partition("## toy_a|b")[0]
    other = cells_table(grid, records, "macro_f1_relations")
    assert other.metric.iloc[-1] == "macro-F1 over relations (SemEval-2010 Task 8's official) (%)"
