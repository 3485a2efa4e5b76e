"""What a worker does with a task: it finds the artifacts, in the home folder or among what came along, and makes one
more, or a record.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from harness import provenance, runner, stages
from harness.artifacts import ArtifactStore
from harness.errors import GoneError, HarnessError, as_record
from harness.runner import Outcome
from harness.scheduler.graph import Id
from harness.specs import RunSpec


class HomeUnseen(Exception):
    """A worker does not see the home folder, and no artifacts came with its task."""


@dataclass(frozen=True)
class Home:
    """The home folder of the process that schedules; a worker sees it if it finds the mark in it."""

    path: Path
    mark: str

    @property
    def artifacts(self) -> Path:
        """Where its artifacts are."""
        return self.path / "artifacts"

    def seen(self) -> bool:
        """Whether this process sees the same folder."""
        return (self.path / self.mark).is_file()


@dataclass(frozen=True)
class Luggage:
    """What comes with a task: packed artifacts, where the worker may not see the home folder, and a folder of the
    worker's own to put them in.
    """

    folder: Path | None = None
    packed: Mapping[Id, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What becomes of an artifact that a worker was to make: a line to tell, or an error as records hold it; and the
    artifact itself, packed, where the worker has put it elsewhere than in the home folder.
    """

    told: str = ""
    error: Mapping[str, Any] | None = None
    packed: bytes | None = None


@dataclass(frozen=True)
class Terms:
    """What holds for all tasks of a grid: where its home is, the device, the commit, and the code in use."""

    home: Home
    device: str
    commit: str


def make(one: Id, spec: RunSpec, reads: Sequence[Id], terms: Terms, code: Mapping[str, str], luggage: Luggage) -> Made:
    """Make an artifact of one of the kinds of `stages`, of those that it `reads`. What goes wrong in a plugin is told
    in what is returned.

    Raises HarnessError where the worker's code is another one, or its disk is full, or it has not the device,
    GoneError where an artifact is gone, HomeUnseen where artifacts are to be sent.
    """
    store, device = _ready(spec, reads, terms, code, luggage)
    try:
        told = stages.make_stage(one[0], spec, store, torch.device(device))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may call sys.exit
        raise_if_full(error, store)
        return Made(error=as_record(error))
    return Made(told, packed=None if store.root == terms.home.artifacts else store.pack(*one))


def run(
    specs: Sequence[RunSpec],
    scored: tuple[str, str | None],
    reads: Sequence[Id],
    terms: Terms,
    code: Mapping[str, str],
    luggage: Luggage,
) -> list[Outcome]:
    """Run the specs, as one stack where they are several; `scored` are the metric that chooses on dev and the label of
    the negative class. Raises what `make` raises.
    """
    store, device = _ready(specs[0], reads, terms, code, luggage)
    try:
        return runner.execute_stack(specs, store, device, *scored, terms.commit)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # as above; of a stack it is not known who it was
        if len(specs) > 1:
            return [outcome for spec in specs for outcome in run((spec,), scored, reads, terms, code, luggage)]
        environment = provenance.environment(specs[0], device, terms.commit)
        return [runner.failed(specs[0], as_record(error), environment)]


def code_of(spec: RunSpec) -> Mapping[str, str]:
    """Digests of the code that a run depends on, here."""
    return provenance.sources(spec.encoder.name, spec.strategy.name, spec.corpus.plugin)


def _ready(
    spec: RunSpec, reads: Sequence[Id], terms: Terms, code: Mapping[str, str], luggage: Luggage
) -> tuple[ArtifactStore, str]:
    """The artifacts and the device of this process, once it is sure that it can do its part."""
    _check_code(spec, code)
    device = runner.choose_device(terms.device)
    store = _store(terms.home, luggage)
    for kind, key in reads:
        if not store.has(kind, key):
            raise GoneError(f"the {kind} {key[:16]} is gone from {store.root}; expected it to stay while runs need it")
    torch.set_num_threads(1)  # the number of threads decides the last bits of a sum
    return store, device


def _check_code(spec: RunSpec, expected: Mapping[str, str]) -> None:
    found = code_of(spec)
    if other := [name for name in expected if found.get(name) != expected[name]]:
        raise HarnessError(
            f"a worker has other code than this process ({', '.join(other)}); expected the same. Install the same "
            "version of Reprise and of its plugins there, and start the workers again"
        )


def _store(home: Home, luggage: Luggage) -> ArtifactStore:
    """The artifacts that this process can read."""
    if home.seen():
        return ArtifactStore(home.artifacts)
    if luggage.folder is None or not luggage.packed:
        raise HomeUnseen
    store = ArtifactStore(luggage.folder / "artifacts")
    for (kind, key), packed in luggage.packed.items():
        unpack(store, kind, key, packed)
    return store


def unpack(store: ArtifactStore, kind: str, key: str, packed: bytes) -> None:
    """Put an artifact that has travelled in its place. Raises HarnessError where the disk does not take it, or it is
    damaged.
    """
    try:
        store.unpack(kind, key, packed)
    except OSError as error:
        raise_if_full(error, store)
        raise HarnessError(f"can't write below {store.root}: {error.strerror or error}") from error


def raise_if_full(error: BaseException, store: ArtifactStore) -> None:
    """Raise HarnessError where an error is that the disk of a store is full; safetensors has an error of its own."""
    number = getattr(error, "errno", None)
    if isinstance(error, SafetensorError) and (found := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(found[1])
    if number in (errno.ENOSPC, errno.EDQUOT):
        raise HarnessError(
            f"can't write below {store.root}: {os.strerror(number)}. Free some space, or choose another folder with "
            "--home; for a worker elsewhere, with its --local-directory"
        ) from error
