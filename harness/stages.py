"""What a run stands on beyond prepared arrays: entity vectors and a pre-trained encoder, made once and shared.

Each is an artifact whose key holds what it depends on: the text as it is read, the plugins that make it with their
parameters and the digest of their code, the code of pre-training and of its batches, and the streams of chance. Code of
the contracts is not in it.
"""

from __future__ import annotations

import dataclasses
import inspect
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness import batching, pretraining, provenance, registry
from harness.artifacts import Artifact, ArtifactStore
from harness.contracts import Encoder, Objective, Strategy, UnlabelledMentions
from harness.datasets.prepared import Reads, names
from harness.datasets.unlabelled import (
    links_key,
    readings_key,
    sentences_key,
    unlabelled_mentions,
    unlabelled_text,
)
from harness.errors import HarnessError
from harness.parameters import read
from harness.seeding import torch_stream
from harness.specs import PluginSpec, RunSpec, key_of

VECTORS, PRETRAINED = "entity-vectors", "pretrained"
"""The kinds of the two artifacts, in the order in which they are made."""


def make_strategy(spec: PluginSpec) -> Strategy:
    """The strategy of a run."""
    kind: type[Strategy] = registry.load("strategy", spec.name)
    return kind(read(kind.Parameters, spec.parameters, spec.name, []))


def make_encoder(spec: PluginSpec, width: int, replicate: int) -> Encoder:
    """The encoder of a run with its first weights; `width` is that of its input vectors."""
    kind: type[Encoder] = registry.load("encoder", spec.name)
    parameters = read(kind.Parameters, spec.parameters, spec.name, [])
    return kind(width, parameters, torch_stream("initialisation", replicate, "encoder"))


def reads(spec: RunSpec) -> Reads:
    """What the encoder of a run reads of a mention."""
    kind: type[Encoder] = registry.load("encoder", spec.encoder.name)
    return kind.reads


def with_target(spec: RunSpec) -> bool:
    """Whether the entity vectors of a run are made of the text and the target's sentences."""
    return make_strategy(spec.strategy).entity_vectors().with_target


def key_of_stage(kind: str, spec: RunSpec) -> str | None:
    """Key of one of the two artifacts of a run; None where it has none."""
    if spec.text is None:
        return None
    return vectors_key(spec) if kind == VECTORS else pretrained_key(spec)


def make_stage(kind: str, spec: RunSpec, store: ArtifactStore, device: torch.device) -> str:
    """Make one of the two artifacts of a run where it is not there yet, and tell of it in a line."""
    told = f"{spec.strategy.name} on {spec.text.label if spec.text else 'no text'}, sample {spec.stream('sample')}"
    if kind == VECTORS:
        made = text_vectors(spec, store)
        return f"{told}: {len(made.meta['entities']):,} entities in {made.meta['seconds']:,.0f} s"
    found = pretrained(spec, store, device)
    assert found is not None
    progress = found.meta["told"]
    epochs = len(progress["loss"])
    pace = progress["mentions"] * epochs / progress["seconds"]
    return (
        f"{spec.encoder.name} by {told}, initialisation {spec.stream('initialisation')}: {epochs} epochs, loss "
        f"{progress['loss'][-1]:.2f}, held out {progress['held_out'][0]:.2f} to {min(progress['held_out']):.2f}, "
        f"{pace:,.0f} mentions a second"
    )


def vectors_key(spec: RunSpec) -> str:
    """Key of the entity vectors of a run's text: equal for all strategies that have them made in the same way."""
    maker = make_strategy(spec.strategy).entity_vectors()
    return key_of(
        {
            "sentences": sentences_key(spec, maker.with_target),
            "maker": type(maker).__qualname__,
            "parameters": dataclasses.asdict(maker),
            "code": provenance.code_with_siblings(Path(inspect.getfile(type(maker)))),
            "sample": spec.stream("sample"),
        }
    )


def pretrained_key(spec: RunSpec) -> str | None:
    """Key of the pre-trained encoder of a run; None where its strategy pre-trains none."""
    kind: type[Strategy] = registry.load("strategy", spec.strategy.name)
    if spec.text is None or not kind.pretrains():
        return None
    return key_of(
        {
            "readings": readings_key(spec, reads(spec)),
            "entity vectors": vectors_key(spec),
            "encoder": dataclasses.asdict(spec.encoder),
            "strategy": dataclasses.asdict(spec.strategy),
            "code": [
                provenance.plugin_digest("encoder", spec.encoder.name),
                provenance.plugin_digest("strategy", spec.strategy.name),
                provenance.code_digest(Path(pretraining.__file__), Path(batching.__file__)),
            ],
            "initialisation": spec.stream("initialisation"),
        }
    )


def entity_vectors(spec: RunSpec, prepared: Artifact, store: ArtifactStore) -> Tensor:
    """The vectors of the target's entities, (E, D): those of the text where they are linked to it, else by their names
    alone.
    """
    maker = make_strategy(spec.strategy).entity_vectors()
    stream = torch_stream("initialisation", spec.stream("initialisation"), "strategy")
    vectors = maker.of_names(names(prepared), stream)
    if spec.text is None:
        return vectors
    made = text_vectors(spec, store)
    links = _needed(store, "links", links_key(spec, maker.with_target)).meta["links"]
    number = {entity: at for at, entity in enumerate(made.meta["entities"])}
    linked = [(at, number[links[entity]]) for at, entity in enumerate(prepared.meta["entities"]) if entity in links]
    if linked:
        own, theirs = torch.tensor(linked).T
        vectors = vectors.clone()
        vectors[own] = made.tensors["vectors"][theirs]
    return vectors


def text_vectors(spec: RunSpec, store: ArtifactStore) -> Artifact:
    """The vectors of the entities of a run's text, `vectors` (E, D), with their IDs; made now where they are not."""
    maker = make_strategy(spec.strategy).entity_vectors()

    def make() -> Artifact:
        sentences = _needed(store, "sentences", sentences_key(spec, maker.with_target))
        started = time.perf_counter()
        generator = torch_stream("entity vectors", spec.stream("sample"))
        vectors = maker.of_text(unlabelled_text(sentences), generator)
        seconds = time.perf_counter() - started
        told = {"of": spec.text.label if spec.text else "", "maker": type(maker).__name__, "seconds": seconds}
        return Artifact({"vectors": vectors}, {"entities": sentences.meta["entities"], **told})

    return store.ensure(VECTORS, vectors_key(spec), make)


def pretrained(spec: RunSpec, store: ArtifactStore, device: torch.device) -> Artifact | None:
    """The objective that a run's strategy has minimised, its encoder within; None where it pre-trains none.

    Its weights are named as those of the objective, the encoder's with `encoder.` before. Made now where it is not
    there; killed, it goes on after the last whole epoch.
    """
    key = pretrained_key(spec)
    if key is None:
        return None
    checkpoint = store.root / "unfinished" / f"{key[:32]}.safetensors"

    def make() -> Artifact:
        objective, mentions = make_objective(spec, store, device)
        settings: Any = make_strategy(spec.strategy).parameters
        initialisation = spec.stream("initialisation")
        progress = pretraining.run(objective, mentions, settings, initialisation, checkpoint)
        weights = {name: weight.detach().cpu().clone() for name, weight in objective.state_dict().items()}
        told = {**dataclasses.asdict(progress), "best_epoch": progress.best}
        return Artifact(weights, {"told": told, "spec": spec.as_dict()})

    made = store.ensure(PRETRAINED, key, make)
    checkpoint.unlink(missing_ok=True)
    return made


def make_objective(spec: RunSpec, store: ArtifactStore, device: torch.device) -> tuple[Objective, UnlabelledMentions]:
    """The objective of a run's strategy with its first weights, and the mentions that it learns from."""
    sentences = _needed(store, "sentences", sentences_key(spec))
    read_mentions = _needed(store, "readings", readings_key(spec, reads(spec)))
    made = text_vectors(spec, store)
    number = {entity: at for at, entity in enumerate(made.meta["entities"])}
    own = made.tensors["vectors"][[number[entity] for entity in sentences.meta["entities"]]]
    replicate = spec.stream("initialisation")
    encoder = make_encoder(spec.encoder, own.shape[1], replicate)
    mentions = unlabelled_mentions(sentences, read_mentions, own, device, encoder.positions)
    generator = torch_stream("initialisation", replicate, "objective")
    objective = make_strategy(spec.strategy).objective(encoder, mentions, generator)
    return objective.to(device), mentions


def load_encoder(encoder: Encoder, made: Artifact) -> None:
    """Give the encoder the weights that pre-training has left."""
    prefix = "encoder."
    own = {n.removeprefix(prefix): weight for n, weight in made.tensors.items() if n.startswith(prefix)}
    encoder.load_state_dict(own)


def _needed(store: ArtifactStore, kind: str, key: str) -> Artifact:
    found = store.read(kind, key)
    if found is None:
        raise HarnessError(
            f"the {kind} of a text are gone from {store.root}; make them again: run the grid with --rerun all"
        )
    return found
