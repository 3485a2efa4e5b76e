"""`reconstruct`: what the decoders of pre-trained encoders say of mentions of the text, and how much of it is right."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import pretraining, stages
from harness.artifacts import Artifact, ArtifactStore
from harness.batching import Indices, evaluation_batches
from harness.contracts import Objective, Reading, UnlabelledMentions
from harness.datasets.unlabelled import readings_key, sentences_key
from harness.errors import HarnessError
from harness.grid import ResolvedGrid
from harness.records import RecordStore
from harness.selection import chosen_grid, select
from harness.specs import RunSpec

MEASURED = 500
"""Mentions, evenly spaced, over which the shares are taken."""

BATCH = 32
"""Mentions whose readings are said at once; each step scores them against every type of the text."""


@dataclass(frozen=True)
class Reconstructed:
    """A reading, and what the decoder says of it, as rows of the vectors."""

    read: list[int]
    said: list[int]


def reconstruct(asked: argparse.Namespace) -> int:
    """Show it for each pre-trained arm of the selection; 1 where one is not pre-trained here."""
    grid = chosen_grid(asked, asked.home)
    arms: dict[str, RunSpec] = {}
    for spec in select(grid, asked).values():
        key = stages.pretrained_key(spec)
        if key is not None and (key not in arms or spec.size < arms[key].size):
            arms[key] = spec
    if not arms:
        raise HarnessError("expected a strategy that pre-trains among the runs that are asked for, found none")
    store = ArtifactStore(asked.home / "artifacts")
    missing = 0
    for key, spec in arms.items():
        made = store.read(stages.PRETRAINED, key)
        gone = "not pre-trained here" if made is None else _gone(spec, store)
        if made is None or gone:
            missing += 1
            print(f"{_name(spec, grid)}: {gone}; {_how(spec, grid, asked)}")
        else:
            _show(spec, made, grid, store, asked)
    return 1 if missing else 0


def _gone(spec: RunSpec, store: ArtifactStore) -> str:
    """What of the text is not here that the pre-trained encoder reads; empty where all is."""
    wanted = {"sentences": sentences_key(spec), "readings": readings_key(spec, stages.reads(spec))}
    gone = [kind for kind, key in wanted.items() if not store.has(kind, key)]
    return f"pre-trained here, but without the {' and '.join(gone)} of the text, which are gone" if gone else ""


def _how(spec: RunSpec, grid: ResolvedGrid, asked: argparse.Namespace) -> str:
    """What to type to have all of it made."""
    if asked.grid is None:
        return "the same flags with python -m harness run make it"
    words = ["--grid", asked.grid, "--encoder", spec.encoder.name, "--strategy", spec.strategy.name]
    words += ["--size", str(spec.size), "--replicates", str(spec.replicate + 1)]
    if RecordStore(asked.home / "records").read_all([spec.key]):
        words += ["--rerun", "all"]
    return f"python -m harness run {shlex.join(words)} makes it"


def _show(spec: RunSpec, made: Artifact, grid: ResolvedGrid, store: ArtifactStore, asked: argparse.Namespace) -> None:
    """Print what the decoder says of some mentions, and the shares over more of them."""
    objective, mentions = stages.make_objective(spec, store, torch.device("cpu"))
    objective.load_state_dict(made.tensors)
    objective.eval()
    settings: Any = stages.make_strategy(spec.strategy).parameters
    learned, held_out = pretraining.parts(objective, mentions, settings.held_out)
    chosen = held_out if asked.held_out else learned
    try:
        shown = said(objective, mentions, spaced(chosen, asked.n))
    except NotImplementedError:
        print(f"{_name(spec, grid)}: {spec.strategy.name} has no decoder")
        return
    told = made.meta["told"]
    print(f"{_name(spec, grid)}: held out {told['held_out'][0]:.1f} -> {min(told['held_out']):.1f}")
    sentences = store.read("sentences", sentences_key(spec))
    assert sentences is not None
    names = [*sentences.meta["words"], *(f"<{entity}>" for entity in sentences.meta["entities"])]
    for number, readings in enumerate(shown, 1):
        for which, reading in enumerate(readings):
            print(f"{'' if which else number:>4}  read  {' '.join(names[row] for row in reading.read)}")
            print(f"      said  {' '.join(names[row] for row in reading.said)}")
    measured = spaced(chosen, MEASURED)
    part = "held out" if asked.held_out else "learned from"
    print(f"  right of {len(measured):,} mentions {part}, and what always saying the most frequent one gets:")
    both = [reading for readings in said(objective, mentions, measured) for reading in readings]
    for line in _shares(both, mentions.words):
        print(f"    {line}")


def said(objective: Objective, mentions: UnlabelledMentions, chosen: Indices) -> list[tuple[Reconstructed, ...]]:
    """Each reading of the chosen mentions and what the decoder says of it, in their order.

    Raises NotImplementedError where the objective has no decoder.
    """
    found: dict[int, tuple[Reconstructed, ...]] = {}
    for places in evaluation_batches(mentions.lengths.numpy()[chosen], BATCH):
        numbers = torch.from_numpy(chosen[places])
        with torch.no_grad():
            outputs = objective.reconstruct(numbers)
        pairs = zip(mentions.batch(numbers).readings, outputs, strict=True)
        rows = [_cut(reading, output) for reading, output in pairs]
        found |= dict(zip(places.tolist(), zip(*rows, strict=True), strict=True))
    return [found[place] for place in range(len(chosen))]


def _cut(reading: Reading, output: Tensor) -> list[Reconstructed]:
    """One reading of each mention of a batch, up to its end."""
    rows = zip(reading.tokens.tolist(), output.tolist(), reading.lengths.tolist(), strict=True)
    return [Reconstructed(read[:length], words[:length]) for read, words, length in rows]


def spaced(numbers: Indices, count: int) -> Indices:
    """`count` of the numbers, or all where there are fewer, evenly spaced from the first to the last."""
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(np.int64)
    found: Indices = numbers[places]
    return found


def _shares(readings: Sequence[Reconstructed], words: int) -> Iterator[str]:
    """Lines with the shares of tokens, first tokens and entities that are right, and what a constant would get."""
    tokens = [pair for reading in readings for pair in zip(reading.read, reading.said, strict=True)]
    first = [(reading.read[0], reading.said[0]) for reading in readings]
    entities = [(read, said) for read, said in tokens if read >= words]
    for name, pairs in (("tokens", tokens), ("first tokens", first), ("entities", entities)):
        right = sum(read == said for read, said in pairs)
        constant = max(Counter(read for read, _ in pairs).values(), default=0)
        count = max(1, len(pairs))
        yield f"{name + ':':13} {100 * right / count:5.1f} % of {len(pairs):,} ({100 * constant / count:.1f} %)"


def _name(spec: RunSpec, grid: ResolvedGrid) -> str:
    """The arm in words: encoder, strategy, variant, text, and what of chance it has seen."""
    variant = next(cell["variant"] for cell in grid.plain["cells"] if cell["cell"] == spec.cell)
    text = spec.text.label if spec.text else "no text"
    chance = f"sample {spec.stream('sample')}, initialisation {spec.stream('initialisation')}"
    return f"{spec.encoder.name} by {spec.strategy.name}{variant and f' ({variant})'} on {text}, {chance}"
