"""`sync` and `ui`: MLflow, derived from the records."""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
from typing import Any

from harness import tracking
from harness.commands.progress import tell
from harness.commands.records import tell_damaged
from harness.errors import HarnessError, without_passwords
from harness.locks import locked
from harness.records import RecordStore
from harness.report.results import grid_keys, read_resolved
from harness.tracked import artifacts_of, default_uri


def sync(asked: argparse.Namespace) -> int:
    """Bring the tracking store up to date with a grid's records; repeating it changes nothing."""
    grid = read_resolved(asked.grid, asked.home, asked.results)
    store = RecordStore(asked.home / "records")
    records = store.read_all(grid_keys(grid))
    tell_damaged(store)
    with locked(asked.home, "mlflow", f"sync --grid {asked.grid}"):
        _tell(grid["name"], tracking.sync(_uri(asked), grid, records))
        if (tuned := grid.get("tuned")) and tuned.get("trials"):
            _tell(f"{tuned['grid']} tuning", tracking.sync_trials(_uri(asked), tuned))
        _attach(asked, grid)
    return 0


def _tell(experiment: str, counts: tracking.Counts) -> None:
    told = f"{counts.written:,} runs written, {counts.removed:,} removed, {counts.unchanged:,} unchanged"
    print(f"{experiment}: {told}", flush=True)


def _attach(asked: argparse.Namespace, grid: dict[str, Any]) -> None:
    """The files of the grid's results folder too, where the store takes them; the runs are whole without."""
    folder = asked.results / grid["name"]
    try:
        count = tracking.attach(_uri(asked), grid, folder)
    except HarnessError as error:
        tell(f"The files of {folder} are left out: {error}")
    else:
        print(f"{grid['name']}: {count:,} files of {folder} uploaded")


def ui(asked: argparse.Namespace) -> int:
    """Start the MLflow UI on the loopback address and stay until it is stopped."""
    return serve_ui(_uri(asked), port=asked.port)


def serve_ui(uri: str, host: str = "127.0.0.1", port: int = 5000) -> int:
    """Serve MLflow's pages over the store at `uri` until Ctrl-C; return the exit code, 130 after Ctrl-C.

    Raises HarnessError where the store or the port can't be used.
    """
    if uri.startswith(("http://", "https://")):
        raise HarnessError(f"{without_passwords(uri)} is a server already: open that address in a browser")
    tracking.check(uri)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise HarnessError(f"can't listen on {host}:{port}: {error.strerror}. Choose another --port") from error
    tracking.create(uri)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    if artifacts := artifacts_of(uri):
        command += ["--artifacts-destination", artifacts.as_uri()]
    address = f"http://{host}:{port}"
    print(f"MLflow opens at {address} in some seconds; Ctrl-C ends it", flush=True)
    for grid, page in tracking.leaderboards(uri).items():
        print(f"  {grid}: {address}/{page}", flush=True)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # no server stays behind a killed harness
    server = subprocess.Popen(command)
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()  # a terminal has told it already, whoever signals this process alone has not
        server.wait()
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _uri(asked: argparse.Namespace) -> str:
    uri: str = asked.mlflow_uri or default_uri(asked.home)
    return uri
