"""The grids that come with the harness, run as a person runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from harness.grid_files import grid_names
from harness.records import RecordStore

ROOT = Path(__file__).parent.parent


def harness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *arguments, "--home", str(folder / "home")]
    if arguments[0] in ("run", "leaderboard"):
        command += ["--results", str(folder / "results")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)


def test_every_grid_says_what_it_is() -> None:
    names = grid_names()
    assert list(names) == sorted(names)
    assert {"corpora", "default", "features-bilstm", "kbp37", "objectives", "pretraining", "quick"} <= names.keys()
    assert all(names.values())


@pytest.mark.slow
def test_quick_runs_in_workers_and_fills_every_cell(tmp_path: Path) -> None:
    done = harness(tmp_path, "run", "--grid", "quick")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "results/quick/leaderboard.csv")
    assert (table.n == table.replicates).all()
    assert table["mean"].between(5, 100).all()
    assert "Synthetic corpus, for trying the harness" in done.stdout
    again = harness(tmp_path, "run", "--grid", "quick")
    assert again.returncode == 0
    assert "Nothing to run" in again.stderr
    assert again.stdout == done.stdout


@pytest.mark.slow
def test_kbp37_with_real_vectors(tmp_path: Path, find_data: Callable[..., Path]) -> None:
    find_data("kbp37/train.txt", "vectors/glove-wink-100d.txt.gz")
    narrowed = ("--encoder", "mean", "--strategy", "none", "avg-embed", "--size", "800", "--replicates", "2")
    done = harness(tmp_path, "run", "--grid", "kbp37", *narrowed, "--no-mlflow")
    assert done.returncode == 0, done.stderr
    store = RecordStore(tmp_path / "home/records")
    records = list(store.read_all(store.keys()).values())
    assert len(records) == 2 * 2 * 2 * 2  # corpus entries, strategies, features on and off, replicates
    paper = [record for record in records if record["spec"]["corpus"]["split"] == "paper"]
    assert {tuple(record["counts"][part] for part in ("train", "dev", "test")) for record in paper} == {
        (800, 915, 1830)
    }
    accuracy = {
        strategy: [r["scores"]["test"]["accuracy"] for r in paper if r["spec"]["strategy"]["name"] == strategy]
        for strategy in ("none", "avg-embed")
    }
    # Names carry much: entity vectors of their own are worth many points, on every replicate.
    assert min(accuracy["avg-embed"]) > 0.4
    assert min(accuracy["avg-embed"]) > max(accuracy["none"]) + 0.05
    coverage = records[0]["coverage"]
    assert coverage["as written"] + coverage["lower-cased"] > 0.9
