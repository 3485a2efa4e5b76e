"""Prepared data: made in the process that has read the corpora, the texts and the vectors, once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from safetensors import SafetensorError

from harness import stages
from harness.artifacts import ArtifactStore
from harness.datasets import prepared
from harness.datasets.unlabelled import TextMaker
from harness.errors import HarnessError
from harness.grid import ResolvedGrid
from harness.scheduler.graph import CORPUS, Task
from harness.specs import RunSpec
from harness.vocabulary import Words


def prepare(task: Task, grid: ResolvedGrid, store: ArtifactStore, told: Callable[[str], None]) -> None:
    """Make what a task of the kinds `HERE` makes.

    Raises DataError where a text holds nothing of what is to be read of it, HarnessError where the disk takes no files
    or the grid came without its corpora.
    """
    if not grid.corpora:
        raise HarnessError(
            f"prepared data that the runs need is gone from {store.root}, and this grid came in a bundle, without its "
            "corpora; run it again: what is missing is unpacked once more"
        )
    if task.kind == CORPUS:
        _prepare_corpus(task.specs[0], grid, store, told)
    else:
        _prepare_text(task, grid, store, told)


def _prepare_corpus(spec: RunSpec, grid: ResolvedGrid, store: ArtifactStore, told: Callable[[str], None]) -> None:
    corpus, vectors = spec.corpus, spec.vectors
    name = f"{corpus.name} with {vectors.name}" if vectors else corpus.name
    told(f"Preparing {name} (once; vectors are read or trained, features built)")
    load = grid.vectors[vectors.digest].load if vectors else None
    with _told_of_disk(name, store):
        prepared.ensure(store, corpus, vectors, grid.corpus_of(spec).source, load, stages.reads(spec))


def _prepare_text(task: Task, grid: ResolvedGrid, store: ArtifactStore, told: Callable[[str], None]) -> None:
    """Make what runs need of the same sentences, which are read once."""
    maker = _text_maker(task.specs[0], grid)
    for spec in task.specs:
        told(f"Preparing {sample(spec)}, for {spec.encoder.name}")
        with _told_of_disk(grid.text_of(spec).spec.label, store):
            maker.ensure(store, stages.reads(spec), stages.with_target(spec))


def sample(spec: RunSpec) -> str:
    """The text of a run in words."""
    assert spec.text is not None
    return f"{spec.text.label}, sample {spec.stream('sample')}"


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
