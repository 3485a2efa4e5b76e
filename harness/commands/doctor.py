"""`doctor`: versions, device, store and data, as this machine has them."""

from __future__ import annotations

import argparse
import os
import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness import __version__, registry
from harness.datasets.sources import DATA_VARIABLE, data_folders, whereabouts
from harness.datasets.vectors import OWN, find_file
from harness.errors import HarnessError, without_passwords
from harness.grid_files import grid_names, read_grid
from harness.records import RecordStore, write_atomically

PACKAGES = (
    "torch",
    "mlflow",
    "gensim",
    "numpy",
    "scipy",
    "pandas",
    "safetensors",
    "rich",
    "nltk",
    "pooch",
    "stanza",
    "conllu",
)


def doctor(asked: argparse.Namespace) -> int:
    """Print what is found; 1 where something is wrong that would stop a run."""
    troubles = 0
    print(f"reprise {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in PACKAGES:
        try:
            print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            troubles += 1
            print(f"  {package}: expected it installed, found nothing; pip install -c constraints.txt .")
    print(f"device: {_device()}")
    troubles += _home(asked.home)
    troubles += _store(asked)
    print(f"data ({DATA_VARIABLE}={os.environ.get(DATA_VARIABLE, '')!r}):")
    for folder in data_folders(asked.home):
        print(f"  {folder}: {'is there' if folder.is_dir() else 'is not there'}")
    for name in registry.origins("corpus"):
        try:
            reader = registry.load("corpus", name)
            print(f"  corpus {name} {whereabouts(reader, name, asked.home)}")
        except HarnessError as error:
            print(f"  corpus {name}: {error}")
    for name in sorted(_vector_files()):
        print(f"  vectors {name}: {find_file(name, asked.home) or 'not here; grids that name them need them'}")
    return 1 if troubles else 0


def _vector_files() -> set[str]:
    """The vector files that the grids that come with the harness name."""
    named = (tomllib.loads(read_grid(name)[1]).get("vectors", OWN) for name in grid_names())
    return {name for name in named if isinstance(name, str) and name != OWN}


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"cuda, {torch.cuda.get_device_name()}"
    return f"cpu, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} processors"


def _home(home: Path) -> int:
    try:
        write_atomically(home / ".doctor", lambda file: file.write(b"ok"))
        (home / ".doctor").unlink()
    except HarnessError as error:
        print(f"home {home}: {error}")
        return 1
    store = RecordStore(home / "records")
    keys = list(store.keys())
    for _ in store.each(keys):
        pass
    print(f"home {home}: can be written to; {len(keys):,} records, {len(store.damaged):,} damaged")
    for path, cause in store.damaged.items():
        print(f"  {path}: {cause}")
    return 0


def _store(asked: argparse.Namespace) -> int:
    from harness import tracking
    from harness.tracked import default_uri

    uri = asked.mlflow_uri or default_uri(asked.home)
    try:
        tracking.check(uri)
    except HarnessError as error:
        print(f"MLflow: {error}")
        return 1
    print(f"MLflow: {without_passwords(uri)} can be used")
    return 0
