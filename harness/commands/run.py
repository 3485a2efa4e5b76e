"""`run` and `plan`: resolve a grid, choose its runs, carry them out, write the results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness import scheduler
from harness.artifacts import ArtifactStore
from harness.commands.look import tell_damaged
from harness.datasets.sources import describe_left_out
from harness.errors import HarnessError
from harness.grid import ResolvedGrid
from harness.records import COMPLETE, RecordStore, write_atomically
from harness.report.leaderboard import render
from harness.report.results import grid_keys, resolved_grid_file, write_results
from harness.runner import Outcome
from harness.selection import chosen_grid, select
from harness.specs import RunSpec

Log = Callable[[dict[str, Any]], None]


def plan(asked: argparse.Namespace) -> int:
    """Tell what would run, what is done, what is refused and why, and the time it would take."""
    grid = _resolve(asked)
    store = RecordStore(asked.home / "records")
    planned = scheduler.plan(select(grid, asked), store, ArtifactStore(asked.home / "artifacts"), asked.rerun)
    print(f"Grid {grid.plain['name']}: {len(grid.plain['cells']):,} cells, {len(grid.runs):,} runs")
    for corpus in grid.plain["corpora"]:
        counts = corpus["counts"]
        print(f"  {corpus['label']}: {counts['train']:,} train, {counts['dev']:,} dev, {counts['test']:,} test")
        _tell_of(corpus, corpus["notice"])
    for text in {text["label"]: text for text in grid.plain["texts"]}.values():
        print(f"  text {text['label']}{_counts(text)}")
        _tell_of(text)
    for refusal in grid.plain["refusals"]:
        variant = f", {refusal['variant']}" if refusal["variant"] else ""
        print(f"  refused: {refusal['encoder']} with {refusal['strategy']}{variant}: {refusal['reason']}")
    for spec in planned.todo:
        print(f"  to run: {_name(spec)}")
    print(planned.told(_workers(asked)))
    tell_damaged(store)
    return 0


def _tell_of(data: Mapping[str, Any], *more: str) -> None:
    """What a reader of results should know of a corpus or a text: what is left out, remarks."""
    for line in (describe_left_out(data.get("left_out", {})), *data.get("remarks", ()), *more):
        if line:
            print(f"    {line}")


def _counts(text: Mapping[str, Any]) -> str:
    """How large a text is, of which a selection is read; nothing of the target's own sentences."""
    if "counts" not in text:
        return ""
    counts = text["counts"]
    size = f"{counts['sentences']:,} sentences, {counts['tokens']:,} tokens"
    return f", of {size}, {counts['mentions']:,} mentions of {counts['entities']:,} entities"


def run(asked: argparse.Namespace) -> int:
    """Run what is missing of the selection, write the grid's results, print its table."""
    grid = _resolve(asked)
    runs = select(grid, asked)
    store = RecordStore(asked.home / "records")
    planned = scheduler.plan(runs, store, ArtifactStore(asked.home / "artifacts"), asked.rerun)
    tell_damaged(store)
    workers, device = _workers(asked), scheduler.choose_device(asked.device)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    folder = asked.results / grid.plain["name"]
    print(planned.told(workers), file=sys.stderr)
    if planned.todo:
        _write_plain(folder / "grid.json", grid.plain)  # a folder that takes no files is told before hours of work
        unready = scheduler.prepare(planned.todo, grid, asked.home, tell)
        log = _tracker(asked, grid.plain, store)
        try:
            with _progress(len(planned.todo)) as told:

                def finished(outcome: Outcome) -> None:
                    store.write(outcome.record, outcome.gold, outcome.predicted)
                    log(outcome.record)
                    told(outcome.record)

                scheduler.run(planned.todo, grid, asked.home, workers, device, finished, tell, unready)
        except KeyboardInterrupt:
            write_results(grid.plain, store, folder)
            print("The finished runs are kept; the same command goes on with the rest.", file=sys.stderr)
            raise
    write_results(grid.plain, store, folder)
    sys.stdout.write(render(grid.plain, store.read_all(grid_keys(grid.plain)), "md"))
    return _conclude(runs, store, folder)


def _resolve(asked: argparse.Namespace) -> ResolvedGrid:
    """The grid that is asked for, resolved; it is written to the home folder, so that a folder that takes no files is
    told before anything runs.
    """
    grid = chosen_grid(asked, asked.home)
    _write_plain(resolved_grid_file(asked.home, grid.plain["name"]), grid.plain)
    return grid


def _write_plain(file: Path, plain: dict[str, Any]) -> None:
    text = json.dumps(plain, indent=1) + "\n"
    write_atomically(file, lambda stream: stream.write(text.encode()))


def _conclude(runs: Mapping[str, RunSpec], store: RecordStore, folder: Path) -> int:
    records = store.read_all(runs)
    failed = [record for record in records.values() if record["status"] != COMPLETE]
    for record in failed:
        print(f"failed: {record['key'][:16]} {_name(RunSpec.from_dict(record['spec']))}: {record['error']['message']}",
              file=sys.stderr)  # fmt: skip
    if failed:
        print(f"{len(failed):,} of {len(runs):,} runs failed; --rerun failed repeats them, "
              "`records show KEY` shows one whole", file=sys.stderr)  # fmt: skip
    print(f"Results: {folder}", file=sys.stderr)
    return 0 if len(records) - len(failed) == len(runs) else 1


def _tracker(asked: argparse.Namespace, grid: dict[str, Any], store: RecordStore) -> Log:
    """What logs a finished record to MLflow, once those that are here already have been.

    It gives up, with a word, at the first trouble, for `sync` catches up.
    """
    if asked.no_mlflow:
        return lambda record: None
    from harness import tracking

    def give_up(error: HarnessError) -> None:
        print(f"MLflow is left out from here on: {error}. The records are whole; `sync` catches up", file=sys.stderr)

    try:
        opened = tracking.Tracker(asked.mlflow_uri or tracking.default_uri(asked.home), grid)
        opened.log(store.read_all(grid_keys(grid)))
    except HarnessError as error:
        give_up(error)
        return lambda record: None
    tracker: tracking.Tracker | None = opened

    def log(record: dict[str, Any]) -> None:
        nonlocal tracker
        if tracker is None:
            return
        try:
            tracker.log({record["key"]: record})
        except HarnessError as error:
            tracker = None
            give_up(error)

    return log


@contextmanager
def _progress(total: int) -> Iterator[Log]:
    """Show each finished run on stderr: a bar on a terminal, a line a run elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        done = 0

        def line(record: dict[str, Any]) -> None:
            nonlocal done
            done += 1
            print(f"[{done}/{total}] {_told(record)}", file=sys.stderr, flush=True)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("runs", total=total)

        def advance(record: dict[str, Any]) -> None:
            if record["status"] != COMPLETE:
                bar.console.print(_told(record), markup=False)
            bar.update(task, advance=1, description=_name(RunSpec.from_dict(record["spec"])))

        yield advance


def _told(record: dict[str, Any]) -> str:
    name = _name(RunSpec.from_dict(record["spec"]))
    if record["status"] != COMPLETE:
        return f"{name}: failed: {record['error']['message']}"
    accuracy = 100 * record["scores"]["test"]["accuracy"]
    return f"{name}: test accuracy {accuracy:.1f} % in {record['seconds']['total']:.1f} s"


def _name(spec: RunSpec) -> str:
    features = "" if spec.training.features else ", features off"
    text = f" on {spec.text.label}" if spec.text else ""
    arm = f"{spec.corpus.name} ({spec.corpus.split}) {spec.encoder.name} {spec.strategy.name}{text}{features}"
    return f"{arm}, {spec.size:,} labels, replicate {spec.replicate}"


def _workers(asked: argparse.Namespace) -> int:
    return scheduler.default_workers() if asked.workers is None else int(asked.workers)
