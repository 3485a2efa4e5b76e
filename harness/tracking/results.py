"""The files of a grid's results folder, as artifacts of one run of its experiment.

Beside them lies SHA256SUMS, which says what each holds, in the form of the program of that name. It is uploaded last,
and the run's digest is its own: a file that it tells of is not uploaded again. Nothing is drawn here.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException

from harness.errors import HarnessError, without_passwords
from harness.tracked import DIGEST, RESULTS, shown_results
from harness.tracking.store import Store, open_store, reason, told

SHOWN = ("*.md", "*.csv", "*.json", "*.html", "figures/*.png", "figures/*.svg")
"""What is attached of a results folder: what a person reads."""
SUMS = "SHA256SUMS"


def attach(uri: str, grid: Mapping[str, Any], folder: Path) -> int:
    """Let the run of the grid's results carry the files of `folder`; return how many were uploaded.

    A folder that is not there is an empty one, and changes nothing. Raises HarnessError where a file can't be read, and
    where the store can't be used or takes no artifacts.
    """
    files = {file.relative_to(folder).as_posix(): file for pattern in SHOWN for file in sorted(folder.glob(pattern))}
    if not files:
        return 0
    try:
        sums = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    except OSError as error:
        raise HarnessError(f"can't read {error.filename}: {error.strerror}") from error
    store = open_store(uri, grid)
    with told(uri), _uploading(uri, grid):
        run, there = _find(store, sums)
        changed = [name for name, digest in sums.items() if there.get(name) != digest]
        if run is None or changed:
            _upload(store, grid, run, {name: files[name] for name in changed}, sums)
    return len(changed)


def _find(store: Store, sums: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """The run that is there and what its files hold; none where one was left half-written, or holds a file too many."""
    found, held = None, {}
    for run in [run for page in store.pages(f"tags.`{RESULTS}` != ''") for run in page]:
        there = _sums(store, run.info.run_id, run.data.tags.get(DIGEST))
        if found is None and there and there.keys() <= sums.keys():
            found, held = str(run.info.run_id), there
        else:
            store.client.delete_run(run.info.run_id)
    return found, held


def _sums(store: Store, run: str, digest: str | None) -> dict[str, str]:
    """What SHA256SUMS says of a run's files; nothing where it is not there, or not that of the run's digest."""
    if digest is None or all(file.path != SUMS for file in store.client.list_artifacts(run)):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(store.client.download_artifacts(run, SUMS, folder)).read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        return {}
    return {name: value for value, _, name in (line.partition("  ") for line in text.splitlines())}


def _upload(
    store: Store, grid: Mapping[str, Any], old: str | None, files: Mapping[str, Path], sums: Mapping[str, str]
) -> None:
    """Upload files to a run, made where there is none yet, and what all of its files hold, as `sums` says, last."""
    client, now = store.client, round(1000 * time.time())
    run = old or store.begin(shown_results(grid), now, now)
    try:
        if old:
            client.delete_tag(run, DIGEST)  # half-way it has none
        place = client.get_run(run).info.artifact_uri
        if store.uri.startswith("http") and urlsplit(place).scheme in ("", "file"):
            raise MlflowException(f"it keeps them in a folder of its own machine, {place}, and offers no way there")
        for name, file in files.items():
            client.log_artifact(run, str(file), name.rpartition("/")[0] or None)
        text = "".join(f"{value}  {name}\n" for name, value in sums.items())
        client.log_text(run, text, SUMS)
        client.set_terminated(run, end_time=now)
        client.set_tag(run, DIGEST, hashlib.sha256(text.encode()).hexdigest())
    except (MlflowException, OSError):
        if not old:
            with suppress(MlflowException, OSError):  # or a run without files would be shown
                client.delete_run(run)
        raise


@contextmanager
def _uploading(uri: str, grid: Mapping[str, Any]) -> Iterator[None]:
    """Say that a store takes no artifacts, why, and what to type next."""
    try:
        yield
    except (MlflowException, OSError) as error:  # of HTTP and of disks, OSError
        raise HarnessError(
            f"the MLflow store at {without_passwords(uri)} takes no artifacts: {reason(error)}\nIts runs are whole. "
            f"Once it takes them, type: python -m harness sync --grid {grid['name']}"
        ) from error
