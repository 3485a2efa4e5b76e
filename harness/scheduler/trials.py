"""What no record tells of, measured in small: a few updates on a part of the corpus and of the text, in a folder that
goes afterwards.

It is the life of any other run, so that what is measured is what runs do. Word vectors are drawn at random, lest a
large file is read for it.
"""

from __future__ import annotations

import gzip
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from harness import registry, stages
from harness.artifacts import TENSORS, ArtifactStore
from harness.contracts import LinkedSentence, Strategy
from harness.corpus_entry import CorpusEntry
from harness.datasets.prepared import inputs_key
from harness.datasets.splits import split
from harness.datasets.texts import SourceText
from harness.datasets.vectors import OWN, RECIPE, VectorSource, find_file
from harness.errors import HarnessError
from harness.grid import ResolvedGrid
from harness.records import COMPLETE, Record
from harness.runner import Outcome
from harness.scheduler.carry_out import Rules, Watcher, carry_out
from harness.scheduler.disk import UNREADABLE, Sizes
from harness.scheduler.estimates import FIRST, Basis, Estimates, named
from harness.scheduler.executors import Pool
from harness.scheduler.graph import HERE, RUN, TEXT, Task, tasks_of
from harness.scheduler.preparing import prepare
from harness.specs import PluginSpec, RunSpec, VectorsSpec
from harness.vocabulary import Floats

MOST = 20
"""Trials, at most; what is left then is estimated by what is like it."""

LIMIT = 10.0
"""Seconds that a task of a trial may take in a worker process."""

WIDTH = 100
"""Of word vectors whose file is not found by its name."""


@dataclass(frozen=True)
class Scale:
    """How much a trial reads and does: mentions of the corpus, sentences of the text, updates."""

    mentions: int
    sentences: int
    updates: int


WARM_UP, MEASURED = Scale(50, 20, 2), Scale(1000, 100, 20)
"""The first trial of a process loads what it needs as it goes, and is left out."""


@dataclass(frozen=True)
class Trial:
    """A run in small: what it is of, and whether it is to tell of fine-tuning; else it tells of pre-training."""

    spec: RunSpec
    of: RunSpec
    tunes: bool


def measure(
    tasks: Sequence[Task],
    grid: ResolvedGrid,
    home: Path,
    pool: Callable[[], AbstractContextManager[Pool]],
    rules: Rules,
    estimates: Estimates,
    sizes: Sizes,
) -> None:
    """Let `estimates` and `sizes` learn of runs and pre-trainings like these; what fails in a trial stays a guess."""
    chosen, rules = _chosen(tasks)[:MOST], replace(rules, timeout=LIMIT)
    try:
        with tempfile.TemporaryDirectory(prefix="reprise-") as folder, pool() as workers:
            _, first = _carry_out(chosen[:1], WARM_UP, grid, home, Path(folder) / "warm-up", workers, rules)
            estimates.first = sum(outcome.record["seconds"]["total"] for outcome in first.values()) or FIRST
            measured = Path(folder) / "measured"
            store = ArtifactStore(measured / "artifacts")
            trials, outcomes = _carry_out(chosen, MEASURED, grid, home, measured, workers, rules, estimates)
            for trial in trials:
                if (outcome := outcomes.get(trial.spec.key)) and outcome.record["status"] == COMPLETE:
                    _learn(trial, outcome.record, estimates)
            sizes.learn(store, Basis.MEASURED)
    except (HarnessError, OSError):  # no disk, no workers: the runs themselves will tell
        return


def _learn(trial: Trial, record: Record, estimates: Estimates) -> None:
    if trial.tunes:
        whole = estimates.extent.corpora[str(trial.of.corpus)]["mentions"]
        estimates.learn_run(trial.of, record, Basis.MEASURED, max(1.0, whole / MEASURED.mentions))
    else:
        estimates.learn_pretraining(trial.of, record, Basis.MEASURED)


def _chosen(tasks: Sequence[Task]) -> list[tuple[RunSpec, bool]]:
    """For each encoder, features on or off, the run with the median of updates, better one without pre-training; and
    each pair of an encoder and a strategy that pre-trains.
    """
    runs: dict[tuple[str, bool], list[RunSpec]] = {}
    pairs: dict[tuple[str, str], RunSpec] = {}
    for task in tasks:
        spec = task.specs[0]
        if task.kind == RUN:
            runs.setdefault((named(spec.encoder), bool(spec.training.features)), []).append(spec)
        elif task.kind == stages.PRETRAINED:
            pairs.setdefault((named(spec.encoder), spec.strategy.name), spec)
    tuned = []
    pretrain = {name for name in {task.specs[0].strategy.name for task in tasks} if _pretrains(name)}
    for specs in runs.values():
        plain = [spec for spec in specs if spec.strategy.name not in pretrain] or specs
        plain.sort(key=lambda spec: spec.training.updates(spec.size))
        tuned.append((plain[len(plain) // 2], True))
    return [*tuned, *((spec, False) for spec in pairs.values())]


def _pretrains(strategy: str) -> bool:
    kind: type[Strategy] = registry.load("strategy", strategy)
    return kind.pretrains()


def _carry_out(
    chosen: Sequence[tuple[RunSpec, bool]],
    scale: Scale,
    grid: ResolvedGrid,
    home: Path,
    folder: Path,
    pool: Pool,
    rules: Rules,
    estimates: Estimates | None = None,
) -> tuple[list[Trial], Mapping[str, Outcome]]:
    """Run what was chosen in small; its outcomes by key."""
    folder.mkdir()
    trials = [
        Trial(replace(_small(spec, scale, tunes), replicate=replicate), spec, tunes)
        for spec, tunes in chosen
        for replicate in range(rules.stack if tunes and not _pretrains(spec.strategy.name) else 1)
    ]
    small = _small_grid(trials, scale, grid, home)
    store = ArtifactStore(folder / "artifacts")
    specs = [trial.spec for trial in trials]
    for task in tasks_of(specs, store):
        if task.kind in HERE and estimates is not None:
            _prepare(task, scale, small, store, estimates)
    outcomes: dict[str, Outcome] = {}

    def finished(outcome: Outcome) -> None:
        outcomes[outcome.record["key"]] = outcome

    carry_out(specs, small, folder, pool, Watcher(finished), rules, lambda task: 1.0)
    return trials, outcomes


def _prepare(task: Task, scale: Scale, grid: ResolvedGrid, store: ArtifactStore, estimates: Estimates) -> None:
    started = time.perf_counter()
    try:
        prepare(task, grid, store, lambda line: None)
    except HarnessError:  # a text with nothing to read, say: its runs fail, and tell nothing
        return
    mentions = len(grid.corpus_of(task.specs[0]).source.corpus.mentions)
    count = scale.sentences if task.kind == TEXT else mentions
    estimates.learn_preparing(task, time.perf_counter() - started, count)


def _small(spec: RunSpec, scale: Scale, tunes: bool) -> RunSpec:
    """The run in small: of the part of its corpus, split at random, and of the beginning of its text."""
    updates = scale.updates if tunes else 1
    training = replace(spec.training, min_updates=updates, max_updates=updates, dev_points=1, dev_size=None)
    corpus = replace(spec.corpus, split="paper", sample=None)
    text, strategy = spec.text, spec.strategy
    if text is not None and text.selection != "target-train":
        text = replace(text, selection="whole", sentences=None, evaluation_text=None)
    if _pretrains(strategy.name):
        strategy = PluginSpec(strategy.name, {**strategy.parameters, "epochs": 1})
    size = min(spec.size, scale.mentions // 2)
    return replace(spec, corpus=corpus, text=text, strategy=strategy, training=training, size=size)


def _small_grid(trials: Sequence[Trial], scale: Scale, grid: ResolvedGrid, home: Path) -> ResolvedGrid:
    """What trials read: every so many mentions of a corpus, the first sentences of a text, vectors drawn at random."""
    corpora = {str(one.spec.corpus): _part(grid.corpus_of(one.of), scale.mentions) for one in trials}
    headlines = {str(one.spec.corpus): grid.scored(one.of) for one in trials}
    texts = {}
    for text, run in ((one.spec.text, one.of) for one in trials):
        if text is not None:
            entry = grid.text_of(run)
            texts[str(text)] = replace(entry, spec=text, source=_beginning(entry.source, scale.sentences))
    vectors = {
        of.digest: VectorSource(of.name, of.digest, partial(_RandomVectors, _width(one.of, of, home)))
        for one in trials
        if (of := one.of.vectors)
    }
    return ResolvedGrid({}, {}, headlines, corpora, vectors, texts)


def _part(entry: CorpusEntry, count: int) -> CorpusEntry:
    mentions = entry.source.corpus.mentions
    places = np.linspace(0, len(mentions) - 1, min(count, len(mentions))).astype(int)
    kept = tuple(mentions[at] for at in places)
    corpus = replace(entry.source.corpus, mentions=kept)
    parts = split([mention.part for mention in kept], "paper", 0, None, np.arange(len(kept)))
    return replace(entry, source=replace(entry.source, corpus=corpus), split=parts)


def _beginning(source: SourceText | None, count: int) -> SourceText | None:
    """The first sentences of a text; None where it is the target's own."""
    if source is None:
        return None
    return _Beginning(**{field.name: getattr(source, field.name) for field in fields(SourceText)}, first=count)


@dataclass(frozen=True)
class _Beginning(SourceText):
    """The first sentences of a text, whose names are not looked up."""

    first: int = 0

    def sentences(self) -> Iterator[LinkedSentence]:
        return islice(super().sentences(), self.first)

    def names(self) -> dict[str, str]:
        return {}


class _RandomVectors:
    """Word vectors that have every word."""

    def __init__(self, width: int) -> None:
        self.vectors: Floats = np.random.default_rng(0).normal(0, 0.3, (1000, width)).astype(np.float32)

    def __contains__(self, word: str) -> bool:
        return True

    def __getitem__(self, word: str) -> Any:
        return self.vectors[zlib.crc32(word.encode()) % len(self.vectors)]


def _width(spec: RunSpec, vectors: VectorsSpec, home: Path) -> int:
    """Of the vectors of a run: as they were prepared, else by the first line of their file."""
    prepared = ArtifactStore(home / "artifacts").folder("inputs", inputs_key(spec.corpus, vectors, stages.reads(spec)))
    try:
        with safe_open(prepared / TENSORS, "pt") as tensors:
            return int(tensors.get_slice("words").get_shape()[1])
    except (OSError, SafetensorError):
        pass  # not prepared yet
    if vectors.name == OWN:
        return int(RECIPE["vector_size"])
    try:
        return _width_of(find_file(vectors.name, home))
    except (*UNREADABLE, zlib.error):
        return WIDTH


def _width_of(file: Path | None) -> int:
    """The numbers of a word, by the first line of a file of word vectors: a header of two counts, or a word's own."""
    if file is None:
        return WIDTH
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        first = stream.readline().split()
    return int(first[1]) if len(first) == 2 else len(first) - 1
