"""Grids with texts as they are run: what is told of them, what fails alone, and how long it is said to take."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakePlugin, Printed

from harness import scheduler, stages
from harness.artifacts import ArtifactStore
from harness.cli import main
from harness.records import RecordStore
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec

CORPUS = """
    from harness.contracts import *

    class Small(CorpusReader):
        about = About()

        def read(self, path):
            parts = ("train", "train", "train", "dev", "test")
            return Corpus(tuple(
                RelationMention(str(at), ("x", f"w{at}", "y"), Span(0, 1), Span(2, 3), "ab"[at % 2], parts[at % 5])
                for at in range(50)
            ))
"""
GRID = """
corpora    = [{name = "small", split = "official"}]
encoders   = [{name = "bilstm", hidden = 4}]
strategies = [{name = "lm", epochs = 1, skipgram_epochs = 0}, {name = "stepwise", skipgram_epochs = 0}]
texts      = [{name = "linked-jsonl", path = ["good.jsonl", "bad.jsonl"], selection = "target-pairs"}]
vectors    = "v.txt"
sizes      = [4]
replicates = 1
[training]
features    = false
min_updates = 5
max_updates = 5
"""
WITHOUT_PAIRS = (
    "texts.bad: expected sentences with an entity pair that the target has too, found none among 3; the target has 1 "
    "pairs. Take another selection, random say, or link more names, names = 'table.tsv'"
)


def write(path: Path, one: str, two: str, count: int) -> None:
    """A text of that many sentences on two entities, and one of a single mention."""
    line = {"tokens": [one, "met", two], "mentions": [[0, 1, one], [2, 3, two]]}
    lines = [*count * [line], {"tokens": [one, "slept"], "mentions": [[0, 1, one]]}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def here(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a grid of two texts, one of which holds no pair of the corpus."""
    make_plugin("corpus", "small", CORPUS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    write(tmp_path / "good.jsonl", "x", "y", 5)
    write(tmp_path / "bad.jsonl", "p", "q", 3)
    (tmp_path / "v.txt").write_text("x 1 0\ny 0 1\n")
    (tmp_path / "two.toml").write_text(GRID)
    return tmp_path


def harness(here: Path, verb: str, *words: str) -> int:
    return main([*verb.split(), "--grid", "two.toml", "--home", str(here / "home"), *words])


def run(here: Path, *words: str) -> int:
    return harness(here, "run", "--no-mlflow", "--results", str(here / "results"), *words)


def records(here: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The records by strategy and text."""
    store = RecordStore(here / "home" / "records")
    found = store.read_all(store.keys()).values()
    return {(one["spec"]["strategy"]["name"], one["spec"]["text"]["name"]): one for one in found}


# What is told


def test_plan_tells_the_size_of_each_text_and_what_is_left_out(here: Path, printed: Printed) -> None:
    assert harness(here, "plan", "--workers", "1") == 0
    out = printed()[0]
    for name, count in (("bad", 3), ("good", 5)):
        assert (
            f"  text {name} (target-pairs), of {count} sentences, {3 * count} tokens, {2 * count} mentions of 2 "
            "entities\n    1 left out: a sentence with fewer than 2 linked mentions\n"
        ) in out
    assert "  to run: small (official) bilstm lm on good (target-pairs), features off, 4 labels, replicate 0\n" in out


def test_plan_has_no_size_of_the_targets_own_sentences(here: Path, printed: Printed) -> None:
    own = GRID.partition("texts")[0] + 'texts = "target"\n' + GRID[GRID.index("vectors") :]
    (here / "two.toml").write_text(own)
    assert harness(here, "plan", "--workers", "1") == 0
    assert "  text target (target-train)\n  to run: " in printed()[0]


# What fails


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_text_without_anything_to_read_fails_its_own_runs_alone(workers: str, here: Path, printed: Printed) -> None:
    assert run(here, "--workers", workers) == 1
    err = printed()[1]
    found = records(here)
    assert {key: record["status"] for key, record in found.items()} == {
        ("lm", "good"): "complete", ("stepwise", "good"): "complete",
        ("lm", "bad"): "failed", ("stepwise", "bad"): "failed",
    }  # fmt: skip
    for name in ("lm", "stepwise"):
        failed = found[name, "bad"]
        assert failed["error"] == {"type": "DataError", "message": WITHOUT_PAIRS, "traceback": None}
        what = f"small (official) bilstm {name} on bad (target-pairs), features off, 4 labels, replicate 0"
        assert f"] {what}: failed: {WITHOUT_PAIRS}\n" in err
        assert f"failed: {failed['key'][:16]} {what}: {WITHOUT_PAIRS}\n" in err
    assert f"bad (target-pairs), sample 0, with small: its runs fail (2): {WITHOUT_PAIRS}\n" in err
    assert "2 of 4 runs failed; " in err
    assert harness(here, "records list") == 0
    assert "complete  small bilstm lm on good (target-pairs)  4 labels, replicate 0  accuracy " in printed()[0]


def test_a_pre_training_that_fails_is_counted_and_told(here: Path, printed: Printed) -> None:
    alone = {"tokens": ["x", "y"], "mentions": [[0, 1, "x"], [1, 2, "y"]]}
    for name in ("good", "bad"):
        (here / f"{name}.jsonl").write_text(json.dumps({**alone, "id": name}))
    (here / "two.toml").write_text(GRID.replace('"target-pairs"', '"whole"'))
    assert run(here, "--workers", "1") == 1
    lines = [line for line in printed()[1].splitlines() if line.startswith("[pretrained ")]
    assert lines == [f"[pretrained {at}/2] failed; its runs tell why" for at in (1, 2)]
    found = records(here)
    assert {found[name, "good"]["status"] for name in ("lm", "stepwise")} == {"failed", "complete"}
    assert found["lm", "good"]["error"]["message"].startswith("pre-training: expected at least 2 relation mentions")


# How long it is said to take

USUAL = RunSpec(
    corpus=CorpusSpec("toy", "0", "official", 0, None),
    vectors=VectorsSpec("v", "0", "hash"),
    text=TextSpec("mine", "0", "random", 20, 100),
    encoder=PluginSpec("bilstm", {"hidden": 8}),
    strategy=PluginSpec("seq-unshared", {"learning_rate": 0.1}),
    training=Training(features=()),
    size=50,
    replicate=0,
    vary=("sample",),
)
UPDATES = 150


def record(store: RecordStore, number: int, start_up: float, pretraining: float | None, **changed: Any) -> None:
    """A record of a run of another corpus than that of `USUAL`, of 0.1 s an update."""
    corpus = dataclasses.replace(USUAL.corpus, digest=f"other {number}")
    spec = dataclasses.replace(USUAL, corpus=corpus, **changed)
    total = start_up + 0.1 * UPDATES
    told: dict[str, Any] = {
        "key": spec.key, "cell": spec.cell, "spec": spec.as_dict(), "status": "complete", "error": None,
        "environment": {"sources": {}}, "finished": "2026-01-01T00:00:00+00:00", "counts": {"updates": UPDATES},
        "seconds": {"start_up": start_up, "training": 0.09 * UPDATES, "scoring": 0.01 * UPDATES, "total": total},
        "pretraining": None if pretraining is None else {"seconds": pretraining},
    }  # fmt: skip
    store.write(told, None, None)


def planned(home: Path, *runs: RunSpec) -> scheduler.Plan:
    artifacts = ArtifactStore(home / "artifacts")
    return scheduler.plan({spec.key: spec for spec in runs}, RecordStore(home / "records"), artifacts, "missing")


def of(spec: RunSpec, size: int = 50, replicate: int = 0, strategy: str = "seq-unshared") -> RunSpec:
    named = PluginSpec(strategy, {"learning_rate": 0.1})
    return dataclasses.replace(spec, size=size, replicate=replicate, strategy=named)


def test_a_pre_training_that_is_missing_is_counted_once(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records")
    record(store, 1, 2.0, 600.0)
    record(store, 2, 2.0, 600.0)  # stands on the same pre-training
    record(store, 3, 2.0, 1200.0)
    record(store, 4, 802.0, 800.0)  # made without workers: what it stands on is in its start-up
    runs = [of(USUAL), of(USUAL, size=400), of(USUAL, replicate=1)]
    one = 2 + 0.1 * UPDATES
    found = planned(tmp_path, *runs)
    assert found.seconds == pytest.approx(3 * one + 2 * 800)
    assert found.uncounted == ()
    assert found.told(2) == "3 to run, 0 complete, 0 failed. About 14 min with 2 at a time, by the records here."
    key = stages.pretrained_key(USUAL)
    assert key is not None
    ArtifactStore(tmp_path / "artifacts").folder(stages.PRETRAINED, key).mkdir(parents=True)
    assert planned(tmp_path, *runs).seconds == pytest.approx(3 * one + 800)


def test_a_pre_training_that_no_record_tells_of_is_not_counted_and_told(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records")
    record(store, 1, 2.0, 600.0)
    found = planned(tmp_path, of(USUAL), of(USUAL, strategy="lm"), of(USUAL, strategy="lm", size=400))
    assert found.seconds == pytest.approx(3 * (2 + 0.1 * UPDATES) + 600)
    assert found.told(1) == (
        "3 to run, 0 complete, 0 failed. About 11 min with 1 at a time, by the records here; pre-training of bilstm by "
        "lm not counted."
    )


def test_the_text_of_a_run_that_pre_trains_nothing_adds_nothing(tmp_path: Path) -> None:
    record(RecordStore(tmp_path / "records"), 1, 2.0, None, strategy=PluginSpec("avg-embed", {}))
    found = planned(tmp_path, dataclasses.replace(USUAL, strategy=PluginSpec("avg-embed", {})))
    assert found.seconds == pytest.approx(2 + 0.1 * UPDATES)
    assert found.uncounted == ()
    assert planned(tmp_path, dataclasses.replace(USUAL, encoder=PluginSpec("mean", {}))).told(1) == (
        "1 to run, 0 complete, 0 failed. No record tells how long that takes."
    )
