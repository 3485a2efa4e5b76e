"""What a plan foretells: core-hours, the clock, disk, and what that stands on; and how good it was."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MakePlugin, Printed
from hypothesis import given
from hypothesis import strategies as st
from test_estimates import COUNTS, EXTENT, SCORED, UPDATES, USUAL, of, pretraining, told

from harness import provenance, stages
from harness.artifacts import Artifact, ArtifactStore
from harness.cli import main
from harness.grid import ResolvedGrid, resolve
from harness.records import Record, RecordStore
from harness.scheduler import pools
from harness.scheduler.disk import A_RECORD, LOGGED, PACKED, Disk
from harness.scheduler.estimates import Basis, Estimates
from harness.scheduler.graph import CORPUS, RUN, Task, corpus_data, text_data
from harness.scheduler.plan import Plan, Rerun, makespan, plan
from harness.scheduler.quantities import core_time, duration, in_bytes, listed
from harness.specs import RunSpec

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

A_RUN = 2 + 0.1 * UPDATES + 0.001 * SCORED
"""Seconds of a run as `told` tells it."""


def grid_of(*runs: RunSpec) -> ResolvedGrid:
    """A grid that came without its data."""
    keyed = {spec.key: spec for spec in runs}
    counts = {part: COUNTS[part] for part in ("train", "dev", "test")}
    plain = {"cells": [{"corpus": 0, "keys": list(keyed)}], "corpora": [{"counts": counts}], "texts": []}
    return ResolvedGrid(plain, keyed, {}, {}, {}, {})


def planned(home: Path, *runs: RunSpec, rerun: Rerun = "missing", **more: Any) -> Plan:
    grid = grid_of(*runs)
    return plan(grid, grid.runs, RecordStore(home / "records"), ArtifactStore(home / "artifacts"), rerun, **more)


def keep(home: Path, *records: Record) -> RecordStore:
    store = RecordStore(home / "records")
    for record in records:
        store.write(record, None, None)
    return store


def other(number: int, **changed: Any) -> RunSpec:
    """A run of another corpus than that of `USUAL`."""
    return of(corpus=dataclasses.replace(USUAL.corpus, digest=f"other {number}"), **changed)


def make_prepared(home: Path, spec: RunSpec) -> None:
    """Let the prepared data of a run be there."""
    for one in (*corpus_data(spec), *text_data(spec)):
        ArtifactStore(home / "artifacts").folder(*one).mkdir(parents=True, exist_ok=True)


# What is to be done


def test_what_is_to_be_done_is_what_has_no_record_and_what_is_asked_for_again(tmp_path: Path) -> None:
    runs = [of(replicate=replicate) for replicate in range(4)]
    sources = dict(provenance.sources(USUAL.encoder.name, USUAL.strategy.name, USUAL.corpus.plugin))
    today: dict[str, Any] = {"environment": {"sources": sources, "device": "cpu"}}
    failed: dict[str, Any] = {"status": "failed", "error": {"message": "no"}, **today}
    keep(tmp_path, told(runs[0], **today), told(runs[1]), told(runs[2], **failed))  # the second one is stale
    found = planned(tmp_path, *runs)
    assert (found.complete, found.failed, found.stale) == (2, 1, 1)
    asked: dict[Rerun, list[int]] = {"missing": [3], "failed": [2, 3], "stale": [1, 3], "all": [0, 1, 2, 3]}
    for rerun, replicates in asked.items():
        assert [spec.replicate for spec in planned(tmp_path, *runs, rerun=rerun).todo] == replicates
    assert planned(tmp_path, *runs[:3]).told(2) == (
        "Nothing to run: 0 to run, 2 complete, 1 failed, 1 stale (the code has changed since; --rerun stale repeats "
        "them)."
    )


def test_the_tasks_are_the_runs_and_what_they_stand_on_each_once(tmp_path: Path) -> None:
    runs = [of(size=size, replicate=replicate) for size in (50, 400) for replicate in (0, 1)]  # two text samples
    found = planned(tmp_path, *runs)
    kinds = [task.kind for task in found.tasks]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "corpus": 1, "text": 2, stages.VECTORS: 2, stages.PRETRAINED: 2, RUN: 4,
    }  # fmt: skip
    runs_of = {task.key: task for task in found.tasks if task.kind == RUN}
    assert {key: task.specs[0] for key, task in runs_of.items()} == {spec.key: spec for spec in runs}
    for spec in runs:
        key = stages.pretrained_key(spec)
        assert (stages.PRETRAINED, key) in runs_of[spec.key].needs


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    key = stages.vectors_key(USUAL)
    store.ensure(stages.VECTORS, key, lambda: Artifact({"vectors": torch.zeros(3, 2)}, {}))
    (store.folder(stages.VECTORS, key) / "meta.json").write_text("damaged")
    keep(tmp_path, told(other(1)))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    planned(tmp_path, USUAL)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_damage_is_noted_of_records_of_these_runs_alone(tmp_path: Path) -> None:
    store = keep(tmp_path, told(USUAL), told(other(1)))
    for spec in (USUAL, other(1)):
        store.path(spec.key).write_text("damaged")
    grid = grid_of(USUAL)
    found = plan(grid, grid.runs, store, ArtifactStore(tmp_path / "artifacts"), "missing")
    assert list(store.damaged) == [store.path(USUAL.key)]
    assert found.todo == (USUAL,)


# Core-hours and the clock


def test_all_records_of_the_home_tell_how_long_it_takes(tmp_path: Path) -> None:
    keep(
        tmp_path,
        told(other(1), **pretraining(600.0)),
        told(other(2), **pretraining(600.0)),  # stands on the same pre-training
        told(other(3), **pretraining(1200.0)),
        told(other(4), start_up=902.0, **pretraining(900.0)),  # made without workers
    )
    make_prepared(tmp_path, USUAL)
    make_prepared(tmp_path, of(replicate=1))
    runs = [USUAL, of(size=400), of(replicate=1)]
    found = planned(tmp_path, *runs)
    vectors = 250 * 1e-3  # 2.5 entities a sentence; how long one takes is a guess
    assert found.seconds(1) == pytest.approx(3 * A_RUN + 2 * (900 + vectors) + found.estimates.first)
    assert found.seconds(2) == pytest.approx(3 * A_RUN + 2 * (900 + vectors) + 2 * found.estimates.first)
    longest = vectors + 900 + 2 * A_RUN  # two runs stand on one pre-training, and the other worker is at the other one
    assert longest < found.wall(2) < longest + A_RUN
    assert found.wall(0) == pytest.approx(found.seconds(1))
    assert found.told(2).startswith("3 to run, 0 complete, 0 failed. About 31 core-minutes, 16 min with 2 at a time; ")
    key = stages.pretrained_key(USUAL)
    assert key is not None
    ArtifactStore(tmp_path / "artifacts").folder(stages.PRETRAINED, key).mkdir(parents=True)
    assert planned(tmp_path, *runs).seconds(1) == pytest.approx(found.seconds(1) - 900)


def test_prepared_data_is_in_the_wall_clock_alone(tmp_path: Path) -> None:
    found = planned(tmp_path, of(text=None, strategy="avg-embed"))
    (prepared,) = (task for task in found.tasks if task.kind == CORPUS)
    length = found.estimates.seconds
    assert length(prepared) == pytest.approx(2e-4 * (400 + 100 + 200))  # the corpus itself is not there
    (run,) = (task for task in found.tasks if task.kind == RUN)
    assert found.seconds(0) == pytest.approx(length(run) + found.estimates.first)
    assert found.wall(0) == pytest.approx(length(run) + length(prepared) + found.estimates.first)


LENGTHS = {"a": 5.0, "b": 3.0, "c": 2.0, "data": 4.0, "d": 1.0}


def chain(*names: str, needs: str = "") -> list[Task]:
    """Tasks by their names; `data` is made by this process."""
    kind = {"data": CORPUS}
    before = frozenset({(kind.get(needs, RUN), needs)}) if needs else frozenset()
    return [Task(kind.get(name, RUN), name, (USUAL,), frozenset() if name == needs else before) for name in names]


def length(task: Task) -> float:
    return LENGTHS[task.key]


def test_the_clock_is_that_of_workers_that_take_the_longest_first() -> None:
    apart = chain("a", "b", "c", "d")
    assert makespan(apart, length, 1) == makespan(apart, length, 0) == 11
    assert makespan(apart, length, 2) == 6  # 5 + 1 and 3 + 2
    assert makespan(apart, length, 9) == 5
    assert makespan([], length, 2) == 0
    assert makespan(chain("data", "a", "b", needs="data"), length, 2) == 4 + 5
    assert makespan([*chain("data", "b", needs="data"), *chain("a")], length, 1) == 5 + 3  # prepared beside the longest


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_the_clock_is_no_less_than_the_longest_and_an_even_share(lengths: list[float], workers: int) -> None:
    tasks = [Task(RUN, str(at), (USUAL,)) for at in range(len(lengths))]
    found = makespan(tasks, lambda task: lengths[int(task.key)], workers)
    even = sum(lengths) / workers
    assert max(max(lengths), even) <= found * (1 + 1e-9)
    assert found <= even + max(lengths) * (1 - 1 / workers) + 1e-6  # Graham 1969


# What is told


def made(disk: Disk | None = None, **basis: Basis) -> Plan:
    """A plan of a run that takes an hour, and of a pre-training of two."""
    estimates = Estimates(EXTENT)
    hour = told(start_up=3600 - 0.1 * UPDATES - 0.001 * SCORED)
    estimates.learn_run(USUAL, hour, basis.get("run", Basis.RECORDS))
    if "pretrained" in basis:
        estimates.learn_pretraining(USUAL, told(**pretraining(7200.0, 300, 10)), basis["pretrained"])
    estimates.first = 0.0
    tasks = (Task(RUN, USUAL.key, (USUAL,)), Task(stages.PRETRAINED, "p", (USUAL,)))
    return Plan((USUAL,), 2, 1, 0, tasks, estimates, disk or Disk({}, 140e6))


def test_the_plan_tells_core_hours_the_clock_disk_and_what_it_stands_on() -> None:
    assert made(pretrained=Basis.RECORDS).told(2) == (
        "1 to run, 2 complete, 1 failed. About 3.0 core-hours, 2 h 0 min with 2 at a time; 140 MB of disk (by the "
        "records here)."
    )
    assert made(run=Basis.MEASURED, pretrained=Basis.MEASURED).told(0) == (
        "1 to run, 2 complete, 1 failed. About 3.0 core-hours, 3 h 0 min with 1 at a time; 140 MB of disk (measured in "
        "small: bilstm, bilstm by seq-unshared)."
    )
    assert made(Disk({("links", "a"): None, ("inputs", "b"): None, ("links", "c"): None}, 5e6)).told(0) == (
        "1 to run, 2 complete, 1 failed. About 1.0 core-hours, 60 min with 1 at a time; 5.0 MB of disk, not counting "
        "inputs, links, of which there are none here (by the records here; guessed: bilstm by seq-unshared)."
    )
    assert made(run=Basis.GUESSED, pretrained=Basis.MEASURED).told(0).endswith(
        "(measured in small: bilstm by seq-unshared; guessed: bilstm)."
    )  # fmt: skip


def test_a_disk_with_too_little_room_is_warned_of(tmp_path: Path) -> None:
    free = in_bytes(shutil.disk_usage(tmp_path).free)
    assert made(Disk({}, 1e6)).warning(tmp_path) == ""
    warning = made(Disk({("links", "a"): 4e20}, 1e20)).warning(tmp_path)
    start, _, end = warning.partition(f"{tmp_path} has ")
    assert start == "Warning: 500,000,000,000 GB are expected to be written, and the disk of "
    assert end.endswith(" free. Free some space, or choose another folder with --home")
    assert end.split()[1] == free.split()[1]


def test_how_good_the_estimate_was_is_told_in_a_line() -> None:
    found = made(pretrained=Basis.RECORDS)
    assert found.compared(3.18 * 3600, 1.8 * 3600, 2, 151e6) == (
        "It took 3.2 core-hours (106 % of 3.0 core-hours foretold), 108 min (90 % of 2 h 0 min) and 151 MB of disk "
        "(108 % of 140 MB)."
    )
    again = made(Disk(), pretrained=Basis.RECORDS)  # records that take the place of others
    assert again.compared(60, 20, 2, -5).endswith(" and 0 kB of disk (where none was foretold).")


def test_what_the_runs_stand_on_took_what_its_artifacts_tell(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    metas: dict[str, dict[str, Any]] = {"v": {"seconds": 4.0, "maker": "SkipGram"}, "p": {"told": {"seconds": 70.0}}}
    for kind, key in ((stages.VECTORS, "v"), (stages.PRETRAINED, "p")):
        store.ensure(kind, key, lambda key=key: Artifact({}, metas[key]))  # type: ignore[misc]
    tasks = [Task(kind, key, (USUAL,)) for kind, key in ((stages.VECTORS, "v"), (stages.PRETRAINED, "p"), (RUN, "r"))]
    gone = Task(stages.PRETRAINED, "q", (USUAL,))  # it failed
    assert dataclasses.replace(made(), tasks=(*tasks, gone)).spent(store) == 74.0


def test_times_and_sizes_are_told_in_the_units_that_matter() -> None:
    assert [duration(seconds) for seconds in (0, 0.2, 89, 90, 7140, 7200, 100_000)] == [
        "1 s", "1 s", "89 s", "2 min", "119 min", "2 h 0 min", "27 h 47 min",
    ]  # fmt: skip
    assert [core_time(seconds) for seconds in (0, 60, 90, 590, 3599, 3600, 36_000, 4e6)] == [
        "1 core-second", "60 core-seconds", "1.5 core-minutes", "9.8 core-minutes", "60 core-minutes", "1.0 core-hours",
        "10 core-hours", "1,111 core-hours",
    ]  # fmt: skip
    assert [in_bytes(size) for size in (0, 999_499, 1e6, 9.94e6, 9.96e6, 5e8, 2.3e9)] == [
        "0 kB", "999 kB", "1.0 MB", "9.9 MB", "10 MB", "500 MB", "2.3 GB",
    ]  # fmt: skip
    assert listed(list("abcde")) == "a, b, c, d, e"
    assert listed(list("abcdef")) == "a, b, c, d and 2 more"


# Disk


def test_the_disk_of_a_plan_is_what_is_missing_and_a_part_for_each_run(tmp_path: Path) -> None:
    make_prepared(tmp_path, USUAL)
    runs = [USUAL, of(size=400)]
    found = planned(tmp_path, *runs)
    assert found.disk.unknown == [stages.VECTORS, stages.PRETRAINED]
    assert found.disk.foretold == pytest.approx(2 * (1 + PACKED) * A_RECORD)
    logged = planned(tmp_path, *runs, logs=True)
    assert logged.disk.foretold == pytest.approx(2 * ((1 + PACKED) * A_RECORD + LOGGED))
    store = ArtifactStore(tmp_path / "artifacts")
    store.ensure(stages.PRETRAINED, "x", lambda: Artifact({"w": torch.zeros(9, 9)}, {"spec": USUAL.as_dict()}))
    size = sum(file.stat().st_size for file in store.folder(stages.PRETRAINED, "x").iterdir())
    assert planned(tmp_path, *runs).disk.foretold == pytest.approx(2 * (1 + PACKED) * A_RECORD + size)
    assert found.disk.used() == 0
    keep(tmp_path, told(USUAL))
    assert found.disk.used() == RecordStore(tmp_path / "records").path(USUAL.key).stat().st_size


def test_a_record_that_takes_the_place_of_another_takes_no_more_disk(tmp_path: Path) -> None:
    make_prepared(tmp_path, USUAL)
    keep(tmp_path, told(USUAL))
    assert planned(tmp_path, USUAL, rerun="all").disk.foretold == 0
    assert planned(tmp_path, USUAL, rerun="all", logs=True).disk.foretold == LOGGED


# What no record tells is measured, and what the commands tell

CORPUS_SOURCE = """
    from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

    class Small(CorpusReader):
        about = About()

        def read(self, path):
            words = ("was", "founded", "by", "near", "of")
            return Corpus(tuple(
                RelationMention(
                    str(at), (f"x{at % 7}", words[at % 5], words[at % 3], f"y{at % 4}"), Span(0, 1), Span(3, 4),
                    "ab"[at % 2], "train",
                )
                for at in range(100)
            ))
"""
BROKEN = """
    from harness.contracts import *

    class Broken(Encoder):
        offers = frozenset({Capability.VECTORS})
        size = 2

        def represent(self, batch):
            raise ValueError("broken on purpose")
"""
GRID = """
corpora    = ["small"]
encoders   = [{name = "bilstm", hidden = 4}, "handcrafted"ENCODERS]
strategies = [{name = "lm", epochs = 2, skipgram_epochs = 1}, "none"]
texts      = [{name = "linked-jsonl", path = "text.jsonl", selection = "whole"}]
vectors    = "v.txt"
sizes      = [8, 32]
replicates = 2
[training]
min_updates = UPDATES
max_updates = UPDATES
"""

MakeGrid = Callable[..., ResolvedGrid]


@pytest.fixture(autouse=True)
def _small_things_are_worth_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.scheduler.plan.WORTH", 1000)


@pytest.fixture
def make_grid(make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeGrid:
    """`make_grid(updates, encoders)`: a grid with a text of 150 sentences and word vectors of width 6."""
    make_plugin("corpus", "small", CORPUS_SOURCE)
    make_plugin("encoder", "broken", BROKEN)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    lines = [
        f'{{"tokens": ["x{at % 7}", "founded", "y{at % 4}"], "mentions": [[0, 1, "X{at % 7}"], [2, 3, "Y{at % 4}"]]}}\n'
        for at in range(150)
    ]
    (tmp_path / "text.jsonl").write_text("".join(lines))
    vectors = np.random.default_rng(0).random((3, 6))
    words = (f"{word} {' '.join(map(str, row))}\n" for word, row in zip(("x1", "of", "by"), vectors, strict=True))
    (tmp_path / "v.txt").write_text("".join(words))

    def make(updates: int, encoders: str = "") -> ResolvedGrid:
        written = GRID.replace("UPDATES", str(updates)).replace("ENCODERS", encoders)
        return resolve("small", written, tmp_path / "home")

    return make


def fresh(grid: ResolvedGrid, home: Path, lines: list[str], **more: Any) -> Plan:
    store, artifacts = RecordStore(home / "records"), ArtifactStore(home / "artifacts")
    return plan(grid, grid.runs, store, artifacts, "missing", pool=pools.here, told=lines.append, **more)


def test_what_no_record_tells_of_is_measured_in_small(make_grid: MakeGrid, tmp_path: Path) -> None:
    lines: list[str] = []
    found = fresh(make_grid(300), tmp_path / "home", lines)
    assert lines == ["Measuring a little of what no record tells of: bilstm by lm, bilstm, handcrafted"]
    basis = {(task.kind, task.specs[0].encoder.name): found.estimates.of(task).basis for task in found.tasks}
    assert basis == {
        (RUN, "bilstm"): Basis.MEASURED,
        (RUN, "handcrafted"): Basis.MEASURED,
        (stages.PRETRAINED, "bilstm"): Basis.MEASURED,
        (stages.VECTORS, "bilstm"): Basis.MEASURED,
        ("text", "bilstm"): Basis.MEASURED,
        (CORPUS, "bilstm"): Basis.GUESSED,  # the reading of the vectors is
        (CORPUS, "handcrafted"): Basis.MEASURED,
    }
    assert found.told(0).endswith(
        "of disk (measured in small: entity vectors of lm, bilstm by lm, bilstm, handcrafted; guessed: prepared data)."
    )
    assert found.disk.unknown == []
    runs = [found.estimates.seconds(task) for task in found.tasks if task.kind == RUN]
    assert all(0 < seconds < 300 for seconds in runs)  # 300 updates of less than a second
    assert not (tmp_path / "home" / "records").exists()
    assert [folder.parent.name for folder in ArtifactStore(tmp_path / "home" / "artifacts").folders()] == [
        "overlaps",
        "texts",
    ]


def test_what_there_is_little_of_is_not_measured_but_guessed(make_grid: MakeGrid, tmp_path: Path) -> None:
    lines: list[str] = []
    found = fresh(make_grid(20), tmp_path / "home", lines)
    assert lines == []
    assert {found.estimates.of(task).basis for task in found.tasks} == {Basis.GUESSED}
    assert "; guessed: " not in found.told(1)
    assert "(guessed: " in found.told(1)


def test_an_encoder_that_fails_in_a_trial_stays_a_guess(make_grid: MakeGrid, tmp_path: Path) -> None:
    found = fresh(make_grid(300, ', "broken"'), tmp_path / "home", [])
    basis = {task.specs[0].encoder.name: found.estimates.of(task).basis for task in found.tasks if task.kind == RUN}
    assert basis == {"bilstm": Basis.MEASURED, "handcrafted": Basis.MEASURED, "broken": Basis.GUESSED}


def test_only_what_no_record_tells_of_is_measured(make_grid: MakeGrid, tmp_path: Path) -> None:
    grid, home, lines = make_grid(300), tmp_path / "home", list[str]()
    one = next(spec for spec in grid.runs.values() if spec.encoder.name == "bilstm" and not spec.text)
    keep(home, told(one))
    found = fresh(grid, home, lines)
    assert lines == ["Measuring a little of what no record tells of: bilstm by lm, handcrafted"]
    (seconds,) = {
        round(found.estimates.seconds(task), 6)
        for task in found.tasks
        if task.kind == RUN and task.specs[0].strategy == one.strategy and task.specs[0].encoder.name == "bilstm"
    }
    entry = grid.corpus_of(one)
    scored = 11 * len(entry.split.dev) + len(entry.split.test)
    assert seconds == pytest.approx(2 + 0.1 * 300 + 0.001 * scored)


def test_plan_and_run_warn_before_anything_starts_and_run_tells_what_it_took(
    make_grid: MakeGrid, tmp_path: Path, printed: Printed
) -> None:
    grid = make_grid(5)
    (tmp_path / "small.toml").write_text(grid.plain["source"])
    large = tmp_path / "home" / "artifacts" / "links" / "large"
    large.mkdir(parents=True)
    (large / "meta.json").write_text("{}")
    with (large / "tensors.safetensors").open("wb") as file:
        file.truncate(10**13)  # a hole
    words = ["--grid", str(tmp_path / "small.toml"), "--home", str(tmp_path / "home"), "--workers", "0"]
    assert main(["plan", *words]) == 0
    out, err = printed()
    assert re.search(r"^12 to run, 0 complete, 0 failed\. About \d+ core-seconds?, \d+ s with 1 at a time; 10,000 GB of ", out,
                     re.MULTILINE)  # fmt: skip
    warning = f"Warning: 10,000 GB are expected to be written, and the disk of {tmp_path / 'home'} has "
    assert warning in err
    assert main(["run", *words, "--no-mlflow", "--results", str(tmp_path / "results")]) == 0
    lines = printed()[1].splitlines()
    told = [
        next(at for at, line in enumerate(lines) if line.startswith(start))
        for start in (warning, "Preparing ", "It took ")
    ]
    assert told == sorted(told)
    assert re.fullmatch(
        r"It took \d+ core-seconds? \([\d,]+ % of \d+ core-seconds foretold\), \d+ s \([\d,]+ % of \d+ s\) and "
        r"\d+ kB of disk \(not all of it was foretold\)\.",
        lines[told[-1]],
    )
    assert main(["plan", *words, "--rerun", "all"]) == 0
    assert re.search(r" with 1 at a time; [\d.]+ [kM]B of disk \(by the records here\)\.\n", printed()[0])
    assert main(["plan", *words]) == 0
    assert "\nNothing to run: 0 to run, 12 complete, 0 failed.\n" in printed()[0]
