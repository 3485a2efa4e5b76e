"""What several rooms' tests stand on: real plugin distributions, and the folder of real data where there is one."""

from __future__ import annotations

import ast
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from harness import registry
from harness.artifacts import ArtifactStore
from harness.grid import ResolvedGrid
from harness.runner import Outcome
from harness.scheduler import pools
from harness.scheduler.carry_out import Rules, Watcher, carry_out
from harness.scheduler.executors import Pool
from harness.scheduler.graph import HERE, tasks_of
from harness.scheduler.preparing import prepare

# A shell's background job ignores interrupts, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples are judged by what they show, not by how long they take: the machine may be busy.
settings.register_profile("harness", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("harness")


class MakePlugin(Protocol):
    """What the fixture `make_plugin` hands out."""

    def __call__(self, kind: str, name: str, source: str, *, distribution: str | None = None) -> Path: ...


Printed = Callable[[], tuple[str, str]]
"""What the fixture `printed` hands out."""


class FindData(Protocol):
    """What the fixture `find_data` hands out."""

    def __call__(self, *files: str) -> Path: ...


@pytest.fixture
def make_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePlugin]:
    """Publish plugins as outsiders do: `make_plugin(kind, name, source)` installs a distribution with an entry point.

    `kind` is a key of `registry.KINDS`, `source` the text of a module whose last public class is the plugin (the entry
    point names `Plugin` where it has none). The distribution is called ``acme-NAME`` unless told otherwise, its one
    module the same with underscores. It is seen by this process and by those that it starts, until the test ends. The
    folder of the distribution is returned.
    """
    modules: list[str] = []

    def make(kind: str, name: str, source: str, *, distribution: str | None = None) -> Path:
        distribution = distribution or f"acme-{name}"
        module = distribution.replace("-", "_")
        folder = tmp_path / "distributions" / distribution
        about = folder / f"{module}-1.dist-info"
        about.mkdir(parents=True)
        (folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n", encoding="utf-8")
        group = registry.KINDS[kind].group
        entry = f"[{group}]\n{name} = {module}:{_last_class(dedent(source))}\n"
        (about / "entry_points.txt").write_text(entry, encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        modules.append(module)
        forget_plugins()
        return folder

    yield make
    for module in modules:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    forget_plugins()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What was printed since the last call: out, err."""

    def read() -> tuple[str, str]:
        found = capsys.readouterr()
        return found.out, found.err

    return read


@pytest.fixture(scope="session")
def find_data() -> FindData:
    """`find_data("kbp37/train.txt")`: the folder of HARNESS_DATA that has the files; without one, the test is skipped."""

    def find(*files: str) -> Path:
        for folder in filter(None, os.environ.get("HARNESS_DATA", "").split(os.pathsep)):
            if all((Path(folder) / file).is_file() for file in files):
                return Path(folder)
        pytest.skip(f"no folder of HARNESS_DATA has {', '.join(files)}")

    return find


def prepare_here(grid: ResolvedGrid, home: Path) -> None:
    """Make the prepared data of all runs of a grid, and nothing else."""
    store = ArtifactStore(home / "artifacts")
    for task in tasks_of(grid.runs.values(), store):
        if task.kind in HERE:
            prepare(task, grid, store, lambda line: None)


def run_here(grid: ResolvedGrid, home: Path, told: Callable[[str], None] = lambda line: None) -> list[Outcome]:
    """The outcomes of all runs of a grid, and what they stand on, made in this process."""
    with pools.here() as pool:
        return run_in(pool, grid, home, told)


def run_in(
    pool: Pool, grid: ResolvedGrid, home: Path, told: Callable[[str], None] = lambda line: None, **rules: Any
) -> list[Outcome]:
    """The same by the workers of a pool."""
    outcomes: list[Outcome] = []
    home.mkdir(exist_ok=True)
    watcher = Watcher(outcomes.append, told=told)
    carry_out(list(grid.runs.values()), grid, home, pool, watcher, Rules(**rules), lambda task: 1.0)
    return outcomes


def _last_class(source: str) -> str:
    """The name of the last public class of a module; `Plugin` where there is none, or the module is no Python."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        body = []
    names = [node.name for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return names[-1] if names else "Plugin"


def forget_plugins() -> None:
    """Empty what a process remembers of the plugins that it found."""
    registry.origins.cache_clear()
    if "harness.provenance" in sys.modules:
        provenance = sys.modules["harness.provenance"]
        for remembered in (provenance.sources, provenance.plugin_digest, provenance.code_with_siblings):
            remembered.cache_clear()
