"""A real Dask cluster, started as a person would, whose workers see the home folder or don't."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from commands import CORPUS, DEADLINE, GRID, Command, records_of, running, set_up, small_disk, timeless, unfinished
from conftest import MakePlugin

from harness.artifacts import ArtifactStore, fault
from harness.cli import main

HIDING = """
    mount -t tmpfs none "$0" && mount -t tmpfs -o size="$2" none "$1" && shift 2 && exec "$@"
"""

GONE = (
    "harness: the Dask scheduler is gone, or no longer knows a task; expected it to live as long as the grid. What is "
    "finished is kept, and the same command goes on with the rest\n"
)

FULL = (
    "No space left on device. Free some space, or choose another folder with --home; for a worker elsewhere, with its "
    "--local-directory\n"
)

HELD = """
    import os, time
    from pathlib import Path
    from encoders.bilstm import BiLSTM

    class Held(BiLSTM):
        # Waits, in each run, while there is a file.
        def encode(self, reading):
            folder = Path(os.environ["HELD"])
            (folder / f"begun-{os.getpid()}").touch()
            while (folder / "hold").exists():
                time.sleep(0.02)
            return super().encode(reading)
"""

SPINNING = """
    from encoders.bilstm import BiLSTM

    class Spinning(BiLSTM):
        # Never comes to an end.
        def encode(self, reading):
            while True:
                pass
"""


@pytest.fixture
def here(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = set_up(tmp_path, make_plugin, monkeypatch)
    (folder / "home").mkdir()
    return folder


class Cluster:
    """A scheduler and its workers, each in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.file = folder / "scheduler.json"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._start("scheduler", ("scheduler", "--no-dashboard", "--host", "127.0.0.1", "--port", "0"))
        until(lambda: self.file.is_file() and self.file.read_text().endswith("}"))

    def start_worker(
        self,
        name: str,
        hidden: Path | None = None,
        size: str = "50%",
        more: tuple[str, ...] = (),
        path: Path | None = None,
    ) -> None:
        """A worker. A folder that is `hidden` is empty for it, and its own then on a disk of that size; `path` is where
        it looks for plugins first.
        """
        own_folder = self._folder / name
        own_folder.mkdir()
        asked = ("worker", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1", "--name", name, *more)
        own = ("--local-directory", str(own_folder), "--preload", "harness.scheduler.worker")
        self._start(name, (*asked, *own), hiding(hidden, own_folder, size) if hidden else (), path)

    def _start(self, name: str, words: tuple[str, ...], before: tuple[str, ...] = (), path: Path | None = None) -> None:
        log = self.log(name).open("wb")
        command = [*before, sys.executable, "-m", "dask", *words, "--scheduler-file", str(self.file)]
        environment = dict(os.environ)
        if path:
            environment["PYTHONPATH"] = os.pathsep.join([str(path), environment["PYTHONPATH"]])
        self._processes[name] = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=environment
        )

    def log(self, name: str) -> Path:
        """What a process has told."""
        return self._folder / f"{name}.log"

    def artifacts(self, name: str) -> set[str]:
        """The artifacts that a worker has had sent to it, or made, by kind and key."""
        seen = Path(f"/proc/{self._processes[name].pid}/root{self._folder / name}")
        return {f"{path.parent.name}/{path.name}" for path in seen.rglob("artifacts/*/[!.]*")}

    def kill(self, name: str) -> None:
        """Kill a process and all that it has started."""
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """Kill all."""
        for name in list(self._processes):
            self.kill(name)


@pytest.fixture
def cluster(here: Path) -> Iterator[Cluster]:
    made = Cluster(here / "cluster")
    yield made
    made.close()


def hiding(folder: Path, own: Path, size: str) -> tuple[str, ...]:
    """What stands before a command for which `folder` is to be empty and `own` on a small disk; skips where nothing can
    be mounted.
    """
    for option in ("-m", "-rm"):
        before = ("unshare", option, "sh", "-c", HIDING, str(folder.absolute()), str(own.absolute()), size)
        with suppress(FileNotFoundError):
            if subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0:
                return before
    pytest.skip("no folder can be hidden here, neither as root nor with unshare -rm")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def undisturbed(here: Path) -> dict[str, dict[str, Any]]:
    """The records of the grid, made without a cluster."""
    home = str(here / "undisturbed")
    arguments = ("--workers", "0", "--no-mlflow", "--home", home, "--results", str(here / "other results"))
    assert main(["run", "--grid", "small.toml", *arguments]) == 0
    return timeless(records_of(home))


def on(cluster: Cluster) -> Any:
    """The grid, by a cluster."""
    return running("small.toml", "--home", "home", "--scheduler", str(cluster.file))


def check(one: Command, here: Path) -> None:
    """It has ended, its records are those that an undisturbed grid comes to, and all artifacts are at home and whole."""
    assert one.ended() == 0, one.err
    assert timeless(records_of("home")) == undisturbed(here)
    assert unfinished("home") == []
    made = list(ArtifactStore(here / "home/artifacts").folders())
    assert {path.parent.name for path in made} >= {"entity-vectors", "pretrained"}
    assert [found for found in map(fault, made) if found] == []


# Where the artifacts are


def test_workers_that_do_not_see_the_home_are_sent_what_they_read_and_send_home_what_they_make(
    here: Path, cluster: Cluster
) -> None:
    cluster.start_worker("one", hidden=here / "home")
    with on(cluster) as one:
        check(one, here)
        assert re.search(r"^Dask dashboard: http://127\.0\.0\.1:\d+/status$", one.err, re.MULTILINE)
    kinds = [name.partition("/")[0] for name in cluster.artifacts("one")]
    assert sorted(kinds) == [
        "entity-vectors", "entity-vectors", "inputs", "links", "mentions", "pretrained", "pretrained", "readings",
        "sentences",
    ]  # fmt: skip


@pytest.mark.slow
def test_workers_that_see_the_home_read_it_and_nothing_travels(here: Path, cluster: Cluster) -> None:
    for name in ("one", "two"):
        cluster.start_worker(name)
    with on(cluster) as one:
        check(one, here)
    assert cluster.artifacts("one") == cluster.artifacts("two") == set()


@pytest.mark.slow
def test_some_workers_see_the_home_and_some_do_not(here: Path, cluster: Cluster) -> None:
    cluster.start_worker("one")
    cluster.start_worker("two", hidden=here / "home")
    with on(cluster) as one:
        check(one, here)
    assert cluster.artifacts("one") == set()


# Workers that come and go


@pytest.fixture
def held(here: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a file `hold` while which no run goes on, and of what tells who has begun."""
    folder = here / "held"
    folder.mkdir()
    (folder / "hold").touch()
    monkeypatch.setenv("HELD", str(folder))
    make_plugin("encoder", "held", HELD)
    (here / "small.toml").write_text(GRID.replace("bilstm", "held"))
    return folder


def begun(folder: Path) -> list[int]:
    """The processes that have begun with a run."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("begun-*")]


@pytest.mark.slow
def test_a_worker_of_three_is_killed_and_one_joins_late(here: Path, held: Path, request: pytest.FixtureRequest) -> None:
    cluster: Cluster = request.getfixturevalue("cluster")  # its workers are to know the plugin
    for name in ("one", "two", "three"):
        cluster.start_worker(name, hidden=here / "home")
    with on(cluster) as one:
        one.until(lambda: len(begun(held)) == 3)
        cluster.kill("two")
        cluster.start_worker("four", hidden=here / "home")
        one.until(lambda: len(begun(held)) == 4)
        (held / "hold").unlink()
        check(one, here)
    assert cluster.artifacts("four")


@pytest.mark.slow
@pytest.mark.parametrize("nanny", ["--nanny", "--no-nanny"])
def test_a_run_that_hangs_is_ended_and_others_go_on(
    nanny: str, here: Path, make_plugin: MakePlugin, request: pytest.FixtureRequest
) -> None:
    make_plugin("encoder", "spinning", SPINNING)
    encoders = '[{name = "spinning", hidden = 4}, {name = "bilstm", hidden = 4}]'
    (here / "small.toml").write_text(GRID.replace('[{name = "bilstm", hidden = 4}]', encoders))
    cluster: Cluster = request.getfixturevalue("cluster")  # its workers are to know the plugin
    for name in ("one", "two", "three"):
        cluster.start_worker(name, more=(nanny,))
    words = ("--home", "home", "--scheduler", str(cluster.file), "--run-timeout", "4", "--strategy", "none")
    with running("small.toml", *words) as one:
        assert one.ended() == 1, one.err
        assert "2 of 4 runs failed" in one.err
    for record in records_of("home").values():
        assert (record["status"] == "complete") == (record["spec"]["encoder"]["name"] == "bilstm")


# What stops a grid


@pytest.mark.slow
@pytest.mark.parametrize(("size", "what"), [("100k", "sent"), ("2m", "made")])
def test_a_worker_whose_disk_is_full_stops_the_runs(size: str, what: str, here: Path, cluster: Cluster) -> None:
    hidden = 400 if what == "made" else 4
    (here / "small.toml").write_text(GRID.replace("hidden = 4", f"hidden = {hidden}"))  # of 400: 2.6 MB an encoder
    cluster.start_worker("one", hidden=here / "home", size=size)
    with on(cluster) as one:
        assert one.ended() == 2, one.err
        assert "Traceback" not in one.err
        assert re.search(
            rf"^harness: can't write below {here}/cluster/one/\S+/artifacts: {FULL}\Z", one.err, re.MULTILINE
        )
    assert unfinished("home") == []
    cluster.kill("one")
    cluster.start_worker("two", hidden=here / "home")
    with on(cluster) as one:
        check(one, here)


@pytest.mark.slow
def test_a_home_that_has_no_space_for_what_comes_stops_the_runs(here: Path, cluster: Cluster) -> None:
    (here / "small.toml").write_text(GRID.replace("hidden = 4", "hidden = 400"))
    (here / "home").rmdir()
    cluster.start_worker("one")  # it does not see the disk
    with small_disk(here / "home", "2m") as disk:
        words = ("--home", "home", "--scheduler", str(cluster.file))
        with running("small.toml", *words, before=disk.enter) as one:
            assert one.ended() == 2, one.err
            assert "Traceback" not in one.err
            assert re.search(rf"^harness: can't write below home/artifacts: {FULL}\Z", one.err, re.MULTILINE), one.err
        assert unfinished(disk.inside) == []
        disk.resize("90m")
        with running("small.toml", *words, before=disk.enter) as one:
            assert one.ended() == 0, one.err
        assert timeless(records_of(disk.inside)) == undisturbed(here)


@pytest.mark.slow
def test_workers_with_other_code_stop_the_runs(
    here: Path, make_plugin: MakePlugin, request: pytest.FixtureRequest
) -> None:
    folder = make_plugin("encoder", "mine", SPINNING.replace("while True:\n                pass", "pass"))
    (here / "small.toml").write_text(GRID.replace("bilstm", "mine"))
    cluster: Cluster = request.getfixturevalue("cluster")
    other = here / "other"
    shutil.copytree(folder, other)
    file = other / "acme_mine.py"
    file.write_text(file.read_text().replace("pass", "print(1)"))
    cluster.start_worker("one", path=other)
    with on(cluster) as one:
        assert one.ended() == 2, one.err
        assert one.err.endswith(
            "harness: a worker has other code than this process (encoder); expected the same. Install the same version of "
            "Reprise and of its plugins there, and start the workers again\n"
        )
        assert "Traceback" not in one.err


# Schedulers that come and go


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in runs", "in preparation"])
def test_a_scheduler_that_is_killed_ends_the_run_and_it_goes_on_without_it(
    moment: str, here: Path, make_plugin: MakePlugin, request: pytest.FixtureRequest
) -> None:
    if moment == "in runs":
        (here / "small.toml").write_text(GRID.replace("_updates = 10", "_updates = 150"))
        line = "[1/6"
    else:
        make_plugin("corpus", "long", CORPUS.replace("range(80)", "range(40000)"))
        (here / "small.toml").write_text(GRID.replace('"small"', '"long"'))
        line = "Preparing long (whole)"
    cluster: Cluster = request.getfixturevalue("cluster")
    cluster.start_worker("one", hidden=here / "home")
    with on(cluster) as one:
        one.until(lambda: line in one.err)
        cluster.kill("scheduler")
        assert one.ended() == 2, one.err
        assert one.err.endswith(GONE)
        assert "Traceback" not in one.err
    kept = records_of("home")
    assert len(kept) < 6
    with running("small.toml", "--home", "home", "--workers", "2") as one:
        check(one, here)
    assert {key: record for key, record in records_of("home").items() if key in kept} == kept


class Other(BaseHTTPRequestHandler):
    """A server of something else."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("case", ["no address", "no file", "no JSON", "no address in the file"])
def test_what_names_no_scheduler_is_told_at_once(case: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, cause = {
        "no address": ("nowhere", "missing port number in address 'nowhere'"),
        "no file": ("scheduler.json", "missing port number in address 'scheduler.json'"),
        "no JSON": ("broken.json", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        "no address in the file": ("other.json", "the file has no address"),
    }[case]
    (here / "broken.json").write_text("{")
    (here / "other.json").write_text(json.dumps({"id": "Scheduler-1"}))
    assert failing(given) == 2
    assert message(capsys) == expected(given, cause)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["nobody", "another server", "a worker"])
def test_where_no_scheduler_answers_that_is_told_within_seconds(
    case: str, here: Path, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    if case == "nobody":
        with socket.create_server(("127.0.0.1", 0)) as free:
            given = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        cause = f"Timed out trying to connect to {given} after 10 s"
        assert failing(given) == 2
    elif case == "another server":
        with HTTPServer(("127.0.0.1", 0), Other) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            given, cause = f"tcp://127.0.0.1:{server.server_port}", "no answer of one"
            assert failing(given) == 2
            server.shutdown()
    else:
        cluster.start_worker("one")
        log = cluster.log("one")
        until(lambda: "Registered to" in log.read_text())
        found = re.search(r"Start worker at: +(\S+)", log.read_text())
        assert found
        given, cause = found[1], "that is a worker's"
        started = time.monotonic()
        assert failing(given) == 2
    assert message(capsys) == expected(given, cause)
    assert time.monotonic() - started < 60  # 10 where the machine is idle


def failing(given: str) -> int:
    return main(
        ["run", "--grid", "small.toml", "--no-mlflow", "--home", str(Path("home").absolute()), "--scheduler", given]
    )


def message(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def expected(given: str, cause: str) -> str:
    return (
        f"harness: --scheduler {given}: expected a running Dask scheduler, by its address (tcp://HOST:8786) or the file "
        f"that it has written (dask scheduler --scheduler-file FILE), found none: {cause}"
    )
