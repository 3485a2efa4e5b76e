"""From tasks to records by any executor: nothing waits without need, and what fails takes with it what stands on it."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import CORPUS, GRID, set_up, small_disk, unfinished
from conftest import MakePlugin, run_here, run_in

from harness import stages
from harness.artifacts import ArtifactStore
from harness.errors import HarnessError
from harness.grid import ResolvedGrid, resolve
from harness.runner import Outcome
from harness.scheduler import pools
from harness.scheduler.carry_out import FailedFast, Rules, Watcher, carry_out
from harness.scheduler.executors import InAThread, InThisProcess, Pool
from harness.scheduler.graph import Id

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

AXES = GRID[GRID.index("strategies") : GRID.index("vectors")]
ENCODER = '{name = "bilstm", hidden = 4}'


@pytest.fixture
def here(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    return set_up(tmp_path, make_plugin, monkeypatch)


def small(here: Path, *strategies: str, **changed: str) -> ResolvedGrid:
    """The grid with these strategies, one replicate, and other parts of its text replaced."""
    text = GRID.replace(AXES, f"strategies = [{', '.join(strategies)}]\n").replace("replicates = 2", "replicates = 1")
    for name, value in changed.items():
        text = re.sub(rf"^{name} .*$", f"{name} = {value}", text, flags=re.MULTILINE)
    return resolve("small", text, here / "resolved")


def plugin(name: str, body: str) -> str:
    """A strategy that is `lm`, but for what it does before it pre-trains."""
    return f"""
        import os, threading, time
        from pathlib import Path
        from strategies.lm import LanguageModel

        class {name}(LanguageModel):
            # Not as others.
            def objective(self, encoder, mentions, generator):
                {body}
                return super().objective(encoder, mentions, generator)
    """


LM = '{name = "lm", epochs = 1, skipgram_epochs = 1}'


def like_lm(name: str) -> str:
    return LM.replace("lm", name)


def by_strategy(outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.record["spec"]["strategy"]["name"], []).append(outcome.record)
    return found


def threads(count: int) -> Pool:
    return Pool(ThreadPoolExecutor(count), count)


def lasting(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The records, in the order of their keys, without what time it was and how long it took."""
    found = []
    for outcome in sorted(outcomes, key=lambda outcome: str(outcome.record["key"])):
        record = {name: value for name, value in outcome.record.items() if name not in ("seconds", "finished")}
        found.append(record | {"pretraining": {**(record.get("pretraining") or {}), "seconds": None}})
    return found


# Executors


def test_processes_of_any_executor_come_to_the_records_of_one_process(here: Path) -> None:
    grid = resolve("small", GRID, here / "resolved")
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        outcomes = run_in(Pool(executor, 2), grid, here / "home")
    assert len(outcomes) == 6
    assert lasting(outcomes) == lasting(run_here(grid, here / "other"))
    assert unfinished(here / "home") == []


def test_nobody_waits_for_what_he_does_not_stand_on(here: Path, make_plugin: MakePlugin) -> None:
    """A pre-training goes on until the runs of all other strategies are done, of a second corpus too."""
    waits = "assert next((True for _ in range(6000) if Path('go').exists() or time.sleep(0.02)), False)"
    make_plugin("strategy", "slow", plugin("Slow", waits))
    make_plugin("corpus", "other", CORPUS.replace("range(96)", "range(80)"))
    grid = small(
        here, '"none"', '{name = "stepwise", skipgram_epochs = 1}', like_lm("slow"), LM, corpora='["small", "other"]'
    )
    names: list[str] = []

    def finished(outcome: Outcome) -> None:
        assert outcome.record["status"] == "complete", outcome.record["error"]
        names.append(outcome.record["spec"]["strategy"]["name"])
        if len(names) == 6:
            Path("go").touch()

    (here / "home").mkdir()
    carry_out(list(grid.runs.values()), grid, here / "home", threads(2), Watcher(finished), Rules(), lambda task: 1.0)
    assert sorted(names[:6]) == ["lm", "lm", "none", "none", "stepwise", "stepwise"]
    assert names[6:] == ["slow", "slow"]


def test_it_is_told_how_many_are_at_work_and_how_much_is_done(here: Path) -> None:
    grid = resolve("small", GRID, here / "resolved")
    told: list[tuple[int, float]] = []
    watcher = Watcher(lambda outcome: None, lambda count, share: told.append((count, share)))
    (here / "home").mkdir()
    carry_out(list(grid.runs.values()), grid, here / "home", threads(2), watcher, Rules(), lambda task: 1.0)
    counts, shares = zip(*told, strict=True)
    assert max(counts) == 2
    assert (counts[-1], shares[-1]) == (0, 1)
    assert shares[0] == 0
    assert list(shares) == sorted(shares)


class Counting(Pool):
    """Counts the runs of each task."""

    def __init__(self, executor: Executor, width: int) -> None:
        super().__init__(executor, width)
        self.counts: list[int] = []

    def submit(self, function: Callable[..., Any], arguments: Sequence[Any], reads: Sequence[Id]) -> Future[Any]:
        if isinstance(arguments[0], tuple):
            self.counts.append(len(arguments[0]))
        return super().submit(function, arguments, reads)


def test_runs_of_equal_shapes_go_out_as_one_stack(here: Path) -> None:
    grid = small(here, '"none"', '"avg-embed"', replicates="3", sizes="[8, 12]", texts="[]")
    pool = Counting(InThisProcess(), 1)
    assert len(run_in(pool, grid, here / "home", stack=4)) == 12
    assert sorted(pool.counts) == [2, 2, 4, 4]


@pytest.mark.slow
def test_of_a_stack_whose_worker_dies_each_run_is_made_alone(here: Path, make_plugin: MakePlugin) -> None:
    make_plugin(
        "encoder",
        "exiting",
        """
        import os
        from encoders.bilstm import BiLSTM
        from harness.seeding import torch_stream

        class Exiting(BiLSTM):
            # Ends the process, of the second replicate.
            def __init__(self, width, parameters, generator):
                if generator.initial_seed() == torch_stream("initialisation", 1, "encoder").initial_seed():
                    os._exit(3)
                super().__init__(width, parameters, generator)
        """,
    )
    grid = small(here, '"none"', replicates="3", texts="[]", encoders='"exiting"')
    with pools.local(1) as pool:
        outcomes = run_in(pool, grid, here / "home", stack=3)
    found = {outcome.record["spec"]["replicate"]: outcome.record for outcome in outcomes}
    assert len(outcomes) == 3
    assert [found[at]["status"] for at in range(3)] == ["complete", "failed", "complete"]
    assert found[1]["error"]["type"] == "WorkerDied"


# What fails


def test_a_pre_training_that_raises_fails_its_runs_and_is_not_repeated(here: Path, make_plugin: MakePlugin) -> None:
    make_plugin("strategy", "raising", plugin("Raising", "Path(f'tried-{time.time_ns()}').touch(); 1 / 0"))
    grid = small(here, LM, like_lm("raising"), sizes="[4, 8, 12]")
    told: list[str] = []
    outcomes = run_in(threads(2), grid, here / "home", told.append)
    found = by_strategy(outcomes)
    assert [record["status"] for record in found["lm"]] == 3 * ["complete"]
    for record in found["raising"]:
        assert record["status"] == "failed"
        error = record["error"]
        assert (error["type"], error["message"]) == ("ZeroDivisionError", "division by zero")
        assert "touch(); 1 / 0\n" in error["traceback"]
        assert record["environment"]["sources"].keys() == {"harness", "encoder", "strategy", "corpus"}
    assert len(found["raising"]) == 3
    assert len(list(here.glob("tried-*"))) == 1
    lines = [line for line in told if "fail" in line]
    assert lines == ["[pretrained] bilstm by raising on small (whole), sample 0: its runs fail (3): division by zero"]


def test_entity_vectors_that_raise_take_the_pre_training_with_them(here: Path, make_plugin: MakePlugin) -> None:
    source = """
        from dataclasses import dataclass
        from harness.contracts import *
        from strategies.lm import LanguageModel

        @dataclass(frozen=True)
        class _Raising(EntityVectors):
            def of_names(self, names, generator):
                raise RuntimeError("no vectors today")

        class Raising(LanguageModel):
            # Has no entity vectors.
            def entity_vectors(self):
                return _Raising()
    """
    make_plugin("strategy", "raising", source)
    told: list[str] = []
    found = by_strategy(run_in(threads(2), small(here, LM, like_lm("raising")), here / "home", told.append))
    assert found["lm"][0]["status"] == "complete"
    assert found["raising"][0]["error"]["message"] == "no vectors today"
    lines = [line for line in told if "fail" in line]
    assert lines == ["[entity-vectors] raising on small (whole), sample 0: its runs fail (1): no vectors today"]


@pytest.mark.parametrize("pool", [Pool(InThisProcess(), 1), threads(2)], ids=["here", "threads"])
def test_a_text_that_holds_nothing_fails_its_runs_alone(pool: Pool, here: Path) -> None:
    (here / "none.jsonl").write_text('{"tokens": ["p", "met", "q"], "mentions": [[0, 1, "p"], [2, 3, "q"]]}\n')
    texts = (
        '[{name = "small", selection = "target-pairs"}, '
        '{name = "linked-jsonl", path = "none.jsonl", selection = "target-pairs"}]'
    )
    told: list[str] = []
    outcomes = run_in(pool, small(here, '"none"', LM, texts=texts), here / "home", told.append)
    found = {(one.record["spec"]["text"] or {}).get("name"): one.record for one in outcomes}
    assert {name: record["status"] for name, record in found.items()} == {
        None: "complete", "small": "complete", "none": "failed",
    }  # fmt: skip
    error = found["none"]["error"]
    assert (error["type"], error["traceback"]) == ("DataError", None)
    assert error["message"].startswith("texts.none: expected sentences with an entity pair that the target has too")
    lines = [line for line in told if "fail" in line]
    assert lines == [f"[text] none (target-pairs), sample 0, with small: its runs fail (1): {error['message']}"]


def test_a_plugin_that_wants_to_leave_fails_its_run(here: Path, make_plugin: MakePlugin) -> None:
    source = """
        import sys
        from encoders.bilstm import BiLSTM

        class Leaving(BiLSTM):
            # Has had enough.
            def encode(self, reading):
                sys.exit(3)
    """
    make_plugin("encoder", "leaving", source)
    grid = small(here, '"none"', texts="[]", encoders=f'["leaving", {ENCODER}]')
    for pool in (threads(2), Pool(InThisProcess(), 1)):
        found = {
            outcome.record["spec"]["encoder"]["name"]: outcome.record for outcome in run_in(pool, grid, here / "home")
        }
        assert found["bilstm"]["status"] == "complete"
        assert (found["leaving"]["error"]["type"], found["leaving"]["error"]["message"]) == ("SystemExit", "3")


def test_an_artifact_that_is_gone_meanwhile_is_made_again(here: Path) -> None:
    grid = small(here, LM, sizes="[4, 8, 12]")
    told: list[str] = []
    outcomes: list[Outcome] = []
    gone: list[str] = []

    def finished(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if not gone:
            (folder,) = (here / "home/artifacts" / stages.PRETRAINED).iterdir()
            gone.append(folder.name)
            shutil.rmtree(folder)

    (here / "home").mkdir()
    todo, pool = list(grid.runs.values()), Pool(InThisProcess(), 1)
    carry_out(todo, grid, here / "home", pool, Watcher(finished, told=told.append), Rules(), lambda task: 1.0)
    assert lasting(outcomes) == lasting(run_here(grid, here / "other"))
    store = (here / "home").absolute() / "artifacts"
    assert [line for line in told if "gone" in line] == [
        f"the pretrained {gone[0][:16]} is gone from {store}; expected it to stay while runs need it; it is made again"
    ]


class AllAtOnce(Executor):
    """Does nothing until as many tasks are there as are awaited, and then all of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.append((future, lambda: function(*arguments, **named)))
        if len(self._calls) == self._count:
            for one, call in self._calls:
                one.set_result(call())
            self._calls.clear()
        return future


def test_what_is_finished_together_with_the_first_failure_is_kept(here: Path, make_plugin: MakePlugin) -> None:
    make_plugin("encoder", "raising", "from encoders.bilstm import BiLSTM\nclass Raising(BiLSTM):\n    encode = None\n")
    grid = small(here, '"none"', texts="[]", replicates="2", encoders=f'["raising", {ENCODER}]')
    outcomes: list[Outcome] = []
    (here / "home").mkdir()
    todo = sorted(grid.runs.values(), key=lambda spec: (spec.replicate, spec.encoder.name))
    arguments = todo, grid, here / "home", Pool(AllAtOnce(2), 2), Watcher(outcomes.append)
    with pytest.raises(FailedFast):
        carry_out(*arguments, Rules(fail_fast=True), lambda task: 1.0)
    found = {outcome.record["spec"]["encoder"]["name"]: outcome.record["status"] for outcome in outcomes}
    assert found == {"bilstm": "complete", "raising": "failed"}
    assert len(outcomes) == 2
    assert unfinished(here / "home") == []


# What stops all


def test_a_worker_with_other_code_stops_all(here: Path, make_plugin: MakePlugin) -> None:
    source = "from encoders.bilstm import BiLSTM\nclass Mine(BiLSTM):\n    # Mine.\n    pass\n"
    file = make_plugin("encoder", "mine", source) / "acme_mine.py"
    grid = small(here, '"none"', texts="[]", encoders='"mine"')
    run_here(grid, here / "home")
    file.write_text(source + "CHANGED = True\n")
    with ProcessPoolExecutor(1, get_context("spawn")) as executor, pytest.raises(HarnessError) as told:
        run_in(Pool(executor, 1), grid, here / "home")
    assert str(told.value) == (
        "a worker has other code than this process (encoder); expected the same. Install the same version of Reprise and "
        "of its plugins there, and start the workers again"
    )
    assert unfinished(here / "home") == []


def test_an_executor_that_is_broken_stops_all(here: Path, make_plugin: MakePlugin) -> None:
    make_plugin(
        "encoder",
        "exiting",
        "import os\nfrom encoders.bilstm import BiLSTM\nclass Exiting(BiLSTM):\n    def encode(self, reading):\n        os._exit(3)\n",
    )
    grid = small(here, '"none"', texts="[]", encoders='"exiting"')
    with ProcessPoolExecutor(1, get_context("spawn")) as executor, pytest.raises(HarnessError) as told:
        run_in(Pool(executor, 1), grid, here / "home")
    assert str(told.value) == (
        "a worker can't do its task: BrokenProcessPool: A process in the process pool was terminated abruptly while the "
        "future was running or pending.. Is the same version of Reprise, and of its plugins, installed where the workers "
        "are?"
    )


@pytest.mark.parametrize("width", [1, 2])
def test_a_full_disk_stops_all_and_fails_no_run(width: int, here: Path) -> None:
    grid = small(here, LM, encoders='{name = "bilstm", hidden = 400}')  # 2.6 MB
    outcomes: list[Outcome] = []
    with small_disk(here / "home", "3m") as disk:
        pool = threads(2) if width > 1 else Pool(InThisProcess(), 1)
        with pytest.raises(HarnessError) as told:
            outcomes += run_in(pool, grid, disk.inside)
        assert str(told.value) == (
            f"can't write below {disk.inside / 'artifacts'}: No space left on device. Free some space, or choose another "
            "folder with --home; for a worker elsewhere, with its --local-directory"
        )
        assert outcomes == []
        assert unfinished(disk.inside) == []
        disk.resize("90m")
        assert [outcome.record["status"] for outcome in run_in(pool, grid, disk.inside)] == ["complete"]


def test_a_home_that_takes_no_files_is_told_before_anything_is_made(here: Path) -> None:
    grid = small(here, '"none"', texts="[]")
    (here / "home").write_text("not a folder")
    watcher = Watcher(lambda outcome: None)
    pattern = (
        rf"can't write {here}/home/\.seen-\w+: Not a directory\. Free some space, or choose another folder with --home"
    )
    with pytest.raises(HarnessError, match=f"^{pattern}$"):
        carry_out(list(grid.runs.values()), grid, here / "home", threads(1), watcher, Rules(), lambda task: 1.0)


def test_an_interrupt_waits_for_nothing_that_is_made_beside(here: Path) -> None:
    """The thread that prepares data holds up no exit: it is a daemon."""
    executor, seen = InAThread(), threading.Event()
    future = executor.submit(lambda: seen.wait(60) and threading.current_thread().daemon)
    seen.set()
    assert future.result(60) is True
    failed = executor.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(60)


def test_prepared_data_and_what_runs_stand_on_are_made_once(here: Path) -> None:
    grid = small(here, LM, sizes="[4, 8]")
    told: list[str] = []
    run_in(threads(2), grid, here / "home", told.append)
    made = [line.partition(" ")[0] for line in told]
    assert sorted(made) == ["Preparing", "Preparing", "[entity-vectors]", "[pretrained]"]
    assert (made[0], made[-1]) == ("Preparing", "[pretrained]")
    again: list[str] = []
    assert len(run_in(threads(2), grid, here / "home", again.append)) == 2
    assert again == []
    store = ArtifactStore(here / "home/artifacts")
    kinds = [folder.parent.name for folder in store.folders()]
    assert kinds.count(stages.PRETRAINED) == kinds.count(stages.VECTORS) == 1
