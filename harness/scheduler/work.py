"""What a worker does with a task: it finds the artifacts, in the home folder or among what came along, and makes one
more, or a record.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from harness import provenance, runner, stages
from harness.artifacts import ArtifactStore
from harness.errors import HarnessError, as_record
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


def make(kind: str, key: str, spec: RunSpec, terms: Terms, code: Mapping[str, str], luggage: Luggage) -> Made:
    """Make an artifact of one of the kinds of `stages`. What goes wrong in a plugin is told in what is returned.

    Raises HarnessError where the worker's code is another one or its disk is full, HomeUnseen where the artifacts are
    to be sent.
    """
    _check_code(spec, code)
    store = _store(terms.home, luggage)
    torch.set_num_threads(1)  # the number of threads decides the last bits of a sum
    try:
        told = stages.make_stage(kind, spec, store, torch.device(runner.choose_device(terms.device)))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return Made(error=as_record(error))
        raise HarnessError(
            f"can't write below {store.root}: {error.strerror}. Free some space, or choose another folder with --home"
        ) from error
    except Exception as error:
        return Made(error=as_record(error))
    return Made(told, packed=None if terms.home.seen() else store.pack(kind, key))


def run(
    specs: Sequence[RunSpec],
    headline: str,
    negative: str | None,
    terms: Terms,
    code: Mapping[str, str],
    luggage: Luggage,
) -> list[Outcome]:
    """Run the specs, as one stack where they are several; raises what `make` raises."""
    _check_code(specs[0], code)
    store = _store(terms.home, luggage)
    torch.set_num_threads(1)
    return runner.execute_stack(specs, store, terms.device, headline, negative, terms.commit)


def code_of(spec: RunSpec) -> Mapping[str, str]:
    """Digests of the code that a run depends on, here."""
    return provenance.sources(spec.encoder.name, spec.strategy.name, spec.corpus.plugin)


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
        return ArtifactStore(home.path / "artifacts")
    if luggage.folder is None or not luggage.packed:
        raise HomeUnseen
    store = ArtifactStore(luggage.folder / "artifacts")
    for (kind, key), packed in luggage.packed.items():
        store.unpack(kind, key, packed)
    return store
