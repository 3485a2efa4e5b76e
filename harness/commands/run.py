"""`run` and `plan`: resolve a grid, choose its runs, carry them out, write the results."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from harness.artifacts import ArtifactStore
from harness.behind import Behind, attach
from harness.commands.progress import name_of, progress, show, table_format, tell
from harness.commands.records import tell_damaged
from harness.datasets.sources import describe_left_out
from harness.errors import HarnessError
from harness.grid import ResolvedGrid
from harness.locks import locked
from harness.records import COMPLETE, RecordStore, write_atomically
from harness.report.leaderboard import render
from harness.report.results import grid_keys, resolved_grid_file, write_results
from harness.runner import Outcome, choose_device
from harness.scheduler import pools
from harness.scheduler.carry_out import FailedFast, Rules, Watcher, carry_out
from harness.scheduler.executors import Pool
from harness.scheduler.graph import RUN
from harness.scheduler.plan import Plan
from harness.scheduler.plan import plan as plan_of
from harness.selection import ADHOC, chosen_grid, select
from harness.specs import RunSpec
from harness.tracked import database_of, default_uri

STACK = 16
"""Runs that train as one stack on CUDA, at most, where nothing else is asked for."""

PATIENCE, HASTE = 60.0, 3.0
"""Seconds that MLflow may take without any progress once the runs are done; after an interrupt."""


def plan(asked: argparse.Namespace) -> int:
    """Tell what would run, what is done, what is refused and why, and the time it would take."""
    grid = _resolve(asked)
    store = RecordStore(asked.home / "records")
    planned = _planned(grid, select(grid, asked), store, asked)
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
        print(f"  to run: {name_of(spec)}")
    print(planned.told(at_a_time(asked) if planned.todo else 0))
    _warn(planned, asked.home)
    tell_damaged(store)
    return 0


def _planned(grid: ResolvedGrid, runs: Mapping[str, RunSpec], store: RecordStore, asked: argparse.Namespace) -> Plan:
    """The plan; what no record tells of is measured by a worker of the kind that is asked for."""
    rules = rules_of(asked)

    def one() -> AbstractContextManager[Pool]:
        if asked.scheduler is not None:
            return pool_of(asked, lambda line: None)
        return pools.local(1) if _workers(asked) else pools.here()

    artifacts = ArtifactStore(asked.home / "artifacts")
    logs = _log_file(asked) is not None
    return plan_of(
        grid, runs, store, artifacts, asked.rerun, device=rules.device, stack=rules.stack, pool=one, logs=logs,
        told=tell,
    )  # fmt: skip


def _warn(planned: Plan, home: Path) -> None:
    """Tell of a disk with too little room, before anything starts."""
    if warning := planned.warning(home):
        tell(warning)


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
    check_timeout(asked)
    with stopped_by_term():
        grid = _resolve(asked)
        runs = select(grid, asked)
        with locked(asked.home, "records", _what(asked)):
            return _run(grid, runs, asked)


def check_timeout(asked: argparse.Namespace) -> None:
    """Raise HarnessError where runs may take so long and no longer, and no process could be ended for it."""
    if asked.run_timeout and asked.scheduler is None and not _workers(asked):
        raise HarnessError(
            "--run-timeout: expected worker processes that can be ended, found --workers 0; use --workers 1 or more"
        )


def _what(asked: argparse.Namespace) -> str:
    """The command, for whoever comes second."""
    return f"run --bundle {asked.bundle}" if asked.bundle else f"run --grid {asked.grid or ADHOC}"


def _run(grid: ResolvedGrid, runs: Mapping[str, RunSpec], asked: argparse.Namespace) -> int:
    store = RecordStore(asked.home / "records")
    planned = _planned(grid, runs, store, asked)
    tell_damaged(store)
    folder = asked.results / grid.plain["name"]
    workers = at_a_time(asked) if planned.todo else 0
    tell(planned.told(workers))
    _warn(planned, asked.home)
    written = [folder, *filter(None, [_log_file(asked)])]
    before, took = planned.disk.used(*written), None
    if planned.todo:
        _write_plain(folder / "grid.json", grid.plain)  # a folder that takes no files is told before hours of work
        try:
            took = _carry_out(planned, workers, grid, runs, asked, store)
        except KeyboardInterrupt:
            write_results(grid.plain, store, folder, tell)
            tell("The finished runs are kept; the same command goes on with the rest.")
            raise
        except FailedFast:
            tell("The first failed run ends it (--fail-fast); what is finished is kept.")
    written_of = write_results(grid.plain, store, folder, tell)
    if took is not None:
        _attach(asked, grid.plain, folder)
        tell(planned.compared(*took, workers, planned.disk.used(*written) - before))
    code = _conclude(runs, store, folder)
    show(render(grid.plain, written_of, table_format()))
    return code


def _carry_out(
    planned: Plan,
    workers: int,
    grid: ResolvedGrid,
    runs: Mapping[str, RunSpec],
    asked: argparse.Namespace,
    store: RecordStore,
) -> tuple[float, float]:
    """Run them, writing each record as it comes in, and MLflow behind; the seconds that the runs and what they stand on
    took, and those of the clock.
    """
    cells = {key: cell["cell"] for cell in grid.plain["cells"] for key in cell["keys"] if key in runs}
    todo = [task.key for task in planned.tasks if task.kind == RUN]
    shows = progress(cells, todo, planned.wall(workers))
    with shows as shown, _mlflow(asked, grid.plain, shown.told) as log:

        def finished(outcome: Outcome) -> None:
            store.write(outcome.record, outcome.gold, outcome.predicted, outcome.hidden)
            log(outcome.record)
            shown.finished(outcome)

        watcher = Watcher(finished, shown.in_hand, shown.told)
        with pool_of(asked, shown.told) as pool:
            carry_out(planned.todo, grid, asked.home, pool, watcher, rules_of(asked), planned.estimates.seconds)
        took = shown.elapsed
    return shown.seconds + planned.spent(ArtifactStore(asked.home / "artifacts")), took


def rules_of(asked: argparse.Namespace) -> Rules:
    """How the runs are carried out; `plan`, which has not all of the flags, asks too."""
    wanted: str = getattr(asked, "device", "auto")
    device = wanted if asked.scheduler is not None else choose_device(wanted)  # a cluster's workers choose theirs
    stack = getattr(asked, "stack", None) or (STACK if device == "cuda" else 1)
    return Rules(device, stack, getattr(asked, "run_timeout", None), getattr(asked, "fail_fast", False))


def at_a_time(asked: argparse.Namespace) -> int:
    """Tasks that are done at a time; 0 where all is done in this process."""
    if asked.scheduler is None:
        return _workers(asked)
    with pool_of(asked, lambda line: None) as pool:
        return pool.width()


def _log_file(asked: argparse.Namespace) -> Path | None:
    """The file of the MLflow store, where runs are logged to one."""
    if getattr(asked, "no_mlflow", False):
        return None
    return database_of(getattr(asked, "mlflow_uri", None) or default_uri(asked.home))


def pool_of(asked: argparse.Namespace, told: Callable[[str], None]) -> AbstractContextManager[Pool]:
    """The workers that are asked for."""
    if asked.scheduler is not None:
        return pools.running(asked.scheduler, ArtifactStore(asked.home / "artifacts"), told)
    return pools.local(workers, told) if (workers := _workers(asked)) else pools.here()


@contextmanager
def stopped_by_term() -> Iterator[None]:
    """SIGTERM, and the end of the terminal, are as Ctrl-C: what is done is kept, and the workers go.

    Under nohup the end of the terminal is nothing.
    """
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _mlflow(
    asked: argparse.Namespace, grid: dict[str, Any], told: Callable[[str], None]
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What logs a finished record to MLflow, behind the runs; nothing does where another process is at it."""
    with ExitStack() as held:
        log: Callable[[dict[str, Any]], None] = lambda record: None  # noqa: E731
        if not asked.no_mlflow:
            try:
                held.enter_context(locked(asked.home, "mlflow", _what(asked)))
                log = held.enter_context(_behind(asked, grid, told)).log
            except HarnessError as error:
                told(f"MLflow is left out: {error}. The records are whole; `sync` catches up")
        yield log


def _attach(asked: argparse.Namespace, grid: dict[str, Any], folder: Path) -> None:
    """MLflow shows the files of the results folder too, unless another process is at it."""
    if asked.no_mlflow:
        return
    try:
        with locked(asked.home, "mlflow", _what(asked)):
            attach(asked.mlflow_uri or default_uri(asked.home), grid, folder, tell, HASTE)
    except HarnessError as error:
        tell(f"The files of {folder} are not in MLflow: {error}. `sync` catches up")


@contextmanager
def _behind(asked: argparse.Namespace, grid: dict[str, Any], told: Callable[[str], None]) -> Iterator[Behind]:
    """A thread that logs to MLflow, and is waited for at the end, after an interrupt for a moment."""
    own = RecordStore(asked.home / "records")  # read by the thread
    behind = Behind(
        asked.mlflow_uri or default_uri(asked.home), grid, lambda: own.read_all(grid_keys(grid)), told
    )  # fmt: skip
    try:
        yield behind
    except BaseException:
        behind.close(HASTE)
        raise
    behind.close(PATIENCE)


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
    complete = failed = 0
    for record in store.each(runs):
        if record["status"] == COMPLETE:
            complete += 1
            continue
        failed += 1
        name = name_of(RunSpec.from_dict(record["spec"]))
        tell(f"failed: {record['key'][:16]} {name}: {record['error']['message']}")
    if failed:
        tell(
            f"{failed:,} of {len(runs):,} runs failed; --rerun failed repeats them, `records show KEY` shows one whole"
        )
    tell(f"Results: {folder}")
    return 0 if complete == len(runs) else 1


def _workers(asked: argparse.Namespace) -> int:
    return pools.default_workers() if asked.workers is None else int(asked.workers)
