"""MLflow shows what the records say, again and again the same, and a store that is not there is told at once."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from harness.analysis import summarise
from harness.commands.track import serve_ui
from harness.errors import HarnessError
from harness.tracked import default_uri
from harness.tracking import Counts, Tracker, leaderboards, sync

ROOT = Path(__file__).parent.parent
FIGURES = {f"{name}_test_micro_f1_positive" for name in ("mean", "sd", "ci_low", "ci_high")}

Grid = dict[str, Any]
Records = dict[str, dict[str, Any]]


def make_grid(replicates: int = 3, variant: str = "cell=torch") -> Grid:
    """Two cells, bilstm and handcrafted, of one corpus."""
    bilstm = make_spec("bilstm", {"hidden": 200, "cell": "torch"}, {"name": "glove", "digest": "g", "unknown": "hash"})
    handcrafted = make_spec("handcrafted", {}, None)
    return {
        "format": 1,
        "name": "toy",
        "replicates": replicates,
        "source": 'corpora = ["kbp37"]\n',
        "corpora": [
            {
                "label": "kbp37, split paper",
                "name": "kbp37",
                "split": "paper",
                "counts": {"train": 6405, "dev": 915, "test": 1830},
                "metric": "micro_f1_positive",
                "notice": "A public revision of StanfordRE.",
            }
        ],
        "cells": [make_cell("a", bilstm, variant, replicates), make_cell("b", handcrafted, "", replicates)],
        "refusals": [
            {
                "corpus": "kbp37, split paper",
                "encoder": "handcrafted",
                "strategy": "lm",
                "variant": "",
                "reason": "handcrafted lacks what lm needs",
            }
        ],
    }


def make_spec(encoder: str, parameters: dict[str, Any], vectors: dict[str, str] | None) -> dict[str, Any]:
    return {
        "corpus": {"name": "kbp37", "digest": "d", "split": "paper", "split_seed": 0, "negative": None, "sample": 9150},
        "vectors": vectors,
        "text": None,
        "encoder": {"name": encoder, "parameters": parameters},
        "strategy": {"name": "none", "parameters": {}},
        "training": {"features": ["lexical"], "standardise": False, "learning_rate": 0.05, "dev_size": None},
        "size": 50,
        "vary": ["sample", "order"],
    }


def make_cell(name: str, spec: dict[str, Any], variant: str, replicates: int) -> dict[str, Any]:
    return {
        "cell": name * 16,
        "corpus": 0,
        "encoder": spec["encoder"]["name"],
        "strategy": "none",
        "text": None,
        "variant": variant,
        "size": 50,
        "keys": [name * 63 + str(replicate) for replicate in range(replicates)],
        "spec": spec,
    }


def text_grid(crossed: int | None = None, replicates: int = 2) -> Grid:
    """One cell, which reads a text and is pre-trained on it."""
    grid = make_grid(replicates)
    spec = make_spec("bilstm", {"hidden": 8}, {"name": "glove", "digest": "g", "unknown": "hash"})
    text = {"name": "wiki", "digest": "w", "selection": "random", "sentences": 300, "distance": 20, "parses": None}
    spec |= {"text": text, "strategy": {"name": "seq", "parameters": {"epochs": 2}}, "crossed": crossed}
    cell = make_cell("t", spec, "", replicates) | {"strategy": "seq", "text": "wiki (random)"}
    return {**grid, "cells": [cell]}


def text_records(grid: Grid, scores: list[float]) -> Records:
    """Its runs, complete, with what they say of the text and of pre-training."""
    (cell,) = grid["cells"]
    text = {"sentences": 300, "tokens": 3000, "mentions": 700, "entities": 500, "linked": 0.25, "often": 0.125}
    pretraining = {"mentions": 550, "best_epoch": 1, "loss": [7.0, 6.0], "held_out": [9.0, 5.0, 5.5], "seconds": 2.5}
    made = [make_record(cell, replicate, score) for replicate, score in enumerate(scores)]
    return {record["key"]: record | {"text": text, "pretraining": pretraining} for record in made}


def make_record(cell: dict[str, Any], replicate: int, score: float | None) -> dict[str, Any]:
    """The record of a run whose headline test score is `score`, a fraction; of a failed run where it is None."""
    record: dict[str, Any] = {
        "format": 1,
        "key": cell["keys"][replicate],
        "cell": cell["cell"],
        "spec": {**cell["spec"], "replicate": replicate},
        "status": "failed",
        "error": {
            "type": "ValueError",
            "message": "no such row",
            "traceback": "Traceback ...\nValueError: no such row",
        },
        "environment": {"device": "cpu", "torch": "2.13.0", "commit": "c0ffee", "sources": {"harness": "1"}},
        "seconds": {"total": 4.5},
        "finished": f"2026-01-02T03:04:0{replicate}+00:00",
    }
    if score is not None:
        record |= {
            "status": "complete",
            "error": None,
            "scores": {
                "dev": {"accuracy": score + 0.02, "micro_f1_positive": score + 0.01},
                "test": {"accuracy": score + 0.03, "micro_f1_positive": score},
            },
            "curve": {"update": [15, 30, 45], "loss": [3.5, 2.0, 1.25], "dev": [0.25, 0.5, 0.125]},
            "best_update": 30,
            "counts": {"train": 50, "dev": 915, "test": 1830, "classes": 36, "updates": 45, "features": 70},
            "seconds": {"start_up": 0.5, "training": 3.0, "scoring": 1.0, "total": 4.5},
        }
    return record


def make_records(grid: Grid) -> Records:
    """All runs of the grid, complete."""
    return {
        key: make_record(cell, replicate, 0.40 + 0.01 * replicate + 0.1 * place)
        for place, cell in enumerate(grid["cells"])
        for replicate, key in enumerate(cell["keys"])
    }


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them: migrating one takes seconds."""
    return migrate(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory in which a test runs; it must stay empty."""
    folder = tmp_path / "working directory"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def uri(migrated: Path, tmp_path: Path) -> str:
    return new_store(migrated, tmp_path / "home")


def migrate(home: Path) -> Path:
    MlflowClient(tracking_uri=default_uri(home)).search_experiments()
    return home / "mlflow.db"


def new_store(migrated: Path, home: Path) -> str:
    home.mkdir()
    shutil.copy(migrated, home)
    return default_uri(home)


def runs_of(uri: str, filter_string: str = "", view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    """The runs of cells and records, and those of others; arms have tests of their own."""
    return [run for run in all_runs_of(uri, filter_string, view) if "reprise.arm" not in run.data.tags]


def arms_of(uri: str, view: int = ViewType.ACTIVE_ONLY) -> dict[str, Run]:
    runs = all_runs_of(uri, "params.level = 'arm'", view)
    arms = {run.data.tags["reprise.arm"]: run for run in runs}
    assert len(arms) == len(runs)
    return arms


def all_runs_of(uri: str, filter_string: str = "", view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], filter_string, view))


def parent_of(uri: str, encoder: str = "bilstm", size: int = 50) -> Run:
    (parent,) = runs_of(uri, f"params.level = 'cell' and params.encoder = '{encoder}' and params.size = '{size}'")
    return parent


def child_of(uri: str, key: str) -> Run:
    (child,) = runs_of(uri, f"tags.`reprise.key` = '{key}'")
    return child


def table(uri: str) -> dict[str, Any]:
    """All that the experiment shows, IDs and times aside."""
    client = MlflowClient(tracking_uri=uri)
    runs = all_runs_of(uri)
    names = {run.info.run_id: run.info.run_name for run in runs}
    assert len(set(names.values())) == len(runs)
    shown: dict[str, Any] = {}
    for run in runs:
        curves = [metric for metric in run.data.metrics if metric.startswith("curve_") or "by_labels" in metric]
        history = {curve: client.get_metric_history(run.info.run_id, curve) for curve in curves}
        shown[str(run.info.run_name)] = {
            "status": run.info.status,
            "params": run.data.params,
            "metrics": run.data.metrics,
            "tags": {k: names[v] if k == "mlflow.parentRunId" else v for k, v in run.data.tags.items()},
            "curves": {curve: sorted((m.step, m.value) for m in points) for curve, points in history.items()},
        }
    return shown


def test_default_uri_is_a_database_in_the_home_folder(tmp_path: Path) -> None:
    assert default_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert default_uri(Path("home")) == f"sqlite:///{Path.cwd()}/home/mlflow.db"


def test_a_grid_is_an_experiment_a_cell_a_parent_a_replicate_a_child(uri: str, tmp_path: Path) -> None:
    grid = make_grid()
    assert Tracker(uri, grid).log(make_records(grid)) == 6
    experiment = MlflowClient(tracking_uri=uri).get_experiment_by_name("toy")
    assert experiment is not None
    assert experiment.tags["reprise.grid"] == "toy"
    assert experiment.tags["reprise.source"] == grid["source"]
    note = experiment.tags["mlflow.note.content"]
    assert "kbp37, split paper: A public revision of StanfordRE." in note
    assert "Refused: handcrafted · lm · kbp37, split paper: handcrafted lacks what lm needs" in note
    assert experiment.artifact_location == (tmp_path / "home" / "mlflow-artifacts" / "toy").as_uri()
    assert sorted(str(run.info.run_name) for run in runs_of(uri)) == [
        "bilstm · none · cell=torch · n=50 · kbp37, split paper",
        "handcrafted · none · n=50 · kbp37, split paper",
        "replicate 0 · bilstm · none · cell=torch · n=50 · kbp37, split paper",
        "replicate 0 · handcrafted · none · n=50 · kbp37, split paper",
        "replicate 1 · bilstm · none · cell=torch · n=50 · kbp37, split paper",
        "replicate 1 · handcrafted · none · n=50 · kbp37, split paper",
        "replicate 2 · bilstm · none · cell=torch · n=50 · kbp37, split paper",
        "replicate 2 · handcrafted · none · n=50 · kbp37, split paper",
    ]
    for cell in grid["cells"]:
        parent = parent_of(uri, cell["encoder"])
        assert parent.data.tags["reprise.cell"] == cell["cell"]
        assert parent.info.status == "FINISHED"
        for key in cell["keys"]:
            child = child_of(uri, key)
            assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
            assert child.data.tags["reprise.cell"] == cell["cell"]


def test_a_parent_shows_parameters_and_the_figures_of_its_children(uri: str) -> None:
    grid = make_grid()
    Tracker(uri, grid).log(make_records(grid))
    parent = parent_of(uri)
    name = "bilstm · none · cell=torch · n=50 · kbp37, split paper"
    assert parent.data.params == {
        "level": "cell",
        "cell": name,
        "corpus": "kbp37",
        "corpus.label": "kbp37, split paper",
        "corpus.digest": "d",
        "corpus.split": "paper",
        "corpus.split_seed": "0",
        "corpus.sample": "9150",
        "split": "paper",
        "vectors": "glove",
        "vectors.digest": "g",
        "vectors.unknown": "hash",
        "encoder": "bilstm",
        "encoder.hidden": "200",
        "encoder.cell": "torch",
        "strategy": "none",
        "variant": "cell=torch",
        "text": "",
        "training.features": '["lexical"]',
        "training.standardise": "false",
        "training.learning_rate": "0.05",
        "size": "50",
        "vary": '["sample", "order"]',
    }
    figures = parent.data.metrics
    assert figures.keys() == FIGURES | {"n"}
    scores = [40.0, 41.0, 42.0]
    assert figures["n"] == 3
    assert figures["mean_test_micro_f1_positive"] == pytest.approx(41.0)
    assert figures["sd_test_micro_f1_positive"] == pytest.approx(statistics.stdev(scores))
    half = 4.302652730 / 3**0.5  # Student's t for 95 %, two degrees of freedom
    assert figures["ci_low_test_micro_f1_positive"] == pytest.approx(41.0 - half)
    assert figures["ci_high_test_micro_f1_positive"] == pytest.approx(41.0 + half)


def test_a_child_shows_parameters_scores_curves_and_times(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    Tracker(uri, grid).log(records)
    key = grid["cells"][0]["keys"][1]
    child, client = child_of(uri, key), MlflowClient(tracking_uri=uri)
    assert child.data.params == {**parent_of(uri).data.params, "level": "replicate", "replicate": "1"}
    expected = {
        "dev_accuracy": 43.0,
        "dev_micro_f1_positive": 42.0,
        "test_accuracy": 44.0,
        "test_micro_f1_positive": 41.0,
        "best_update": 30,
        "counts_train": 50,
        "counts_dev": 915,
        "counts_test": 1830,
        "counts_classes": 36,
        "counts_updates": 45,
        "counts_features": 70,
        "seconds_start_up": 0.5,
        "seconds_training": 3.0,
        "seconds_scoring": 1.0,
        "seconds_total": 4.5,
        "curve_loss": 1.25,
        "curve_dev_micro_f1_positive": 12.5,
    }
    assert child.data.metrics == pytest.approx(expected)
    curves = {
        "curve_dev_micro_f1_positive": [(15, 25.0), (30, 50.0), (45, 12.5)],
        "curve_loss": [(15, 3.5), (30, 2.0), (45, 1.25)],
    }
    for name, points in curves.items():
        assert sorted((m.step, m.value) for m in client.get_metric_history(child.info.run_id, name)) == points
    assert child.info.status == "FINISHED"
    assert child.info.end_time == 1767323041000  # 2026-01-02T03:04:01Z
    assert child.info.end_time - child.info.start_time == 4500
    assert child.data.tags["reprise.device"] == "cpu"
    assert child.data.tags["reprise.commit"] == "c0ffee"
    assert child.data.tags["mlflow.note.content"] == "A public revision of StanfordRE."


def test_a_child_shows_how_close_its_hidden_vectors_lie(uri: str) -> None:
    grid = text_grid()
    records = text_records(grid, [0.4, 0.5])
    key = next(iter(records))
    found = {"before": {"knn": 0.4, "silhouette": -0.1}, "after": {"knn": None, "silhouette": None}}
    records[key] = {**records[key], "hidden": found}
    Tracker(uri, grid).log(records)
    shown = child_of(uri, key).data.metrics
    assert {name: value for name, value in shown.items() if name.startswith("hidden")} == {
        "hidden_knn_before": 0.4,
        "hidden_silhouette_before": -0.1,
    }


def test_a_child_shows_its_text_and_its_pretraining_by_epoch(uri: str) -> None:
    grid = text_grid()
    Tracker(uri, grid).log(text_records(grid, [0.4, 0.5]))
    child, client = child_of(uri, grid["cells"][0]["keys"][1]), MlflowClient(tracking_uri=uri)
    shown = {n: v for n, v in child.data.metrics.items() if n.startswith(("text_", "pretraining_"))}
    assert shown == {
        "text_sentences": 300,
        "text_tokens": 3000,
        "text_mentions": 700,
        "text_entities": 500,
        "text_linked": 25.0,
        "text_often": 12.5,
        "pretraining_mentions": 550,
        "pretraining_best_epoch": 1,
        "pretraining_seconds": 2.5,
        "pretraining_loss": 6.0,  # MLflow shows the last epoch's
        "pretraining_held_out": 5.5,
    }
    losses = {"pretraining_loss": [(1, 7.0), (2, 6.0)], "pretraining_held_out": [(0, 9.0), (1, 5.0), (2, 5.5)]}
    for name, points in losses.items():
        assert sorted((m.step, m.value) for m in client.get_metric_history(child.info.run_id, name)) == points


def test_a_text_is_found_by_its_label_and_by_its_name(uri: str) -> None:
    grid = text_grid()
    Tracker(uri, grid).log(text_records(grid, [0.4, 0.5]))
    shown = parent_of(uri).data.params
    assert {name: value for name, value in shown.items() if name.startswith("text")} == {
        "text": "wiki (random)",
        "text.name": "wiki",
        "text.digest": "w",
        "text.selection": "random",
        "text.sentences": "300",
        "text.distance": "20",
    }
    assert parent_of(uri).info.run_name == "bilstm · seq · wiki (random) · n=50 · kbp37, split paper"
    assert len(runs_of(uri, "params.text = 'wiki (random)' and params.replicate = '0'")) == 1
    assert len(runs_of(uri, "params.`text.name` = 'wiki' and metrics.text_linked > 20")) == 2


def test_records_from_before_texts_were_read_show_none(uri: str) -> None:
    grid = text_grid()
    records = text_records(grid, [0.4, 0.5])
    for record in records.values():
        record["text"], record["pretraining"] = None, None
    before = copy.deepcopy(records)
    for record in before.values():
        del record["text"], record["pretraining"]
    assert Tracker(uri, grid).log(records) == 2
    assert Tracker(uri, grid).log(before) == 0
    assert not [name for name in child_of(uri, min(records)).data.metrics if name.startswith(("text", "pretraining"))]


def test_the_interval_of_a_crossed_cell_is_that_of_the_two_way_model(uri: str) -> None:
    grid = text_grid(crossed=3, replicates=6)
    scores = [0.61, 0.64, 0.67, 0.67, 0.68, 0.69]
    Tracker(uri, grid).log(text_records(grid, scores))
    figures = parent_of(uri).data.metrics
    expected = summarise([100 * score for score in scores], crossed=3)
    found = [figures[f"{name}_test_micro_f1_positive"] for name in ("mean", "sd", "ci_low", "ci_high")]
    assert found == pytest.approx([expected.mean, expected.sd, expected.low, expected.high])
    assert figures["n"] == 6
    assert parent_of(uri).data.params["crossed"] == "3"
    assert sync(uri, grid, text_records(grid, scores)) == Counts(0, 0, 6)


# Arms


def sized_grid(replicates: int = 3) -> Grid:
    """One arm of three sizes, and one of a single size."""
    grid = make_grid(replicates)
    bilstm, handcrafted = grid["cells"]
    cells = [
        make_cell(name, bilstm["spec"] | {"size": size}, "cell=torch", replicates) | {"size": size}
        for name, size in (("c", 800), ("a", 50), ("d", 200))
    ]
    return {**grid, "cells": [*cells, handcrafted]}


CURVE, ALONE = "bilstm · none · cell=torch · kbp37, split paper", "handcrafted · none · kbp37, split paper"


def points_of(uri: str, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Step and value of all that the metrics of a run were."""
    client = MlflowClient(tracking_uri=uri)
    found = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: sorted((metric.step, metric.value) for metric in points) for name, points in found.items()}


def test_an_arm_is_the_learning_curve_of_its_cells(uri: str) -> None:
    grid = sized_grid()
    records = make_records(grid)
    Tracker(uri, grid).log(records)
    arms = arms_of(uri)
    assert sorted(arms) == [CURVE, ALONE]
    curve = arms[CURVE]
    scores = {800: [40.0, 41.0, 42.0], 50: [50.0, 51.0, 52.0], 200: [60.0, 61.0, 62.0]}
    expected = {
        "mean_by_labels_test_micro_f1_positive": {size: statistics.mean(some) for size, some in scores.items()},
        "sd_by_labels_test_micro_f1_positive": {size: statistics.stdev(some) for size, some in scores.items()},
    }
    found = points_of(uri, curve)
    assert found.keys() == expected.keys()
    for name, points in expected.items():
        assert dict(found[name]) == pytest.approx(points)
    common = {name: value for name, value in parent_of(uri, "bilstm", 50).data.params.items() if name != "cell"}
    del common["size"]
    assert curve.data.params == common | {"level": "arm"}
    assert curve.info.run_name == CURVE
    assert curve.info.status == "FINISHED"
    times = [child_of(uri, key).info for cell in grid["cells"][:3] for key in cell["keys"]]
    assert curve.info.start_time == min(child.start_time for child in times)
    assert curve.info.end_time == max(child.end_time for child in times)


def test_an_arm_grows_with_its_complete_cells_and_stays_the_same_run(uri: str) -> None:
    grid = sized_grid()
    records = make_records(grid)
    tracker = Tracker(uri, grid)
    large, small, middle = (cell["keys"] for cell in grid["cells"][:3])
    tracker.log({key: records[key] for key in small[:2]})
    assert arms_of(uri) == {}
    tracker.log({key: records[key] for key in [small[2], middle[0]]})
    first = arms_of(uri)[CURVE]
    assert [len(points) for points in points_of(uri, first).values()] == [1, 1]
    assert first.info.status == "RUNNING"
    tracker.log({key: records[key] for key in [*middle, *large]})
    grown = arms_of(uri)[CURVE]
    assert (grown.info.run_id, grown.info.status) == (first.info.run_id, "FINISHED")
    assert [len(points) for points in points_of(uri, grown).values()] == [3, 3]
    assert len(arms_of(uri, ViewType.ALL)) == 1


def test_an_arm_whose_cell_loses_its_mean_is_made_anew_without_it(uri: str, migrated: Path, tmp_path: Path) -> None:
    grid = sized_grid()
    records = make_records(grid)
    tracker = Tracker(uri, grid)
    tracker.log(records)
    cell = grid["cells"][1]
    failed = make_record(cell, 0, None)
    tracker.log({failed["key"]: failed})
    curve = arms_of(uri)[CURVE]
    assert curve.info.status == "FAILED"
    (steps,) = {tuple(step for step, _ in points) for points in points_of(uri, curve).values()}
    assert steps == (200, 800)
    assert sync(uri, grid, records).written == 1
    fresh = new_store(migrated, tmp_path / "fresh")
    sync(fresh, grid, records)
    assert table(uri) == table(fresh)


def test_an_arm_without_means_or_cells_goes(uri: str) -> None:
    grid = sized_grid()
    records = make_records(grid)
    sync(uri, grid, records)
    broken = records | {
        key: make_record(grid["cells"][3], place, None) for place, key in enumerate(grid["cells"][3]["keys"])
    }
    sync(uri, grid, broken)
    assert sorted(arms_of(uri)) == [CURVE]
    sync(uri, {**grid, "cells": grid["cells"][3:]}, records)
    assert sorted(arms_of(uri)) == [ALONE]


def test_an_arm_that_was_written_half_is_made_anew(uri: str) -> None:
    grid = sized_grid()
    records = make_records(grid)
    sync(uri, grid, records)
    before = table(uri)
    client = MlflowClient(tracking_uri=uri)
    client.delete_tag(arms_of(uri)[CURVE].info.run_id, "reprise.digest")
    client.log_metric(arms_of(uri)[CURVE].info.run_id, "mean_by_labels_test_micro_f1_positive", 99.0, step=400)
    assert sync(uri, grid, records) == Counts(0, 0, 12)
    assert table(uri) == before


# The experiment's views


def test_the_description_begins_with_links_to_the_views(uri: str) -> None:
    grid = make_grid()
    Tracker(uri, grid)
    experiment = MlflowClient(tracking_uri=uri).get_experiment_by_name("toy")
    assert experiment is not None
    links, scores = experiment.tags["mlflow.note.content"].split("\n\n")[:2]
    assert scores.startswith("Scores are in percent.")
    page = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    assert links == (
        f"[Leaderboard]({page}&viewStateShareKey=leaderboard) · "
        f"[Learning curves]({page}&viewStateShareKey=curves&compareRunsMode=CHART) · "
        f"[Replicates]({page}&viewStateShareKey=replicates) · "
        f"[Figures and tables]({page}&searchFilter=params.level+%3D+%27results%27)"
    )
    assert leaderboards(uri) == {"toy": f"{page}&viewStateShareKey=leaderboard"}


def test_no_tag_of_an_experiment_is_longer_than_old_servers_store(uri: str) -> None:
    grid = make_grid()
    corpora = [
        grid["corpora"][0] | {"label": f"corpus {n}", "metric": f"metric_{n}", "notice": "x" * 900} for n in range(9)
    ]
    Tracker(uri, {**grid, "corpora": corpora, "source": "x" * 20_000})
    experiment = MlflowClient(tracking_uri=uri).get_experiment_by_name("toy")
    assert experiment is not None
    assert {name: len(value) for name, value in experiment.tags.items() if len(value) > 5000} == {}
    assert len(experiment.tags["reprise.source"]) == len(experiment.tags["mlflow.note.content"]) == 5000


@pytest.mark.parametrize("grid", [make_grid(), text_grid()], ids=["without text", "with text"])
def test_a_view_asks_for_runs_and_columns_that_are_there(uri: str, grid: Grid) -> None:
    scored = text_records(grid, [0.4, 0.5]) if len(grid["cells"]) == 1 else make_records(grid)
    Tracker(uri, grid).log(scored)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    shown: dict[str, list[str]] = {}
    for identifier in ("leaderboard", "curves", "replicates"):
        tag = json.loads(experiment.tags[f"mlflow.sharedViewState.{identifier}"])
        state = json.loads(zlib.decompress(base64.b64decode(tag["state"].removeprefix("deflate;"))))
        runs = client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[state["orderByKey"]])
        there = {f"params.`{name}`" for run in runs for name in run.data.params}
        there |= {f"metrics.`{name}`" for run in runs for name in run.data.metrics}
        assert set(state["selectedColumns"]) <= there
        shown[tag["name"]] = sorted({run.data.params["level"] for run in runs})
    assert shown == {"Leaderboard": ["cell"], "Learning curves": ["arm"], "Replicates": ["cell", "replicate"]}


def test_filters_find_children_by_their_cells_parameters(uri: str) -> None:
    grid = make_grid()
    Tracker(uri, grid).log(make_records(grid))
    wanted = "params.encoder = 'bilstm' and params.`training.learning_rate` = '0.05' and params.size = '50'"
    assert len(runs_of(uri, f"{wanted} and params.replicate = '2'")) == 1
    assert len(runs_of(uri, f"{wanted} and metrics.test_micro_f1_positive > 40.5 and params.replicate != 'x'")) == 2
    assert len(runs_of(uri, "params.variant = '' and params.corpus = 'kbp37' and params.split = 'paper'")) == 4


def test_logging_again_writes_nothing(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    tracker = Tracker(uri, grid)
    assert tracker.log(records) == 6
    ids = {run.info.run_id for run in runs_of(uri, view=ViewType.ALL)}
    assert tracker.log(records) == 0
    assert Tracker(uri, grid).log(json.loads(json.dumps(records))) == 0
    assert sync(uri, grid, records) == Counts(written=0, removed=0, unchanged=6)
    assert {run.info.run_id for run in runs_of(uri, view=ViewType.ALL)} == ids


def test_the_store_is_heard_of_until_it_shows_every_record(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    stranger = make_record(make_cell("c", grid["cells"][0]["spec"], "", 1), 0, 0.5)
    heard: list[int] = []
    tracker = Tracker(uri, grid, heard.append)
    assert sum(heard) == 0
    tracker.log({stranger["key"]: stranger, **records})
    assert sum(heard) == 6
    assert len(heard) > 6
    tracker.log(records)
    assert sum(heard) == 12


def test_a_deleted_database_is_rebuilt_from_the_records_in_silence(
    uri: str, tmp_path: Path, working_directory: Path
) -> None:
    grid = make_grid()
    records = make_records(grid)
    tracker = Tracker(uri, grid)
    for key, record in records.items():  # as a grid runs: one record after the other
        tracker.log({key: record})
    before = table(uri)
    database = tmp_path / "home" / "mlflow.db"
    database.unlink()
    (tmp_path / "given.json").write_text(json.dumps([uri, grid, records]), encoding="utf-8")
    program = (
        f"import json; from harness.tracking import sync\n"
        f"print(*sync(*json.load(open({str(tmp_path / 'given.json')!r}, encoding='utf-8'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=working_directory,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "6 0 0\n", "")
    moved = tmp_path / "moved" / "mlflow.db"  # this process still has the deleted file open
    moved.parent.mkdir()
    database.rename(moved)
    assert table(default_uri(moved.parent)) == before


def test_a_changed_record_replaces_its_child_and_the_figures(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    Tracker(uri, grid).log(records)
    cell = grid["cells"][0]
    key = cell["keys"][2]
    old = child_of(uri, key)
    records[key] = make_record(cell, 2, 0.36)
    assert Tracker(uri, grid).log({key: records[key]}) == 1
    new = child_of(uri, key)
    assert new.info.run_id != old.info.run_id
    assert new.data.metrics["test_micro_f1_positive"] == pytest.approx(36.0)
    assert parent_of(uri).data.metrics["mean_test_micro_f1_positive"] == pytest.approx(39.0)
    assert len(runs_of(uri)) == 8
    parent = parent_of(uri)
    assert all(child_of(uri, key).data.tags["mlflow.parentRunId"] == parent.info.run_id for key in cell["keys"])


def test_a_failed_record_is_a_failed_child_with_its_error(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    cell = grid["cells"][0]
    key = cell["keys"][0]
    records[key] = make_record(cell, 0, None)
    Tracker(uri, grid).log(records)
    child, parent = child_of(uri, key), parent_of(uri)
    assert child.info.status == "FAILED"
    assert child.data.tags["reprise.error"] == "ValueError: no such row"
    assert "Traceback ...\nValueError: no such row" in child.data.tags["mlflow.note.content"]
    assert child.data.metrics == {"seconds_total": 4.5}
    assert parent.info.status == "FAILED"
    assert parent.data.metrics == {"n": 2}

    records[key] = make_record(cell, 0, 0.40)
    assert Tracker(uri, grid).log(records) == 1
    assert child_of(uri, key).info.status == "FINISHED"
    assert parent_of(uri).info.status == "FINISHED"
    assert parent_of(uri).data.metrics["mean_test_micro_f1_positive"] == pytest.approx(41.0)


def test_errors_longer_than_mlflow_stores_are_cut_at_their_dull_ends(uri: str) -> None:
    grid = make_grid()
    cell = grid["cells"][0]
    record = make_record(cell, 0, None)
    record["error"] = {"type": "ValueError", "message": "m" * 20_000, "traceback": "t" * 20_000 + "the cause"}
    Tracker(uri, grid).log({record["key"]: record})
    tags = child_of(uri, record["key"]).data.tags
    assert tags["reprise.error"].startswith("ValueError: mmm")
    assert tags["mlflow.note.content"].endswith("the cause\n```")


def test_an_error_without_traceback_is_told_too(uri: str) -> None:
    grid = make_grid()
    record = make_record(grid["cells"][0], 0, None)
    record["error"]["traceback"] = None
    Tracker(uri, grid).log({record["key"]: record})
    assert child_of(uri, record["key"]).data.tags["mlflow.note.content"] == "ValueError: no such row"


def test_an_incomplete_cell_has_n_but_no_mean(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    tracker = Tracker(uri, grid)
    first, second, third = grid["cells"][0]["keys"]
    tracker.log({first: records[first]})
    assert parent_of(uri).data.metrics == {"n": 1}
    tracker.log({second: records[second]})
    parent = parent_of(uri)
    assert parent.data.metrics == {"n": 2}
    assert parent.info.status == "RUNNING"
    assert len(runs_of(uri)) == 3  # no parent for the cell that has no records
    tracker.log({third: records[third]})
    assert parent_of(uri).info.run_id == parent.info.run_id
    assert parent_of(uri).info.status == "FINISHED"
    assert parent_of(uri).data.metrics.keys() == FIGURES | {"n"}


def test_of_a_single_replicate_there_is_a_mean_and_no_deviation(uri: str) -> None:
    grid = make_grid(replicates=1)
    Tracker(uri, grid).log(make_records(grid))
    assert parent_of(uri).data.metrics == pytest.approx({"n": 1, "mean_test_micro_f1_positive": 40.0})


def test_a_mean_goes_when_more_replicates_are_planned(uri: str) -> None:
    grid, more = make_grid(), make_grid(replicates=4)
    records = make_records(grid)
    Tracker(uri, grid).log(records)
    assert Tracker(uri, more).log(records) == 0
    assert parent_of(uri).data.metrics == {"n": 3}
    assert parent_of(uri).info.status == "RUNNING"
    children = [child_of(uri, key) for key in more["cells"][0]["keys"][:3]]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent_of(uri).info.run_id}
    assert len(runs_of(uri)) == 8


def test_a_renamed_variant_rewrites_its_cell(uri: str, migrated: Path, tmp_path: Path) -> None:
    grid, renamed = make_grid(), make_grid(variant="")
    records = make_records(grid)
    Tracker(uri, grid).log(records)
    assert sync(uri, renamed, records) == Counts(written=3, removed=0, unchanged=3)
    fresh = new_store(migrated, tmp_path / "fresh")
    sync(fresh, renamed, records)
    assert table(uri) == table(fresh)


def test_sync_removes_what_grid_and_records_no_longer_know(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    sync(uri, grid, records)
    smaller = {**grid, "cells": grid["cells"][:1]}
    del records[grid["cells"][0]["keys"][0]]
    assert sync(uri, smaller, records) == Counts(written=0, removed=4, unchanged=2)
    assert len(runs_of(uri)) == 3
    assert parent_of(uri).data.metrics == {"n": 2}


def test_records_of_other_grids_are_passed_over(uri: str) -> None:
    grid = make_grid()
    stranger = make_record(make_cell("c", grid["cells"][0]["spec"], "", 1), 0, 0.5)
    assert Tracker(uri, grid).log({stranger["key"]: stranger}) == 0
    assert runs_of(uri) == []


def test_runs_that_others_put_into_the_experiment_are_left_alone(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    sync(uri, grid, records)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    client.create_run(experiment.experiment_id, run_name="mine")
    assert sync(uri, grid, records) == Counts(0, 0, 6)
    assert len(runs_of(uri, "attributes.run_name = 'mine'")) == 1


def test_a_child_that_was_written_half_is_made_anew(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    Tracker(uri, grid).log(records)
    before = table(uri)
    victim, parent = child_of(uri, grid["cells"][0]["keys"][0]), parent_of(uri, "handcrafted")
    for run in (victim, parent):
        MlflowClient(tracking_uri=uri).delete_tag(run.info.run_id, "reprise.digest")
    assert Tracker(uri, grid).log(records) == 1
    assert table(uri) == before


def test_runs_and_experiments_deleted_by_hand_come_back(uri: str) -> None:
    grid = make_grid()
    records = make_records(grid)
    sync(uri, grid, records)
    before = table(uri)
    client = MlflowClient(tracking_uri=uri)
    client.delete_run(parent_of(uri).info.run_id)
    client.delete_run(child_of(uri, grid["cells"][1]["keys"][0]).info.run_id)
    assert sync(uri, grid, records) == Counts(written=1, removed=0, unchanged=5)
    assert table(uri) == before
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    sync(uri, grid, records)
    assert table(uri) == before


def test_a_store_that_fails_midway_is_told_and_caught_up_with(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = make_grid()
    records = make_records(grid)
    tracker = Tracker(uri, grid)
    tracker.log(records)
    before = table(uri)
    changed = copy.deepcopy(records)
    for record in changed.values():
        record["seconds"]["total"] = 5.0

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", refuse)
        with pytest.raises(HarnessError, match=r"can't be used: the disk is full\n.*type: python -m harness sync"):
            tracker.log(changed)
    assert tracker.log(changed) == 6
    assert sync(uri, grid, records).written == 6
    assert table(uri) == before


def test_an_experiment_of_someone_else_is_not_touched(uri: str) -> None:
    MlflowClient(tracking_uri=uri).create_experiment("toy")
    with pytest.raises(HarnessError, match=r"experiment 'toy' at sqlite.* is none of Reprise's.*another name"):
        Tracker(uri, make_grid())
    assert runs_of(uri) == []


def test_a_missing_folder_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    home = tmp_path / "nowhere"
    with pytest.raises(HarnessError, match=f"no folder {home}. Make it: mkdir -p {home}"):
        Tracker(default_uri(home), make_grid())
    assert not home.exists()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database, but long enough to be read as one " * 20)
    with pytest.raises(HarnessError, match=r"mlflow.db can't be written: file is not a database.*harness sync"):
        Tracker(default_uri(tmp_path), make_grid())


def test_a_server_that_does_not_answer_is_told_within_seconds(caplog: pytest.LogCaptureFixture) -> None:
    started = time.perf_counter()
    expected = r"http://127.0.0.1:\d+ can't be used: .*refused[^\n]*\n.*harness sync"
    with pytest.raises(HarnessError, match=expected) as told:
        Tracker(f"http://me:secret@127.0.0.1:{free_port()}", make_grid())
    assert time.perf_counter() - started < 10
    assert "secret" not in str(told.value)
    assert caplog.records == []


def test_a_kind_of_store_that_mlflow_does_not_know_is_told() -> None:
    with pytest.raises(HarnessError, match="unsupported URI 'shoebox://x'"):
        Tracker("shoebox://x", make_grid())


def test_serving_says_what_is_in_the_way(uri: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"http://host:5000 is a server already: open that address"):
        serve_ui("http://host:5000")
    with pytest.raises(HarnessError, match="Make it: mkdir"):
        serve_ui(default_uri(tmp_path / "nowhere"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HarnessError, match=f"can't listen on 127.0.0.1:{port}: .*in use.*--port"):
            serve_ui(uri, port=port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.slow
def test_a_server_shows_and_takes_the_same_tables(
    uri: str, migrated: Path, tmp_path: Path, working_directory: Path
) -> None:
    grid = make_grid()
    records = make_records(grid)
    records[grid["cells"][1]["keys"][0]] = make_record(grid["cells"][1], 0, None)
    sync(uri, grid, records)
    served, port = new_store(migrated, tmp_path / "served"), free_port()
    server = start_server(served, port, working_directory)
    try:
        address = f"http://127.0.0.1:{port}"
        assert server.stdout is not None and address in server.stdout.readline()
        assert "<html" in fetch(address)
        assert sync(address, grid, records) == Counts(6, 0, 0)
        assert sync(address, grid, records) == Counts(0, 0, 6)
        assert table(address) == table(uri)
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 130
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def start_server(uri: str, port: int, folder: Path) -> subprocess.Popen[str]:
    """`ui` over the store at `uri`, in a process group of its own, typed in `folder`."""
    program = f"import sys; from harness.commands.track import serve_ui; sys.exit(serve_ui({uri!r}, port={port}))"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def fetch(address: str) -> str:
    """The page, as soon as the server gives it."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address} did not answer within a minute")
