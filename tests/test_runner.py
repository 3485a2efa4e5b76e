"""One run: a whole record, scores that its predictions bear out, failures that are told, streams without the strategy."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import provenance, runner, scoring, stages
from harness.artifacts import ArtifactStore
from harness.datasets import prepared
from harness.datasets.prepared import inputs_key, mentions_key
from harness.grid import ResolvedGrid, resolve
from harness.records import RecordStore
from harness.runner import Outcome
from harness.specs import RunSpec, key_of
from harness.training import Model

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

CORPUS = """
    from harness.contracts import About, Corpus, CorpusReader, RelationMention, Span

    PEOPLE, COMPANIES = ("Ada", "Grace", "Alan", "Emmy"), ("Acme", "Initech", "Globex")
    WORDS = {"founded(e1,e2)": ("founded",), "founded(e2,e1)": ("was", "founded", "by"), "other": ("never", "saw")}


    class Small(CorpusReader):
        about = About(headline="micro_f1_positive", negative_label="other")

        def read(self, folder):
            return Corpus(tuple(self.mentions()))

        def mentions(self):
            for number, (label, words) in enumerate(WORDS.items()):
                for person in PEOPLE:
                    for place, company in enumerate(COMPANIES):
                        one, two = (company, person) if label == "founded(e2,e1)" else (person, company)
                        tokens = (one, *words, two)
                        spans = Span(0, 1), Span(len(tokens) - 1, len(tokens))
                        part = ("train", "train", "test")[(number + place) % 3]
                        if person == "Emmy" and company != "Globex":
                            part = "dev"
                        yield RelationMention(" ".join(tokens), tokens, *spans, label, part)
"""
GRID = """
corpora    = {name = "small", split = "official", negative = "keep"}
encoders   = [{name = "bilstm", hidden = 8}, "mean", "handcrafted"]
strategies = ["none", "avg-embed"]
vectors    = "small-vectors.txt"
sizes      = [6, "full"]
replicates = 2
[training]
features    = [true, false]
min_updates = 20
max_updates = 20
"""
WORDS = "Ada Grace Alan Emmy Acme Initech Globex founded was by never".split()


@pytest.fixture
def grid(make_plugin: Callable[[str, str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResolvedGrid:
    """A small corpus, every pair of ours; its prepared data is in `artifacts` below `tmp_path`."""
    make_plugin("corpus", "small", CORPUS)
    lines = (
        f"{w} {' '.join(map(str, v))}" for w, v in zip(WORDS, np.random.default_rng(0).random((11, 5)), strict=True)
    )
    (tmp_path / "small-vectors.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    resolved = resolve("small", GRID, tmp_path)
    for spec in resolved.runs.values():
        load = resolved.vectors[spec.vectors.digest].load if spec.vectors else None
        source = resolved.corpus_of(spec).source
        prepared.ensure(store_in(tmp_path), spec.corpus, spec.vectors, source, load, stages.reads(spec))
    return resolved


def store_in(folder: Path) -> ArtifactStore:
    return ArtifactStore(folder / "artifacts")


def spec_of(grid: ResolvedGrid, encoder: str, strategy: str = "none", **asked: Any) -> RunSpec:
    """The first run of a pair, with all its training mentions and the features on unless asked otherwise."""
    asked = {"replicate": 0, "features": True, "size": max(spec.size for spec in grid.runs.values()), **asked}
    return next(
        spec
        for spec in grid.runs.values()
        if (spec.encoder.name, spec.strategy.name, spec.size, spec.replicate, bool(spec.training.features))
        == (encoder, strategy, asked["size"], asked["replicate"], asked["features"])
    )


def execute(spec: RunSpec, folder: Path, device: str = "cpu") -> Outcome:
    return runner.execute(spec, store_in(folder), device, "micro_f1_positive", "other", "0123456789ab")


@pytest.mark.parametrize("encoder", ["bilstm", "mean", "handcrafted"])
def test_a_record_is_whole(encoder: str, grid: ResolvedGrid, tmp_path: Path) -> None:
    spec = spec_of(grid, encoder)
    record = execute(spec, tmp_path).record
    assert record["status"] == "complete", record["error"]
    assert record["error"] is None
    assert record["key"] == spec.key == key_of(record["spec"])
    assert record["cell"] == spec.cell
    assert RunSpec.from_dict(record["spec"]) == spec
    assert set(record["scores"]) == {"dev", "test"}
    assert record["counts"] == {
        "train": 20, "dev": 6, "test": 10, "classes": 3, "updates": 20, "features": record["counts"]["features"],
    }  # fmt: skip
    assert record["counts"]["features"] > 0
    assert record["curve"]["update"] == list(range(2, 21, 2))
    assert record["best_update"] == record["curve"]["update"][int(np.argmax(record["curve"]["dev"]))]
    assert record["scores"]["dev"]["micro_f1_positive"] == max(record["curve"]["dev"])
    environment = record["environment"]
    assert environment["device"] == "cpu"
    assert environment["torch"] == torch.__version__
    assert environment["commit"] == "0123456789ab"
    assert set(environment["sources"]) == {"harness", "encoder", "strategy", "corpus"}
    assert (record["coverage"] is None) == (encoder == "handcrafted")
    seconds = record["seconds"]
    parts = sum(seconds[name] for name in ("start_up", "training", "scoring"))
    assert parts == pytest.approx(seconds["total"])
    assert datetime.fromisoformat(record["finished"]).tzinfo is not None


def test_a_record_comes_back_from_the_store(grid: ResolvedGrid, tmp_path: Path) -> None:
    outcome = execute(spec_of(grid, "mean"), tmp_path)
    store = RecordStore(tmp_path / "records")
    store.write(outcome.record, outcome.gold, outcome.predicted)
    kept = store.read(outcome.record["key"])
    assert kept is not None
    assert kept | {"gold": None} == outcome.record | {"gold": None}
    gold, predicted = store.predictions(outcome.record["key"])
    np.testing.assert_array_equal(gold, outcome.gold)
    np.testing.assert_array_equal(predicted, outcome.predicted)


@pytest.mark.parametrize("encoder", ["bilstm", "mean", "handcrafted"])
def test_its_scores_are_those_of_its_predictions(encoder: str, grid: ResolvedGrid, tmp_path: Path) -> None:
    spec = spec_of(grid, encoder)
    untaught = dataclasses.replace(spec, training=dataclasses.replace(spec.training, learning_rate=1e-9))
    outcome = execute(untaught, tmp_path)
    assert outcome.gold is not None
    assert outcome.predicted is not None
    (entry,) = grid.corpora.values()
    mentions = entry.source.corpus.mentions
    assert [entry.classes[label] for label in outcome.gold] == [m.label for m in mentions if m.part == "test"]
    recomputed = scoring.score(outcome.gold, outcome.predicted, entry.classes, "other")
    assert outcome.record["scores"]["test"] == recomputed
    assert outcome.record["scores"]["dev"] != recomputed


def test_a_dropped_negative_class_is_in_no_split(grid: ResolvedGrid, tmp_path: Path) -> None:
    dropped = resolve("dropped", GRID.replace('"keep"', '"drop"'), tmp_path)
    spec = spec_of(dropped, "mean")
    outcome = execute(spec, tmp_path)
    assert outcome.record["status"] == "complete", outcome.record["error"]
    assert outcome.record["counts"]["classes"] == 2
    assert outcome.record["counts"]["train"] == 13
    assert outcome.gold is not None
    assert set(outcome.gold) == {0, 1}


def test_the_same_spec_gives_the_same_record_but_for_the_time(grid: ResolvedGrid, tmp_path: Path) -> None:
    one, two = (execute(spec_of(grid, "bilstm"), tmp_path) for _ in range(2))
    timed = {"seconds": None, "finished": None}
    assert json.dumps(one.record | timed) == json.dumps(two.record | timed)
    np.testing.assert_array_equal(one.predicted, two.predicted)


# Failures


def test_a_failure_is_a_record_with_its_traceback(
    grid: ResolvedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflow(*_: Any) -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(runner.FineTuning, "run", overflow)
    spec = spec_of(grid, "mean")
    outcome = execute(spec, tmp_path)
    assert (outcome.gold, outcome.predicted) == (None, None)
    assert outcome.record["status"] == "failed"
    assert outcome.record["key"] == spec.key
    error = outcome.record["error"]
    assert (error["type"], error["message"]) == ("ZeroDivisionError", "nothing to divide by")
    assert error["traceback"].startswith("Traceback (most recent call last)")
    assert "in overflow" in error["traceback"]
    assert outcome.record["seconds"]["total"] > 0
    assert "scores" not in outcome.record
    json.dumps(outcome.record, allow_nan=False)


def test_a_failure_without_words_is_told_by_its_type(
    grid: ResolvedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(runner.FineTuning, "run", run_out)
    error = execute(spec_of(grid, "mean"), tmp_path).record["error"]
    assert (error["type"], error["message"]) == ("MemoryError", "MemoryError")


def test_a_mistake_that_can_be_mended_needs_no_traceback(grid: ResolvedGrid, tmp_path: Path) -> None:
    spec = spec_of(grid, "mean")
    error = execute(spec, tmp_path / "elsewhere").record["error"]
    assert error["type"] == "HarnessError"
    assert error["message"] == (
        f"the prepared data of 'small' is gone from {tmp_path / 'elsewhere' / 'artifacts'}; run the grid again"
    )
    assert error["traceback"] is None


def test_auto_is_the_device_that_is_there(grid: ResolvedGrid, tmp_path: Path) -> None:
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert execute(spec_of(grid, "mean"), tmp_path, "auto").record["environment"]["device"] == there


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there_is_a_failure(grid: ResolvedGrid, tmp_path: Path) -> None:
    record = execute(spec_of(grid, "mean"), tmp_path, "cuda").record
    assert record["status"] == "failed"
    assert record["error"] == {
        "type": "HarnessError",
        "message": "--device cuda: expected a CUDA device, found none; use --device cpu or auto",
        "traceback": None,
    }
    assert record["environment"]["device"] == "cuda"


def test_a_run_that_diverges_is_a_failure_that_names_the_updates(grid: ResolvedGrid, tmp_path: Path) -> None:
    spec = spec_of(grid, "bilstm")
    wild = dataclasses.replace(spec, training=dataclasses.replace(spec.training, learning_rate=1e38))
    record = execute(wild, tmp_path).record
    assert record["status"] == "failed"
    assert record["error"]["type"] == "DivergedError"
    assert "between update 0 and 2 of 20" in record["error"]["message"]


# Streams


@dataclasses.dataclass
class Start:
    """What a run starts from."""

    weights: dict[str, torch.Tensor]
    subset: list[int]
    order: list[list[int]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[RunSpec], Start]:
    """Looks at a run as its fine-tuning begins."""
    seen: list[Start] = []

    def look(tuning: Any, train: Any, batches: Iterator[Any], *_: Any) -> None:
        model: Model = tuning.model
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        seen.append(Start(weights, train.mentions.tolist(), [next(batches).tolist() for _ in range(5)]))
        raise InterruptedError("seen enough")

    monkeypatch.setattr(runner.FineTuning, "run", look)

    def started(spec: RunSpec) -> Start:
        assert execute(spec, tmp_path).record["error"]["message"] == "seen enough"
        return seen[-1]

    return started


def test_the_strategy_is_in_no_stream(grid: ResolvedGrid, start: Callable[[RunSpec], Start]) -> None:
    one, two = (start(spec_of(grid, "bilstm", strategy)) for strategy in ("none", "avg-embed"))
    assert one.weights.keys() == two.weights.keys()
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert one.subset == two.subset
    assert one.order == two.order


def test_the_encoder_moves_neither_the_subset_nor_the_features_weights(
    grid: ResolvedGrid, start: Callable[[RunSpec], Start]
) -> None:
    one, two = (start(spec_of(grid, "bilstm", size=6, features=features)) for features in (True, False))
    other = start(spec_of(grid, "mean", size=6))
    assert one.subset == two.subset == other.subset
    assert torch.equal(one.weights["weight"], two.weights["weight"])


def test_a_replicate_moves_subset_weights_and_order(grid: ResolvedGrid, start: Callable[[RunSpec], Start]) -> None:
    one, two = (start(spec_of(grid, "bilstm", replicate=replicate)) for replicate in (0, 1))
    assert one.subset != two.subset
    assert sorted(one.subset) == sorted(two.subset)
    assert one.order != two.order
    assert not torch.equal(one.weights["weight"], two.weights["weight"])
    assert not torch.equal(one.weights["bias"], two.weights["bias"])


@pytest.mark.parametrize("still", ["subset", "initialisation", "order"])
def test_a_stream_that_the_grid_holds_still_does_not_move(
    still: str, grid: ResolvedGrid, start: Callable[[RunSpec], Start]
) -> None:
    # Batches are sorted by length, so that the order of places moves with the subset too.
    held = {still, "subset"} if still == "order" else {still}
    one, two = (
        start(dataclasses.replace(spec, vary=tuple(name for name in spec.vary if name not in held)))
        for spec in (spec_of(grid, "bilstm", replicate=replicate) for replicate in (0, 1))
    )
    assert (one.subset == two.subset) == ("subset" in held)
    assert torch.equal(one.weights["bias"], two.weights["bias"]) == ("initialisation" in held)
    assert (one.order == two.order) == ("order" in held)


def test_subsets_of_one_replicate_are_nested(grid: ResolvedGrid, start: Callable[[RunSpec], Start]) -> None:
    small, full = (start(spec_of(grid, "mean", size=size)) for size in (6, 20))
    assert full.subset[:6] == small.subset


def test_vectors_are_standardised_over_the_whole_training_split(
    grid: ResolvedGrid, start: Callable[[RunSpec], Start]
) -> None:
    small, full = (start(spec_of(grid, "mean", "avg-embed", size=size)).weights for size in (6, 20))
    assert spec_of(grid, "mean", "avg-embed").training.standardise
    assert full["shift"].any()
    assert torch.equal(small["shift"], full["shift"])
    assert torch.equal(small["scale"], full["scale"])
    assert not start(spec_of(grid, "bilstm")).weights["shift"].any()


def test_a_cap_on_dev_labels_is_kept(grid: ResolvedGrid, tmp_path: Path) -> None:
    spec = spec_of(grid, "mean")
    capped = dataclasses.replace(spec, training=dataclasses.replace(spec.training, dev_size=4))
    assert execute(capped, tmp_path).record["counts"]["dev"] == 4


# Environment


def test_sources_change_with_the_code_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    provenance.sources.cache_clear()
    before = dict(provenance.sources("mean", "none", "kbp37"))
    assert before != dict(provenance.sources("bilstm", "none", "kbp37"))
    assert before["harness"] == provenance.sources("bilstm", "none", "kbp37")["harness"]


def test_prepared_data_is_kept_under_the_keys_that_a_run_asks_for(grid: ResolvedGrid, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    spec = spec_of(grid, "bilstm")
    assert spec.vectors is not None
    assert store.folder("mentions", mentions_key(spec.corpus)).is_dir()
    assert store.folder("inputs", inputs_key(spec.corpus, spec.vectors)).is_dir()
