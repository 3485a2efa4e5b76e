"""How long tasks are said to take, and how much disk: against numbers by hand."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import stages
from harness.artifacts import Artifact, ArtifactStore
from harness.records import Record, RecordStore
from harness.scheduler.disk import A_RECORD, PACKED, Disk, Sizes, a_run, missing, size_of
from harness.scheduler.estimates import Basis, Estimate, Estimates, Extent
from harness.scheduler.graph import CORPUS, RUN, TEXT, Task
from harness.specs import CorpusSpec, PluginSpec, RunSpec, TextSpec, Training, VectorsSpec

USUAL = RunSpec(
    corpus=CorpusSpec("toy", "0", "official", 0, None),
    vectors=VectorsSpec("v.txt", "7", "hash"),
    text=TextSpec("mine", "0", "random", 20, 100),
    encoder=PluginSpec("bilstm", {"hidden": 8, "cell": "torch"}),
    strategy=PluginSpec("seq-unshared", {"learning_rate": 0.1}),
    training=Training(features=()),
    size=50,
    replicate=0,
    vary=("sample",),
)
UPDATES = 150
"""Of fine-tuning with 50 labels, by the default settings."""

DEV, TEST = 100, 200
COUNTS = {"train": 400, "dev": DEV, "test": TEST, "mentions": 1000}
EXTENT = Extent({str(USUAL.corpus): COUNTS}, {"mine (whole)": 700}, {"7": 12.0})
SCORED = 10 * DEV + DEV + TEST
"""Mentions that a run scores: dev at ten points, then both."""


def told(
    spec: RunSpec = USUAL, start_up: float = 2.0, update: float = 0.1, mention: float = 0.001, **more: Any
) -> Record:
    """A record of a run whose start-up, updates and scoring took so long."""
    updates = spec.training.updates(spec.size)
    scoring = mention * (DEV + TEST)
    training = update * updates + mention * 10 * DEV
    record: Record = {
        "key": spec.key, "cell": spec.cell, "spec": spec.as_dict(), "status": "complete", "error": None,
        "environment": {"sources": {}, "device": "cpu"}, "finished": "2026-01-01T00:00:00+00:00",
        "counts": {"train": spec.size, "dev": DEV, "test": TEST, "updates": updates}, "pretraining": None, "text": None,
        "seconds": {"start_up": start_up, "training": training, "scoring": scoring,
                    "total": start_up + training + scoring},
    }  # fmt: skip
    return record | more


def pretraining(seconds: float, mentions: int = 300, epochs: int = 3) -> dict[str, Any]:
    """What a record tells of a pre-training on a text of 100 sentences with 250 entities."""
    return {
        "pretraining": {"seconds": seconds, "mentions": mentions, "loss": epochs * [1.0]},
        "text": {"sentences": 100, "entities": 250},
    }


def knowing(*records: Record) -> Estimates:
    estimates = Estimates(EXTENT)
    for record in records:
        estimates.learn(record)
    return estimates


def run(spec: RunSpec) -> Task:
    return Task(RUN, spec.key, (spec,))


def of(spec: RunSpec = USUAL, *, encoder: str = "", strategy: str = "", **changed: Any) -> RunSpec:
    """The run, changed."""
    if encoder:
        changed["encoder"] = PluginSpec(encoder, spec.encoder.parameters)
    if strategy:
        changed["strategy"] = PluginSpec(strategy, spec.strategy.parameters)
    return dataclasses.replace(spec, **changed)


def stage(kind: str, spec: RunSpec = USUAL) -> Task:
    return Task(kind, "", (spec,))


def about(number: float) -> Any:
    """Equal to what differs in the last bits."""
    return pytest.approx(number)


# Runs


def test_a_run_is_its_start_up_its_updates_and_the_mentions_that_it_scores() -> None:
    estimates = knowing(told())
    assert estimates.seconds(run(USUAL)) == pytest.approx(2 + 0.1 * UPDATES + 0.001 * SCORED)
    large = of(size=6400)
    assert estimates.seconds(run(large)) == pytest.approx(2 + 0.1 * 2400 + 0.001 * SCORED)
    fewer = of(training=dataclasses.replace(USUAL.training, dev_size=10, dev_points=4))
    assert estimates.seconds(run(fewer)) == pytest.approx(2 + 0.1 * UPDATES + 0.001 * (10 * 4 + 10 + TEST))


def test_of_several_records_the_median_counts() -> None:
    estimates = knowing(told(update=0.1), told(update=0.4, start_up=1.0), told(update=0.2, start_up=90.0))
    assert estimates.seconds(run(USUAL)) == pytest.approx(2 + 0.2 * UPDATES + 0.001 * SCORED)


def test_only_the_last_99_records_of_a_kind_are_remembered() -> None:
    estimates = knowing(*(50 * [told(update=0.1)]), *(50 * [told(update=0.3)]))
    assert estimates.seconds(run(USUAL)) == pytest.approx(2 + 0.3 * UPDATES + 0.001 * SCORED)


def test_the_nearest_runs_tell_first() -> None:
    features = Training(features=("lexical",))
    other = CorpusSpec("other", "1", "official", 0, None)
    extent = Extent({str(one): COUNTS for one in (USUAL.corpus, other)}, {}, {})
    estimates = Estimates(extent)
    for record in (
        told(update=0.1),
        told(of(size=400), update=0.2),
        told(of(strategy="avg-embed"), update=0.3),
        told(of(corpus=other, size=20, strategy="none"), update=0.4),
        told(of(training=features), update=0.9),
    ):
        estimates.learn(record)

    def found(spec: RunSpec) -> tuple[float, Basis]:
        estimate = estimates.of(run(spec))
        updates = spec.training.updates(spec.size)
        return round((estimate.seconds - 2 - 0.001 * SCORED) / updates, 9), estimate.basis

    assert found(USUAL) == (0.1, Basis.RECORDS)  # the same run of another replicate
    assert found(of(size=100)) == (0.15, Basis.RECORDS)  # the same arm on the same corpus
    assert found(of(strategy="stepwise")) == (0.25, Basis.RECORDS)  # the encoder, features off
    assert found(of(corpus=other, strategy="lm")) == (0.25, Basis.RECORDS)
    assert found(of(training=features, strategy="none")) == (0.9, Basis.RECORDS)  # features on
    wider = PluginSpec("bilstm", {"hidden": 16, "cell": "torch"})
    assert found(of(encoder="bilstm")) == (0.1, Basis.RECORDS)
    assert found(dataclasses.replace(USUAL, encoder=wider)) == (0.3, Basis.GUESSED)  # the encoder with other parameters


def test_where_nothing_is_known_it_is_a_guess() -> None:
    assert Estimates(EXTENT).of(run(USUAL)) == Estimate(0.5 + 0.01 * UPDATES + 5e-5 * SCORED, Basis.GUESSED)


def test_records_of_another_device_failed_ones_and_what_is_no_whole_record_tell_nothing() -> None:
    guess = Estimates(EXTENT).of(run(USUAL))
    for useless in (
        told(status="failed"),
        told(environment={"device": "cuda"}),
        told(counts={"dev": DEV, "test": TEST}),
        told(counts={"dev": 0, "test": 0, "updates": 1}),
        told() | {"spec": {**USUAL.as_dict(), "corpus": {"a field of a later version": 1}}},
        told(seconds=None),
        told(environment=None),
    ):
        assert knowing(useless).of(run(USUAL)) == guess
    of_any_device = Estimates(EXTENT, "")
    of_any_device.learn(told(environment={"device": "cuda"}))
    assert of_any_device.of(run(USUAL)).basis is Basis.RECORDS


def test_what_is_measured_in_small_tells_of_a_larger_corpus() -> None:
    estimates = Estimates(EXTENT)
    assert not estimates.knows(run(USUAL))
    once = of(training=dataclasses.replace(USUAL.training, dev_points=1))  # in small, dev is scored once
    small = told(once, start_up=0.1)
    small["seconds"]["training"] -= 0.001 * 9 * DEV
    estimates.learn_run(USUAL, small, Basis.MEASURED, 20.0)
    assert estimates.of(run(USUAL)) == Estimate(about(20 * 0.1 + 0.1 * UPDATES + 0.001 * SCORED), Basis.MEASURED)
    assert estimates.knows(run(USUAL))
    estimates.learn(told())  # from then on, there is a record
    assert estimates.of(run(USUAL)).basis is Basis.RECORDS


@given(st.floats(0.001, 1e3), st.floats(1e-5, 10), st.floats(1e-7, 0.1), st.floats(1.5, 100))
def test_a_machine_that_is_slower_takes_as_many_times_longer(
    start_up: float, update: float, mention: float, slower: float
) -> None:
    one = knowing(told(start_up=start_up, update=update, mention=mention))
    other = knowing(told(start_up=slower * start_up, update=slower * update, mention=slower * mention))
    assert other.seconds(run(of(size=3000))) == pytest.approx(slower * one.seconds(run(of(size=3000))))


def test_ten_thousand_runs_are_estimated_in_well_under_a_second() -> None:
    estimates = knowing(told(), told(of(encoder="pcnn")))
    arms = (of(encoder=encoder, strategy=strategy) for encoder in ("bilstm", "pcnn") for strategy in ("lm", "none"))
    tasks = [
        Task(RUN, str((arm.encoder.name, size, replicate)), (of(arm, size=size, replicate=replicate),))
        for arm in arms
        for size in range(50, 100)
        for replicate in range(50)
    ]
    started = time.process_time()
    found = [estimates.seconds(task) for task in tasks]
    assert time.process_time() - started < 0.5
    assert len(found) == 10_000


# What runs stand on


def test_a_pre_training_takes_the_median_of_its_own_each_counted_once() -> None:
    estimates = knowing(
        told(**pretraining(600.0)),
        told(of(size=400), **pretraining(600.0)),  # stands on the same pre-training
        told(of(replicate=1), **pretraining(1200.0)),
    )
    assert estimates.of(stage(stages.PRETRAINED)) == Estimate(900.0, Basis.RECORDS)


def test_a_run_that_made_what_it_stands_on_had_that_in_its_start_up() -> None:
    estimates = knowing(told(start_up=802.0, **pretraining(800.0)))
    assert estimates.seconds(run(USUAL)) == pytest.approx(2 + 0.1 * UPDATES + 0.001 * SCORED)
    assert estimates.seconds(stage(stages.PRETRAINED)) == 800.0


def test_a_pre_training_on_another_text_is_mentions_times_epochs() -> None:
    estimates = knowing(told(**pretraining(90.0, mentions=300, epochs=3)))  # 0.1 s a mention
    assert USUAL.text is not None
    larger = of(text=dataclasses.replace(USUAL.text, sentences=1000))  # 3 mentions a sentence
    assert estimates.of(stage(stages.PRETRAINED, larger)) == Estimate(about(0.1 * 3000 * 3), Basis.RECORDS)
    whole = of(
        text=dataclasses.replace(USUAL.text, selection="whole", sentences=None)
    )  # 700 sentences, 4 mentions each
    assert estimates.seconds(stage(stages.PRETRAINED, whole)) == pytest.approx(0.1 * 4 * 700 * 3)
    other = of(larger, strategy="seq-unshared", vectors=None)
    slower = dataclasses.replace(other, strategy=PluginSpec("seq-unshared", {"learning_rate": 0.2, "epochs": 7}))
    assert estimates.seconds(stage(stages.PRETRAINED, slower)) == pytest.approx(0.1 * 3000 * 7)  # at most 7 epochs
    wide = dataclasses.replace(larger, encoder=PluginSpec("bilstm", {"hidden": 16}))
    assert estimates.of(stage(stages.PRETRAINED, wide)).basis is Basis.GUESSED


def test_a_pre_training_of_which_nothing_tells_is_guessed_by_the_updates_of_its_encoder() -> None:
    estimates = knowing(told(of(strategy="none"), update=0.32))
    task = stage(stages.PRETRAINED, of(strategy="lm"))
    mentions, epochs, factor = 4 * 100, 10, 1.6
    assert estimates.of(task) == Estimate(about(factor * 0.32 / 32 * mentions * epochs), Basis.GUESSED)
    assert not estimates.knows(task)


def test_what_is_measured_in_small_tells_how_long_a_mention_takes_in_pre_training() -> None:
    estimates = Estimates(EXTENT)
    record = told(**pretraining(6.0, mentions=200, epochs=1))  # 0.03 s a mention, 2 mentions a sentence
    assert USUAL.text is not None
    larger = of(text=dataclasses.replace(USUAL.text, sentences=500))
    estimates.learn_pretraining(larger, record, Basis.MEASURED)
    found = estimates.of(stage(stages.PRETRAINED, larger))
    assert found == Estimate(about(0.03 * 1000 * 10), Basis.MEASURED)  # at most 10 epochs


def test_entity_vectors_take_as_long_an_entity_as_those_that_were_made() -> None:
    estimates = knowing(told(**pretraining(600.0)))  # 2.5 entities a sentence
    assert estimates.of(stage(stages.VECTORS)) == Estimate(about(0.001 * 250), Basis.GUESSED)
    estimates.learn_vectors({"maker": "SkipGram", "seconds": 8.0, "entities": 200 * ["x"]}, Basis.RECORDS)
    assert estimates.of(stage(stages.VECTORS)) == Estimate(about(8.0 / 200 * 250), Basis.RECORDS)
    averages = of(strategy="avg-embed")
    assert estimates.of(stage(stages.VECTORS, averages)).basis is Basis.GUESSED


def test_prepared_data_takes_its_mentions_and_sentences_and_the_reading_of_the_vectors() -> None:
    estimates = Estimates(EXTENT)
    assert estimates.of(stage(CORPUS)) == Estimate(about(12 + 2e-4 * 1000), Basis.GUESSED)
    without = of(vectors=None)
    estimates.learn_preparing(stage(CORPUS), 3.0, 100)
    assert estimates.of(stage(CORPUS, without)) == Estimate(about(0.03 * 1000), Basis.MEASURED)
    assert estimates.of(stage(TEXT)) == Estimate(about(5e-4 * 100), Basis.GUESSED)
    estimates.learn_preparing(Task(TEXT, "", (USUAL, USUAL)), 3.0, 10)  # for two encoders
    assert estimates.of(stage(TEXT)) == Estimate(about(0.15 * 100), Basis.MEASURED)


def test_of_a_selection_by_the_target_the_sentences_are_those_of_its_training_part() -> None:
    assert USUAL.text is not None
    own = of(text=dataclasses.replace(USUAL.text, selection="target-train", sentences=None))
    assert EXTENT.sentences_of(own) == 400
    assert EXTENT.sentences_of(USUAL) == 100


# Disk


def write(store: ArtifactStore, kind: str, tensors: dict[str, int], meta: dict[str, Any]) -> int:
    """An artifact with tensors of so many rows; its bytes."""
    key = f"{kind} {tensors} {meta}".encode().hex()[-32:]
    store.ensure(kind, key, lambda: Artifact({name: torch.zeros(rows, 3) for name, rows in tensors.items()}, meta))
    return sum(file.stat().st_size for file in store.folder(kind, key).iterdir())


def test_artifacts_become_as_large_as_those_that_are_there(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    written = {
        "mentions": write(store, "mentions", {"label": 50}, {}) / 50 * 1000,
        "inputs": write(store, "inputs", {"tokens.start": 51}, {}) / 51 * 1000,
        "sentences": write(store, "sentences", {}, {"told": {"sentences": 20}}) / 20 * 100,
        "readings": write(store, "readings", {"pairs": 30}, {}) / 30 * 400,
        "links": write(store, "links", {}, {"links": {}}),
        "entity-vectors": write(
            store, "entity-vectors", {"vectors": 40}, {"maker": "SkipGram", "seconds": 1.0, "entities": 40 * ["x"]}
        ) / 40 * 200,
    }  # fmt: skip
    small = write(store, "pretrained", {"encoder.x": 10}, {"spec": USUAL.as_dict()})
    large = write(store, "pretrained", {"encoder.x": 999}, {"spec": of(encoder="pcnn").as_dict()})
    (store.root / "links" / "damaged").mkdir()
    estimates = Estimates(EXTENT)
    sizes = Sizes(estimates)
    assert [sizes.of(kind, USUAL) for kind in written] == len(written) * [None]
    sizes.learn(store, Basis.RECORDS)
    assert {kind: sizes.of(kind, USUAL) for kind in written} == pytest.approx(written)
    assert sizes.of("pretrained", USUAL) == small
    assert sizes.of("pretrained", of(encoder="pcnn", strategy="lm")) == large  # by the encoder
    assert sizes.of("pretrained", of(encoder="deptree-lstm")) == (small + large) / 2  # by all
    assert estimates.of(stage(stages.VECTORS)).basis is Basis.RECORDS  # they tell how long they took, too


def test_what_is_missing_is_counted_once_and_what_is_unknown_is_told(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    tasks = [stage(CORPUS), Task(RUN, USUAL.key, (USUAL,)), Task(stages.PRETRAINED, "p", (USUAL,))]
    found = dict(missing(tasks, store))
    assert sorted(kind for kind, _ in found) == ["inputs", "links", "mentions", "pretrained", "readings", "sentences"]
    one = next(one for one in found if one[0] == "mentions")
    store.folder(*one).mkdir(parents=True)
    assert one not in dict(missing(tasks, store))
    disk = Disk({("links", "a"): 5.0, ("links", "b"): None, ("inputs", "c"): None}, 7.0)
    assert (disk.foretold, disk.unknown) == (12.0, ["inputs", "links"])


def test_a_run_takes_the_median_of_the_records_here_and_its_part_of_the_results(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records")
    assert a_run(store) == (1 + PACKED) * A_RECORD
    classes = torch.zeros(TEST, dtype=torch.int64).numpy()
    for replicate in range(3):
        store.write(told(of(replicate=replicate)), classes, classes)
    one = of(replicate=1).key
    size = store.path(one).stat().st_size + store.predictions_path(one).stat().st_size
    assert a_run(store) == pytest.approx((1 + PACKED) * size, rel=0.01)


def test_what_is_used_is_the_sum_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"123")
    (tmp_path / "a" / "d").write_bytes(b"45")
    assert size_of(tmp_path / "a") == 5
    assert size_of(tmp_path / "a" / "d") == 2
    assert size_of(tmp_path / "nothing") == 0
    assert Disk(places=(tmp_path / "a" / "b",)).used(tmp_path / "a" / "d", tmp_path / "nothing") == 5
