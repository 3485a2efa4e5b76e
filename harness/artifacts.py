"""Content-addressed store: what a key's fields determine is made once and found again.

An artifact is a folder with its tensors (safetensors, memory-mapped when read) and a meta.json. It appears whole or
not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor


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

    def read(self, kind: str, key: str) -> Artifact | None:
        """The artifact with its tensors memory-mapped, or None where it has not been made."""
        folder = self.folder(kind, key)
        if not folder.is_dir():
            return None
        tensors = load_file(folder / "tensors.safetensors")
        return Artifact(tensors, json.loads((folder / "meta.json").read_text(encoding="utf-8")))

    def ensure(self, kind: str, key: str, make: Callable[[], Artifact]) -> Artifact:
        """The artifact, made now where it has not been made before."""
        if (known := self.read(kind, key)) is not None:
            return known
        artifact = make()

        def write(folder: Path) -> None:
            save_file(dict(artifact.tensors), folder / "tensors.safetensors")
            (folder / "meta.json").write_text(json.dumps(artifact.meta), encoding="utf-8")

        self.write_folder(kind, key, write)
        return artifact

    def write_folder(self, kind: str, key: str, write: Callable[[Path], None]) -> Path:
        """Let `write` fill a folder that then takes its place at once; the first of two writers wins."""
        target = self.folder(kind, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
        try:
            write(unfinished)
            unfinished.chmod(0o755)  # mkdtemp's folders are for one user alone
            os.rename(unfinished, target)
        except OSError:
            if not target.is_dir():
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return target
