"""The rows of the leaderboard: what the resolved grid and the records say of each cell."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, Protocol

from harness.analysis import components, summarise
from harness.errors import HarnessError, unknown
from harness.records import COMPLETE, FAILED
from harness.scoring import METRICS, full_name
from harness.tuned_trials import TUNED

COLUMNS = (
    "cell", "corpus", "split", "encoder", "strategy", "text", "variant", "size", "replicates", "n",
    "metric", "mean", "sd", "ci_low", "ci_high",
    "linked", "often", "pretraining_epochs", "held_out_before", "held_out_after", "dev_mean",
    "standing", "efficiency", "efficiency_low", "efficiency_high", "baseline",
    "efficiency_best", "efficiency_best_low", "efficiency_best_high", "best_baseline",
)  # fmt: skip
DECIMALS = 4
"""Of a percentage, in CSV, in JSON and where means are compared: rounding reaches the digits far beyond."""

Grid = Mapping[str, Any]
Row = dict[str, Any]


class Records(Protocol):
    """Records by the keys of their runs: a mapping, or a store, which reads each when it is asked for.

    A table takes what it needs of a cell's records and lets them go, so that those of a store are never all in memory.
    """

    def get(self, key: str, /) -> Mapping[str, Any] | None:
        """The record of a run, or None."""


def to_run(grid: Grid) -> str:
    """What `run` and `plan` take to name the grid, for a shell."""
    tuned = grid.get("tuned")
    if not tuned:
        return f"--grid {shlex.quote(grid['name'])}"
    usual = grid["name"] == f"{tuned['untuned']}{TUNED}"  # else the values are in a file of another name
    return f"--grid {shlex.quote(tuned['untuned'])} --tuned" + ("" if usual else f" {shlex.quote(tuned['file'])}")


def cell_rows(grid: Grid, records: Records, metric: str | None = None) -> list[Row]:
    """A row a cell with `COLUMNS`, and beside them what facts and further tables are made of; those that say how it
    stands beside others are empty until `harness.report.standings.mark` fills them.

    `failed` is the number of its runs that failed, `dev_labels` that of the dev mentions that choose the weights,
    `words`, `fallback` and `notice` are told as they stand, `texts` and
    `pretrainings` are what its records say of them, each once, `with_target` whether the target's own sentences count
    as its text, and `components` where the variance of its scores comes from, where its replicates are crossed. Raises
    HarnessError for a metric that is not one of `METRICS`.
    """
    check_metric(metric)
    return [cell_row(cell, grid["corpora"][cell["corpus"]], records, metric) for cell in grid["cells"]]


def check_metric(metric: str | None) -> None:
    """Raise HarnessError where one is asked for that is not one of `METRICS`."""
    if metric is not None and metric not in METRICS:
        raise HarnessError(unknown("metric", metric, METRICS))


def full_metric(metric: str, corpus: Mapping[str, Any]) -> str:
    """A metric in a table's words."""
    return f"{full_name(metric, corpus.get('roles', False))} (%)"


def pair_columns(rows: Sequence[Row]) -> list[str]:
    """The columns that name a line of a table made of these rows."""
    return ["encoder", "strategy", *(name for name in ("text", "variant") if any(row[name] for row in rows))]


def each_once(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What several records say alike, once, in the order of the first; the time that it took aside."""
    by_content: dict[str, Mapping[str, Any]] = {}
    for one in found:
        content = {name: value for name, value in one.items() if name != "seconds"}
        by_content.setdefault(json.dumps(content, sort_keys=True), one)
    return list(by_content.values())


def before_and_after(pretraining: Mapping[str, Any]) -> tuple[float, float]:
    """The held-out loss before the first update, and that of the epoch whose weights are kept."""
    return pretraining["held_out"][0], pretraining["held_out"][pretraining["best_epoch"]]


def cell_row(cell: Mapping[str, Any], corpus: Mapping[str, Any], records: Records, metric: str | None = None) -> Row:
    """The row of one cell."""
    metric = metric or corpus["metric"]
    known = [record for record in map(records.get, cell["keys"]) if record is not None]
    complete = [record["scores"] for record in known if record["status"] == COMPLETE]
    scores = [100 * score["test"][metric] for score in complete]
    row = {name: cell[name] for name in ("cell", "encoder", "strategy", "text", "variant", "size")}
    row |= {"corpus": corpus["name"], "split": corpus["split"], "metric": full_metric(metric, corpus)}
    row |= {"replicates": len(cell["keys"]), "n": len(scores), "failed": sum(r["status"] == FAILED for r in known)}
    row |= dict.fromkeys(("mean", "sd", "ci_low", "ci_high", "dev_mean"), math.nan) | _of_text(cell, known)
    coverage = next((record["coverage"] for record in known if record.get("coverage")), None)
    row["notice"] = corpus["notice"]
    row["dev_labels"] = _dev_labels(cell["spec"].get("training") or {}, corpus["counts"]["dev"])
    fallback = next((record["fallback"] for record in known if record.get("fallback")), None)
    read = "Words of the paths" if fallback else "Words"
    row["words"] = f"{read} by {_words(cell['spec']['vectors']['name'], coverage)}" if coverage else ""
    row["fallback"] = _fallback(cell["encoder"], fallback) if fallback else ""
    row |= {"components": None, "efficiencies": {}}
    row |= {name: None for name in COLUMNS if name not in row}
    if scores and len(scores) == len(cell["keys"]):
        crossed = cell["spec"].get("crossed") if cell["text"] else None
        summary = summarise(scores, crossed=crossed)
        row |= {"mean": summary.mean, "sd": summary.sd, "ci_low": summary.low, "ci_high": summary.high}
        row["dev_mean"] = _mean(100 * score["dev"].get(metric, math.nan) for score in complete)
        row["components"] = components(scores, crossed) if crossed else None
    return row


def _of_text(cell: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> Row:
    """What the records say of the cell's text and of pre-training on it: means over different samples and trainings."""
    texts = each_once(record["text"] for record in known if record.get("text"))
    pretrainings = each_once(record["pretraining"] for record in known if record.get("pretraining"))
    losses = [before_and_after(pretraining) for pretraining in pretrainings]
    text = cell["spec"].get("text") or {}
    return {
        "texts": texts,
        "pretrainings": pretrainings,
        "with_target": bool(text) and (text["selection"].startswith("target") or _adds_target(cell["spec"])),
        "evaluation_text": bool(text.get("evaluation_text")),
        "linked": _mean(100 * text["linked"] for text in texts),
        "often": _mean(100 * text["often"] for text in texts),
        "pretraining_epochs": _mean(len(pretraining["loss"]) for pretraining in pretrainings),
        "held_out_before": _mean(before for before, _ in losses),
        "held_out_after": _mean(after for _, after in losses),
    }


def _dev_labels(training: Mapping[str, Any], dev: int) -> int:
    """How many mentions of dev choose among the points of a run."""
    return min(training.get("dev_size") or dev, dev)


def _adds_target(spec: Mapping[str, Any]) -> bool:
    """Whether entity vectors are made from the target's own training sentences beside the text."""
    return bool(spec["strategy"]["parameters"].get("skipgram_text") == "text + target")


def _mean(values: Iterable[float]) -> float:
    """NaN of none."""
    found = list(values)
    return fmean(found) if found else math.nan


def _words(vectors: str, coverage: Mapping[str, float]) -> str:
    """How the words that the encoders read found their vectors."""
    return f"{vectors}: " + ", ".join(f"{100 * share:.1f} % {rule}" for rule, share in coverage.items())


def _fallback(encoder: str, fallback: Mapping[str, int]) -> str:
    """Of how many mentions an encoder of paths read the words between."""
    took, mentions = fallback["words_between"], fallback["mentions"]
    return (
        f"Mentions without a path in their parse, of which {encoder} read the words between: {took:,} of {mentions:,}"
    )
