"""From a plan to records: what is missing is run by any concurrent.futures.Executor, one torch thread a worker."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError

from harness import provenance, runner, stages
from harness.artifacts import ArtifactStore
from harness.datasets import prepared
from harness.datasets.unlabelled import TextMaker, links_key, readings_key, sentences_key
from harness.errors import DataError, HarnessError
from harness.grid import ResolvedGrid
from harness.records import FAILED, RECORD_FORMAT, RecordStore
from harness.runner import Outcome
from harness.specs import RunSpec
from harness.vocabulary import Words

Rerun = Literal["missing", "failed", "stale", "all"]

DIED = "the worker process died in this run, with no other beside it; expected it to live. Is there enough memory?"

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Plan:
    """What a selection of runs comes to: those to do, and how many are complete, failed and stale as recorded.

    `seconds` are those of one worker, None where no record tells them; `uncounted` are the pre-trainings, encoder by
    strategy, that are not in them because no record tells of one.
    """

    todo: tuple[RunSpec, ...]
    complete: int
    failed: int
    stale: int
    seconds: float | None
    uncounted: tuple[str, ...]

    def told(self, workers: int) -> str:
        """The plan in a sentence or two."""
        counts = f"{len(self.todo):,} to run, {self.complete:,} complete, {self.failed:,} failed"
        stale = f", {self.stale:,} stale (the code has changed since; --rerun stale repeats them)" if self.stale else ""
        if not self.todo:
            return f"Nothing to run: {counts}{stale}."
        if self.seconds is None:
            time = "No record tells how long that takes."
        else:
            minutes = max(1, round(self.seconds / 60 / max(1, workers)))
            without = f"; pre-training of {', '.join(self.uncounted)} not counted" if self.uncounted else ""
            time = f"About {minutes:,} min with {max(1, workers)} at a time, by the records here{without}."
        return f"{counts}{stale}. {time}"


def plan(runs: Mapping[str, RunSpec], store: RecordStore, artifacts: ArtifactStore, rerun: Rerun) -> Plan:
    """Compare the runs with their records. `rerun` adds to what is missing: the failed, the stale, or all."""
    records = store.read_all(runs)
    failed = {key for key, record in records.items() if record["status"] == FAILED}
    stale = {key for key, record in records.items() if provenance.is_stale(record)}
    again = {"missing": set(), "failed": failed, "stale": stale, "all": set(records)}[rerun]
    todo = [spec for key, spec in runs.items() if key not in records or key in again]
    # The longest first, so that no worker is left alone with one at the end.
    todo.sort(key=lambda spec: -spec.training.updates(spec.size))
    complete = len(records) - len(failed)
    return Plan(tuple(todo), complete, len(failed), len(stale), *_estimate(todo, RecordStore(store.root), artifacts))


def run(
    todo: Sequence[RunSpec],
    grid: ResolvedGrid,
    home: Path,
    workers: int,
    device: str,
    finished: Callable[[Outcome], None],
    told: Callable[[str], None],
    unready: Mapping[str, str] | None = None,
) -> None:
    """Run `todo`, handing each outcome to `finished` in this process; with no workers, run here.

    What several runs stand on, entity vectors and pre-trained encoders, is made first, each once, and `told`. Those
    that are `unready` have failed; see `prepare`.

    Whatever ends this function, Ctrl-C included, ends the workers too.
    """
    commit = provenance.git_commit()

    def arguments(spec: RunSpec) -> tuple[Any, ...]:
        entry = grid.corpus_of(spec)
        return spec, home, device, entry.source.about.headline, entry.source.about.negative_label, commit

    if unready:
        for spec in todo:
            if spec.key in unready:
                finished(_failed(spec, device, commit, "DataError", unready[spec.key]))
        todo = [spec for spec in todo if spec.key not in unready]
    if workers == 0:
        torch.set_num_threads(1)  # as in a worker: the number of threads decides the last bits of a sum
        for spec in todo:  # each makes what it stands on, if nobody has
            finished(runner.execute(*arguments(spec)))
        return
    _make_stages(todo, home, workers, device, told)
    waiting, suspects = deque(todo), deque[RunSpec]()
    while waiting or suspects:
        # Whose run killed a worker is not known while several are in hand; suspects therefore run one at a time.
        source, width = (suspects, 1) if suspects else (waiting, workers)
        with processes(width) as pool:
            in_hand = _feed(pool, source, width, arguments, finished)
        if width == 1 and in_hand:
            finished(_failed(in_hand[0], device, commit, "WorkerDied", DIED))
        else:
            suspects.extend(in_hand)


def _make_stages(todo: Sequence[RunSpec], home: Path, workers: int, device: str, told: Callable[[str], None]) -> None:
    """Make the entity vectors, then the pre-trained encoders of the runs, each once.

    What goes wrong here is left to the runs, whose records tell it.
    """
    store = ArtifactStore(home / "artifacts")
    for kind in (stages.VECTORS, stages.PRETRAINED):
        wanted = {key: spec for spec in todo if (key := stages.key_of_stage(kind, spec)) is not None}
        missing = [spec for key, spec in wanted.items() if not store.has(kind, key)]
        if not missing:
            continue
        done = 0
        with processes(workers) as pool, suppress(BrokenProcessPool):
            futures = [pool.submit(runner.make_stage, kind, spec, home, device) for spec in missing]
            for future in as_completed(futures):
                done += 1
                line = "failed; its runs tell why" if future.exception() else future.result()
                told(f"[{kind} {done}/{len(missing)}] {line}")


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Processes of one torch thread each, which end with the block, however it ends."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"  # read by a worker's libraries when it starts
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=runner.start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


def _feed(
    pool: Executor,
    waiting: deque[RunSpec],
    width: int,
    arguments: Callable[[RunSpec], tuple[Any, ...]],
    finished: Callable[[Outcome], None],
) -> list[RunSpec]:
    """Keep every worker busy with one run, so that a kill or a dead worker costs no more than those.

    Returns the runs that were in hand when a worker died; none when all of `waiting` is done.
    """
    running: dict[Future[Outcome], RunSpec] = {}
    broken = False
    while (waiting and not broken) or running:
        while waiting and len(running) < width and not broken:
            spec = waiting.popleft()
            try:
                running[pool.submit(runner.execute, *arguments(spec))] = spec
            except BrokenProcessPool:
                waiting.appendleft(spec)
                broken = True
        if broken or not running:
            break
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            if isinstance(future.exception(), BrokenProcessPool):
                broken = True
            else:
                finished(future.result())
                del running[future]
    if not broken:
        return []
    # What came back before the worker died is whole.
    for future in [future for future in running if future.done() and future.exception() is None]:
        finished(future.result())
        del running[future]
    return list(running.values())


def _failed(spec: RunSpec, device: str, commit: str, error: str, message: str) -> Outcome:
    """The outcome of a run that has not come to one of its own."""
    record = {
        "format": RECORD_FORMAT,
        "key": spec.key,
        "cell": spec.cell,
        "spec": spec.as_dict(),
        "status": FAILED,
        "error": {"type": error, "message": message, "traceback": None},
        "environment": provenance.environment(spec, device, commit),
        "seconds": {"total": 0.0},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Outcome(record, None, None)


def prepare(todo: Iterable[RunSpec], grid: ResolvedGrid, home: Path, told: Callable[[str], None]) -> dict[str, str]:
    """Make the prepared data, of corpora and of texts, that the runs need and that is not there yet.

    A text may hold nothing of what a run reads of it: returns what is wrong, by the keys of the runs.
    """
    store = ArtifactStore(home / "artifacts")
    todo = list(todo)
    wanted = ((spec.corpus, spec.vectors, stages.reads(spec)) for spec in todo)
    for corpus, vectors, reads in {str(one): one for one in wanted}.values():
        name = f"{corpus.name} with {vectors.name}" if vectors else corpus.name
        if not prepared.is_there(store, corpus, vectors, reads):
            told(f"Preparing {name} (once; vectors are read or trained, features built)")
        source = grid.corpora[str(corpus)].source
        load = grid.vectors[vectors.digest].load if vectors else None
        with _told_of_disk(name, store):
            prepared.ensure(store, corpus, vectors, source, load, reads)
    alike: defaultdict[tuple[str, ...], list[RunSpec]] = defaultdict(list)
    for spec in todo:
        if spec.text:
            alike[sentences_key(spec), str(spec.corpus), str(spec.text)].append(spec)
    unready: dict[str, str] = {}
    for specs in alike.values():
        try:
            _prepare_text(specs, grid, store, told)
        except DataError as error:
            told(f"{_sample(specs[0])}, with {specs[0].corpus.name}: its runs fail ({len(specs):,}): {error}")
            unready |= {spec.key: str(error) for spec in specs}
    return unready


def _prepare_text(
    specs: Sequence[RunSpec], grid: ResolvedGrid, store: ArtifactStore, told: Callable[[str], None]
) -> None:
    """Make what runs need of the same sentences, which are read once."""
    maker = _text_maker(specs[0], grid)
    wanted: dict[tuple[str, ...], RunSpec] = {}
    for spec in specs:
        wanted.setdefault(_text_wanted(spec), spec)
    for spec in wanted.values():
        reads, with_target = stages.reads(spec), stages.with_target(spec)
        if not maker.is_there(store, reads, with_target):
            told(f"Preparing {_sample(spec)}, for {spec.encoder.name}")
        with _told_of_disk(grid.text_of(spec).spec.label, store):
            maker.ensure(store, reads, with_target)


def _sample(spec: RunSpec) -> str:
    assert spec.text is not None
    return f"{spec.text.label}, sample {spec.stream('sample')}"


def _text_wanted(spec: RunSpec) -> tuple[str, ...]:
    """The keys of what a run needs of its text."""
    with_target = stages.with_target(spec)
    return (
        readings_key(spec, stages.reads(spec)), sentences_key(spec, with_target), links_key(spec, with_target),
    )  # fmt: skip


def _text_maker(spec: RunSpec, grid: ResolvedGrid) -> TextMaker:
    entry, text, vectors = grid.corpus_of(spec), grid.text_of(spec), spec.vectors
    assert vectors is not None
    unknown: Literal["hash", "zero"] = "zero" if vectors.unknown == "zero" else "hash"
    load = grid.vectors[vectors.digest].load
    mentions = entry.source.corpus.mentions
    return TextMaker(spec, text.source, text.linker, mentions, entry.split, lambda: Words(load(), unknown))


@contextmanager
def _told_of_disk(name: str, store: ArtifactStore) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        raise HarnessError(
            f"the prepared data of {name} can't be written or read below {store.root}: {error}. Free some space, "
            "delete that folder if it is damaged, or choose another one with --home"
        ) from error


def choose_device(wanted: str) -> str:
    """`cpu`, `cuda` or `auto`; raises HarnessError where CUDA is asked for and not there."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise HarnessError("--device cuda: expected a CUDA device, found none; use --device cpu or auto")
    return "cuda" if there and wanted != "cpu" else "cpu"


def default_workers() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _estimate(
    todo: Sequence[RunSpec], store: RecordStore, artifacts: ArtifactStore
) -> tuple[float | None, tuple[str, ...]]:
    """Seconds of one worker for `todo`, None where the records here tell nothing of an encoder; and the pre-trainings
    that are not in them.

    By medians of those records: start-up, training and scoring an update, and each pre-training that is missing once.
    """
    if not todo:
        return 0.0, ()
    paces, starts = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    known = defaultdict[str, set[float]](set)  # sets, for the runs of one pre-training tell the same seconds
    for record in store.read_all(store.keys()).values():
        if "counts" in record:
            encoder, seconds = record["spec"]["encoder"]["name"], record["seconds"]
            paces[encoder].append((seconds["training"] + seconds["scoring"]) / record["counts"]["updates"])
            before = record["pretraining"]["seconds"] if record.get("pretraining") else 0.0
            # Without workers, the run that pre-trained did so in its start-up.
            starts[encoder].append(seconds["start_up"] - (before if before <= seconds["start_up"] else 0.0))
            if before:
                known[f"{encoder} by {record['spec']['strategy']['name']}"].add(before)
    if any(spec.encoder.name not in paces for spec in todo):
        return None, ()
    pace, start = ({name: statistics.median(of) for name, of in found.items()} for found in (paces, starts))
    total = sum(start[spec.encoder.name] + pace[spec.encoder.name] * spec.training.updates(spec.size) for spec in todo)
    keys = {
        stages.key_of_stage(stages.PRETRAINED, spec): f"{spec.encoder.name} by {spec.strategy.name}" for spec in todo
    }
    missing = [name for key, name in keys.items() if key and not artifacts.folder(stages.PRETRAINED, key).is_dir()]
    total += sum(statistics.median(known[name]) for name in missing if name in known)
    return total, tuple(sorted(set(missing) - known.keys()))
