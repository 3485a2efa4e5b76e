"""The life of one run on one page: a resolved spec in, a record and its predictions out.

A run opens no corpus and no vector file; it reads prepared arrays, memory-mapped. It never raises for what goes wrong
within it: a failure is a record too.
"""

from __future__ import annotations

import os
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import provenance, scoring, stages
from harness.artifacts import Artifact, ArtifactStore
from harness.batching import Features, Indices, Inputs, reading_lengths, training_batches
from harness.datasets.prepared import inputs_key, mentions_key
from harness.datasets.splits import TIES, Split, split, subset
from harness.datasets.unlabelled import links_key, sentences_key
from harness.directions import Outputs, outputs
from harness.errors import HarnessError
from harness.records import RECORD_FORMAT
from harness.seeding import numpy_stream, torch_stream
from harness.specs import CorpusSpec, RunSpec
from harness.training import Examples, FineTuning, Model


@dataclass(frozen=True)
class Outcome:
    """What a run hands back: its record, and the gold and predicted classes of the test split, (N,); None if failed."""

    record: dict[str, Any]
    gold: Indices | None
    predicted: Indices | None


@dataclass(frozen=True)
class LabelledSplit:
    """The mentions of a corpus spec: split, classes in order, the negative one of them, and what the classifier tells
    apart.
    """

    split: Split
    classes: tuple[str, ...]
    negative: str | None
    outputs: Outputs


def execute(spec: RunSpec, home: Path, device: str, headline: str, negative: str | None, commit: str) -> Outcome:
    """Run `spec`; `headline` names the metric that chooses on dev, `negative` the corpus's negative class."""
    started = time.perf_counter()
    record: dict[str, Any] = {
        "format": RECORD_FORMAT,
        "key": spec.key,
        "cell": spec.cell,
        "spec": spec.as_dict(),
        "status": "complete",
        "error": None,
        "environment": provenance.environment(spec, device, commit),
    }
    gold = predicted = None
    try:
        store = ArtifactStore(home / "artifacts")
        found, gold, predicted = _train_and_score(spec, store, device, headline, negative, started)
        record |= found
    except Exception as error:
        told = str(error) or type(error).__name__
        trace = None if isinstance(error, HarnessError) else traceback.format_exc()
        record |= {"status": "failed", "error": {"type": type(error).__name__, "message": told, "traceback": trace}}
        record["seconds"] = {"total": time.perf_counter() - started}
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    return Outcome(record, gold, predicted)


def _train_and_score(
    spec: RunSpec, store: ArtifactStore, device_name: str, headline: str, negative: str | None, started: float
) -> tuple[dict[str, Any], Indices, Indices]:
    device = torch.device(device_name)
    mentions, prepared = _prepared(spec, store)
    labelled = label_split(spec.corpus, mentions, negative)
    told_apart = labelled.outputs
    chosen = subset(labelled.split.train, spec.size, spec.stream("subset"))
    dev_indices = subset(labelled.split.dev, spec.training.dev_size or len(labelled.split.dev), spec.stream("subset"))

    def examples(indices: Indices) -> Examples:
        return Examples(indices, told_apart.gold[indices], reading_lengths(prepared, indices))

    def scores(gold: Indices, predicted: Indices) -> dict[str, float]:
        return scoring.score(told_apart.scored[gold], told_apart.scored[predicted], labelled.classes, labelled.negative)

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
        encoder.requires_grad_(stages.make_strategy(spec.strategy).trainable)
    groups = spec.training.features if isinstance(spec.training.features, tuple) else ()
    features = Features(mentions, groups, chosen, device)
    classifier_stream = torch_stream("initialisation", replicate, "classifier")
    model = Model(encoder, features.size, len(told_apart.scored), classifier_stream).to(device)
    fine_tuning = FineTuning(model, inputs, features, spec.training, told_apart.mask(device))
    if spec.training.standardise:
        fine_tuning.standardise(labelled.split.train, reading_lengths(prepared, labelled.split.train))
    batches = training_batches(train.lengths, spec.training.batch_size, numpy_stream("order", spec.stream("order")))
    ready = time.perf_counter()

    curve = fine_tuning.run(train, batches, dev, lambda predicted: scores(dev.labels, predicted)[headline])
    trained = time.perf_counter()
    dev_predicted, test_predicted = fine_tuning.predict(dev), fine_tuning.predict(test)
    done = time.perf_counter()
    found = {
        "scores": {"dev": scores(dev.labels, dev_predicted), "test": scores(test.labels, test_predicted)},
        "curve": {"update": curve.update, "loss": curve.loss, "dev": curve.dev},
        "best_update": curve.update[curve.best],
        "counts": {
            "train": len(train.mentions),
            "dev": len(dev.mentions),
            "test": len(test.mentions),
            "classes": len(labelled.classes),
            "updates": curve.update[-1],
            "features": features.size,
        },
        "coverage": dict(prepared.meta["coverage"]) if prepared else None,
        "fallback": _fallback(prepared, labelled.split),
        "text": _text(spec, store),
        "pretraining": dict(pretrained.meta["told"]) if pretrained else None,
        "seconds": {
            "start_up": ready - started,
            "training": trained - ready,
            "scoring": done - trained,
            "total": done - started,
        },
    }
    return found, told_apart.scored[test.labels], told_apart.scored[test_predicted]


def _prepared(spec: RunSpec, store: ArtifactStore) -> tuple[Artifact, Artifact | None]:
    """The prepared arrays of a spec; the second is None for an encoder that reads no vectors."""
    mentions = store.read("mentions", mentions_key(spec.corpus))
    inputs = store.read("inputs", inputs_key(spec.corpus, spec.vectors, stages.reads(spec))) if spec.vectors else None
    if mentions is None or (spec.vectors and inputs is None):
        raise HarnessError(f"the prepared data of '{spec.corpus.name}' is gone from {store.root}; run the grid again")
    return mentions, inputs


def make_stage(kind: str, spec: RunSpec, home: Path, device: str) -> str:
    """Make what several runs stand on, an artifact of one of the kinds of `stages`; what there is to tell of it."""
    return stages.make_stage(kind, spec, ArtifactStore(home / "artifacts"), torch.device(device))


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


def start_worker() -> None:
    """Prepare a worker process: one thread, no answer to Ctrl-C, gone when its parent is gone."""
    import multiprocessing
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def leave_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
