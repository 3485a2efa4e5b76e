"""Content-addressed store: what a key's fields determine is made once and found again.

An artifact is a folder: tensors (safetensors, memory-mapped when read) and a meta.json, or files of its own kind, and
in either case sha256.json, the digest of each of its files. It appears whole or not at all: it is written beside its
place and renamed. One that its digests do not fit is damaged; it is told of, removed and made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import DataError

TENSORS, META, DIGESTS = "tensors.safetensors", "meta.json", "sha256.json"
HIDDEN = ".unfinished-"
"""What the name of a folder that is being written, or removed, begins with."""


@dataclass(frozen=True)
class Artifact:
    """Named tensors and what is to be known of them."""

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]


class ArtifactStore:
    """Artifacts below `root`, in a folder a kind."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, kind: str, key: str) -> Path:
        """Where the artifact is or would be."""
        return self.root / kind / key[:32]

    def folders(self) -> Iterator[Path]:
        """The folders of all artifacts, by kind and key."""
        yield from sorted(folder for folder in self.root.glob("*/*") if folder.is_dir() and folder.name[0] != ".")

    def has(self, kind: str, key: str) -> bool:
        """Whether the artifact is there and whole. A damaged one is told of and removed; a whole one counts as used."""
        folder = self.folder(kind, key)
        if not folder.is_dir():
            return False
        if found := _known_fault(folder):
            print(f"harness: {folder} is damaged ({found}); it is made again", file=sys.stderr)
            remove(folder)
            return False
        with suppress(OSError):  # a disk that takes no files is read all the same
            os.utime(folder)  # tells `artifacts prune` when it was last of use
        return True

    def read(self, kind: str, key: str) -> Artifact | None:
        """The artifact, memory-mapped; None where it has not been made, or was damaged."""
        if not self.has(kind, key):
            return None
        folder = self.folder(kind, key)
        return Artifact(load_file(folder / TENSORS), json.loads((folder / META).read_text(encoding="utf-8")))

    def ensure(self, kind: str, key: str, make: Callable[[], Artifact]) -> Artifact:
        """The artifact, made now where it has not been made before, and again where it is damaged."""
        if (known := self.read(kind, key)) is not None:
            return known
        artifact = make()

        def write(unfinished: Path) -> None:
            save_file({name: tensor.contiguous() for name, tensor in artifact.tensors.items()}, unfinished / TENSORS)
            (unfinished / META).write_text(json.dumps(artifact.meta), encoding="utf-8")

        self.write_folder(kind, key, write)
        return artifact

    def pack(self, kind: str, key: str) -> bytes | None:
        """The files of an artifact in one piece, to travel; None where it has not been made, or was damaged."""
        if not self.has(kind, key):
            return None
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for file in _files(self.folder(kind, key)):
                archive.add(file, file.name)
        return packed.getvalue()

    def unpack(self, kind: str, key: str, packed: bytes) -> None:
        """Put an artifact that was packed in its place, unless it is there already; DataError where it is damaged."""
        if self.has(kind, key):
            return

        def write(unfinished: Path) -> None:
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(unfinished, filter="data")
            if found := fault(unfinished):
                raise DataError(
                    f"the {kind} {key[:16]} that came is damaged ({found}); expected it whole: send it again"
                )
            (unfinished / DIGESTS).unlink()

        self.write_folder(kind, key, write)

    def write_folder(self, kind: str, key: str, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a folder that then takes its place at once; the first of two writers wins."""
        target = self.folder(kind, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=target.parent))
        try:
            write(unfinished)
            digests = {file.name: _digest(file) for file in _files(unfinished)}
            (unfinished / DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
            unfinished.chmod(0o755)  # mkdtemp's folders are for one user alone
            os.rename(unfinished, target)
        except OSError:
            if not target.is_dir():
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return target


def remove(folder: Path) -> None:
    """Remove an artifact, at once for whoever reads: it is moved out of its place first."""
    aside = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=folder.parent))
    try:
        os.rename(folder, aside / folder.name)
    except FileNotFoundError:
        pass  # another process has removed it
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def fault(folder: Path) -> str:
    """What is wrong with an artifact, empty where nothing is, from a reading of all its files."""
    try:
        expected = dict(json.loads((folder / DIGESTS).read_text(encoding="utf-8")))
        for name in sorted(expected):
            if not (folder / name).is_file():
                return f"{name} is missing"
            if _digest(folder / name) != expected[name]:
                return f"{name} does not fit its SHA-256"
    except OSError as error:
        return f"{Path(error.filename or folder).name}: {error.strerror}"
    except (ValueError, TypeError):
        return f"{DIGESTS} is no table of digests"
    return ""


def _known_fault(folder: Path) -> str:
    """The same, looked for once a process as long as the files have the same sizes and times."""
    stats = [(file.name, file.stat()) for file in _files(folder)]
    return _fault(folder, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


@cache
def _fault(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    return fault(folder)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
