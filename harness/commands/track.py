"""`sync` and `ui`: MLflow, derived from the records."""

from __future__ import annotations

import argparse

from harness import tracking
from harness.commands.look import tell_damaged
from harness.records import RecordStore
from harness.report.results import grid_keys, read_resolved


def sync(asked: argparse.Namespace) -> int:
    """Bring the tracking store up to date with a grid's records; repeating it changes nothing."""
    grid = read_resolved(asked.grid, asked.home, asked.results)
    store = RecordStore(asked.home / "records")
    records = store.read_all(grid_keys(grid))
    tell_damaged(store)
    counts = tracking.sync(_uri(asked), grid, records)
    told = f"{counts.written:,} runs written, {counts.removed:,} removed, {counts.unchanged:,} unchanged"
    print(f"{grid['name']}: {told}")
    return 0


def ui(asked: argparse.Namespace) -> int:
    """Start the MLflow UI on the loopback address and stay until it is stopped."""
    return tracking.serve_ui(_uri(asked), port=asked.port)


def _uri(asked: argparse.Namespace) -> str:
    uri: str = asked.mlflow_uri or tracking.default_uri(asked.home)
    return uri
