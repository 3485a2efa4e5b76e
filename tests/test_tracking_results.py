"""The files of a results folder are artifacts of one run: each uploaded once, all there or none, and none is lost."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from test_tracking import all_runs_of, fetch, free_port, make_grid, migrate, new_store, start_server

from harness import behind
from harness.commands.track import sync as sync_verb
from harness.errors import HarnessError
from harness.tracked import default_uri
from harness.tracking import Tracker, attach

FILES = {
    "leaderboard.md": "# Leaderboard",
    "leaderboard.csv": "encoder,strategy",
    "grid.json": "{}",
    "report.html": "<!doctype html>",
    "figures/learning-curves-1.png": "a picture",
    "figures/learning-curves-1.svg": "<svg/>",
}
OTHERS = {"records.csv.gz": "packed", "predictions.npz": "arrays", "figures/notes.txt": "mine", ".unfinished-x": "half"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and nothing in them."""
    return migrate(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def uri(empty: Path, tmp_path: Path) -> str:
    return new_store(empty, tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder."""
    for name, text in {**FILES, **OTHERS}.items():
        file = tmp_path / "results" / "toy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path / "results" / "toy"


def results_of(uri: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    return all_runs_of(uri, "params.level = 'results'", view)


def files_of(uri: str, tmp_path: Path) -> dict[str, str]:
    """The artifacts of the one run and what is in them."""
    (run,) = results_of(uri)
    place = tmp_path / "brought"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    MlflowClient(tracking_uri=uri).download_artifacts(run.info.run_id, "", str(place))
    found = [file for file in place.rglob("*") if file.is_file()]
    return {file.relative_to(place).as_posix(): file.read_text(encoding="utf-8") for file in found}


def times_of(home: Path) -> dict[str, int]:
    """When each artifact in the store was written."""
    return {file.name: file.stat().st_mtime_ns for file in (home / "mlflow-artifacts").rglob("*") if file.is_file()}


def test_what_a_person_reads_is_attached_to_one_run(uri: str, folder: Path, tmp_path: Path) -> None:
    assert attach(uri, make_grid(), folder) == 6
    found = files_of(uri, tmp_path)
    sums = {line.split("  ")[1]: line.split("  ")[0] for line in found.pop("SHA256SUMS").splitlines()}
    assert found == FILES
    assert sums == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()}
    (run,) = results_of(uri)
    assert (run.info.run_name, run.info.status) == ("results of toy", "FINISHED")
    assert run.data.params == {"level": "results"}
    assert run.info.artifact_uri.startswith((tmp_path / "home" / "mlflow-artifacts" / "toy").as_uri())


def test_what_has_not_changed_is_not_uploaded_again(uri: str, folder: Path, tmp_path: Path) -> None:
    attach(uri, make_grid(), folder)
    before = times_of(tmp_path / "home")
    assert attach(uri, make_grid(), folder) == 0
    assert times_of(tmp_path / "home") == before
    (folder / "leaderboard.md").write_text("# Another", encoding="utf-8")
    (folder / "figures" / "relations-1.png").write_text("another picture", encoding="utf-8")
    (identifier,) = [run.info.run_id for run in results_of(uri)]
    assert attach(uri, make_grid(), folder) == 2
    after = times_of(tmp_path / "home")
    assert {name for name in after if after[name] != before.get(name)} == {
        "leaderboard.md",
        "relations-1.png",
        "SHA256SUMS",
    }
    assert [run.info.run_id for run in results_of(uri)] == [identifier]
    assert files_of(uri, tmp_path)["leaderboard.md"] == "# Another"


def test_a_file_that_is_gone_is_gone_there_too(uri: str, folder: Path, tmp_path: Path) -> None:
    attach(uri, make_grid(), folder)
    (folder / "figures" / "learning-curves-1.svg").unlink()
    assert attach(uri, make_grid(), folder) == 5
    assert "figures/learning-curves-1.svg" not in files_of(uri, tmp_path)


@pytest.mark.parametrize("there", [False, True], ids=["no folder", "nothing to read"])
def test_without_results_nothing_is_attached_and_nothing_is_wrong(uri: str, tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "results" / "toy"
    if there:
        folder.mkdir(parents=True)
        (folder / "records.csv.gz").write_bytes(b"packed")
    assert attach(uri, make_grid(), folder) == 0
    assert MlflowClient(tracking_uri=uri).get_experiment_by_name("toy") is None


def test_a_run_that_was_written_half_or_lost_its_files_is_made_anew(uri: str, folder: Path, tmp_path: Path) -> None:
    attach(uri, make_grid(), folder)
    (run,) = results_of(uri)
    MlflowClient(tracking_uri=uri).delete_tag(run.info.run_id, "reprise.digest")
    assert attach(uri, make_grid(), folder) == 6
    shutil.rmtree(tmp_path / "home" / "mlflow-artifacts")
    assert attach(uri, make_grid(), folder) == 6
    assert files_of(uri, tmp_path).keys() == FILES.keys() | {"SHA256SUMS"}


def test_a_tracker_leaves_the_files_alone(uri: str, folder: Path, tmp_path: Path) -> None:
    attach(uri, make_grid(), folder)
    Tracker(uri, make_grid()).prune({})
    assert files_of(uri, tmp_path).keys() == FILES.keys() | {"SHA256SUMS"}


def test_a_place_that_takes_no_files_is_told_and_leaves_no_run(uri: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / "mlflow-artifacts").write_text("no folder", encoding="utf-8")
    expected = (
        r"the MLflow store at sqlite:///.* takes no artifacts: .*\nIts runs are whole. Once it takes them, type: "
    )
    with pytest.raises(HarnessError, match=expected + "python -m harness sync --grid toy"):
        attach(uri, make_grid(), folder)
    assert results_of(uri) == []


def test_a_file_that_cannot_be_read_is_told(uri: str, folder: Path) -> None:
    (folder / "leaderboard.md").unlink()
    (folder / "leaderboard.md").mkdir()
    with pytest.raises(HarnessError, match=r"can't read .*leaderboard\.md: Is a directory"):
        attach(uri, make_grid(), folder)


def test_behind_a_run_files_are_attached_too(uri: str, folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    behind.attach(uri, make_grid(), folder, told.append, patience=30)
    assert told == []
    assert files_of(uri, tmp_path).keys() == FILES.keys() | {"SHA256SUMS"}


def test_a_server_that_never_answers_holds_up_no_run(folder: Path) -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        behind.attach(f"http://127.0.0.1:{server.getsockname()[1]}", make_grid(), folder, told.append, patience=0.5)
    assert told == [f"MLflow has not taken the files of {folder} yet; `sync` catches up"]


def test_what_goes_wrong_behind_a_run_is_told(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    missing = tmp_path / "nowhere"
    behind.attach(default_uri(missing), make_grid(), folder, told.append, patience=30)
    (sentence,) = told
    assert sentence.startswith(f"MLflow is left without the files of {folder}: MLflow's database {missing}/mlflow.db")
    assert sentence.endswith(f"Make it: mkdir -p {missing}")


@contextmanager
def served(uri: str, folder: Path, *flags: str) -> Iterator[str]:
    """The address of a server over the store at `uri`: that of `ui`, or MLflow's own with flags."""
    port = free_port()
    if flags:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--port", str(port), *flags]
        server = subprocess.Popen(command, cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL, text=True)
    else:
        server = start_server(uri, port, folder)
    try:
        fetch(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


@pytest.mark.slow
def test_a_server_takes_the_files_into_its_own_place(uri: str, folder: Path, tmp_path: Path) -> None:
    with served(uri, tmp_path) as address:
        assert attach(address, make_grid(), folder) == 6
        assert attach(address, make_grid(), folder) == 0
        assert files_of(address, tmp_path).keys() == FILES.keys() | {"SHA256SUMS"}
    (place,) = (tmp_path / "home" / "mlflow-artifacts").rglob("SHA256SUMS")
    assert place.is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("mlflow-artifacts:/", r"503|disabled"),
        (
            "file:///somewhere/else",
            r"it keeps them in a folder of its own machine, file:///somewhere/else/\S+, and offers",
        ),
    ],
    ids=["no service", "a folder of its own"],
)
def test_a_server_that_takes_no_files_loses_nothing_and_is_told_once(
    uri: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], root: str, reason: str
) -> None:
    with served(uri, tmp_path, "--no-serve-artifacts", "--default-artifact-root", root) as address:
        with pytest.raises(HarnessError, match=rf"{address} takes no artifacts: .*({reason})"):
            attach(address, make_grid(), folder)
        assert results_of(address) == []
        home = tmp_path / "there"
        (home / "grids").mkdir(parents=True)
        (home / "grids" / "toy.json").write_text(json.dumps(make_grid()), encoding="utf-8")
        asked = argparse.Namespace(grid="toy", home=home, results=folder.parent, mlflow_uri=address)
        assert sync_verb(asked) == 0
        said = capsys.readouterr()
        assert said.out == "toy: 0 runs written, 0 removed, 0 unchanged\n"
        assert (
            said.err.count(f"The files of {folder} are left out: the MLflow store at {address} takes no artifacts") == 1
        )
    assert not Path("/somewhere").exists()
