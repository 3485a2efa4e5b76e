"""The tables of a report: what each says, by which number it is sorted, and where a number is missing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from harness.analysis import Summary, areas_under_curves, summarise
from harness.report.arms import ENVIRONMENT, Arm, Cell
from harness.report.board import MARKS, TIE, efficiency_kinds
from harness.report.rows import Grid, Row, before_and_after, each_once, pair_columns, to_run
from harness.report.standings import BEST, TIED

NAMED = 10
"""How many runs that failed alike are named."""


class Entry(NamedTuple):
    """What stands in a table: a text, the number that it is sorted by, a smaller text beneath, and whether it is the
    best of its column.

    Without a number it is sorted as a text, in a column of numbers after all others.
    """

    text: str
    value: float | None = None
    beneath: str = ""
    best: bool = False


@dataclass(frozen=True)
class Listing:
    """A table: the first `names` columns name a line, the others hold numbers, or all hold texts.

    `unit` is said after the names of columns of numbers, to those who hear them.
    """

    caption: str
    columns: Sequence[str]
    names: int
    lines: Sequence[Sequence[Entry]]
    numbers: bool = True
    unit: str = ""


def leaderboard(rows: Sequence[Row], metric: str) -> Listing:
    """A line for each pair of a corpus entry, in the grid's order, and a column for each size."""
    planned = " or ".join(str(n) for n in sorted({row["replicates"] for row in rows}))
    return _by_size(
        f"{metric}, test part: mean ± sample standard deviation over {planned} replicates, beneath it the 95 % "
        "interval of the mean; complete/planned where replicates are missing. " + MARKS.format("Bold", TIE).rstrip("."),
        rows,
        pair_columns(rows),
        _score,
    )


def efficiencies(rows: Sequence[Row]) -> Iterator[Listing]:
    """The label efficiencies of a corpus entry's arms, against each baseline that there is."""
    for title, said, name in efficiency_kinds(rows):
        told = [row for row in rows if name in row["efficiencies"]]

        def entry(row: Row, name: str = name) -> Entry:
            value, _, interval = row["efficiencies"][name].told().partition(" ")
            return Entry(value, row["efficiencies"][name].value.value, interval)

        yield _by_size(f"{title}. {said}".rstrip("."), told, pair_columns(rows), entry)


def _by_size(caption: str, rows: Sequence[Row], names: Sequence[str], entry: Callable[[Row], Entry]) -> Listing:
    sizes = sorted({row["size"] for row in rows})
    lines: dict[tuple[str, ...], dict[int, Entry]] = {}
    for row in rows:
        lines.setdefault(tuple(row[name] or "" for name in names), {})[row["size"]] = entry(row)
    return Listing(
        caption,
        [*names, *(f"{size:,}" for size in sizes)],
        len(names),
        [[*map(Entry, pair), *(line.get(size, Entry("-")) for size in sizes)] for pair, line in lines.items()],
        unit="labels",
    )


def areas(arms: Sequence[Arm], metric: str) -> Listing | None:
    """The area under the learning curve of each arm of a corpus entry that is complete at every size; None where there
    are fewer than two sizes, or no such arm. `metric` is a name of `METRICS`.
    """
    sizes = {size for arm in arms for size in arm.cells}
    whole = {arm.curve.name: arm for arm in arms if arm.complete.keys() == sizes}
    if len(sizes) < 2 or not whole:
        return None
    names = pair_columns([cell.row for arm in arms for cell in arm.cells.values()])
    found = areas_under_curves({name: arm.curve.test[metric] for name, arm in whole.items()})
    lines = []
    for name, values in found.items():
        curve = whole[name].curve
        summary = summarise(values, crossed=curve.crossed)
        lines.append([*(Entry(vars(curve)[column] or "") for column in names), *_of_area(summary)])
    return Listing(
        f"Area under the learning curve: the mean score over log2 of the labels, {min(sizes):,} to {max(sizes):,}, "
        "so that each doubling counts alike; of the arms that are complete at all sizes",
        [*names, "area", "deviation", "95 % interval of the mean"],
        len(names),
        lines,
    )


def _of_area(summary: Summary) -> Iterator[Entry]:
    yield number(summary.mean, 1)
    yield number(summary.sd, 1)
    single = math.isnan(summary.sd)
    yield Entry("-") if single else Entry(f"{summary.low:.1f} to {summary.high:.1f}", summary.low)


def budgets(arms: Sequence[Arm]) -> Listing:
    """What each arm of a corpus entry had to learn with: updates, epochs, seconds."""
    names = pair_columns([cell.row for arm in arms for cell in arm.cells.values()])
    measured = ["runs", "updates", "seconds a run", "seconds of all runs"]
    of_pretraining = [
        "pre-trainings",
        "mentions",
        "epochs",
        "best epoch",
        "held-out loss before",
        "after",
        "seconds each",
    ]
    pretrained = any(arm.is_pretrained for arm in arms)
    return Listing(
        "Fine-tuning: updates from the fewest to the most labels; seconds are those of the runs that have a record, "
        "without what was made once for several"
        + "; each pre-training is counted once, and its numbers are means"
        * pretrained,
        [*names, *measured, *(of_pretraining if pretrained else [])],
        len(names),
        [
            [
                *(Entry(vars(arm.curve)[name] or "") for name in names),
                *_of_runs(arm),
                *(_of_pretraining(arm) if pretrained else []),
            ]
            for arm in arms
        ],
    )


def environments(arms: Sequence[Arm]) -> Listing:
    """On what the runs ran, and how many of them; a run of several arms is one."""
    runs = {run.key: run.environment for arm in arms for cell in arm.cells.values() for run in cell.runs}
    counted = Counter(runs.values())
    return Listing(
        "Machines and software of the runs that have a record",
        [*ENVIRONMENT, "runs"],
        len(ENVIRONMENT),
        [[*map(Entry, found), number(n)] for found, n in counted.most_common()],
    )


def repeats(grid: Grid, arms: Sequence[Arm]) -> Listing:
    """The command that runs a cell once more and nothing else, for each cell that has a record."""
    names = pair_columns([cell.row for arm in arms for cell in arm.cells.values()])
    return Listing(
        "Commands that repeat a cell each",
        [*names, "labels", "command"],
        len(names),
        [
            [*(Entry(vars(arm.curve)[name] or "") for name in names), number(size), Entry(_to_repeat(grid, cell))]
            for arm in arms
            for size, cell in sorted(arm.cells.items())
            if cell.runs
        ],
        numbers=False,
    )


def refusals(grid: Grid) -> Listing:
    """The pairs that the grid refuses, with their reasons."""
    names = ["corpus", "encoder", "strategy", "variant", "reason"]
    return Listing(
        "Pairs without a meaning",
        names,
        3,
        [[Entry(refusal[name] or "") for name in names] for refusal in grid["refusals"]],
        numbers=False,
    )


def failures(grid: Grid, arms: Sequence[Arm]) -> Listing:
    """What failed runs said, each error once with the runs that it ended."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for arm in arms:
        for size, cell in arm.cells.items():
            for run in cell.runs:
                if run.error:
                    where = f"{arm.curve.name}, {size:,} labels, replicate {run.replicate} ({run.key[:16]})"
                    found[run.error].append(f"{grid['corpora'][arm.curve.corpus]['label']}: {where}")
    return Listing(
        "Failed runs by their error",
        ["error", "message", "runs", "which"],
        2,
        [
            [Entry(kind), Entry(message), Entry(f"{len(runs):,}", len(runs)), Entry(_first(runs))]
            for (kind, message), runs in found.items()
        ],
        numbers=False,
    )


def hours(arms: Sequence[Arm]) -> tuple[float, float]:
    """The hours that all runs took, and those of all pre-trainings, each once."""
    runs = {run.key: run.seconds for arm in arms for cell in arm.cells.values() for run in cell.runs}
    pretrainings = each_once(told for arm in arms for cell in arm.cells.values() for told in cell.row["pretrainings"])
    told = [seconds for seconds in runs.values() if not math.isnan(seconds)]
    return math.fsum(told) / 3600, math.fsum(one["seconds"] for one in pretrainings) / 3600


def _first(runs: Sequence[str]) -> str:
    """The runs, or the first of many and how many more there are."""
    more = f"; and {len(runs) - NAMED:,} more" if len(runs) > NAMED else ""
    return "; ".join(runs[:NAMED]) + more


def number(value: float, decimals: int = 0) -> Entry:
    """A number; `-` where there is none."""
    return Entry("-") if math.isnan(value) else Entry(f"{value:,.{decimals}f}", value)


def _to_repeat(grid: Grid, cell: Cell) -> str:
    """On the same kind of device, where all of its records are of one."""
    kinds = {run.environment[ENVIRONMENT.index("device")].partition(":")[0] for run in cell.runs}
    device = f" --device {kinds.pop()}" if kinds in ({"cpu"}, {"cuda"}) else ""
    return f"python -m harness run {to_run(grid)} --cell {cell.row['cell']} --rerun all --results again{device}"


def _score(row: Row) -> Entry:
    if math.isnan(row["mean"]):
        return Entry(f"{row['n']}/{row['replicates']}" + (f" ({row['failed']} failed)" if row["failed"] else ""))
    single = math.isnan(row["sd"])
    return Entry(
        f"{row['mean']:.1f}" + ("" if single else f" ± {row['sd']:.1f}") + f" {TIE}" * (row["standing"] == TIED),
        row["mean"],
        "" if single else f"{row['ci_low']:.1f} to {row['ci_high']:.1f}",
        row["standing"] == BEST,
    )


def _of_runs(arm: Arm) -> Iterator[Entry]:
    cells = arm.cells.values()
    planned = sum(cell.row["replicates"] for cell in cells)
    complete = sum(cell.row["n"] for cell in cells)
    runs = [run for cell in cells for run in cell.runs]
    updates = [run.updates for run in runs if run.updates is not None]
    seconds = [run.seconds for run in runs if not math.isnan(run.seconds)]
    yield Entry(f"{complete:,}" if complete == planned else f"{complete:,}/{planned:,}", complete)
    yield _from_to(updates)
    yield number(fmean(seconds) if seconds else math.nan, 1)
    yield number(math.fsum(seconds) if seconds else math.nan)


def _of_pretraining(arm: Arm) -> Iterator[Entry]:
    found: list[Mapping[str, Any]] = each_once(told for cell in arm.cells.values() for told in cell.row["pretrainings"])
    if not found:
        yield from [Entry("-")] * 7
        return
    before, after = zip(*map(before_and_after, found), strict=True)
    yield number(len(found))
    yield number(fmean(told["mentions"] for told in found))
    yield _from_to([len(told["loss"]) for told in found])
    yield _from_to([told["best_epoch"] for told in found])
    yield number(fmean(before), 2)
    yield number(fmean(after), 2)
    yield number(fmean(told["seconds"] for told in found), 1)


def _from_to(numbers: Sequence[int]) -> Entry:
    """`3`, or `1 to 3`; `-` where there is none."""
    if not numbers:
        return Entry("-")
    least, most = min(numbers), max(numbers)
    return Entry(f"{least:,} to {most:,}" if least < most else f"{least:,}", most)
