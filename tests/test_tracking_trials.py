"""The trials of a tuned grid in MLflow: an experiment of their own, a run each, and again and again the same."""

from __future__ import annotations

import argparse
import base64
import copy
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from test_tracking import make_grid, make_records, migrate, new_store, runs_of
from test_tuning_report import TUNED, arm, trial

from harness.cli import main
from harness.commands.track import sync as sync_verb
from harness.errors import HarnessError
from harness.records import RecordStore
from harness.tracked import default_uri
from harness.tracking import Counts, Tracker, leaderboards, sync_trials
from harness.tuned_files import read_tuned
from harness.tuned_trials import trials_file

TRIALS = 10


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them."""
    return migrate(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def uri(empty: Path, tmp_path: Path) -> str:
    return new_store(empty, tmp_path / "home")


def experiment_of(uri: str) -> Experiment:
    experiment = MlflowClient(tracking_uri=uri).get_experiment_by_name("toy tuning")
    assert experiment is not None
    return experiment


def trials_of(uri: str) -> dict[str, Run]:
    """The runs of the experiment by their names."""
    found = list(MlflowClient(tracking_uri=uri).search_runs([experiment_of(uri).experiment_id]))
    runs = {str(run.info.run_name): run for run in found}
    assert len(runs) == len(found)
    return runs


def test_a_trial_is_a_run_with_its_values_its_scores_and_its_state(uri: str) -> None:
    assert sync_trials(uri, TUNED) == Counts(TRIALS, 0, 0)
    runs = trials_of(uri)
    assert len(runs) == TRIALS
    best = runs["trial 3 · reader · taught · toy, split paper"]
    assert best.data.params == {
        "level": "trial",
        "corpus.label": "toy, split paper",
        "encoder": "reader",
        "strategy": "taught",
        "trial": "3",
        "state": "complete",
        "best": "true",
        "pretraining": "1",
        "strategy.epochs": "20",
        "strategy.rate": "0.0123456",
        "training.features": '["lexical"]',
        "training.learning_rate": "0.2",
    }
    assert best.data.metrics == {"dev": 45.0, "dev_by_replicate": 47.0, "seconds": 12.5}
    history = MlflowClient(tracking_uri=uri).get_metric_history(best.info.run_id, "dev_by_replicate")
    assert sorted((point.step, point.value) for point in history) == [(0, 43.0), (1, 47.0)]
    assert (best.info.status, best.info.end_time) == ("FINISHED", 1767225600000)
    assert best.info.end_time - best.info.start_time == 12500


def test_pruned_and_failed_trials_are_told_apart(uri: str) -> None:
    sync_trials(uri, TUNED)
    runs = trials_of(uri)
    pruned, failed = (
        runs["trial 1 · reader · none · toy, split paper"],
        runs["trial 0 · reader · taught · toy, split paper"],
    )
    assert (pruned.info.status, pruned.data.params["state"]) == ("KILLED", "pruned")
    assert pruned.data.metrics == {"dev": 12.0, "dev_by_replicate": 12.0, "seconds": 12.5}
    assert (failed.info.status, failed.data.params["state"]) == ("FAILED", "failed")
    assert failed.data.metrics == {"seconds": 12.5}
    assert failed.data.tags["mlflow.note.content"] == "at 20 labels: a loss is not finite"
    assert "pretraining" not in pruned.data.params


def test_the_comparison_is_not_drowned(uri: str) -> None:
    grid = make_grid()
    Tracker(uri, grid).log(make_records(grid))
    before = sorted(run.info.run_id for run in runs_of(uri))
    sync_trials(uri, TUNED)
    assert sorted(run.info.run_id for run in runs_of(uri)) == before
    assert Tracker(uri, grid).log(make_records(grid)) == 0
    assert len(trials_of(uri)) == TRIALS


def test_again_nothing_is_written_and_what_changed_is_made_anew(uri: str) -> None:
    sync_trials(uri, TUNED)
    before = {name: run.info.run_id for name, run in trials_of(uri).items()}
    assert sync_trials(uri, TUNED) == Counts(0, 0, TRIALS)
    assert {name: run.info.run_id for name, run in trials_of(uri).items()} == before
    changed = copy.deepcopy(TUNED)
    changed["trials"][0]["trials"][3]["dev"] = 26.0
    assert sync_trials(uri, changed) == Counts(1, 0, TRIALS - 1)
    after = {name: run.info.run_id for name, run in trials_of(uri).items()}
    name = "trial 3 · reader · none · toy, split paper"
    assert {one for one in after if after[one] != before[one]} == {name}
    assert trials_of(uri)[name].data.metrics["dev"] == 26.0


def test_trials_that_the_grid_no_longer_knows_are_removed(uri: str) -> None:
    sync_trials(uri, TUNED)
    fewer = {**TUNED, "trials": [arm("reader", "none", 0, trial(0, 20.0))]}
    # trial 0 is the best one now, so that its run is made anew
    assert sync_trials(uri, fewer) == Counts(1, TRIALS - 1, 0)
    assert list(trials_of(uri)) == ["trial 0 · reader · none · toy, split paper"]


def test_a_run_that_was_written_half_or_twice_is_made_anew_or_removed(uri: str) -> None:
    sync_trials(uri, TUNED)
    client, name = MlflowClient(tracking_uri=uri), "trial 0 · lexical · none · toy, split paper"
    client.delete_tag(trials_of(uri)[name].info.run_id, "reprise.digest")
    other = trials_of(uri)["trial 1 · lexical · none · toy, split paper"]
    client.create_run(other.info.experiment_id, tags=other.data.tags)
    assert sync_trials(uri, TUNED) == Counts(1, 0, TRIALS - 1)
    assert len(trials_of(uri)) == TRIALS


def test_a_run_of_somebody_else_stays(uri: str) -> None:
    sync_trials(uri, TUNED)
    MlflowClient(tracking_uri=uri).create_run(experiment_of(uri).experiment_id, run_name="mine")
    assert sync_trials(uri, TUNED) == Counts(0, 0, TRIALS)
    assert "mine" in trials_of(uri)


def test_the_experiment_tells_the_budget_and_offers_a_table_of_trials(uri: str, tmp_path: Path) -> None:
    sync_trials(uri, TUNED)
    experiment = experiment_of(uri)
    page = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=trials"
    assert experiment.tags["mlflow.note.content"] == (
        f"[Trials]({page})\n\n4 trials an arm. Scores are in percent, of dev alone. A pruned trial (KILLED) lacks "
        "replicates."
    )
    assert (experiment.tags["reprise.grid"], experiment.tags["reprise.tuning"]) == ("toy", "toy")
    assert leaderboards(uri) == {"toy tuning": page}
    view = json.loads(experiment.tags["mlflow.sharedViewState.trials"])
    state = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    assert (state["searchFilter"], state["orderByKey"]) == ("params.level = 'trial'", "metrics.`dev`")
    assert state["selectedColumns"] == [
        *(f"params.`{name}`" for name in ("encoder", "strategy", "trial", "state", "best")),
        *("metrics.`dev`", "metrics.`seconds`"),
        *("params.`training.features`", "params.`training.learning_rate`"),
    ]


def test_an_experiment_of_this_name_that_is_none_of_ours_is_left_alone(uri: str) -> None:
    MlflowClient(tracking_uri=uri).create_experiment("toy tuning")
    with pytest.raises(HarnessError) as caught:
        sync_trials(uri, TUNED)
    assert str(caught.value) == (
        f"the MLflow experiment 'toy tuning' at {uri} is none of Reprise's (it has no tag reprise.grid). Rename it there, "
        "or give the grid another name"
    )


@pytest.mark.parametrize("known", [True, False], ids=["with trials", "without"])
def test_sync_writes_the_trials_that_the_grid_knows(
    empty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    home = tmp_path / "home"
    new_store(empty, home)
    grid: dict[str, Any] = {**make_grid(), "name": "toy-tuned", "tuned": TUNED if known else {**TUNED, "trials": None}}
    (home / "grids").mkdir()
    (home / "grids" / "toy-tuned.json").write_text(json.dumps(grid), encoding="utf-8")
    asked = argparse.Namespace(grid="toy-tuned", home=home, results=tmp_path / "results", mlflow_uri=None)
    assert next(RecordStore(home / "records").keys(), None) is None
    assert sync_verb(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "toy-tuned: 0 runs written, 0 removed, 0 unchanged"
    assert ("toy tuning: 10 runs written, 0 removed, 0 unchanged" in lines) == known
    found = MlflowClient(tracking_uri=default_uri(home)).get_experiment_by_name("toy tuning")
    assert (found is not None) == known


TOY = """
corpora = [{name = "synthetic", sample = 300}]
encoders = ["handcrafted"]
strategies = ["none"]
sizes = [20]
replicates = 1
"""


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that tune the grid `toy`, with two trials, in the home of the fixture `uri`."""
    monkeypatch.chdir(tmp_path)
    Path("toy.toml").write_text(TOY, encoding="utf-8")
    budget = ["--trials", "2", "--tuning-sizes", "20"]
    return ["tune", "--grid", "toy.toml", "--home", str(tmp_path / "home"), "--workers", "0", *budget]


def test_tune_shows_its_trials_and_again_writes_nothing(uri: str, tune: list[str]) -> None:
    assert main(tune) == 0
    before = {name: run.info.run_id for name, run in trials_of(uri).items()}
    corpus = "synthetic, split paper, sample 300, no_relation dropped"
    assert sorted(before) == [f"trial {number} · handcrafted · none · {corpus}" for number in (0, 1)]
    table = json.loads(trials_file(Path("tuned/toy.toml")).read_text(encoding="utf-8"))
    told = {"grid": "toy", "budget": read_tuned(Path("tuned/toy.toml")).budget.told(), "trials": table["arms"]}
    assert sync_trials(uri, told) == Counts(0, 0, 2)
    assert main(tune) == 0
    assert {name: run.info.run_id for name, run in trials_of(uri).items()} == before


def test_tune_goes_on_without_mlflow(uri: str, tune: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tune, "--no-mlflow"]) == 0
    assert MlflowClient(tracking_uri=uri).get_experiment_by_name("toy tuning") is None
    MlflowClient(tracking_uri=uri).create_experiment("toy tuning")
    capsys.readouterr()
    assert main(tune) == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == (
        f"MLflow is left out: the MLflow experiment 'toy tuning' at {uri} is none of Reprise's (it has no tag "
        "reprise.grid). Rename it there, or give the grid another name. The trials are whole; the same command, which "
        "runs nothing twice, catches up"
    )
    assert "Tuned values: tuned/toy.toml" in out
