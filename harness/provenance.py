"""Where a record comes from: device, versions, commit, and digests of the code in use. Recorded, never hashed.

A record whose digests are not today's is stale. Digests are blind to comments, docstrings and layout.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness import registry
from harness.errors import HarnessError
from harness.specs import RunSpec

NUMERIC_ROOMS = (
    "batching", "chunks", "contracts/corpora", "contracts/learning", "directions", "features", "geometry",
    "pretraining", "readings", "runner", "scoring", "seeding", "specs", "stacking", "stages", "syntax", "training",
    "vocabulary", "datasets/linking", "datasets/prepared", "datasets/selections", "datasets/splits",
    "datasets/unlabelled",
)  # fmt: skip
"""The modules of the harness on which scores depend; a change in another one makes no record stale."""

HERE = Path(__file__).parent
"""The folder of the harness, beside which those of its plugins are."""

PACKAGES = tuple(kind.package for kind in registry.KINDS.values())
"""Where the plugins are that come with the harness."""


def environment(spec: RunSpec, device: str, commit: str, stacked: int = 1) -> dict[str, Any]:
    """Device, versions, commit and source digests, as they stand in the record of a run; of one that was trained
    together with others, also how many were `stacked`.
    """
    import numpy as np
    import torch

    name = platform.processor() or platform.machine()
    if device.startswith("cuda") and torch.cuda.is_available():
        name = torch.cuda.get_device_name(device)
    return {
        "device": device,
        **({"stacked": stacked} if stacked > 1 else {}),
        "processor": name,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "commit": commit,
        "sources": dict(sources(spec.encoder.name, spec.strategy.name, spec.corpus.plugin)),
    }


@cache
def sources(encoder: str, strategy: str, corpus: str) -> Mapping[str, str]:
    """Digests of the code that a run depends on; that of a plugin that is gone is `gone`."""
    return {
        "harness": code_digest(*(HERE / f"{room}.py" for room in NUMERIC_ROOMS)),
        "encoder": plugin_digest("encoder", encoder),
        "strategy": plugin_digest("strategy", strategy),
        "corpus": plugin_digest("corpus", corpus),
    }


def is_stale(record: Mapping[str, Any]) -> bool:
    """Whether the code on which a record depends has changed since."""
    spec = record["spec"]
    reader = spec["corpus"].get("reader") or spec["corpus"]["name"]
    now = sources(spec["encoder"]["name"], spec["strategy"]["name"], reader)
    return bool(dict(now) != record["environment"]["sources"])


@cache
def plugin_digest(kind: str, name: str) -> str:
    """Digest of a plugin's file and of the underscore modules that it imports, theirs included: its own siblings, and
    those of the plugins that come with the harness.

    Taken once a process: a file that is edited while a grid runs is not the code that runs.
    """
    try:
        file = registry.source_file(kind, name)
    except HarnessError:
        return "gone"
    return code_with_siblings(file) if file else "none"


@cache
def code_with_siblings(file: Path) -> str:
    """Digest of a file and of the underscore modules that it imports, as of a plugin."""
    return code_digest(*_with_siblings(file))


def code_digest(*files: Path) -> str:
    """sha256 over the syntax trees of Python files, cut to 16 digits; of a file that is no Python, over its bytes."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(_seen(file.read_bytes()))
    return digest.hexdigest()[:16]


@cache
def _seen(text: bytes) -> bytes:
    """What a digest sees of the text of a file; remembered, for the keys of a grid ask for the same files again."""
    try:
        return repr(_shape(ast.parse(text))).encode()
    except (SyntaxError, ValueError):
        return text


def git_commit() -> str:
    """The commit of the harness's own checkout, with `+` where it has changes; empty outside a checkout."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(HERE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # the checkout is ours, not one that we lie in
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _shape(node: object) -> object:
    """A syntax tree as plain values, without strings that stand for themselves, and without fields that are empty:
    which of those there are depends on the version of Python.
    """
    if isinstance(node, list):
        return [_shape(item) for item in node if not _is_docstring(item)]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, _shape(value)) for name, value in ast.iter_fields(node))
    return type(node).__name__, [(name, value) for name, value in fields if value not in (None, [])]


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _with_siblings(file: Path) -> Iterator[Path]:
    """The file, then each underscore module of the plugins' packages, or of its own, that is imported, once, in order
    of appearance.
    """
    seen = [file]
    for one in seen:
        yield one
        try:
            tree = ast.parse(one.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for module in _imported(tree):
            package, _, name = module.rpartition(".")
            ours = [HERE.parent.joinpath(*package.split("."))] if package in PACKAGES else []
            places = (folder / f"{name}.py" for folder in (*ours, file.parent))
            sibling = next((place for place in places if name.startswith("_") and place.is_file()), None)
            if sibling is not None and sibling not in seen:
                seen.append(sibling)


def _imported(tree: ast.Module) -> Iterator[str]:
    """The names of the modules that a module imports; of those that it takes from a package, of the plugins' alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module in PACKAGES:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
