"""`artifacts list`, `verify`, `prune`: what was made once and is kept. All of it can be made again."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from harness.artifacts import DIGESTS, HIDDEN, META, TENSORS, ArtifactStore, fault, remove
from harness.errors import HarnessError, unknown
from harness.locks import locked
from harness.specs import RunSpec

UNFINISHED = "unfinished"
"""The folder of the checkpoints of pre-trainings that were killed, and what stands in place of their kind."""

DAY = 24 * 60 * 60
"""Seconds."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, ZeroDivisionError, SafetensorError)
"""What is raised by describing an artifact that is damaged."""


@dataclass(frozen=True)
class Kept:
    """An artifact, or a checkpoint of a pre-training: its place, bytes, and when it was made and last used."""

    kind: str
    path: Path
    size: int
    made: float
    used: float

    @property
    def key(self) -> str:
        """The beginning of its key."""
        return self.path.name[:16]


def listed(asked: argparse.Namespace) -> int:
    """A line an artifact: kind, key, size, when it was made and last used, what it is; and their sum."""
    store = ArtifactStore(asked.home / "artifacts")
    kept = [*_artifacts(store, asked.kind), *_checkpoints(store, asked.kind in (None, UNFINISHED))]
    width = max((len(one.kind) for one in kept), default=0)
    for one in kept:
        times = f"made {_day(one.made)}, used {_day(one.used)}"
        print(f"{one.kind:{width}}  {one.key}  {_bytes(one.size):>9}  {times}  {_described(one)}".rstrip())
    print(f"{_count(kept)}, {_bytes(sum(one.size for one in kept))}, below {store.root}")
    return 0


def verify(asked: argparse.Namespace) -> int:
    """Read every artifact and compare it with its SHA-256; 1 where one is damaged."""
    with _alone(asked, "verify --remove", asked.remove):
        return _verify(ArtifactStore(asked.home / "artifacts"), asked)


def _verify(store: ArtifactStore, asked: argparse.Namespace) -> int:
    kept = list(_artifacts(store, None))
    damaged = 0
    for one in kept:
        found = fault(one.path)
        if not found:
            continue
        damaged += 1
        print(f"{one.path} is damaged ({found}); it is {'removed' if asked.remove else 'made again when next needed'}")
        if asked.remove:
            remove(one.path)
    print(f"{_count(kept)} read, {damaged:,} damaged")
    return 1 if damaged else 0


def prune(asked: argparse.Namespace) -> int:
    """Remove what has not been read for some days, and what was half written; tell what, and how much is free again."""
    with _alone(asked, "prune", not asked.dry_run):
        return _prune(ArtifactStore(asked.home / "artifacts"), asked)


def _alone(asked: argparse.Namespace, what: str, removes: bool) -> AbstractContextManager[None]:
    """Nothing runs in the home while something is removed from it."""
    if removes and asked.home.is_dir():
        return locked(asked.home, "records", f"artifacts {what}")
    return nullcontext()


def _prune(store: ArtifactStore, asked: argparse.Namespace) -> int:
    now = time.time()
    kept = [*_artifacts(store, asked.kind), *_checkpoints(store, asked.unfinished or asked.kind == UNFINISHED)]
    old = [one for one in kept if now - one.used >= asked.unused_for * DAY]
    for one in old:
        days = int((now - one.used) / DAY)
        told = f"{one.kind} {one.key}, unused for {days:,} {'day' if days == 1 else 'days'}, {_bytes(one.size)}"
        _remove(one.path, remove if one.path.is_dir() else Path.unlink, told, asked.dry_run)
    half = [path for path in _half_written(store, asked.kind) if now - path.stat().st_mtime >= DAY]
    freed = sum(one.size for one in old) + sum(map(_size, half))
    for path in half:
        told = f"{path.parent.name}/{path.name}, half written, {_bytes(_size(path))}"
        _remove(path, shutil.rmtree if path.is_dir() else Path.unlink, told, asked.dry_run)
    print(f"{_bytes(freed)} {'would be' if asked.dry_run else 'are'} free again; what a run needs is made again")
    return 0


def _remove(path: Path, how: Callable[[Path], object], told: str, dry_run: bool) -> None:
    print(f"{'would be ' * dry_run}removed: {told}")
    if not dry_run:
        how(path)


def _artifacts(store: ArtifactStore, kind: str | None) -> Iterator[Kept]:
    """The artifacts, of one kind or of all; HarnessError where there is no such kind."""
    if kind not in (None, UNFINISHED, *WHAT):
        raise HarnessError(f"--kind: {unknown('kind', str(kind), [*WHAT, UNFINISHED])}")
    for folder in store.folders():
        if kind in (None, folder.parent.name):
            made = folder / DIGESTS if (folder / DIGESTS).exists() else folder
            times = made.stat().st_mtime, folder.stat().st_mtime
            yield Kept(folder.parent.name, folder, _size(folder), *times)


def _checkpoints(store: ArtifactStore, wanted: bool) -> Iterator[Kept]:
    """The checkpoints of pre-trainings that were killed, where they are wanted."""
    for file in sorted((store.root / UNFINISHED).glob("[!.]*.safetensors")) if wanted else ():
        stat = file.stat()
        yield Kept(UNFINISHED, file, stat.st_size, stat.st_mtime, stat.st_mtime)


def _half_written(store: ArtifactStore, kind: str | None) -> list[Path]:
    """Folders and checkpoints whose writer was killed."""
    found = [*store.root.glob(f"*/{HIDDEN}*"), *store.root.glob(f"{UNFINISHED}/.*.safetensors.*")]
    return sorted(path for path in found if kind in (None, path.parent.name))


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def _described(one: Kept) -> str:
    try:
        return _checkpoint(one.path) if one.kind == UNFINISHED else WHAT[one.kind](one.path)
    except UNREADABLE:
        return "can't be read" if one.kind == UNFINISHED else "can't be read; see python -m harness artifacts verify"


def _meta(folder: Path) -> Any:
    return json.loads((folder / META).read_text(encoding="utf-8"))


def _rows(folder: Path, name: str) -> int:
    """The length of a tensor, from the head of the file."""
    with safe_open(folder / TENSORS, "pt") as tensors:
        rows: int = tensors.get_slice(name).get_shape()[0]
    return rows


def _counts(counts: Mapping[str, Any], names: Iterable[str]) -> str:
    return ", ".join(f"{counts[name]:,} {name}" for name in names)


def _mentions(folder: Path) -> str:
    meta = _meta(folder)
    told = f"{_rows(folder, 'label'):,} mentions, {len(meta['classes']):,} classes, {meta['features']:,} features"
    return f"{meta['of']}: {told}"


def _inputs(folder: Path) -> str:
    meta = _meta(folder)
    return f"{meta['of']}: {_rows(folder, 'words'):,} words, {len(meta['entities']):,} entities"


def _text(folder: Path) -> str:
    counts = json.loads((folder / "about.json").read_text(encoding="utf-8"))["counts"]
    return _counts(counts, ("sentences", "mentions", "entities", "tokens"))


def _sentences(folder: Path) -> str:
    meta = _meta(folder)
    return f"{meta['of']}: {_counts(meta['told'], ('sentences', 'mentions', 'entities', 'tokens'))}"


def _readings(folder: Path) -> str:
    meta = _meta(folder)
    return f"{meta['of']}: {meta['mentions']:,} relation mentions"


def _links(folder: Path) -> str:
    meta = _meta(folder)
    return f"{meta['of']}: {len(meta['links']):,} entities linked"


def _overlap(folder: Path) -> str:
    meta = _meta(folder)
    return f"{meta['of']}: {meta['shared']:,} of {meta['sentences']:,} dev and test sentences in {meta['text']}"


def _vectors(folder: Path) -> str:
    with (folder / "vectors.bin").open("rb") as stream:
        words, width = map(int, stream.readline(100).split())
    return f"{words:,} words, {width:,} numbers each"


def _entity_vectors(folder: Path) -> str:
    meta = _meta(folder)
    return f"{meta['of']}, {meta['maker']}: {len(meta['entities']):,} entities"


def _pretrained(folder: Path) -> str:
    meta = _meta(folder)
    spec = RunSpec.from_dict(meta["spec"])
    on = f" on {spec.text.label}, sample {spec.stream('sample')}" if spec.text else ""
    arm = f"{spec.encoder.name} by {spec.strategy.name}{on}, initialisation {spec.stream('initialisation')}"
    return f"{arm}: {_progress(meta['told'])}"


def _checkpoint(file: Path) -> str:
    with safe_open(file, "pt") as stored:
        return f"a pre-training that was killed: {_progress(json.loads(stored.metadata()['progress']))}"


def _progress(told: Mapping[str, Any]) -> str:
    epochs, held_out = len(told["loss"]), told["held_out"]
    named = "epoch" if epochs == 1 else "epochs"
    return f"{epochs} {named}, held out {held_out[0]:.1f} -> {min(held_out):.1f}"


WHAT: Mapping[str, Callable[[Path], str]] = {
    "entity-vectors": _entity_vectors,
    "inputs": _inputs,
    "links": _links,
    "mentions": _mentions,
    "overlaps": _overlap,
    "pretrained": _pretrained,
    "readings": _readings,
    "sentences": _sentences,
    "texts": _text,
    "vectors": _vectors,
}
"""What an artifact of a kind is, in a line."""


def _count(kept: Iterable[Kept]) -> str:
    kept = list(kept)
    checkpoints = sum(one.kind == UNFINISHED for one in kept)
    number = len(kept) - checkpoints
    told = f"{number:,} {'artifact' if number == 1 else 'artifacts'}"
    if checkpoints:
        told += f", {checkpoints:,} unfinished {'pre-training' if checkpoints == 1 else 'pre-trainings'}"
    return told


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")


def _bytes(size: int) -> str:
    """A size in decimal units: 12.3 MB."""
    for unit, number in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= number:
            return f"{size / number:,.1f} {unit}"
    return f"{size} B"
