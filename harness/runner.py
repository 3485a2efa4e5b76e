"""The life of one run on one page: a resolved spec in, a record and its predictions out.

A run opens no corpus and no vector file; it reads prepared arrays, memory-mapped. It never raises for what goes wrong
within it: a failure is a record too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from harness import geometry, provenance, scoring, stages
from harness.artifacts import Artifact, ArtifactStore
from harness.batching import Features, Indices, Inputs, reading_lengths, training_batches
from harness.datasets.prepared import inputs_key, mentions_key
from harness.datasets.splits import TIES, Split, split, subset
from harness.datasets.unlabelled import links_key, sentences_key
from harness.directions import Outputs, outputs
from harness.errors import DivergedError, HarnessError, as_record
from harness.records import COMPLETE, FAILED, RECORD_FORMAT, Hidden, Vectors
from harness.seeding import numpy_stream, torch_stream
from harness.specs import CorpusSpec, RunSpec
from harness.stacking import Stack
from harness.training import Curve, Examples, FineTuning, Model


@dataclass(frozen=True)
class Outcome:
    """What a run hands back: its record, and the gold and predicted classes of the test split, (N,); None if failed.

    `hidden` are its hidden vectors of the dev set, where its spec asks for them and its encoder has any.
    """

    record: dict[str, Any]
    gold: Indices | None
    predicted: Indices | None
    hidden: Hidden | None = None


@dataclass(frozen=True)
class LabelledSplit:
    """The mentions of a corpus spec: split, classes in order, the negative one of them, and what the classifier tells
    apart.
    """

    split: Split
    classes: tuple[str, ...]
    negative: str | None
    outputs: Outputs

    def without_test(self) -> LabelledSplit:
        """The same for a study, which is not to know how it would score on test: neither its mentions nor labels."""
        gold = self.outputs.gold.copy()
        gold[self.split.test] = -1
        return replace(
            self, split=replace(self.split, test=self.split.test[:0]), outputs=replace(self.outputs, gold=gold)
        )


def execute(
    spec: RunSpec, store: ArtifactStore, device: str, headline: str, negative: str | None, commit: str
) -> Outcome:
    """Run `spec`; `headline` names the metric that chooses on dev, `negative` the corpus's negative class."""
    started = time.perf_counter()
    try:
        device = choose_device(device)
        environment = provenance.environment(spec, device, commit)
        run = _set_up(spec, store, torch.device(device), headline, negative)
        ready = time.perf_counter()
        curve = run.tuning.run(run.train, run.batches, run.dev, run.dev_score)
        trained = time.perf_counter()
        predicted = run.tuning.predict(run.dev), run.tuning.predict(run.test)
        hidden = run.hidden()
        return run.outcome(curve, predicted, (trained - ready, time.perf_counter() - trained), environment, hidden)
    except Exception as error:
        environment = provenance.environment(spec, device, commit)
        return failed(spec, as_record(error), environment, time.perf_counter() - started)


def _set_up(spec: RunSpec, store: ArtifactStore, device: torch.device, headline: str, negative: str | None) -> _Run:
    """Read what a run needs, and make what it stands on where it has not been made."""
    started = time.perf_counter()
    mentions, prepared = _prepared(spec, store)
    labelled = label_split(spec.corpus, mentions, negative)
    if spec.tuning:
        labelled = labelled.without_test()
    told_apart = labelled.outputs
    chosen = subset(labelled.split.train, spec.size, spec.stream("subset"))
    dev_indices = subset(labelled.split.dev, spec.training.dev_size or len(labelled.split.dev), spec.stream("subset"))

    def examples(indices: Indices) -> Examples:
        return Examples(indices, told_apart.gold[indices], reading_lengths(prepared, indices))

    train, dev, test = examples(chosen), examples(dev_indices), examples(labelled.split.test)
    replicate = spec.stream("initialisation")
    width = prepared.tensors["words"].shape[1] if prepared else 0
    encoder = stages.make_encoder(spec.encoder, width, replicate)
    inputs = pretrained = None
    if prepared is not None:
        vectors = stages.entity_vectors(spec, prepared, store)
        inputs = Inputs(prepared, vectors, device, encoder.positions)
        pretrained = stages.pretrained(spec, store, device)
        if pretrained is not None:
            stages.load_encoder(encoder, pretrained)
        strategy = stages.make_strategy(spec.strategy)
        strategy.first_weights(encoder)
        encoder.requires_grad_(strategy.trainable)
    groups = spec.training.features if isinstance(spec.training.features, tuple) else ()
    features = Features(mentions, groups, chosen, device)
    classifier_stream = torch_stream("initialisation", replicate, "classifier")
    model = Model(encoder, features.size, len(told_apart.scored), classifier_stream).to(device)
    dropped = torch_stream("dropout", spec.stream("order"))
    tuning = FineTuning(model, inputs, features, spec.training, told_apart.mask(device), dropped)
    if spec.training.standardise:
        tuning.standardise(labelled.split.train, reading_lengths(prepared, labelled.split.train))
    batches = training_batches(train.lengths, spec.training.batch_size, numpy_stream("order", spec.stream("order")))
    told = {
        "coverage": dict(prepared.meta["coverage"]) if prepared else None,
        "fallback": _fallback(prepared, labelled.split),
        "text": _text(spec, store),
        "pretraining": dict(pretrained.meta["told"]) if pretrained else None,
    }
    untaught = _vectors(tuning, dev) if spec.save_hidden else None
    seconds = time.perf_counter() - started
    return _Run(spec, tuning, batches, train, dev, test, labelled, headline, told, untaught, seconds)


@dataclass
class _Run:
    """A run that has been set up: its model, and the mentions that it learns from and is scored on.

    `told` is what its record tells beside scores and times, `untaught` are the hidden vectors of dev, (N, H), where
    they are kept, and `start_up` the seconds that this took.
    """

    spec: RunSpec
    tuning: FineTuning
    batches: Iterator[Indices]
    train: Examples
    dev: Examples
    test: Examples
    labelled: LabelledSplit
    headline: str
    told: dict[str, Any]
    untaught: Vectors | None
    start_up: float

    def dev_score(self, predicted: Indices) -> float:
        """What chooses among the dev points."""
        return self._scores(self.dev, predicted)[self.headline]

    def _scores(self, examples: Examples, predicted: Indices) -> dict[str, float]:
        scored, labelled = self.labelled.outputs.scored, self.labelled
        return scoring.score(scored[examples.labels], scored[predicted], labelled.classes, labelled.negative)

    def hidden(self) -> Hidden | None:
        """The hidden vectors of dev before the first update and now, where they are kept; `told` tells of them then."""
        taught = None if self.untaught is None else _vectors(self.tuning, self.dev)
        if self.untaught is None or taught is None:
            return None
        found = Hidden(self.untaught, taught, self.labelled.outputs.scored[self.dev.labels])
        self.told["hidden"] = geometry.described(found, self.labelled.classes, self.labelled.negative)
        return found

    def outcome(
        self,
        curve: Curve,
        predicted: tuple[Indices, Indices],
        seconds: tuple[float, float],
        environment: dict[str, Any],
        hidden: Hidden | None = None,
    ) -> Outcome:
        """What the run comes to, from what it predicts of dev and test and the seconds of training and scoring."""
        dev, test = predicted
        training, scoring = seconds
        scores = {"dev": self._scores(self.dev, dev)}
        if not self.spec.tuning:
            scores["test"] = self._scores(self.test, test)
        found = {
            "scores": scores,
            "curve": {"update": curve.update, "loss": curve.loss, "dev": curve.dev},
            "best_update": curve.update[curve.best],
            "counts": {
                "train": len(self.train.mentions),
                "dev": len(self.dev.mentions),
                "test": len(self.test.mentions),
                "classes": len(self.labelled.classes),
                "updates": curve.update[-1],
                "features": self.tuning.features.size,
            },
            **self.told,
            "seconds": {
                "start_up": self.start_up,
                "training": training,
                "scoring": scoring,
                "total": self.start_up + training + scoring,
            },
        }
        scored = self.labelled.outputs.scored
        record = _record(self.spec, COMPLETE, None, environment, found)
        if self.spec.tuning:
            return Outcome(record, None, None)
        return Outcome(record, scored[self.test.labels], scored[test], hidden)


def _vectors(tuning: FineTuning, examples: Examples) -> Vectors | None:
    """h of each mention, (N, H), as it is kept; None of an encoder without."""
    hidden = tuning.hidden(examples)
    return None if hidden is None else hidden.half().cpu().numpy()


def failed(spec: RunSpec, error: Mapping[str, Any], environment: dict[str, Any], seconds: float = 0.0) -> Outcome:
    """The outcome of a run that has failed by an error, as records hold it."""
    return Outcome(_record(spec, FAILED, error, environment, {"seconds": {"total": seconds}}), None, None)


def _record(
    spec: RunSpec, status: str, error: Mapping[str, Any] | None, environment: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "key": spec.key,
        "cell": spec.cell,
        "spec": spec.as_dict(),
        "status": status,
        "error": dict(error) if error else None,
        "environment": environment,
        **found,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def execute_stack(
    specs: Sequence[RunSpec], store: ArtifactStore, device: str, headline: str, negative: str | None, commit: str
) -> list[Outcome]:
    """Run specs of one `stack_key` together, as `execute` would run each; their outcomes, in the order of the specs.

    What can't be set up is run alone, to tell what is wrong with it; and so are all where the stack as such fails: vmap
    does not take an operation of the encoder, or the device's memory does not suffice for all at once.
    """
    together: dict[str, Outcome] = {}
    if len(specs) > 1:
        with suppress(Exception):
            together = _execute_together(specs, store, choose_device(device), headline, negative, commit)
    return [together.get(spec.key) or execute(spec, store, device, headline, negative, commit) for spec in specs]


def _execute_together(
    specs: Sequence[RunSpec], store: ArtifactStore, device: str, headline: str, negative: str | None, commit: str
) -> dict[str, Outcome]:
    """The outcomes, by key, of those runs that could be set up; none where that is a single one."""
    runs: list[_Run] = []
    for spec in specs:
        with suppress(Exception):
            runs.append(_set_up(spec, store, torch.device(device), headline, negative))
    count = len(runs)
    if count < 2:
        return {}
    environments = [provenance.environment(run.spec, device, commit, count) for run in runs]
    ready = time.perf_counter()
    stack = Stack([run.tuning for run in runs])
    train, dev, test = [run.train for run in runs], [run.dev for run in runs], [run.test for run in runs]
    curves = stack.run(train, [run.batches for run in runs], dev, [run.dev_score for run in runs])
    trained = time.perf_counter()
    predicted = zip(stack.predict(dev), stack.predict(test), strict=True)
    seconds = (trained - ready) / count, (time.perf_counter() - trained) / count
    return {
        run.spec.key: failed(run.spec, as_record(curve), environment, run.start_up + sum(seconds))
        if isinstance(curve, DivergedError)
        else run.outcome(curve, found, seconds, environment)
        for run, curve, found, environment in zip(runs, curves, predicted, environments, strict=True)
    }


def choose_device(wanted: str) -> str:
    """The device that is used where `wanted` is asked for: with `auto`, CUDA where there is one.

    Raises HarnessError where CUDA is asked for and not there.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise HarnessError("--device cuda: expected a CUDA device, found none; use --device cpu or auto")
    torch.backends.cudnn.allow_tf32 = False  # cuDNN would round the products of a run alone more than those of a stack
    return wanted if wanted != "auto" else "cuda" if there else "cpu"


def _prepared(spec: RunSpec, store: ArtifactStore) -> tuple[Artifact, Artifact | None]:
    """The prepared arrays of a spec; the second is None for an encoder that reads no vectors."""
    mentions = store.read("mentions", mentions_key(spec.corpus))
    inputs = store.read("inputs", inputs_key(spec.corpus, spec.vectors, stages.reads(spec))) if spec.vectors else None
    if mentions is None or (spec.vectors and inputs is None):
        raise HarnessError(f"the prepared data of '{spec.corpus.name}' is gone from {store.root}; run the grid again")
    return mentions, inputs


def _text(spec: RunSpec, store: ArtifactStore) -> dict[str, Any] | None:
    """What there is of the run's text: sentences, mentions, entities, and the shares of the target's arguments that are
    linked to it; None where it reads none.
    """
    if spec.text is None:
        return None
    with_target = stages.with_target(spec)
    sentences = store.read("sentences", sentences_key(spec, with_target))
    links = store.read("links", links_key(spec, with_target))
    assert sentences is not None
    assert links is not None
    told = {name: value for name, value in sentences.meta["told"].items() if name != "coverage"}
    return {**told, **links.meta["shares"]}


def _fallback(prepared: Artifact | None, parts: Split) -> dict[str, int] | None:
    """Of how many mentions of the split the words between were read in place of paths; None where none are read."""
    if prepared is None or "fallback" not in prepared.tensors:
        return None
    took = prepared.tensors["fallback"].numpy()[np.concatenate([parts.train, parts.dev, parts.test])]
    return {"words_between": int(took.sum()), "mentions": len(took)}


def label_split(corpus: CorpusSpec, mentions: Artifact, negative: str | None) -> LabelledSplit:
    """Split a prepared corpus as its spec says; classes are those of the whole corpus, the dropped one aside."""
    dropped = negative if corpus.negative == "drop" else None
    names = mentions.meta["classes"]
    classes = tuple(name for name in names if name != dropped)
    index = np.array([classes.index(name) if name != dropped else -1 for name in names])
    labels = index[mentions.tensors["label"].numpy()]
    parts = np.array(mentions.meta["parts"])[mentions.tensors["part"].numpy()]
    among = np.flatnonzero(labels >= 0)
    group = mentions.tensors[f"group.{corpus.split}"].numpy() if corpus.split in TIES else None
    parted = split(parts, corpus.split, corpus.split_seed, corpus.sample, among, group)
    kept = negative if dropped is None and negative in classes else None
    told_apart = outputs(
        labels, mentions.tensors["head"].numpy(), len(classes), classes.index(kept) if kept is not None else None
    )
    return LabelledSplit(parted, classes, kept, told_apart)
