"""How much disk tasks take: by what the artifacts that are there take a mention, a sentence, an entity, an encoder."""

from __future__ import annotations

import heapq
import json
import statistics
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from harness import stages
from harness.artifacts import META, TENSORS, ArtifactStore
from harness.records import RecordStore
from harness.scheduler.estimates import Basis, Estimates, Medians, named
from harness.scheduler.graph import HERE, RUN, Id, Task, corpus_data, text_data
from harness.specs import RunSpec

LOOKED_AT = 60
"""Artifacts of a kind that are looked at, those that were used last."""

A_RECORD = 6700
"""Bytes of a record and its predictions where there is none to go by: of KBP37 in a sample of 9,150."""

PACKED = 0.4
"""Bytes of a run in a results folder over those of its record and predictions: about 2,500 over 6,700."""

HIDDEN = 1_150_000
"""Bytes of a run's hidden vectors where there is none to go by: 400 numbers, twice, of each of 915 mentions."""

LOGGED = 69_000
"""Bytes of a run in MLflow's SQLite store: the mean of 1,324."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError)
"""What looking at an artifact raises that is damaged, or of another version."""


@dataclass(frozen=True)
class Disk:
    """Bytes that are still to be written, as foretold.

    `artifacts` are those that are missing, None where there is none of their kind to go by; `runs` those of records,
    results and MLflow; `places` where artifacts and records will be.
    """

    artifacts: Mapping[Id, float | None] = field(default_factory=dict)
    runs: float = 0.0
    places: tuple[Path, ...] = ()

    @property
    def foretold(self) -> float:
        """The sum of what is known."""
        return self.runs + sum(size for size in self.artifacts.values() if size is not None)

    @property
    def unknown(self) -> list[str]:
        """The kinds of artifacts that are not in the sum."""
        return sorted({kind for (kind, _), size in self.artifacts.items() if size is None})

    def used(self, *more: Path) -> int:
        """Bytes that are there now, in those places and in more."""
        return sum(map(size_of, (*self.places, *more)))


class Sizes:
    """How large artifacts become, by those that were looked at."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._medians = Medians()

    def learn(self, store: ArtifactStore, basis: Basis) -> None:
        """Look at artifacts; entity vectors tell how long they took, too."""
        for kind, count in _COUNTS.items():
            folders = (folder for folder in (store.root / kind).glob("[!.]*") if folder.is_dir())
            for folder in heapq.nlargest(LOOKED_AT, folders, key=_changed):
                try:
                    meta = json.loads((folder / META).read_text(encoding="utf-8"))
                    if kind == stages.VECTORS:
                        self._estimates.learn_vectors(meta, basis)
                    a_unit = size_of(folder) / max(1, count(folder, meta))
                    keys = _of_encoder(RunSpec.from_dict(meta["spec"])) if kind == stages.PRETRAINED else []
                except UNREADABLE:
                    continue
                self._medians.add([(kind, *key) for key in [*keys, ()]], a_unit, basis)

    def of(self, kind: str, spec: RunSpec) -> float | None:
        """Bytes of an artifact of a run; None where there is none of its kind to go by."""
        keys = _of_encoder(spec) if kind == stages.PRETRAINED else []
        found = self._medians.of([(kind, *key) for key in [*keys, ()]])
        return found[0] * self._count(kind, spec) if found else None

    def _count(self, kind: str, spec: RunSpec) -> float:
        """How many of what an artifact of a kind is counted in a run has."""
        if kind in ("mentions", "inputs"):
            return self._estimates.extent.corpora[str(spec.corpus)]["mentions"]
        if kind == "sentences":
            return self._estimates.extent.sentences_of(spec)
        if kind == "readings":
            return self._estimates.mentions(spec)
        return self._estimates.entities(spec) if kind == stages.VECTORS else 1


def missing(tasks: Iterable[Task], store: ArtifactStore) -> Iterator[tuple[Id, RunSpec]]:
    """The artifacts that tasks make and that are not there, each with a run that stands on it."""
    for task in tasks:
        for spec in task.specs if task.kind != RUN else ():
            makes = (*corpus_data(spec), *text_data(spec)) if task.kind in HERE else (task.id,)
            yield from ((one, spec) for one in makes if not store.folder(*one).is_dir())


def a_run(store: RecordStore) -> float:
    """Bytes of a run: its record and predictions, the median of those here, and its part of the results folder."""
    complete = (key for key in islice(store.keys(), LOOKED_AT) if store.predictions_path(key).exists())
    seen = [size_of(store.path(key)) + size_of(store.predictions_path(key)) for key in complete]
    return (1 + PACKED) * (statistics.median(seen) if seen else A_RECORD)


def a_runs_hidden(store: RecordStore) -> float:
    """Bytes of a run's hidden vectors, the median of those here, and the same in the results folder."""
    seen = [size_of(file) for file in islice(store.root.glob("??/*.hidden.npz"), LOOKED_AT)]
    return 2 * (statistics.median(seen) if seen else HIDDEN)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where there is none."""
    size = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with suppress(OSError):  # it went while it was looked at
            size += file.stat().st_size if file.is_file() else 0
    return size


def _changed(folder: Path) -> float:
    """When a folder was changed; 0 of one that has just gone."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _of_encoder(spec: RunSpec) -> list[tuple[Hashable, ...]]:
    """What pre-trained encoders have in common that are about as large, the nearest first."""
    encoder, strategy = spec.encoder, spec.strategy.name
    return [(named(encoder), strategy), (encoder.name, strategy), (encoder.name,)]


def _rows(name: str) -> Callable[[Path, Any], int]:
    """The length of a tensor, from the head of the file."""

    def rows(folder: Path, meta: Any) -> int:
        with safe_open(folder / TENSORS, "pt") as tensors:
            found: int = tensors.get_slice(name).get_shape()[0]
        return found

    return rows


_COUNTS: Mapping[str, Callable[[Path, Any], int]] = {
    "mentions": _rows("label"),
    "inputs": _rows("tokens.start"),
    "sentences": lambda folder, meta: meta["told"]["sentences"],
    "readings": _rows("pairs"),
    "links": lambda folder, meta: 1,
    stages.VECTORS: _rows("vectors"),
    stages.PRETRAINED: lambda folder, meta: 1,
}
"""In what the artifacts of a kind are counted."""
