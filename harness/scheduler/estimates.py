"""How long tasks take: medians of what the records of the home tell, and of what was measured in small."""

from __future__ import annotations

import json
import statistics
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from harness import stages
from harness.grid import ResolvedGrid
from harness.records import COMPLETE, Record
from harness.scheduler.graph import CORPUS, RUN, TEXT, Task
from harness.specs import PluginSpec, RunSpec

KEPT = 99
"""Numbers of one kind that are remembered, the last ones: memory does not grow with the records."""

START_UP, UPDATE, SCORING = 0.5, 0.01, 5e-5
"""Seconds of a run before its first update, of an update, and of scoring a mention, where nothing tells of them."""

FIRST = 1.5
"""Seconds more that the first run of a process takes, where they were not measured: code is loaded when it is used."""

PRETRAINING = 1.6
"""What a mention takes in pre-training over what it takes in fine-tuning: the median of 16 pairs of an encoder and a
strategy on KBP37 and enwik8, of 0.55 to 4.2.
"""

ENTITY = 1e-3
"""Seconds of an entity's vector where nothing tells of it: between an average of words and skip-gram."""

ENTITIES, PAIRS = 2.0, 4.0
"""Entities and relation mentions a sentence of a text of which no record tells (Li et al. 2016: 3.9 mentions)."""

PREPARED_MENTION, PREPARED_SENTENCE = 2e-4, 5e-4
"""Seconds in which a mention of a corpus, a sentence of a text, is prepared, where that was not measured."""


class Basis(IntEnum):
    """What an estimate stands on, the firmest first."""

    RECORDS = 0
    MEASURED = 1
    GUESSED = 2


@dataclass(frozen=True)
class Estimate:
    """Seconds of one processor, and what that stands on."""

    seconds: float
    basis: Basis


@dataclass(frozen=True)
class Extent:
    """How much there is of what a grid reads.

    Parameters
    ----------
    corpora: by a corpus spec as a string, its mentions, and those of its `dev` and `test` parts
    sentences: by the label of a text, its sentences
    loading: by the digest of word vectors, the seconds in which they are read or trained
    """

    corpora: Mapping[str, Mapping[str, int]]
    sentences: Mapping[str, int]
    loading: Mapping[str, float]

    @classmethod
    def of(cls, grid: ResolvedGrid, loading: Mapping[str, float]) -> Extent:
        """That of a resolved grid; of a corpus that it came without, the mentions of its parts."""
        corpora: dict[str, Mapping[str, int]] = {}
        for cell in grid.plain["cells"]:
            spec = next((grid.runs[key] for key in cell["keys"] if key in grid.runs), None)
            if spec is None or (name := str(spec.corpus)) in corpora:
                continue
            counts = grid.plain["corpora"][cell["corpus"]]["counts"]
            entry = grid.corpora.get(name)
            mentions = len(entry.source.corpus.mentions) if entry else sum(counts.values())
            corpora[name] = {**counts, "mentions": mentions}
        sentences = {text["label"]: text["counts"]["sentences"] for text in grid.plain["texts"] if "counts" in text}
        return cls(corpora, sentences, loading)

    def sentences_of(self, spec: RunSpec) -> int:
        """The sentences of a run's text that are read; of a selection by the target, those of its training part."""
        assert spec.text is not None
        if spec.text.selection == "whole":
            return self.sentences.get(spec.text.label, 0)
        return spec.text.sentences or self.corpora[str(spec.corpus)]["train"]


class Medians:
    """Medians of numbers under keys, and what those stand on."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, deque[float]] = {}
        self._basis: dict[Hashable, Basis] = {}
        self._medians: dict[Hashable, float] = {}

    def add(self, keys: Sequence[Hashable], number: float, basis: Basis, once: bool = False) -> None:
        """Note a number under each of the keys; `once`, not where it is known already, as of several runs that stand
        on one thing.
        """
        for key in keys:
            numbers = self._numbers.setdefault(key, deque(maxlen=KEPT))
            if once and number in numbers:
                continue
            numbers.append(number)
            self._basis[key] = min(basis, self._basis.get(key, basis))
            self._medians.pop(key, None)

    def of(self, exact: Sequence[Hashable], near: Sequence[Hashable] = ()) -> tuple[float, Basis] | None:
        """The median under the first of the keys that is known; under one of `near`, it is a guess."""
        key = next((key for key in (*exact, *near) if key in self._numbers), None)
        if key is None:
            return None
        if key not in self._medians:
            self._medians[key] = statistics.median(self._numbers[key])
        return self._medians[key], self._basis[key] if key in exact else Basis.GUESSED


class Estimates:
    """How long tasks take, on a `device`, by what was learnt.

    A run is its start-up, its updates and the mentions that it scores. Pre-training is the median of those of the same
    encoder, strategy and text, else mentions times epochs. Records of runs that were stacked tell their share.
    """

    def __init__(self, extent: Extent, device: str = "cpu") -> None:
        self.extent = extent
        self.first = FIRST
        self._device = device
        self._medians = Medians()
        self._known: dict[Hashable, tuple[RunSpec, Estimate]] = {}

    def learn(self, record: Record) -> None:
        """What a record tells of its run, and of the pre-training that it stands on; nothing where that is no use."""
        try:
            if record["status"] != COMPLETE or not record["environment"]["device"].startswith(self._device):
                return
            spec = RunSpec.from_dict(record["spec"])
            self.learn_run(spec, record, Basis.RECORDS)
            if record.get("pretraining"):
                self.learn_pretraining(spec, record, Basis.RECORDS)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            ZeroDivisionError,
        ):  # of another version, or made by hand
            return

    def learn_run(self, spec: RunSpec, record: Record, basis: Basis, scale: float = 1.0) -> None:
        """Start-up, updates and scoring of runs like `spec`; the start-up takes `scale` times as long as in the record.

        A run that made what it stands on has that in its start-up.
        """
        seconds, counts = record["seconds"], record["counts"]
        before = record["pretraining"]["seconds"] if record.get("pretraining") else 0.0
        start_up = seconds["start_up"] - (before if before <= seconds["start_up"] else 0.0)
        scoring = seconds["scoring"] / (counts["dev"] + counts["test"])
        curve = scoring * counts["dev"] * record["spec"]["training"]["dev_points"]
        update = max(seconds["training"] - curve, seconds["training"] / 10) / counts["updates"]
        keys = [*_exactly(spec), *_nearly(spec)]
        for what, number in (("start-up", scale * start_up), ("update", update), ("scoring", scoring)):
            self._note([(what, *key) for key in keys], number, basis)

    def learn_pretraining(self, spec: RunSpec, record: Record, basis: Basis) -> None:
        """The pre-training that a run stands on: its seconds, mentions and epochs; and how many entities its text has.

        What was measured in small tells of a mention alone.
        """
        told, text = record["pretraining"], record["text"]
        mentions, epochs, seconds = told["mentions"], len(told["loss"]), told["seconds"]
        encoder, strategy = named(spec.encoder), spec.strategy.name
        pace = [("pace", encoder, strategy), ("pace", spec.encoder.name, strategy)]
        self._note(pace, seconds / (mentions * epochs), basis, once=True)
        self._note([("pairs", strategy, _text(spec))], mentions / text["sentences"], basis)
        self._note([("entities", _text(spec))], text["entities"] / text["sentences"], basis)
        if basis is Basis.RECORDS:
            self._note([("pretraining", *_pretraining(spec))], seconds, basis, once=True)
            self._note([("epochs", *key) for key in _epochs(spec)], epochs, basis)

    def learn_vectors(self, meta: Mapping[str, Any], basis: Basis) -> None:
        """Entity vectors, by what their artifact tells."""
        self._note([("vectors", meta["maker"])], meta["seconds"] / max(1, len(meta["entities"])), basis)

    def learn_preparing(self, task: Task, seconds: float, count: int) -> None:
        """Prepared data of `count` mentions of a corpus, or sentences of a text, measured in small."""
        key = task.kind, stages.reads(task.specs[0])
        self._note([key], seconds / max(1, count * len(task.specs)), Basis.MEASURED)

    def _note(self, keys: Sequence[Hashable], number: float, basis: Basis, once: bool = False) -> None:
        self._medians.add(keys, number, basis, once)
        self._known.clear()

    def knows(self, task: Task) -> bool:
        """Whether how long it takes is no guess, but for the size of what it reads."""
        spec = task.specs[0]
        if task.kind == RUN:
            return self._of_run("update", spec, 0)[1] is not Basis.GUESSED
        return task.kind != stages.PRETRAINED or self._pace(spec)[1] is not Basis.GUESSED

    def seconds(self, task: Task) -> float:
        """How long it takes."""
        return self.of(task).seconds

    def of(self, task: Task) -> Estimate:
        """How long a task takes, and what that stands on; remembered, for the runs of a grid share what they are of."""
        spec = task.specs[0]
        parts = (spec.corpus, spec.vectors, spec.text, spec.encoder, spec.strategy, spec.training)
        key = task.kind, len(task.specs), spec.size, *map(id, parts)
        if key not in self._known:
            self._known[key] = spec, self._estimate(task)
        return self._known[key][1]

    def _estimate(self, task: Task) -> Estimate:
        spec = task.specs[0]
        if task.kind == RUN:
            return self._run(spec)
        if task.kind == CORPUS:
            pace, basis = self._medians.of([(CORPUS, stages.reads(spec))]) or (PREPARED_MENTION, Basis.GUESSED)
            loading = self.extent.loading.get(spec.vectors.digest, 0.0) if spec.vectors else 0.0
            return Estimate(loading + pace * self._counts(spec)["mentions"], Basis.GUESSED if loading else basis)
        if task.kind == TEXT:
            pace, basis = self._medians.of([(TEXT, stages.reads(spec))]) or (PREPARED_SENTENCE, Basis.GUESSED)
            return Estimate(pace * self.extent.sentences_of(spec) * len(task.specs), basis)
        if task.kind == stages.VECTORS:
            maker = type(stages.make_strategy(spec.strategy).entity_vectors()).__name__
            pace, basis = self._medians.of([("vectors", maker)]) or (ENTITY, Basis.GUESSED)
            return Estimate(pace * self.entities(spec), basis)
        return self._pretraining(spec)

    def _run(self, spec: RunSpec) -> Estimate:
        counts = self._counts(spec)
        dev = min(counts["dev"], spec.training.dev_size or counts["dev"])
        scored = dev * (spec.training.dev_points + 1) + counts["test"]
        start_up, basis = self._of_run("start-up", spec, START_UP)
        update, _ = self._of_run("update", spec, UPDATE)
        scoring, _ = self._of_run("scoring", spec, SCORING)
        return Estimate(start_up + update * spec.training.updates(spec.size) + scoring * scored, basis)

    def _of_run(self, what: str, spec: RunSpec, otherwise: float) -> tuple[float, Basis]:
        exact, near = ([(what, *key) for key in keys] for keys in (_exactly(spec), _nearly(spec)))
        return self._medians.of(exact, near) or (otherwise, Basis.GUESSED)

    def _pretraining(self, spec: RunSpec) -> Estimate:
        if found := self._medians.of([("pretraining", *_pretraining(spec))]):
            return Estimate(*found)
        pace, basis = self._pace(spec)
        known = [("epochs", *key) for key in _epochs(spec)]
        epochs, _ = self._medians.of(known) or (stages.make_strategy(spec.strategy).parameters.epochs, basis)
        return Estimate(pace * self.mentions(spec) * epochs, basis)

    def _pace(self, spec: RunSpec) -> tuple[float, Basis]:
        """Seconds that a mention takes in an epoch of pre-training."""
        exact = [("pace", named(spec.encoder), spec.strategy.name)]
        if found := self._medians.of(exact, [("pace", spec.encoder.name, spec.strategy.name)]):
            return found
        update, _ = self._of_run("update", spec, UPDATE)
        return PRETRAINING * update / spec.training.batch_size, Basis.GUESSED

    def mentions(self, spec: RunSpec) -> float:
        """Relation mentions of a run's text that its strategy learns from."""
        pairs, _ = self._medians.of([("pairs", spec.strategy.name, _text(spec))]) or (PAIRS, Basis.GUESSED)
        return pairs * self.extent.sentences_of(spec)

    def entities(self, spec: RunSpec) -> float:
        """Entities of a run's text."""
        a_sentence, _ = self._medians.of([("entities", _text(spec))]) or (ENTITIES, Basis.GUESSED)
        return a_sentence * self.extent.sentences_of(spec)

    def _counts(self, spec: RunSpec) -> Mapping[str, int]:
        return self.extent.corpora[str(spec.corpus)]


def named(plugin: PluginSpec) -> str:
    """A plugin with its parameters."""
    return f"{plugin.name} {json.dumps(plugin.parameters, sort_keys=True)}"


def _exactly(spec: RunSpec) -> list[tuple[Hashable, ...]]:
    """What runs have in common that take the same time, the nearest first; last, encoder and features on or off."""
    features = bool(spec.training.features)
    arm = named(spec.encoder), features, spec.strategy.name, spec.training.batch_size, spec.corpus.name
    return [(*arm, spec.size), arm, arm[:2]]


def _nearly(spec: RunSpec) -> list[tuple[Hashable, ...]]:
    """What runs have in common that take about the same time: the encoder, with other parameters or features."""
    return [(spec.encoder.name,)]


def _text(spec: RunSpec) -> str:
    assert spec.text is not None
    return spec.text.label


def _pretraining(spec: RunSpec) -> tuple[Hashable, ...]:
    """What pre-trainings have in common that take the same time."""
    target = str(spec.corpus) if spec.text and spec.text.reads_target else ""
    return named(spec.encoder), named(spec.strategy), str(spec.text), target


def _epochs(spec: RunSpec) -> list[tuple[Hashable, ...]]:
    """What pre-trainings have in common that are stopped after as many epochs, the nearest first."""
    return [(named(spec.encoder), named(spec.strategy)), (spec.encoder.name, named(spec.strategy))]
